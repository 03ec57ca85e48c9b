package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"backhand/agent"
	"backhand/gossip/node"
	"backhand/status"
)

func setCommand() *cli.Command {
	return &cli.Command{
		Name: "set", Usage: "take a physical or a farm out of service, and in again", ArgsUsage: "NAME on|off|drain|up|down",
		Description: "Tells an engine, which tells all agents. on and off are for operators: monitoring does not alarm on off.\n" +
			"drain is off, but sessions that a physical has stay there. down and up say how well it is. NAME may hold *\n" +
			"for any characters. The node that this host is can be drained and set on again, as by 'backhand drain' and\n" +
			"'backhand undrain', unless --engine or BACKHAND_ENGINE names an engine; for another node, run it there.",
		Flags: engineFlags(
			&cli.BoolFlag{Name: "farm", Usage: "NAME is a farm's"},
			&cli.StringFlag{Name: "reason", Aliases: []string{"r"}, Usage: fmt.Sprintf("why, in at most %d bytes of `TEXT`", node.MaxWhy)},
			&cli.StringFlag{Name: "state-dir", Usage: "the `DIR` of the control socket of this host's agent, instead of the file's"},
		),
		Action: withArgs(2, 2, set),
	}
}

// told is what an engine is told of one physical or farm, as its interface names it.
type told struct {
	Name   string `json:"h"`
	State  string `json:"state,omitempty"`
	Health string `json:"health,omitempty"`
	Why    string `json:"why,omitempty"`
}

func set(c *cli.Context) error {
	t, place, err := toldOf(c)
	if err != nil {
		return err
	}
	e, err := engineOf(c)
	if err != nil {
		return err
	}
	word := c.Args().Get(1)
	if !c.Bool("farm") && c.String("engine") == "" { // who names an engine means that, wherever this is run
		if a := thisNode(c, t.Name); a != nil {
			return setNode(c, a, word)
		}
	}
	if _, err := e.post(c.Context, place, t); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "%s: %s\n", printable(t.Name), word)
	return nil
}

// toldOf reads the command line.
func toldOf(c *cli.Context) (t told, place string, err error) {
	t, place = told{Name: c.Args().First(), Why: c.String("reason")}, "update/phys"
	word := c.Args().Get(1)
	switch word {
	case "on", "off", "drain":
		t.State = word
	case "up", "down":
		t.Health = word
	default:
		return t, "", usagef("set: %q is no state, want on, off, drain, up or down behind the name", word)
	}
	if c.Bool("farm") {
		place = "update/farm"
		if word == "drain" {
			return t, "", usagef("set: a farm cannot drain: drain its members, or set it off")
		}
	}
	switch {
	case t.Name == "":
		return t, "", usagef("set: want a name before %s", word)
	case len(t.Why) > node.MaxWhy:
		return t, "", usagef("set: --reason has %d bytes, want at most %d", len(t.Why), node.MaxWhy)
	case !utf8.ValidString(t.Why) || strings.ContainsFunc(t.Why, unicode.IsControl):
		return t, "", usagef("set: --reason is %q, want text without control characters", t.Why)
	}
	return t, place, nil
}

// thisNode returns the client of the agent of this host, if that has the name and the file lists no physical of that name. nil
// otherwise; also if no agent answers, as there may be an engine elsewhere.
func thisNode(c *cli.Context, name string) *agent.Client {
	a, err := client(c)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	v, err := a.View(ctx)
	if err != nil || v.Agent.Name != name {
		return nil
	}
	if slices.ContainsFunc(v.Rows, func(r status.Row) bool { return r.Physical && r.Name == name }) {
		return nil
	}
	return a
}

// setNode drains this node, or ends that.
func setNode(c *cli.Context, a *agent.Client, word string) error {
	what := map[string]string{"drain": "drain", "on": "undrain"}[word]
	name := printable(c.Args().First())
	if what == "" {
		return fmt.Errorf("%s is the node that this host is: it says itself whether it is up; 'backhand set %[1]s drain' takes it "+
			"out of service, 'backhand set %[1]s on' in again", name)
	}
	if err := a.Do(c.Context, what); err != nil {
		return err
	}
	if c.IsSet("reason") {
		fmt.Fprintf(c.App.ErrWriter, "backhand: warning: set: %s is a node, which keeps no reason: --reason was left out\n", name)
	}
	fmt.Fprintf(c.App.Writer, "%s: %s\n", name, word)
	return nil
}
