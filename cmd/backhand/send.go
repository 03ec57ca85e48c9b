package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"backhand/gossip/sampler"
)

// How often figures are sent, and for how long the use of the CPUs is measured before the first.
const (
	leastEvery = time.Second
	mostEvery  = time.Hour
	cpuPeriod  = 500 * time.Millisecond
)

func sendCommand() *cli.Command {
	return &cli.Command{
		Name: "send", Usage: "push figures of a host that has no agent to an engine", ArgsUsage: "[NAME=VALUE...]",
		Description: "Measures load1, cpu (use of the CPUs, 0 to 1) and mem_used (part of the memory, 0 to 1) of this host, and\n" +
			"pushes them as statistics of the physical that has its name, once, or with --every until a signal ends it:\n" +
			"for a service of the init system. NAME=VALUE are figures of your own; so is each line of what --command\n" +
			"prints: 'queue=3', or 'queue 3'. It is run by the shell, and if it fails, or is not done within --timeout,\n" +
			"nothing is pushed: the engine then notices (expect_update). Values are numbers from 0. Chains use them as\n" +
			"byStat stat.queue. Where a figure is given twice, yours goes before ours, and one on the command line before\n" +
			"all others.",
		Flags: engineFlags(
			&cli.StringFlag{Name: "name", Usage: "the `NAME` that the engine's file has for this host", DefaultText: "the host name"},
			&cli.DurationFlag{
				Name: "every", Usage: "go on, and push again after each `TIME` from 1s to 1h; problems are said once", DefaultText: "push once",
			},
			&cli.StringFlag{Name: "command", Usage: "a `COMMAND` that prints figures of your own"},
			&cli.BoolFlag{Name: "only", Usage: "push your own figures alone, or none: measure nothing"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "print what was pushed"},
		),
		Action: withArgs(0, maxFigures, send),
	}
}

// sender measures and pushes.
type sender struct {
	name    string
	given   map[string]float64 // on the command line
	host    sampler.Sampler    // nil: nothing is measured
	command string             // "": none
	timeout time.Duration      // of the command
	tell    io.Writer          // what was pushed; nil: nobody
	warn    io.Writer          // what went wrong
	push    func(ctx context.Context, name string, stats map[string]float64) error
}

func send(c *cli.Context) error {
	every := c.Duration("every")
	if c.IsSet("every") && (every < leastEvery || every > mostEvery) {
		return usagef("send: --every is %v, want a time from 1s to 1h", every)
	}
	s, err := newSender(c)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err = s.begin(ctx); err == nil {
		if every == 0 {
			return s.once(ctx)
		}
		s.run(ctx, every)
	}
	if every > 0 && ctx.Err() != nil {
		return nil // which is how it ends
	}
	return err
}

// newSender reads the command line.
func newSender(c *cli.Context) (*sender, error) {
	s := &sender{
		name: c.String("name"), command: c.String("command"), timeout: c.Duration("timeout"), warn: c.App.ErrWriter,
		given: map[string]float64{},
	}
	if c.Bool("verbose") {
		s.tell = c.App.Writer
	}
	for _, arg := range c.Args().Slice() {
		name, value, err := parseFigure(arg)
		if err != nil {
			return nil, usagef("send: %q: %v", arg, err)
		}
		s.given[name] = value
	}
	e, err := engineOf(c)
	if err != nil {
		return nil, err
	}
	s.push = e.push
	if s.name == "" {
		if s.name, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("the name of this host: %w (--name gives one)", err)
		}
	}
	if !c.Bool("only") {
		if s.host, err = sampler.NewHost(sampler.ProcRoot, sampler.CgroupRoot); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// push sends statistics of a physical.
func (e *engine) push(ctx context.Context, name string, stats map[string]float64) error {
	_, err := e.post(ctx, "update/phys", struct {
		Name  string             `json:"h"`
		Stats map[string]float64 `json:"stats"`
	}{name, stats})
	return err
}

// begin takes the first look at the host, so that there is a time of which the use of the CPUs can be told.
func (s *sender) begin(ctx context.Context) error {
	if s.host == nil {
		return nil
	}
	if _, err := s.host.Sample(time.Now()); err != nil {
		return err
	}
	return pause(ctx, cpuPeriod)
}

// pause waits; with an error if the context ended before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// run pushes again and again until the context ends. What goes wrong is said when it begins, and when it ends.
func (s *sender) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	trouble := ""
	for {
		err := s.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != trouble:
			trouble = err.Error()
			fmt.Fprintf(s.warn, "backhand: %s; goes on trying\n", trouble)
		case err == nil && trouble != "":
			trouble = ""
			fmt.Fprintln(s.warn, "backhand: figures are pushed again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// once measures and pushes.
func (s *sender) once(ctx context.Context) error {
	stats := map[string]float64{}
	if s.host != nil {
		measured, err := s.host.Sample(time.Now())
		if err != nil {
			return err
		}
		maps.Copy(stats, hostFigures(&measured))
	}
	if s.command != "" {
		own, err := commandFigures(ctx, s.command, s.timeout, s.warn)
		if err != nil {
			return err
		}
		maps.Copy(stats, own)
	}
	maps.Copy(stats, s.given)
	if err := s.push(ctx, s.name, stats); err != nil {
		return err
	}
	if s.tell != nil {
		fmt.Fprintln(s.tell, figuresLine(s.name, stats))
	}
	return nil
}

// figuresLine writes figures for people.
func figuresLine(name string, stats map[string]float64) string {
	words := []string{printable(name) + ":"}
	for _, n := range slices.Sorted(maps.Keys(stats)) {
		words = append(words, fmt.Sprintf("%s=%v", n, stats[n]))
	}
	return strings.Join(words, " ")
}
