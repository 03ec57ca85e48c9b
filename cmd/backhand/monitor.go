package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// Exit codes of plugins of Nagios.
const (
	nagiosOK       = 0
	nagiosWarning  = 1
	nagiosCritical = 2
	nagiosUnknown  = 3
)

// maxSick bounds the thresholds.
const maxSick = 1_000_000

const monitorName = "monitor"

// monitorCommand is what mod_athena's ath_monitor.sh was for: it alarmed on down and on out. Codes and output are Nagios'.
func monitorCommand() *cli.Command {
	return &cli.Command{
		Name: monitorName, Usage: "check farms for a monitoring system, as a plugin of Nagios", ArgsUsage: "[FARM...]",
		Description: "Asks an engine for these farms, or for all, and prints a line of text with performance data, then one for\n" +
			"each that is sick. A member is sick that is down, or out (no statistics come), or cannot be chosen for\n" +
			"another reason; what operators have set off, or drain, is not. Nor is anything of a farm that is off. A farm\n" +
			"that is down is critical, and so is one of which nobody can be chosen, unless operators have set all of its\n" +
			"members off, or drain them. A node that has been dead for an hour leaves the farm, and alarms no more; a\n" +
			"physical stays.\n\n" +
			"Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (no engine answers, or a mistake in the command line).",
		Flags: engineFlagsWith(longConfigFlag(), // -c is --critical, as in all plugins
			&cli.IntFlag{Name: "warning", Aliases: []string{"w"}, Usage: "how `MANY` members of a farm may be sick before it is a warning"},
			&cli.IntFlag{
				Name: "critical", Aliases: []string{"c"}, Usage: "how `MANY` members of a farm may be sick before it is critical",
				DefaultText: "as --warning",
			},
		),
		Action: withArgs(0, maxWanted, monitor),
	}
}

// exitCode is the end of a command that has said all there is to say.
type exitCode int

// Error returns it; nobody shows it.
func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// thresholds are how many members of a farm may be sick.
type thresholds struct{ warning, critical int }

func monitor(c *cli.Context) error {
	limit := thresholds{c.Int("warning"), c.Int("critical")}
	for _, flag := range []string{"warning", "critical"} {
		if n := c.Int(flag); n < 0 || n > maxSick {
			return usagef("monitor: --%s is %d, want a number from 0 to %d", flag, n, maxSick)
		}
	}
	if !c.IsSet("critical") {
		limit.critical = limit.warning
	}
	if limit.warning > limit.critical {
		return usagef("monitor: --warning is %d and --critical %d: want the first to be reached first", limit.warning, limit.critical)
	}
	e, err := engineOf(c)
	if err != nil {
		return err
	}
	seen, err := e.state(c.Context)
	if err != nil {
		return err
	}
	r, err := judge(seen, c.Args().Slice(), limit)
	if err != nil {
		return err
	}
	r.write(c.App.Writer)
	if r.worst == nagiosOK {
		return nil
	}
	return exitCode(r.worst)
}

// isMonitor reports whether a command line is one of monitor, all of whose failures are UNKNOWN.
func isMonitor(args []string) bool { return len(args) > 1 && args[1] == monitorName }

// monitorFailed says on w why nothing is known: Nagios reads only that.
func monitorFailed(w io.Writer, err error) int {
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	text, _, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	fmt.Fprintf(w, "BACKHAND UNKNOWN - %s\n", plain(text))
	return nagiosUnknown
}

// plain is a text in which nothing begins performance data.
func plain(s string) string { return strings.ReplaceAll(shown(s), "|", "/") }

// engineState is what an engine tells of farms and their members.
type engineState struct {
	Farms   []farmState `json:"farms"`
	Members []physState `json:"physicals"`
}

type farmState struct {
	Name   string `json:"name"`
	State  string `json:"state"`  // on or off
	Health string `json:"health"` // up or down
	Why    string `json:"why"`
}

type physState struct {
	Name    string `json:"name"`
	Farm    string `json:"farm"`
	State   string `json:"state"`   // on, off or drain
	Health  string `json:"health"`  // up or down
	Updates string `json:"updates"` // in or out
	Fit     bool   `json:"fit"`
	Why     string `json:"why"`
}

// state asks for all farms and members at once, so that they are of one moment.
func (e *engine) state(ctx context.Context) (s engineState, err error) {
	r, err := e.get(ctx, "status/debug")
	if err == nil {
		err = e.decode(r, &s)
	}
	if err == nil && s.Farms == nil {
		err = fmt.Errorf("the engine at %s tells of no farms; is it of another version?", e.url)
	}
	return s, err
}
