package sim

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The scenarios that come along can be read, and played: here for a moment only.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../contrib/examples/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n[[policy]]") {
			continue // an agent's file
		}
		found++
		t.Run(filepath.Base(f), func(t *testing.T) {
			s, err := Parse(f, string(text), noFiles)
			if err != nil {
				t.Fatal(err)
			}
			s.Seeds, s.WarmUp, s.Measure = s.Seeds[:1], 0, 100*time.Millisecond
			s.Fronts.Count, s.Work.Mean, s.Gossip.Interval = s.Fronts.Count[:1], s.Work.Mean[len(s.Work.Mean)-1:], s.Gossip.Interval[:1]
			rep := play(t, s)
			if err := rep.WriteTable(io.Discard); err != nil || len(rep.Rows) != len(s.cases())*len(s.Policies) {
				t.Errorf("there are %d rows, %v", len(rep.Rows), err)
			}
		})
	}
	if found < 4 {
		t.Errorf("there are %d scenarios, want at least 4", found)
	}
}

// The herd, and its cure, as herd.toml shows them: shorter, and one front less.
func TestHerdAndItsCure(t *testing.T) {
	text, err := os.ReadFile("../../contrib/examples/herd.toml")
	if err != nil {
		t.Fatal(err)
	}
	s := scenario(t, string(text))
	s.WarmUp, s.Measure, s.Fronts.Count = 4*time.Second, 3*time.Second, []int{10}
	means := map[string]float64{}
	for _, r := range play(t, s).Rows {
		means[r.Policy] = r.Mean
	}
	if herd, chance := means["seed chain"], means["random"]; herd < 10*chance {
		t.Errorf("the seed chain has a mean of %.0f ms, chance %.0f: where is the herd?", herd, chance)
	}
	if auto, ideal := means["auto"], means["ideal"]; auto > 1.05*ideal {
		t.Errorf("auto has a mean of %.1f ms, who knows all %.1f", auto, ideal)
	}
}
