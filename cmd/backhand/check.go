package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"backhand/agent/config"
	"backhand/candidacy"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "check a configuration file", ArgsUsage: "[FILE]",
		Description: "Prints every mistake of the file, each with its line and what to do about it, and exits with 2 if there is one.\n" +
			"Warnings name what works and is most likely not meant.",
		Flags: []cli.Flag{configFlag(), &cli.BoolFlag{Name: "announce", Usage: "check it for 'backhand announce'"}},
		Action: withArgs(0, 1, func(c *cli.Context) error {
			file := c.String("config")
			if c.Args().Present() {
				file = c.Args().First()
			}
			purpose := config.ForRun()
			if c.Bool("announce") {
				purpose = config.ForAnnounce()
			}
			cfg, err := config.Load(file, candidacy.Builtin(), purpose, config.WithAdvice())
			if err != nil {
				return err
			}
			for _, w := range cfg.Warnings {
				fmt.Fprintf(c.App.Writer, "warning: %s\n", w)
			}
			fmt.Fprintf(c.App.Writer, "%s is good: %s\n", file, cfg.Summary())
			return nil
		}),
	}
}

func functionsCommand() *cli.Command {
	return &cli.Command{
		Name: "functions", Usage: "list the candidacy functions that a chain may use", ArgsUsage: "[NAME]",
		Action: withArgs(0, 1, func(c *cli.Context) error {
			specs := candidacy.Builtin().Specs()
			if !c.Args().Present() {
				for _, s := range specs {
					fmt.Fprintf(c.App.Writer, "%-28s %s\n", s.Usage, firstSentence(s.Doc))
				}
				return nil
			}
			for _, s := range specs {
				if s.Name == c.Args().First() {
					fmt.Fprintf(c.App.Writer, "%s\n\n%s\n\nExample: %q\nSource:  %s\n", s.Usage, s.Doc, s.Example, s.Source)
					return nil
				}
			}
			return usagef("no function is named %q; 'backhand functions' lists them", c.Args().First())
		}),
	}
}

// firstSentence returns the first sentence of a text.
func firstSentence(s string) string {
	if i := strings.Index(s, ". "); i >= 0 {
		return s[:i+1]
	}
	return s
}
