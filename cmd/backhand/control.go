package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"backhand/agent"
	"backhand/agent/config"
)

// controlFlags say which agent of this host is meant.
func controlFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		configFlag(),
		&cli.StringFlag{Name: "state-dir", Usage: "the `DIR` that the agent keeps its control socket in, instead of the file's"},
	}, more...)
}

// client returns the client of the agent that is meant.
func client(c *cli.Context) (*agent.Client, error) {
	dir := c.String("state-dir")
	if dir == "" {
		var err error
		if dir, err = config.StateDir(c.String("config")); err != nil {
			return nil, err
		}
	}
	return agent.NewClient(dir), nil
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name: "status", Usage: "show the cluster as the running agent sees it",
		Flags: controlFlags(
			&cli.BoolFlag{Name: "json", Usage: "the same as JSON"},
			&cli.BoolFlag{Name: "watch", Aliases: []string{"w"}, Usage: "show it anew every second, until Ctrl-C"},
		),
		Action: noArgs(func(c *cli.Context) error {
			agent, err := client(c)
			if err != nil {
				return err
			}
			if !c.Bool("watch") {
				return showStatus(c.Context, agent, c.App.Writer, c.Bool("json"))
			}
			ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return watchStatus(ctx, agent, c.App.Writer, c.Bool("json"))
		}),
	}
}

func showStatus(ctx context.Context, agent *agent.Client, w io.Writer, asJSON bool) error {
	view, err := agent.View(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, view)
	}
	return view.WriteTable(w, terminalWidth(w))
}

// watchStatus shows it every second until the context ends: as a page that is drawn over, or as one JSON value after the
// other.
func watchStatus(ctx context.Context, agent *agent.Client, w io.Writer, asJSON bool) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if !asJSON {
			fmt.Fprint(w, "\x1b[H\x1b[2J") // home, clear
		}
		if err := showStatus(ctx, agent, w, asJSON); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// order is a command that makes the running agent do something.
func order(name, usage, description, done string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, Description: description, Flags: controlFlags(),
		Action: noArgs(func(c *cli.Context) error {
			agent, err := client(c)
			if err != nil {
				return err
			}
			if err := agent.Do(c.Context, name); err != nil {
				return err
			}
			fmt.Fprintln(c.App.Writer, done)
			return nil
		}),
	}
}

func drainCommand() *cli.Command {
	return order("drain", "make the others send no new requests here",
		"The node stays in the cluster and goes on as a front; requests that arrive are served. 'backhand undrain' ends it.",
		"draining: the others choose this node no more")
}

func undrainCommand() *cli.Command {
	return order("undrain", "make a draining node a member again", "", "up: the others choose this node again")
}

func reloadCommand() *cli.Command {
	return order("reload", "make the agent read its file again",
		"All of the file is taken over or, if it has a mistake, nothing. The mistakes are printed here.", "reloaded")
}

// terminalWidth returns how many columns w shows, or 0 for any number if it is no terminal.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}
