package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// report is all that a run gave.
type report struct {
	opt      options
	Machine  string    `json:"machine"`
	Command  string    `json:"command"`
	Commit   string    `json:"commit"`
	Versions []string  `json:"versions"`
	Samples  samples   `json:"samples"`
	Targets  []target  `json:"targets"`
	Loss     []lossRow `json:"loss,omitempty"`
	// Simulated is what the simulator makes of the same traces.
	Simulated samples `json:"simulated"`
}

func newReport(opt options, args []string, commit string) *report {
	return &report{
		opt: opt, Machine: machine(), Command: strings.Join(append([]string{"go run -C contrib/testbed ."}, args...), " "),
		Commit: commit, Versions: versions(opt.wanted()),
	}
}

// machine says what this one is.
func machine() string {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, some := strings.Cut(line, ":"); some && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d × %s, Linux %s", runtime.NumCPU(), model, strings.TrimSpace(string(release)))
}

// versions returns what the rivals say of themselves.
func versions(all []policy) (list []string) {
	known := map[string]bool{}
	for _, p := range all {
		if p.program != "" && !known[p.program] {
			known[p.program] = true
			out, _ := exec.Command(p.program, "-v").CombinedOutput()
			line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
			list = append(list, strings.TrimSuffix(line, " - https://haproxy.org/"))
		}
	}
	return list
}

func (r *report) write(w io.Writer) {
	about := append([]string{"Machine: " + r.Machine, "backhand: " + r.Commit}, r.Versions...)
	fmt.Fprintf(w, "%s.\n\n    %s\n", strings.Join(about, ". "), r.Command)
	for _, s := range r.opt.scenarios {
		r.table(w, s)
	}
	writeLoss(w, r.Loss)
	if len(r.Targets) == 0 {
		return
	}
	fmt.Fprintf(w, "\n| target | want | got | |\n|---|---|---|---|\n")
	for _, t := range r.Targets {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", t.What, t.Want, t.Got, t.verdict())
	}
}

// table writes the figures of a scenario: medians of the repetitions [min-max], or nothing if there are none.
func (r *report) table(w io.Writer, s scenario) {
	var lines []string
	for _, g := range s.groups(r.opt) {
		for _, p := range r.opt.policies {
			if line := r.line(g, p); line != "" {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 {
		return
	}
	extra := ""
	switch s.key {
	case keyMain, keyGossip:
		extra = " mean, simulated | p99, simulated |"
	case keySlow:
		extra = " p99 after / before |"
	case keyLight:
		extra = " p50 - the works' |"
	}
	fmt.Fprintf(w, "\n**%s: %s**\n\n| | policy | mean | p50 | p99 | p99.9 | mean / ideal | p99 / ideal | failed | refusals | CPU |%s\n",
		s.key, s.about, extra)
	fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", 11+strings.Count(extra, "|")))
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

// line is that of a policy in a group, or "". If all its measurements are void it shows the last one, and says so.
func (r *report) line(g group, p policy) string {
	at := place{g.Scenario, g.Fronts, g.Gossip.Seconds(), p.key}
	all, void := r.Samples, 0
	var last sample
	for _, s := range all {
		if s.place() != at {
			continue
		}
		last = s
		if s.Void {
			void++
		}
	}
	if last.Requests == 0 {
		return ""
	}
	note := ""
	if n := all.figures(at, meanOf).N; void > 0 && n > 0 {
		note = fmt.Sprintf(", %d of %d void", void, void+n)
	} else if void > 0 {
		last.Void = false
		all, note = samples{last}, " **VOID**"
	}
	ideal := at
	ideal.Policy = keyIdeal
	show := func(verb string, figure func(sample) float64) string { return all.figures(at, figure).text(verb) }
	cells := []string{
		g.title(), p.key, show("%.1f", meanOf), show("%.1f", func(s sample) float64 { return s.P50 }), show("%.0f", p99Of),
		show("%.0f", func(s sample) float64 { return s.P999 }), r.Samples.ratio(at, ideal, meanOf).text("%.3f"),
		r.Samples.ratio(at, ideal, p99Of).text("%.3f"), show("%.2f %%", failed),
		show("%.3f", func(s sample) float64 { return s.Refusals }), show("%.0f %%", func(s sample) float64 { return 100 * s.CPU }) + note,
	}
	switch g.Scenario {
	case keyMain, keyGossip:
		cells = append(cells, r.Simulated.figures(at, meanOf).text("%.1f"), r.Simulated.figures(at, p99Of).text("%.0f"))
	case keySlow:
		cells = append(cells, show("%.2f", afterByBefore))
	case keyLight:
		cells = append(cells, show("%.2f", func(s sample) float64 { return s.P50 - s.WorkP50 }))
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func afterByBefore(s sample) float64 {
	if s.Before == 0 {
		return 0
	}
	return s.After / s.Before
}

// save writes all to a file.
func (r *report) save(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
