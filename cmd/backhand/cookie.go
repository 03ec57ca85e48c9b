package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"backhand/agent"
	"backhand/agent/config"
)

func cookieCommand() *cli.Command {
	return &cli.Command{
		Name: "cookie", Usage: "sign or verify a cookie that says where requests go", ArgsUsage: "stick|stay|farm TARGET",
		Description: "Prints the value of a cookie as an application would set it, signed by the first key of [cookie]:\n" +
			"  stick TARGET  that member takes the client's requests, whatever befalls it\n" +
			"  stay TARGET   that member takes them while it is fit and can be reached\n" +
			"  farm TARGET   they go to that farm\n" +
			"Try it with: curl -b \"athena=$(backhand cookie stick app1)\" http://www.example.com/\n" +
			"With --verify, and without arguments, tells what a value says, and exits with 1 if it does not count.",
		Flags: []cli.Flag{
			configFlag(),
			&cli.StringFlag{Name: "key-file", Usage: "the `FILE` with the keys, instead of the one that the configuration names"},
			&cli.DurationFlag{Name: "for", Value: time.Hour, Usage: "the `TIME` for which it counts, from 1s to 9600h"},
			&cli.StringFlag{Name: "verify", Usage: "the `VALUE` of a cookie"},
		},
		Action: withArgs(0, 2, func(c *cli.Context) error {
			switch n := c.Args().Len(); {
			case c.IsSet("verify") && n > 0:
				return usagef("cookie: --verify takes the value alone; leave %q away", c.Args().First())
			case c.IsSet("verify"):
				return verifyCookie(c)
			case n < 2:
				return usagef("cookie: want %s; see 'backhand cookie --help'", c.Command.ArgsUsage)
			}
			return signCookie(c)
		}),
	}
}

// cookieOf returns the cookie with the keys that are meant.
func cookieOf(c *cli.Context) (*config.Cookie, error) {
	if file := c.String("key-file"); file != "" {
		return config.ReadCookie(file)
	}
	return config.CookieOf(c.String("config"))
}

func signCookie(c *cli.Context) error {
	cookie, err := cookieOf(c)
	if err != nil {
		return err
	}
	now := time.Now()
	value, err := cookie.Sign(config.Instruction{
		Do: c.Args().Get(0), Target: c.Args().Get(1), Expires: now.Add(c.Duration("for")),
	}, now)
	if err != nil {
		return usagef("cookie: %v", err)
	}
	fmt.Fprintln(c.App.Writer, value)
	return nil
}

func verifyCookie(c *cli.Context) error {
	cookie, err := cookieOf(c)
	if err != nil {
		return err
	}
	in, err := cookie.Verify(c.String("verify"), time.Now())
	switch {
	case err != nil && in.Do == "":
		return fmt.Errorf("cookie: %w", err)
	case err != nil:
		return fmt.Errorf("cookie: %s: %w", instruction(in.Do, in.Target, in.Expires), err)
	}
	fmt.Fprintln(c.App.Writer, instruction(in.Do, in.Target, in.Expires))
	return nil
}

// instruction says what a cookie says.
func instruction(do, target string, expires time.Time) string {
	return do + " " + printable(target) + ", until " + expires.UTC().Format("2006-01-02 15:04:05 UTC")
}

// orders writes what an application says by cookies of where the request goes, and what becomes of that.
func (p *explainPrinter) orders(e agent.Explanation) {
	for _, o := range e.Orders {
		what := "a cookie"
		if o.Do != "" {
			what += " says " + instruction(o.Do, o.Target, o.Expires)
		}
		fmt.Fprintf(p.w, "%s: %s\n", what, o.Why)
	}
}
