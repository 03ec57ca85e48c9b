package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"backhand/agent"
)

func explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "tell whom the running agent would choose for a URL, and why", ArgsUsage: "URL",
		Description: "Runs the chain of the URL's route as for a request, and shows who was left after each step and why the others\n" +
			"were dropped. No request is sent. Chance decides anew each time, unless --seed is given.",
		Flags: controlFlags(
			&cli.StringFlag{Name: "client", Usage: "the client's `ADDRESS`"},
			&cli.StringSliceFlag{Name: "cookie", Usage: "a cookie of the request, `NAME=VALUE`; may be repeated"},
			&cli.StringFlag{Name: "method", Value: http.MethodGet, Usage: "the request's `METHOD`"},
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
			if c.Bool("json") {
				return printJSON(c.App.Writer, e)
			}
			printExplanation(c.App.Writer, e)
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
		Client: netip.IPv4Unspecified(), Header: http.Header{},
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

// printExplanation writes a line for each step, with those who were left, and below it why others were not.
func printExplanation(w io.Writer, e agent.Explanation) {
	if e.Route != "" {
		fmt.Fprintf(w, "route %s, farm %s\n\n", printable(e.Route), printable(e.Farm))
	}
	width := len("candidates")
	for _, s := range e.Steps {
		width = max(width, len(s.Step))
	}
	line := func(what string, left []agent.Mark) {
		fmt.Fprintf(w, "%-*s  %s\n", width, what, names(left))
	}
	why := func(sign string, marks []agent.Mark) {
		for _, m := range marks {
			fmt.Fprintf(w, "%-*s    %s %s\n", width, "", sign, noted(m))
		}
	}
	if e.Route != "" {
		line("candidates", e.Candidates)
		why("never a candidate:", e.Unfit)
		why("put last:", e.PutLast)
	}
	for _, s := range e.Steps {
		line(printable(s.Step), s.Kept)
		why("dropped:", s.Dropped)
	}
	fmt.Fprintln(w)
	printVerdict(w, e)
}

func printVerdict(w io.Writer, e agent.Explanation) {
	switch {
	case e.Redirect != "":
		fmt.Fprintf(w, "the client is sent to %s\n", printable(e.Redirect))
	case e.Chosen != nil:
		fmt.Fprintf(w, "goes to %s at %s\n", noted(*e.Chosen), printable(e.Chosen.Address))
	case e.Status != 0:
		fmt.Fprintf(w, "answered here with %d: %s\n", e.Status, e.Answer)
	}
	if e.Action != "" {
		fmt.Fprintf(w, "(the chain left nobody; when_empty decided: %s)\n", e.Action)
	}
}

// names lists members in their order, each with what the step saw of it.
func names(marks []agent.Mark) string {
	if len(marks) == 0 {
		return "nobody"
	}
	all := make([]string, 0, len(marks))
	for _, m := range marks {
		all = append(all, noted(m))
	}
	return strings.Join(all, "  ")
}

func noted(m agent.Mark) string {
	s := printable(m.Name)
	if m.Self {
		s += " (this node)"
	}
	if m.Note != "" {
		s += " [" + printable(m.Note) + "]"
	}
	return s
}

// printable replaces what would do something to a terminal: names come in beats, from whoever sends them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
