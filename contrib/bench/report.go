package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// report writes the tables: ratios, and what needs none.
func (b *bench) report(w io.Writer, args []string) {
	fmt.Fprintf(w, "Machine: %s. backhand: %s. ", machine(), b.commit)
	for _, name := range slices.Sorted(maps.Keys(b.versions)) {
		fmt.Fprintf(w, "%s: %s. ", name, b.versions[name])
	}
	fmt.Fprintf(w, "CPU time from %s.\n\n    %s\n", b.source(), strings.Join(slices.Concat([]string{"go run -C contrib/bench ."}, args), " "))
	for _, p := range b.opt.against {
		b.ratioTable(w, "backhand / "+p.key, func(r row, t test) (a, b series) {
			return series{r.key, t.key, ours}, series{r.key, t.key, p.key}
		})
	}
	if slices.ContainsFunc(b.opt.rows, func(r row) bool { return r.hop }) {
		b.ratioTable(w, "backhand, two hops / backhand, one hop to 4 members", func(r row, t test) (a, b series) {
			if !r.hop {
				return a, b
			}
			return series{r.key, t.key, ours}, series{oneHop, t.key, ours}
		})
	}
	b.countTable(w)
	for _, n := range b.notes {
		fmt.Fprintf(w, "\nnote: %s\n", n)
	}
	for _, c := range b.complaints {
		fmt.Fprintf(w, "\nBAD ANSWERS of backhand: %s\n", c)
	}
}

// ratioTable writes the ratios of the pairs of series, one line a row and test, or nothing if there is none.
func (b *bench) ratioTable(w io.Writer, title string, pair func(row, test) (a, b series)) {
	var lines []string
	for _, r := range b.opt.rows {
		for _, t := range b.opt.tests {
			mine, theirs := pair(r, t)
			line, some := fmt.Sprintf("| %s | %s |", r.about, t.about), false
			for _, m := range compared() {
				q := ratio(b.samples, mine, theirs, m.key)
				some = some || q.N > 0
				line += " " + q.String() + " |"
			}
			if some {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n**%s**, median of %d repetitions [min-max]:\n\n| farm | load |", title, b.opt.reps)
	for _, m := range compared() {
		fmt.Fprintf(w, " %s |", m.heading)
	}
	fmt.Fprintf(w, "\n%s\n%s\n", "|---|---|"+strings.Repeat("---|", len(compared())), strings.Join(lines, "\n"))
}

// countTable writes memory and system calls, which are no times.
func (b *bench) countTable(w io.Writer) {
	var lines []string
	for _, r := range b.opt.rows {
		names := []string{ours}
		for _, p := range b.opt.against {
			names = append(names, p.key)
		}
		for _, name := range names {
			mem := figures(b.samples, series{r.key, "idle", name}, "memory")
			calls := figures(b.samples, series{r.key, "sys", name}, "calls")
			if mem.N+calls.N > 0 {
				lines = append(lines, fmt.Sprintf("| %s | %s | %v | %v |", r.about, name, mem, calls))
			}
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\n| farm | proxy | KiB an idle connection | system calls a request |\n|---|---|---|---|\n%s\n",
			strings.Join(lines, "\n"))
	}
}

// saved is the JSON file.
type saved struct {
	Machine  string            `json:"machine"`
	Commit   string            `json:"commit"`
	Versions map[string]string `json:"versions"`
	CPU      string            `json:"cpu"`
	Reps     int               `json:"reps"`
	Secs     float64           `json:"secs"`
	Notes    []string          `json:"notes"`
	Bad      []string          `json:"bad"`
	Ratios   []savedRatio      `json:"ratios"`
	Samples  []sample          `json:"samples"`
}

type savedRatio struct {
	Row    string `json:"row"`
	Test   string `json:"test"`
	Peer   string `json:"peer"`
	Metric string `json:"metric"`
	spread
}

// save writes every sample and all the ratios to a file.
func (b *bench) save(path string) error {
	s := saved{
		Machine: machine(), Commit: b.commit, Versions: b.versions, CPU: b.source(), Reps: b.opt.reps, Secs: b.opt.secs.Seconds(),
		Notes: b.notes, Bad: b.complaints, Samples: b.samples,
	}
	keys := []string{"memory", "calls"}
	for _, m := range compared() {
		keys = append(keys, m.key)
	}
	for _, r := range b.opt.rows {
		for _, t := range b.opt.tests {
			for _, p := range b.opt.against {
				for _, k := range keys {
					if q := ratio(b.samples, series{r.key, t.key, ours}, series{r.key, t.key, p.key}, k); q.N > 0 {
						s.Ratios = append(s.Ratios, savedRatio{r.key, t.key, p.key, k, q})
					}
				}
			}
		}
	}
	text, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
