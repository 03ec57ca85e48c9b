package demo

import (
	"errors"
	"fmt"
	"syscall"
)

// intro tells a person what there is to see.
func (c *cluster) intro() {
	fmt.Fprintf(c.opt.Out, `A cluster of %d nodes on loopback. Each has an agent and a toy origin; %s is the front.

  the map        %s
  the seed chain %s        (removeSelf, byAge 6, byRandom, byLogWindow, byLoad)
  another chain  %s   (byAge 6b, byRandom, byBusyChildren)

Try:
  curl %s
  curl %s
  curl %s
  backhand status  --config %s
  backhand explain --config %s %s
  backhand drain   --config %s

`, len(cast), cast[0].name, c.url("/backhand/"), c.url("/"), c.url("/busy/"),
		c.url("/"), c.url("/busy/"), c.url("/backhand/view.json"),
		c.file(cast[0].name), c.file(cast[0].name), c.url("/"), c.file(cast[1].name))
}

// say prints a line.
func (c *cluster) say(format string, args ...any) {
	fmt.Fprintf(c.opt.Out, format+"\n", args...)
}

func isInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
