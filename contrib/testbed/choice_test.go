package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The two-minute version of the proof: four fronts, and a few seconds of each policy, of works twice as long, which need
// half of the CPU time. Its bounds are as wide as so short a time makes them; figures come from the command itself.
const (
	shortMean    = "100ms"
	shortSecs    = 14
	shortWarm    = 3
	nearTheIdeal = 1.2 // mean of auto by that of the ideal; the target is 1.1
)

func TestAutoIsNearTheIdeal(t *testing.T) {
	r := short(t, keyIdeal, keyAuto)
	if q := r.at(t, keyAuto).Mean / r.at(t, keyIdeal).Mean; q > nearTheIdeal {
		t.Errorf("the mean of auto is %.3f times that of the ideal, want at most %v", q, nearTheIdeal)
	}
}

func TestAutoBeatsLeastConn(t *testing.T) {
	r := short(t, keyAuto, keyLeast)
	auto, least := r.at(t, keyAuto), r.at(t, keyLeast)
	if auto.Mean >= least.Mean {
		t.Errorf("the mean of auto is %.1f ms, that of HAProxy's leastconn %.1f ms", auto.Mean, least.Mean)
	}
	if auto.P99 >= 1.1*least.P99 {
		t.Errorf("p99 of auto is %.0f ms, that of HAProxy's leastconn %.0f ms", auto.P99, least.P99)
	}
}

// Every policy takes what we write for it, hands every request on, to all members, and is known to the simulator.
func TestOurs(t *testing.T) { eachServes(t, keyIdeal, keyAuto, keySeed, keySeedBusy) }

func TestRivals(t *testing.T) { eachServes(t, keyLeast, keyRandom2, keyNginx, keyApache) }

func eachServes(t *testing.T, policies ...string) {
	t.Helper()
	r := command(t, "-scenarios", keyMain, "-members", "4", "-slow", "1", "-load", ".3", "-fronts", "2", "-secs", "1.5",
		"-warm", ".5", "-policies", strings.Join(policies, ","))
	for _, p := range policies {
		s := r.at(t, p)
		if s.Failed > 0 || s.Requests < 50 || s.Mean < s.WorkMean {
			t.Errorf("%s: %s", p, s.line())
		}
		if sim := r.Simulated.of(p); sim.Requests == 0 || sim.Mean < s.WorkMean {
			t.Errorf("%s, simulated: %s", p, sim.line())
		}
		for m, share := range s.Shares {
			if share == 0 && p != keyIdeal { // who knows that one is slow may do without it
				t.Errorf("%s: member %d served nothing: %v", p, m, s.Shares)
			}
		}
	}
}

// A member that fails is seen to: by all with byRandom, by few with auto.
func TestAMemberThatAnswers500IsSeen(t *testing.T) {
	r := command(t, "-scenarios", keyError, "-members", "4", "-slow", "0", "-load", ".3", "-secs", "3", "-warm", "1", "-policies", keyRandom+","+keyAuto)
	random, auto := r.at(t, keyRandom), r.at(t, keyAuto)
	if random.Failed < .15 || random.Failed > .35 {
		t.Errorf("%.1f %% failed with byRandom, want a quarter", 100*random.Failed)
	}
	if auto.Failed >= random.Failed/4 {
		t.Errorf("%.1f %% failed with auto, %.1f %% with byRandom", 100*auto.Failed, 100*random.Failed)
	}
}

// short measures policies with four fronts. A machine that is busy with something else says nothing: once more, and then
// the test could not be done.
func short(t *testing.T, policies ...string) results {
	t.Helper()
	why := ""
	for range 2 {
		r := command(t, "-scenarios", keyMain, "-fronts", "4", "-policies", strings.Join(policies, ","), "-simulate=false",
			"-mean", shortMean, "-secs", fmt.Sprint(shortSecs), "-warm", fmt.Sprint(shortWarm))
		why = ""
		for _, p := range policies {
			s := r.at(t, p)
			if s.Failed > 0 {
				t.Errorf("%s: %.2f %% failed: %s", p, 100*s.Failed, s.Why)
			}
			if s.Void {
				why = fmt.Sprintf("the machine is too busy to judge: %.0f %% of its CPU time was used, and requests were sent "+
					"late by %.1f ms: run this where nothing else runs", 100*s.CPU, s.Late)
			}
		}
		if why == "" {
			return r
		}
		t.Log(why)
	}
	missing(t, errors.New(why))
	return results{}
}

// results are those of a run, of one repetition and one group.
type results struct {
	Samples, Simulated samples
	Loss               []lossRow
}

// of returns the sample of a policy, or an empty one.
func (all samples) of(policy string) sample {
	for _, s := range all {
		if s.Policy == policy {
			return s
		}
	}
	return sample{}
}

func (r results) at(t *testing.T, policy string) sample {
	t.Helper()
	s := r.Samples.of(policy)
	if s.Requests == 0 {
		t.Fatalf("no figures of %s", policy)
	}
	return s
}

// command runs this program, with the agent of this clone, both built without the race detector.
func command(t *testing.T, args ...string) (r results) {
	t.Helper()
	if testing.Short() && !wantAll() {
		t.Skip("a test with real parts, left out by -short")
	}
	opt := flags(t, args...)
	if err := needs(programs(opt)); err != nil {
		missing(t, err)
	}
	self, agent := built(t)
	saved := filepath.Join(t.TempDir(), "saved.json")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // others may run first
	defer cancel()
	cmd := exec.CommandContext(ctx, self, append(args, "-backhand", agent, "-json", saved)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(saved)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// programsBuilt are what the tests of this process have built, in a folder that TestMain removes.
var programsBuilt struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(programsBuilt.dir)
	os.Exit(code)
}

func built(t *testing.T) (self, agent string) {
	t.Helper()
	b := &programsBuilt
	b.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "backhand-testbed-test-"); b.err != nil {
			return
		}
		var root string
		if root, b.err = clone(); b.err != nil {
			return
		}
		for _, c := range [][]string{{root, "backhand", "./cmd/backhand"}, {".", "testbed", "."}} {
			cmd := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(b.dir, c[1]), c[2])
			cmd.Dir, cmd.Env = c[0], append(os.Environ(), "CGO_ENABLED=0")
			if out, err := cmd.CombinedOutput(); err != nil {
				b.err = fmt.Errorf("build %s: %w: %s", c[1], err, out)
				return
			}
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, "testbed"), filepath.Join(b.dir, "backhand")
}

func wantAll() bool { return os.Getenv("BACKHAND_TEST") == "all" }

// missing ends the test: skipped, or failed where nothing may be missing.
func missing(t *testing.T, why error) {
	t.Helper()
	if wantAll() {
		t.Fatalf("BACKHAND_TEST=all, but %v", why)
	}
	t.Skip(why)
}
