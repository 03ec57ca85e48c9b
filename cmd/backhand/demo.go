package main

import (
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"backhand/agent/demo"
)

func demoCommand() *cli.Command {
	return &cli.Command{
		Name: "demo", Usage: "run a whole cluster on this machine: no root, no file, loopback only",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "for", Usage: "stop after `TIME` (20s, 5m); without it Ctrl-C stops"},
			&cli.IntFlag{Name: "rate", Value: 50, Usage: "requests a second that the demo sends itself, from 0 to 1000"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "show what the agents log"},
		},
		Action: noArgs(func(c *cli.Context) error {
			if r := c.Int("rate"); r < 0 || r > 1000 {
				return usagef("demo: --rate is %d, want a number from 0 to 1000", r)
			}
			if d := c.Duration("for"); d < 0 || c.IsSet("for") && d < time.Second {
				return usagef("demo: --for is %v, want at least 1s", d)
			}
			log := slog.New(slog.DiscardHandler)
			if c.Bool("verbose") {
				log = newLog(c.App.ErrWriter, false)
			}
			ctx, stop := untilSignal(c.Context, log)
			defer stop()
			return demo.Run(ctx, demo.Options{
				For: c.Duration("for"), Rate: c.Int("rate"), Out: c.App.Writer, Log: log, Version: version(),
			})
		}),
	}
}
