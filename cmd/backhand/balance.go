package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"
)

// maxWanted is how many members of a farm may be asked for at once.
const maxWanted = 64

func balanceCommand() *cli.Command {
	return &cli.Command{
		Name: "balance", Usage: "ask an engine which member of a farm to use", ArgsUsage: "FARM...",
		Description: "Prints a line for each farm, in the order asked: the member, or with -n several, the best first, with blanks\n" +
			"between them. It counts as an assignment: who is told to use a member is expected to. 'backhand balance FARM\n" +
			"--done MEMBER' says that the work has ended; who cannot say so need not. The engine is the [athena] of an\n" +
			"agent, of this host or another. A node's name is what it says of itself: a script that gives it to another\n" +
			"command, such as ssh, has to see that it is no option, as job.sh of contrib/examples/athena does.\n\n" +
			"Exit codes: 0 each line has members, 1 nobody is eligible in some farm (its line is empty, and standard error\n" +
			"says why), or the engine does not answer, 2 a mistake in the command line.",
		Flags: engineFlags(
			&cli.IntFlag{Name: "members", Aliases: []string{"n"}, Value: 1, Usage: "how `MANY` members are wanted, from 1 to 64"},
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "name", Usage: "print each as `name`, url or json"},
			&cli.StringFlag{Name: "client", Usage: "the `ADDRESS` of the client on whose behalf, for chains that look at it"},
			&cli.BoolFlag{Name: "explain", Usage: "say how the choice is made, in lines that begin with #; it is not counted then"},
			&cli.StringSliceFlag{Name: "done", Usage: "the work on `MEMBER` has ended: asks for nobody; may be repeated"},
		),
		Action: withArgs(1, maxWanted, balance),
	}
}

// wanted is what is asked of an engine, as its interface names it.
type wanted struct {
	Farms   []string `json:"farm"`
	Members int      `json:"n,omitempty"`
	Client  string   `json:"client,omitempty"`
	Explain bool     `json:"explain"`
	Done    []string `json:"done,omitempty"`
}

// given is what an engine answers for a farm.
type given struct {
	Farm    string   `json:"farm"`
	Members []chosen `json:"members"`
	Forward string   `json:"forward,omitempty"`
	Why     string   `json:"why,omitempty"`
	Explain []string `json:"explain,omitempty"`
}

type chosen struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func balance(c *cli.Context) error {
	want, err := wantedOf(c)
	if err != nil {
		return err
	}
	e, err := engineOf(c)
	if err != nil {
		return err
	}
	if len(want.Done) > 0 {
		_, err := e.post(c.Context, "balance", want)
		return err
	}
	all, err := e.balance(c.Context, want)
	if err != nil {
		return err
	}
	if c.String("format") == "json" {
		err = printJSON(c.App.Writer, all)
	} else {
		printGiven(c.App.Writer, all, c.String("format") == "url")
	}
	return errors.Join(err, nobody(all))
}

// wantedOf reads the command line.
func wantedOf(c *cli.Context) (wanted, error) {
	w := wanted{
		Farms: c.Args().Slice(), Members: c.Int("members"), Client: c.String("client"), Explain: c.Bool("explain"),
		Done: c.StringSlice("done"),
	}
	if w.Members < 1 || w.Members > maxWanted {
		return w, usagef("balance: -n is %d, want a number from 1 to %d", w.Members, maxWanted)
	}
	if f := c.String("format"); f != "name" && f != "url" && f != "json" {
		return w, usagef("balance: --format is %q, want name, url or json", f)
	}
	if w.Client != "" {
		if _, err := netip.ParseAddr(w.Client); err != nil {
			return w, usagef("balance: --client is %q, want an IP address", w.Client)
		}
	}
	if len(w.Done) == 0 {
		return w, nil
	}
	if len(w.Farms) > 1 {
		return w, usagef("balance: want one farm beside --done: the one that was asked for the member")
	}
	for _, flag := range []string{"members", "format", "client", "explain"} {
		if c.IsSet(flag) {
			return w, usagef("balance: --%s means nothing beside --done, which asks for nobody", flag)
		}
	}
	w.Members = 0
	return w, nil
}

// balance asks for members. Nothing of the answer does anything to a terminal.
func (e *engine) balance(ctx context.Context, w wanted) (all []given, err error) {
	r, err := e.post(ctx, "balance", w)
	if err == nil {
		err = e.decode(r, &all)
	}
	if err == nil && len(all) != len(w.Farms) {
		err = fmt.Errorf("the engine at %s answers for %d farms, not for %d", e.url, len(all), len(w.Farms))
	}
	if err != nil {
		return nil, err
	}
	for i := range all {
		g := &all[i]
		g.Farm, g.Forward, g.Why = printable(g.Farm), printable(g.Forward), printable(g.Why)
		for j, m := range g.Members {
			g.Members[j] = chosen{printable(m.Name), printable(m.URL)}
		}
		for j, line := range g.Explain {
			g.Explain[j] = printable(line)
		}
	}
	return all, nil
}

// printGiven writes a line for each farm, and how it came about.
func printGiven(w io.Writer, all []given, urls bool) {
	for _, g := range all {
		words := make([]string, 0, len(g.Members))
		for _, m := range g.Members {
			if urls {
				words = append(words, m.URL)
			} else {
				words = append(words, m.Name)
			}
		}
		fmt.Fprintln(w, strings.Join(words, " "))
		for _, line := range g.Explain {
			fmt.Fprintln(w, "#", line)
		}
	}
}

// nobody returns an error that names the farms of which nobody is eligible, and nil if there are none.
func nobody(all []given) error {
	var lines []string
	for _, g := range all {
		if len(g.Members) > 0 {
			continue
		}
		line := fmt.Sprintf("nobody of farm %s is eligible", g.Farm)
		if g.Why != "" {
			line += ": " + g.Why
		}
		if g.Forward != "" {
			line += "; go to " + g.Forward + " instead"
		}
		lines = append(lines, line)
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "\nbackhand: "))
}
