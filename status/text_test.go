package status

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNoNameMovesTheCursor(t *testing.T) {
	v := evilView()
	// As if it had come as JSON from an agent that cleans nothing.
	v.Cluster, v.Agent.Name, v.Rows[0].Name, v.Rows[0].Farm, v.Rows[0].Why = evil(), evil(), evil(), evil(), evil()
	v.Rows[0].Address, v.Rows[0].State = evil(), State(evil())
	v.States, v.Agent.Version, v.Note, v.Warnings = []Count{{evil(), 1}}, evil(), evil(), []string{evil()}
	v.Routes[0] = RouteView{Name: evil(), Farm: evil(), Chain: []string{evil()}, WhenEmpty: evil()}
	v.Rows[1].Stats, v.Rows[1].Labels = []Stat{{Name: evil()}}, map[string]string{evil(): evil()}
	v.Farms = []FarmView{{Name: evil(), State: State(evil()), Why: evil(), Forwards: &Forwards{Off: evil(), Down: evil()}}}
	v.Routes[0].FarmState = State(evil())
	v.Beats.Rejected = []Count{{evil(), 1}}
	v.Keys, v.Findings = &KeyView{Mode: evil(), Summary: []string{evil()}}, []Finding{{Kind: evil(), Text: evil()}}
	for _, width := range []int{0, 1, 40, 200} {
		var b bytes.Buffer
		if err := v.WriteTable(&b, width); err != nil {
			t.Fatal(err)
		}
		for i, r := range b.String() {
			if r != '\n' && !unicode.IsPrint(r) && r != utf8.RuneError {
				t.Fatalf("width %d: character %q at %d", width, r, i)
			}
		}
		if n := strings.Count(b.String(), "\n"); width == 0 && n != 17 {
			t.Errorf("%d lines, want 17: a name broke one", n)
		}
	}
}

func TestTheTableFitsTheTerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 250).Draw(t, "width")
		v := NewView(drawCluster(t), seedInfo(), now)
		var b bytes.Buffer
		if err := v.WriteTable(&b, width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("%d characters in a terminal of %d: %q", n, width, line)
			}
		}
	})
}

func TestANarrowTerminalKeepsWhoAndHow(t *testing.T) {
	v := NewView(seedCluster(), seedInfo(), now)
	for _, width := range []int{60, 80, 120} {
		var b bytes.Buffer
		if err := v.WriteTable(&b, width); err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"HOSTNAME", "STATE", "CANDIDATE", "AGE", "www3", "stale", "2 d 23 h"} {
			if !strings.Contains(b.String(), word) {
				t.Errorf("width %d: no %q in\n%s", width, word, b.String())
			}
		}
	}
}

// brokenPipe takes nothing.
type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestAWriteThatFailsIsSaid(t *testing.T) {
	if err := NewView(seedCluster(), seedInfo(), now).WriteTable(brokenPipe{}, 80); !errors.Is(err, errPipe) {
		t.Errorf("error is %v", err)
	}
}

func TestWarningsAreWrappedRatherThanCut(t *testing.T) {
	info := seedInfo()
	info.Warnings = []string{strings.Repeat("a warning of many words ", 10) + "and an end"}
	var b bytes.Buffer
	if err := NewView(seedCluster(), info, now).WriteTable(&b, 40); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(strings.Fields(b.String()), " ")
	if !strings.Contains(got, "warning: "+info.Warnings[0]) {
		t.Error(b.String())
	}
}
