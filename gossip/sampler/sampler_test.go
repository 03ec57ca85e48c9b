package sampler

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// newHost returns a Host over fixtures, on a machine with so many CPUs.
func newHost(t *testing.T, proc, cgroup string, cpus int) *Host {
	t.Helper()
	h := &Host{cgroups: os.DirFS(filepath.Join("testdata/cgroup", cgroup)), numCPU: cpus}
	point(t, h, filepath.Join("testdata/proc", proc))
	var err error
	if h.last, err = h.read(); err != nil {
		t.Fatal(err)
	}
	return h
}

// point lets a Host see another /proc: time has passed.
func point(t *testing.T, h *Host, procRoot string) {
	t.Helper()
	var err error
	if h.proc, err = procfs.NewFS(procRoot); err != nil {
		t.Fatal(err)
	}
}

const gib = 1 << 30

func TestSampleOfFixtures(t *testing.T) {
	for _, c := range []struct {
		name, proc, cgroup string
		cpus               int
		want               node.Stats
		capacity           float64
	}{
		{
			"an idle host without limits", "idle", "absent", 4,
			node.Stats{CPUs: 4, Load1: 0.05, CPUIdle: 3608000. / 3662000, MemTotal: 8048576 << 10, MemAvailable: 6036432 << 10},
			4,
		},
		{
			"a busy host: the group has half a CPU, the one above it 4 GiB of which 2 are left", "busy", "v2", 4,
			node.Stats{
				CPUs: 1, Load1: 7.31, CPUIdle: 3608400. / 3666000, Pressure: 0.625,
				MemTotal: 4 * gib, MemAvailable: 1048576 << 10,
			},
			0.5,
		},
		{
			"a container on a large machine, which hides its pressure", "container", "container", 8,
			node.Stats{CPUs: 2, Load1: 3.2, CPUIdle: 0.71, MemTotal: 2 * gib, MemAvailable: 5 * gib / 4},
			1.5,
		},
		{
			"128 CPUs, of which the process may run on 96", "128cpus", "v2", 96,
			node.Stats{
				CPUs: 96, Load1: 96.4, CPUIdle: 51456000. / 129024000, Pressure: 0.12,
				MemTotal: 528280476 << 10, MemAvailable: 402653184 << 10,
			},
			96,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, c.proc, c.cgroup, c.cpus)
			got, err := h.Sample(start)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if h.Capacity() != c.capacity {
				t.Errorf("Capacity() = %v, want %v", h.Capacity(), c.capacity)
			}
		})
	}
}

func TestIdleIsOfTheTimeBetweenTwoSamples(t *testing.T) {
	h := newHost(t, "idle", "absent", 4)
	sample := func(at time.Duration, proc string) float64 {
		t.Helper()
		point(t, h, "testdata/proc/"+proc)
		s, err := h.Sample(start.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		return s.CPUIdle
	}
	sinceBoot := sample(0, "idle")
	if sinceBoot < 0.98 || sinceBoot > 0.99 {
		t.Errorf("first sample: idle %v since boot, want 0.985", sinceBoot)
	}
	if got := sample(10*time.Millisecond, "busy"); got != sinceBoot {
		t.Errorf("after 10 ms: idle %v, want what it was, %v", got, sinceBoot)
	}
	if got := sample(10*time.Second, "busy"); got != 0.1 {
		t.Errorf("after 10 s: idle %v, want 0.1", got)
	}
	if got := sample(11*time.Second, "busy"); got != 0.1 {
		t.Errorf("counters stand still: idle %v, want what it was, 0.1", got)
	}
	if got := sample(12*time.Second, "idle"); got != 0.1 {
		t.Errorf("counters went backwards: idle %v, want what it was, 0.1", got)
	}
	if got := sample(5*time.Second, "busy"); got != 0.1 {
		t.Errorf("the clock went backwards: idle %v, want 0.1 by the counters", got)
	}
}

func TestNewHostReadsOnce(t *testing.T) {
	h, err := NewHost("testdata/proc/container", "testdata/cgroup/container")
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Capacity(); got <= 0 || got > 1.5 {
		t.Errorf("Capacity() = %v before the first Sample, want at most the quota, 1.5", got)
	}
	if _, err := NewHost("testdata/proc/absent", "testdata/cgroup/container"); err == nil {
		t.Error("a proc file system that is not there: no error")
	}
	if _, err := NewHost("testdata", "testdata/cgroup/container"); err == nil {
		t.Error("a folder that is no proc file system: no error")
	}
}

// copyProc copies a fixture, links too, to a folder where the test may spoil it.
func copyProc(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata/proc", name))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFailedSampleKeepsTheLastGoodOne(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"loadavg", "", "load of this host"},
		{"loadavg", "NaN 0.1 0.1 1/2 3", "load average is NaN"},
		{"loadavg", "-1 0.1 0.1 1/2 3", "load average is -1"},
		{"stat", "", "no time in the line"},
		{"stat", "cpu x y z\n", "CPU time of this host"},
		{"meminfo", "MemTotal: 1024 kB\n", "MemAvailable"},
		{"meminfo", "MemTotal: much\n", "memory of this host"},
		{"pressure/cpu", "some avg10=a lot", "CPU pressure of this host"},
		{"4242/cgroup", "what?", "limits of the control group"},
	} {
		t.Run(c.file+" "+c.text, func(t *testing.T) {
			h := newHost(t, "idle", "v2", 4)
			good, err := h.Sample(start)
			if err != nil {
				t.Fatal(err)
			}
			dir := copyProc(t, "busy")
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			point(t, h, dir)
			got, err := h.Sample(start.Add(time.Second))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if d := cmp.Diff(good, got); d != "" {
				t.Errorf("not the last good figures: -want +got:\n%s", d)
			}
			point(t, h, "testdata/proc/busy")
			got, err = h.Sample(start.Add(2 * time.Second))
			if err != nil || got.CPUIdle != 0.1 {
				t.Errorf("after that: idle %v, error %v, want 0.1, counted from the last good sample", got.CPUIdle, err)
			}
		})
	}
}

func TestWhatAKernelMayLack(t *testing.T) {
	for _, file := range []string{"pressure/cpu", "4242/cgroup"} {
		dir := copyProc(t, "busy")
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		h := newHost(t, "idle", "absent", 4)
		point(t, h, dir)
		s, err := h.Sample(start)
		if err != nil || s.CPUs != 4 || s.Load1 != 7.31 {
			t.Errorf("without %s: %+v, error %v, want the other figures and no error", file, s, err)
		}
	}
}

func TestIdleIsAShareWhateverTheCounters(t *testing.T) {
	counter := rapid.Float64Range(-1e18, 1e18)
	cpu := func(t *rapid.T, name string) procfs.CPUStat {
		n := func() float64 { return counter.Draw(t, name) }
		return procfs.CPUStat{User: n(), Nice: n(), System: n(), Idle: n(), Iowait: n(), IRQ: n(), SoftIRQ: n(), Steal: n()}
	}
	rapid.Check(t, func(t *rapid.T) {
		share, _ := idle(cpu(t, "before"), cpu(t, "after"))
		if !(share >= 0 && share <= 1) {
			t.Fatalf("idle = %v", share)
		}
	})
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64} {
		share, _ := idle(procfs.CPUStat{Idle: 1}, procfs.CPUStat{Idle: bad, User: bad})
		if !(share >= 0 && share <= 1) {
			t.Errorf("idle with %v = %v", bad, share)
		}
	}
}

func TestIdleWords(t *testing.T) {
	zero := procfs.CPUStat{}
	for _, c := range []struct {
		name          string
		before, after procfs.CPUStat
		want          float64
		ok            bool
	}{
		{"nothing happened", zero, zero, 0, false},
		{"waiting for a disk is idle", zero, procfs.CPUStat{Iowait: 1, User: 1}, 0.5, true},
		{"stolen time is not", zero, procfs.CPUStat{Idle: 1, Steal: 3}, 0.25, true},
		{"a guest's time is the user's, once", zero, procfs.CPUStat{Idle: 1, User: 1, Guest: 1}, 0.5, true},
		{"iowait alone falls", procfs.CPUStat{Iowait: 9}, procfs.CPUStat{Idle: 3, User: 1}, 0.75, true},
		{"moved to a machine just started", procfs.CPUStat{Idle: 900, User: 900}, procfs.CPUStat{Idle: 9, User: 9}, 0, false},
	} {
		if got, ok := idle(c.before, c.after); got != c.want || ok != c.ok {
			t.Errorf("%s: idle = %v, %v, want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

// TestRealHost samples the machine that runs the test.
func TestRealHost(t *testing.T) {
	if _, err := os.Stat(filepath.Join(ProcRoot, "stat")); err != nil {
		t.Skip("no Linux: ", err)
	}
	h, err := NewHost(ProcRoot, CgroupRoot)
	if err != nil {
		t.Fatal(err)
	}
	var s Sampler = h
	for i := range 3 {
		got, err := s.Sample(start.Add(time.Duration(i) * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		share := func(v float64) bool { return v >= 0 && v <= 1 }
		if got.CPUs < 1 || got.Load1 < 0 || !share(got.CPUIdle) || !share(got.Pressure) ||
			got.MemTotal < 1<<20 || got.MemAvailable > got.MemTotal {
			t.Errorf("out of bounds: %+v", got)
		}
		if c := h.Capacity(); c <= 0 || c > float64(got.CPUs) || float64(got.CPUs) >= c+1 && got.CPUs > 1 {
			t.Errorf("Capacity() = %v of %d CPUs", c, got.CPUs)
		}
	}
}

func TestNoFixtureIsBroken(t *testing.T) {
	// A checkout without links would let the tests of control groups pass for the wrong reason.
	for _, name := range []string{"idle", "busy", "container", "128cpus"} {
		if _, err := fs.ReadFile(os.DirFS("testdata/proc/"+name), "self/cgroup"); err != nil {
			t.Error(err)
		}
	}
}
