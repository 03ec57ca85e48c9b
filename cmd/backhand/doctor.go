package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/doctor"
	"backhand/status"
)

// How long the doctor listens: by default long enough for three beats.
const (
	listenDefault = 5 * time.Second
	listenLeast   = 500 * time.Millisecond
	listenMost    = 10 * time.Minute
	listenBeats   = 3
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "find out why beats do not arrive, and what to do about it",
		Description: "Sends and listens for a few seconds, asks the peers that it hears, and prints a line for each leg of the way\n" +
			"that beats take: ok, FAIL, note, or skipped where it can only fail because another one did. It works while the agent\n" +
			"of this host runs and while it does not. As root it sees more: which program holds a port, and what a firewall drops.\n\n" +
			"Exit codes: 0 all is well, 1 a check failed, 2 the file has a mistake.",
		Flags: controlFlags(
			&cli.DurationFlag{Name: "for", Usage: "listen for that `TIME`", DefaultText: "5s, or three intervals if that is longer"},
			&cli.BoolFlag{Name: "json", Usage: "the same as JSON"},
		),
		Action: noArgs(runDoctor),
	}
}

func runDoctor(c *cli.Context) error {
	if d := c.Duration("for"); c.IsSet("for") && (d < listenLeast || d > listenMost) {
		return usagef("doctor: --for is %v, want a time from %v to %v", d, listenLeast, listenMost)
	}
	facts, mistakes, err := examine(c)
	if err != nil {
		return err
	}
	report := doctor.Judge(facts)
	if c.Bool("json") {
		err = printJSON(c.App.Writer, report)
	} else {
		err = report.WriteText(c.App.Writer)
	}
	switch {
	case err != nil:
		return err
	case mistakes != nil:
		return mistakes
	case report.Failed == 1:
		return errors.New("doctor: a check failed")
	case report.Failed > 1:
		return fmt.Errorf("doctor: %d checks failed", report.Failed)
	}
	return nil
}

// examine reads the file and gathers the facts. If the file has mistakes, they are all that is known.
func examine(c *cli.Context) (facts *doctor.Facts, mistakes, err error) {
	file := c.String("config")
	cfg, err := config.Load(file, candidacy.Builtin())
	if list, ok := errors.AsType[*config.Errors](err); ok {
		facts = &doctor.Facts{Config: doctor.Config{File: file}}
		for _, m := range *list {
			facts.Mistakes = append(facts.Mistakes, m.String())
		}
		return facts, list, nil
	}
	if err != nil {
		return nil, nil, err
	}
	opt, err := doctorOptions(c, cfg)
	if err != nil {
		return nil, nil, err
	}
	conf := doctorConfig(cfg)
	conf.File, conf.Sealing, conf.Held = file, opt.Keys.Sealing(), opt.Keys.Held()
	ctx, stop := signal.NotifyContext(c.Context, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if terminalWidth(c.App.ErrWriter) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "listening for %v ...", opt.For)
		defer fmt.Fprint(c.App.ErrWriter, "\r\x1b[K")
	}
	facts, err = doctor.Examine(ctx, conf, opt)
	return facts, nil, err
}

// doctorOptions says how to examine: for how long, with which keys, and whom to ask.
func doctorOptions(c *cli.Context, cfg *config.Config) (opt doctor.Options, err error) {
	opt = doctor.Options{For: c.Duration("for"), Page: cfg.Status.Path, TLS: identity(cfg.Node.Identity)}
	if !c.IsSet("for") {
		opt.For = min(max(listenDefault, listenBeats*cfg.Gossip.Interval), listenMost)
	}
	if opt.Keys, err = cfg.Keyring(); err != nil {
		return opt, err
	}
	running, err := client(c)
	if err != nil {
		return opt, err
	}
	opt.Agent = func(ctx context.Context) (*doctor.Agent, error) {
		v, err := running.View(ctx)
		if err != nil {
			return nil, err
		}
		return agentOf(&v), nil
	}
	return opt, nil
}

// doctorConfig returns what of a file is about beats.
func doctorConfig(cfg *config.Config) doctor.Config {
	g := &cfg.Gossip
	conf := doctor.Config{
		Hash: fmt.Sprintf("%016x", cfg.Hash), Cluster: cfg.Cluster, Name: cfg.Node.Name, Address: cfg.Node.Address,
		TLS: cfg.Node.TLS, Send: g.Send, Peers: g.Peers, Listen: g.Listen, Accept: g.Accept, Interface: g.Interface,
		Source: g.Source, Interval: g.Interval,
	}
	if m := g.Memberlist; m != nil {
		conf.Members, conf.Seeds, conf.Advertise = true, m.Join, m.Advertise
	}
	return conf
}

// identity says how peers whose address is https prove who they are; nil is the default.
func identity(id config.Identity) *tls.Config {
	if id.Roots == nil && id.ServerName == "" {
		return nil
	}
	return &tls.Config{RootCAs: id.Roots, ServerName: id.ServerName, MinVersion: tls.VersionTLS12}
}

// agentOf takes from an agent's page what the doctor wants to know.
func agentOf(v *status.View) *doctor.Agent {
	a := &doctor.Agent{
		ID: v.Agent.ID, Name: v.Agent.Name, Cluster: v.Cluster, State: string(v.Agent.State), ConfigHash: v.Agent.ConfigHash,
		Uptime: seconds(v.Agent.Uptime), Sent: v.Beats.Sent,
	}
	for _, c := range v.Beats.Rejected {
		a.Rejected = append(a.Rejected, doctor.Count{Name: c.Name, N: c.N})
	}
	for _, f := range v.Findings {
		a.Findings = append(a.Findings, f.Text)
	}
	seen := map[string]bool{}
	for i := range v.Rows {
		r := &v.Rows[i]
		if r.ID == "" || r.Self || r.Untrusted || r.Host == nil || seen[r.ID] {
			continue // no agent, or another farm of the same node
		}
		seen[r.ID] = true
		k := doctor.Known{
			ID: r.ID, Name: r.Name, Age: seconds(r.Host.Age), Interval: seconds(r.Host.Interval), Direct: r.Direct,
			Left: r.State == status.Left || r.State == status.Leaving,
		}
		var address string
		address, k.TLS = strings.CutPrefix(r.Address, "https://")
		k.Addr, _ = netip.ParseAddrPort(address) // the zero value for a node that has none
		a.Nodes = append(a.Nodes, k)
	}
	return a
}

// seconds returns a time that a page gives in seconds; they are finite there.
func seconds(s float64) time.Duration {
	const most = 1e9 // 30 years
	return time.Duration(min(max(s, 0), most) * float64(time.Second))
}
