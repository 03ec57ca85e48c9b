package main

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"backhand/agent"
	"backhand/agent/config"
)

func mirrorCommand() *cli.Command {
	return &cli.Command{
		Name: "mirror", Usage: "tell other engines now all that was said to the running agent", ArgsUsage: "[URL...]",
		Description: "Tells the engines of each [[mirror]], or those URLs, such as http://10.58.4.2:4446/athena, the states of all farms\n" +
			"and physicals and the statistics that were pushed to the agent of this host, and prints in what its file and\n" +
			"theirs differ. The agent does so by itself for each [[mirror]], every few seconds. To a URL that the file has not\n" +
			"got, no token is sent.\n\n" +
			"Exit codes: 0 all were told, 1 an engine could not be reached or refused, 2 a mistake in the command line.",
		Flags:  controlFlags(&cli.BoolFlag{Name: "json", Usage: "the same as JSON"}),
		Action: runMirror,
	}
}

func runMirror(c *cli.Context) error {
	urls := c.Args().Slice()
	for _, text := range urls {
		if _, err := config.ParseMirror(text); err != nil {
			return usagef("mirror: %v", err)
		}
	}
	running, err := client(c)
	if err != nil {
		return err
	}
	done, err := running.MirrorNow(c.Context, urls...)
	if err != nil {
		return err
	}
	for i := range done { // what other engines say, and the certificates of whoever answers in their place
		m := &done[i]
		m.Error = shown(m.Error)
		for j, d := range m.Differences {
			m.Differences[j] = shown(d)
		}
	}
	if c.Bool("json") {
		err = printJSON(c.App.Writer, done)
	} else {
		printMirrored(c.App.Writer, done)
	}
	if err != nil {
		return err
	}
	failed := 0
	for _, m := range done {
		if m.Error != "" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("mirror: %d of %d engines could not be told", failed, len(done))
	}
	return nil
}

// printMirrored prints a line for each engine, and one for each difference.
func printMirrored(w io.Writer, done []agent.Mirrored) {
	for _, m := range done {
		if m.Error != "" {
			fmt.Fprintf(w, "%s: error: %s\n", m.To, m.Error)
		} else {
			fmt.Fprintf(w, "%s: told of %s and %s, of which its file lists %d\n", m.To, counted(m.Farms, "farm"),
				counted(m.Physicals, "physical"), m.Listed)
		}
		for _, d := range m.Differences {
			fmt.Fprintf(w, "  difference: %s\n", d)
		}
	}
}

// counted returns "1 farm" or "2 farms".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
