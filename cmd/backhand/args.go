package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves the flags of a command before its arguments, since the library stops looking for them at the first
// argument: 'explain URL --client X' would silently ignore X. What looks like a flag and is none is a mistake, and so is an
// unknown command.
func flagsFirst(app *cli.App, args []string) ([]string, error) {
	if len(args) < 2 || strings.HasPrefix(args[1], "-") || completing(args) {
		return args, nil
	}
	if args[1] == "help" || args[1] == "h" {
		return args, nil
	}
	cmd := app.Command(args[1])
	if cmd == nil {
		return nil, usagef("there is no command %q; 'backhand help' lists them", args[1])
	}
	var flags, rest []string
	for i := 2; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			rest = append(rest, arg)
			continue
		}
		flags = append(flags, arg)
		if takesValue(cmd, arg) && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	out := append(args[:2:2], flags...)
	if len(rest) > 0 {
		out = append(append(out, "--"), rest...)
	}
	return out, nil
}

// takesValue reports whether the word behind the flag belongs to it. An unknown flag takes none; the library will name
// it.
func takesValue(cmd *cli.Command, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range cmd.Flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false
}

// completing reports whether a shell asks what could come next.
func completing(args []string) bool { return args[len(args)-1] == "--generate-bash-completion" }

// noArgs is for commands without arguments.
func noArgs(action cli.ActionFunc) cli.ActionFunc { return withArgs(0, 0, action) }

// withArgs checks the number of arguments.
func withArgs(low, high int, action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		switch n := c.Args().Len(); {
		case n < low:
			return usagef("%s: want %s; see 'backhand %s --help'", c.Command.Name, c.Command.ArgsUsage, c.Command.Name)
		case n > high:
			return usagef("%s: %q is one argument too many; see 'backhand %s --help'", c.Command.Name, c.Args().Get(high), c.Command.Name)
		}
		return action(c)
	}
}

// configFlag names the file.
func configFlag() cli.Flag {
	f := longConfigFlag()
	f.Aliases = []string{"c"}
	return f
}

// longConfigFlag is for commands whose -c is another flag.
func longConfigFlag() *cli.StringFlag {
	return &cli.StringFlag{
		Name: "config", Value: "/etc/backhand/backhand.toml", Usage: "the configuration `FILE`",
		EnvVars: []string{"BACKHAND_CONFIG"},
	}
}
