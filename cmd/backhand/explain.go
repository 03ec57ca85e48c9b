package main

import (
	"cmp"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"backhand/agent"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "tell whom the running agent would choose for a URL, and why", ArgsUsage: "URL",
		Description: "Runs the chain of the URL's route as for a request, and shows who was left after each step, by which numbers, and\n" +
			"why the others were dropped. No request is sent. Chance decides anew each time, unless --seed is given. With --node, it\n" +
			"tells what became of that member: its place after each step, and why it was dropped or not chosen.",
		Flags: controlFlags(
			&cli.StringFlag{Name: "client", Usage: "the client's `ADDRESS`"},
			&cli.StringSliceFlag{Name: "cookie", Usage: "a cookie of the request, `NAME=VALUE`; may be repeated"},
			&cli.StringSliceFlag{Name: "header", Usage: "another field of the request, `NAME: VALUE`; may be repeated"},
			&cli.StringFlag{Name: "method", Value: http.MethodGet, Usage: "the request's `METHOD`"},
			&cli.StringFlag{Name: "node", Usage: "tell of one member: its `NAME`, its address (host:port) or its id"},
			&cli.BoolFlag{Name: "all", Usage: "show all members at each step, not the first few"},
			&cli.Uint64Flag{Name: "seed", Usage: "a `NUMBER` that decides instead of chance: the same gives the same answer"},
			&cli.BoolFlag{Name: "json", Usage: "the same as JSON"},
		),
		Action: withArgs(1, 1, func(c *cli.Context) error {
			q, err := question(c)
			if err != nil {
				return err
			}
			running, err := client(c)
			if err != nil {
				return err
			}
			e, err := running.Explain(c.Context, q)
			if err != nil {
				return err
			}
			if q.Node != "" && e.Route != "" && len(e.Traces) == 0 {
				return noSuchMember(q.Node, e)
			}
			if c.Bool("json") {
				return printJSON(c.App.Writer, e)
			}
			p := explainPrinter{w: c.App.Writer, all: c.Bool("all")}
			if len(e.Traces) > 0 {
				p.traces(e)
			} else {
				p.explanation(e)
			}
			return nil
		}),
	}
}

// question makes the request that is asked about. The URL may lack scheme and host, as in a request.
func question(c *cli.Context) (agent.Question, error) {
	u, err := url.Parse(c.Args().First())
	if err != nil || u.Opaque != "" || !slices.Contains([]string{"", "http", "https"}, u.Scheme) || u.Scheme != "" && u.Host == "" || !strings.HasPrefix(cmp.Or(u.Path, "/"), "/") {
		return agent.Question{}, usagef("explain: %q is no URL, want http://host/path or /path", c.Args().First())
	}
	q := agent.Question{
		Method: c.String("method"), Host: u.Host, Target: u.RequestURI(),
		Client: netip.IPv4Unspecified(), Header: http.Header{}, Node: c.String("node"),
	}
	for _, field := range c.StringSlice("header") {
		name, value, ok := strings.Cut(field, ":")
		if !ok {
			return q, usagef("explain: --header is %q, want NAME: VALUE", field)
		}
		q.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	for _, cookie := range c.StringSlice("cookie") {
		q.Header.Add("Cookie", cookie)
	}
	if c.IsSet("seed") {
		seed := c.Uint64("seed")
		q.Seed = &seed
	}
	if c.IsSet("client") {
		if q.Client, err = netip.ParseAddr(c.String("client")); err != nil {
			return q, usagef("explain: --client is %q, want an IP address", c.String("client"))
		}
	}
	return q, nil
}
