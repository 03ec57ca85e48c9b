package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"

	"backhand/agent"
	"backhand/agent/config"
	"backhand/candidacy"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run the agent",
		Description: "Runs until SIGTERM or SIGINT: then it tells the cluster, finishes the requests under way and exits with 0; a\n" +
			"second signal ends it at once. SIGHUP reloads the file, all of it or nothing. SIGUSR1 reopens the access log.",
		Flags: []cli.Flag{configFlag(), jsonLogFlag()},
		Action: noArgs(func(c *cli.Context) error {
			return runAgent(c, agent.Options{}, config.ForRun())
		}),
	}
}

func announceCommand() *cli.Command {
	return &cli.Command{
		Name: "announce", Usage: "measure and announce only: the web server of this host keeps its port",
		Description: "For a host whose web server is to stay on port 80: node.address is then the web server's own address, and the\n" +
			"others go to it directly. [[listen]] and [[route]] are not used.",
		Flags: []cli.Flag{configFlag(), jsonLogFlag()},
		Action: noArgs(func(c *cli.Context) error {
			return runAgent(c, agent.Options{Announce: true}, config.ForAnnounce())
		}),
	}
}

func jsonLogFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json-log", Usage: "log as JSON, a line an event"}
}

// runAgent runs an agent until a signal ends it.
func runAgent(c *cli.Context, opt agent.Options, purpose config.Option) error {
	file := c.String("config")
	opt.Registry = candidacy.Builtin()
	opt.Log = newLog(c.App.ErrWriter, c.Bool("json-log"))
	opt.Version = version()
	opt.Load = func() (*config.Config, error) { return config.Load(file, opt.Registry, purpose) }
	opt.Notify = agent.Notify
	cfg, err := opt.Load()
	if err != nil {
		return err
	}
	if opt.Inherited, err = agent.Inherited(); err != nil {
		return err
	}
	a, err := agent.New(cfg, opt)
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(c.Context, opt.Log)
	defer stop()
	defer onSignals(a, opt.Log)()
	return a.Run(ctx)
}

// newLog returns a log for people, or for programs.
func newLog(w io.Writer, asJSON bool) *slog.Logger {
	if asJSON {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}

// untilSignal returns a context that the first SIGTERM or SIGINT ends. The second one ends the program at once, whatever is
// still to be done. The function it returns ends that.
func untilSignal(parent context.Context, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := range signals {
			if ctx.Err() != nil {
				os.Exit(128 + int(s.(syscall.Signal))) // as a shell says it of a program that a signal ended
			}
			log.Info("asked to stop; a second signal stops at once")
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-ended
		cancel()
	}
}

// onSignals reloads on SIGHUP and reopens the log on SIGUSR1. The function it returns ends that.
func onSignals(a *agent.Agent, log *slog.Logger) (stop func()) {
	// Two channels, so that a reload that takes its time loses no SIGUSR1.
	reload, reopen := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	signal.Notify(reopen, syscall.SIGUSR1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range reload {
			if err := a.Reload(); err != nil {
				log.Error("not reloaded; the agent goes on as it was", "err", err)
			}
		}
	})
	wg.Go(func() {
		for range reopen {
			a.ReopenLogs()
		}
	})
	return func() {
		signal.Stop(reload)
		signal.Stop(reopen)
		close(reload)
		close(reopen)
		wg.Wait()
	}
}
