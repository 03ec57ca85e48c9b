package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"

	"backhand/candidacy/sim"
)

func simulateCommand() *cli.Command {
	return &cli.Command{
		Name: "simulate", Usage: "try chains, and other balancers, on a cluster that exists only in memory", ArgsUsage: "SCENARIO.toml",
		Description: "The file says how many members and fronts there are, how fast, how loaded, what fails when, and which chains and\n" +
			"rivals are compared: see contrib/examples/herd.toml. The same file gives the same figures, always.\n\n" +
			"Rivals:\n" + rivalList(),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "the figures as JSON"},
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Value: runtime.GOMAXPROCS(0), Usage: "simulations at once, from 1 to 1024"},
		},
		Action: withArgs(1, 1, simulate),
	}
}

// rivalList describes the rivals, a line each.
func rivalList() (text string) {
	for _, r := range sim.Rivals() {
		text += fmt.Sprintf("  %-13s %s\n", r.Name, r.Doc)
	}
	return text
}

func simulate(c *cli.Context) error {
	if n := c.Int("jobs"); n < 1 || n > 1024 {
		return usagef("simulate: --jobs is %d, want a number from 1 to 1024", n)
	}
	file := c.Args().First()
	text, err := readMost(file, sim.MaxSize)
	if err != nil {
		return fmt.Errorf("read the scenario: %w", err)
	}
	s, err := sim.Parse(file, string(text), func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(file), name)
		}
		return readMost(name, sim.MaxRecording)
	})
	if err != nil {
		return err
	}
	tell, done := progressOn(c.App.ErrWriter)
	report, err := sim.Run(c.Context, s, sim.Options{Workers: c.Int("jobs"), Progress: tell})
	done()
	switch {
	case err != nil:
		return err
	case c.Bool("json"):
		return printJSON(c.App.Writer, report)
	}
	return report.WriteTable(c.App.Writer)
}

// readMost reads a file of at most so many bytes, and one more so that it can be seen that there are more.
func readMost(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is too large: keep it below %d bytes", name, most)
	}
	return text, err
}

// progressEvery is how often the share that is done is drawn anew.
const progressEvery = 200 * time.Millisecond

// progressOn returns who draws on w how much is done, and who wipes it away; if w is no terminal, nobody does.
func progressOn(w io.Writer) (tell func(share float64), done func()) {
	if terminalWidth(w) == 0 {
		return nil, func() {}
	}
	begin := time.Now()
	drawn := begin
	tell = func(share float64) {
		now := time.Now()
		if now.Sub(drawn) < progressEvery {
			return
		}
		drawn = now
		left := ""
		if share > 0.02 {
			left = ", " + time.Duration(float64(now.Sub(begin))*(1-share)/share).Round(time.Second).String() + " left"
		}
		fmt.Fprintf(w, "\r\x1b[K%.0f%% simulated%s", 100*share, left)
	}
	return tell, func() { fmt.Fprint(w, "\r\x1b[K") }
}
