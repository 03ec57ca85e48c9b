package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"backhand/contrib/testbed/trace"
)

// simulated returns what the simulator makes of the traces that were measured: its omniscient balancer where the ideal
// front stood, and the same chains and rivals. The requests are those of the trace, and so are the times at which members
// become slower; which members these are is drawn anew, so that each trace is played a few times.
func (b *bed) simulated(ctx context.Context, turns []turn) (samples, error) {
	var all samples
	for _, group := range together(turns) {
		g := group[0]
		if g.Scenario != keyMain && g.Scenario != keyGossip {
			continue
		}
		fmt.Fprintf(b.say, "simulating %s, %s, repetition %d\n", g.Scenario, g.title(), g.Rep+1)
		file, err := b.writeScenario(group)
		if err != nil {
			return all, err
		}
		cmd := exec.CommandContext(ctx, b.binary, "simulate", "--json", file)
		cmd.Stderr = b.say
		out, err := cmd.Output()
		if err != nil {
			return all, fmt.Errorf("backhand simulate %s: %w", file, err)
		}
		rows, err := readSimulation(out)
		if err != nil {
			return all, err
		}
		for _, r := range rows {
			all = append(all, sample{
				Scenario: g.Scenario, Policy: r.Policy, Fronts: g.Fronts, Gossip: g.Gossip.Seconds(), Rep: g.Rep,
				Requests: r.Requests, Mean: r.Mean, P50: r.P50, P99: r.P99, P999: r.P999, Failed: r.Errors, Refusals: r.Refusals,
			})
		}
	}
	return all, nil
}

// together returns the measurements of each trace.
func together(turns []turn) (groups [][]turn) {
	for i, t := range turns {
		last := len(groups) - 1
		if i == 0 || t.Rep != groups[last][0].Rep || t.Scenario != groups[last][0].Scenario || t.title() != groups[last][0].title() {
			groups = append(groups, nil)
			last++
		}
		groups[last] = append(groups[last], t)
	}
	return groups
}

// simulatedRow is a line of what backhand simulate says.
type simulatedRow struct {
	Policy   string  `json:"policy"`
	Requests int     `json:"requests"`
	Mean     float64 `json:"mean_ms"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	P999     float64 `json:"p999_ms"`
	Refusals float64 `json:"refusals"`
	Errors   float64 `json:"errors"`
}

func readSimulation(text []byte) ([]simulatedRow, error) {
	var report struct{ Rows []simulatedRow }
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("what backhand simulate said: %w", err)
	}
	return report.Rows, nil
}

// toSimulate is what the scenario is filled in with.
type toSimulate struct {
	turn
	Warm, Measured time.Duration
	Trace          trace.Spec
	Workers        int
	Spans          []trace.Span
	Policies       []policy
}

func (b *bed) writeScenario(group []turn) (string, error) {
	g := group[0]
	drawn, err := g.trace.Draw()
	if err != nil {
		return "", err
	}
	var requests bytes.Buffer
	for _, q := range drawn.Requests {
		fmt.Fprintf(&requests, "%.6f %.6f\n", q.At.Seconds(), ms(q.Work))
	}
	v := toSimulate{turn: g, Warm: b.opt.warm, Measured: b.opt.secs, Trace: g.trace, Workers: apacheWorkers, Spans: g.trace.Visits()}
	for _, t := range group {
		v.Policies = append(v.Policies, t.policy)
	}
	dir, err := b.folder("simulated-" + strings.ReplaceAll(g.name(), "/", "-"))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "requests"), requests.Bytes(), 0o644); err != nil {
		return "", err
	}
	return fill("scenario.toml", dir, v)
}

// fill writes a file of conf/ to a folder, and returns its path.
func fill(name, dir string, v any) (string, error) {
	t, err := template.ParseFS(confFiles, "conf/"+name)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, v); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, text.Bytes(), 0o644)
}
