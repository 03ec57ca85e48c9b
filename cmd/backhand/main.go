// Command backhand is the agent, and the commands that talk to it. 'backhand help' lists them.
//
// It exits with 0 if all went well, with 1 if something did not, with 2 for a mistake in the command line or in the
// configuration file, and with 128 and the signal's number if a second signal ended it at once. 'backhand monitor' has the codes
// of a plugin of Nagios.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"backhand/agent"
	"backhand/agent/config"
	"backhand/candidacy/sim"
)

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

func main() { os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr)) }

// run runs one command and returns the exit code. All that a person is to read of an error is printed here.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	args, err := flagsFirst(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if err == nil {
		return exitOK
	}
	if isMonitor(args) {
		return monitorFailed(stdout, err)
	}
	fmt.Fprintln(stderr, errorText(err))
	if errors.As(err, new(*usageError)) || isMistakes(err) {
		return exitUsage
	}
	return exitError
}

// errorText is what a person reads: the mistakes of a file stand for themselves, a line each; anything else is ours.
func errorText(err error) string {
	if isMistakes(err) {
		return err.Error()
	}
	return "backhand: " + err.Error()
}

// isMistakes reports whether the error is the mistakes of a file, read here or by the agent.
func isMistakes(err error) bool {
	return errors.As(err, new(*config.Errors)) || errors.As(err, new(*agent.MistakesError)) || errors.As(err, new(*sim.Mistakes))
}

// usageError is a mistake in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:  "backhand",
		Usage: "a load-aware HTTP balancer: one identical agent on every host of a web cluster",
		Description: "Start with 'backhand demo': a whole cluster on this machine. Then write a file (see 'backhand check'\n" +
			"and contrib/examples) and 'backhand run' on every host.\n\n" +
			"Exit codes: 0 all went well, 1 something did not, 2 a mistake in the command line or in the file.",
		Version:              version(),
		HideVersion:          true, // there is the command
		EnableBashCompletion: true,
		Writer:               stdout,
		ErrWriter:            stderr,
		Commands: []*cli.Command{
			runCommand(), announceCommand(), checkCommand(), statusCommand(), explainCommand(), functionsCommand(),
			balanceCommand(), setCommand(), sendCommand(), monitorCommand(), mirrorCommand(),
			drainCommand(), undrainCommand(), reloadCommand(), keygenCommand(), doctorCommand(), demoCommand(), simulateCommand(),
			cookieCommand(), completionCommand(), versionCommand(),
		},
		OnUsageError:   badUsage,
		ExitErrHandler: func(*cli.Context, error) {}, // run prints errors and chooses the code
	}
	for _, cmd := range app.Commands {
		cmd.OnUsageError, cmd.HideHelpCommand = badUsage, true
	}
	return app
}

// badUsage makes a mistake in the flags one of the command line. The library would print half a page of help above it.
func badUsage(c *cli.Context, err error, _ bool) error {
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
		return usagef("%s: %v; see 'backhand %s --help'", c.Command.Name, err, c.Command.Name)
	}
	return usagef("%v; see 'backhand help'", err)
}

// version is that of the build: a tag if it was made from one.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version and that of Go",
		Action: noArgs(func(c *cli.Context) error {
			info, _ := debug.ReadBuildInfo()
			goVersion := ""
			if info != nil {
				goVersion = " " + info.GoVersion
			}
			fmt.Fprintf(c.App.Writer, "backhand %s%s\n", version(), goVersion)
			return nil
		}),
	}
}
