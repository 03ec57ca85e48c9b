package sampler

import (
	"math"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/prometheus/procfs"
)

// parseGroups reads lines as they stand in /proc/self/cgroup.
func parseGroups(t *testing.T, text string) []procfs.Cgroup {
	t.Helper()
	var groups []procfs.Cgroup
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		g := procfs.Cgroup{HierarchyID: 1, Path: parts[2]}
		if parts[0] == "0" {
			g.HierarchyID = 0
		}
		if parts[1] != "" {
			g.Controllers = strings.Split(parts[1], ",")
		}
		groups = append(groups, g)
	}
	return groups
}

func TestGroupLimits(t *testing.T) {
	inf, none := math.Inf(1), uint64(math.MaxUint64)
	for _, c := range []struct {
		name, root, groups string
		want               limits
	}{
		{
			"each level of version 2 holds, the tightest wins", "v2", "0::/system.slice/backhand.service",
			limits{0.5, 4 * gib, 2 * gib},
		},
		{"a group that is not limited itself", "v2", "0::/system.slice", limits{inf, 4 * gib, 2 * gib}},
		{"the root of a host has no limit", "v2", "0::/", limits{inf, none, none}},
		{"a group that is gone: those above it count", "v2", "0::/system.slice/gone/deep", limits{inf, 4 * gib, 2 * gib}},
		{"outside of our namespace", "v2", "0::/../../system.slice", limits{inf, 4 * gib, 2 * gib}},
		{"a container sees its group as the root", "container", "0::/", limits{1.5, 2 * gib, 5 * gib / 4}},
		{
			"a container without a namespace sees the path of the host", "container", "0::/docker/0123456789abcdef",
			limits{1.5, 2 * gib, 5 * gib / 4},
		},
		{
			"version 1 with 2 beside it", "hybrid", "9:name=systemd:/web\n4:memory:/web\n2:cpu,cpuacct:/web\n0::/system.slice",
			limits{2.5, gib, 3 * gib / 4},
		},
		{
			"version 1 without a limit but the largest number", "hybrid", "4:memory:/\n2:cpu,cpuacct:/\n0::/",
			limits{inf, 9223372036854771712, 9223372036854771712 - 3*gib},
		},
		{"one hierarchy for CPU and memory that is not mounted", "hybrid", "3:cpu,memory:/web", limits{inf, gib, 3 * gib / 4}},
		{"no control groups at all", "absent", "0::/system.slice", limits{inf, none, none}},
		{"nothing that limits", "hybrid", "5:devices:/web\n8:pids:/", limits{inf, none, none}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := groupLimits(os.DirFS("testdata/cgroup/"+c.root), parseGroups(t, c.groups))
			if err != nil || got != c.want {
				t.Errorf("got %+v, error %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestGroupLimitsOfOddFiles(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for _, c := range []struct {
		name, group string
		fs          fstest.MapFS
		want        limits
		err         string
	}{
		{
			name: "a link of the controller's own name", group: "2:cpu,cpuacct:/",
			fs:   fstest.MapFS{"cpu/cpu.cfs_quota_us": file("50000"), "cpu/cpu.cfs_period_us": file("100000")},
			want: limits{0.5, math.MaxUint64, math.MaxUint64},
		},
		{
			name: "CPU and memory in one hierarchy", group: "2:cpu,memory:/a",
			fs: fstest.MapFS{
				"cpu,memory/a/cpu.cfs_quota_us": file("100000"), "cpu,memory/memory.limit_in_bytes": file("4096"),
			},
			want: limits{1, 4096, 4096},
		},
		{
			name: "a group named unified is no mount", group: "0::/web",
			fs:   fstest.MapFS{"cgroup.controllers": file("cpu"), "unified/cpu.max": file("1000 100000"), "web/cpu.max": file("max")},
			want: noLimits(),
		},
		{
			name: "more in use than allowed", group: "0::/",
			fs:   fstest.MapFS{"cgroup.controllers": file(""), "memory.max": file("4096"), "memory.current": file("8192")},
			want: limits{math.Inf(1), 4096, 0},
		},
		{
			name: "more inactive than in use", group: "0::/",
			fs: fstest.MapFS{
				"cgroup.controllers": file(""), "memory.max": file("4096"), "memory.current": file("8"),
				"memory.stat": file("inactive_file 9"),
			},
			want: limits{math.Inf(1), 4096, 4096},
		},
		{
			name: "a quota that is none", group: "0::/a",
			fs:  fstest.MapFS{"cgroup.controllers": file(""), "a/cpu.max": file("half 100000")},
			err: `a/cpu.max: quota "half"`,
		},
		{
			name: "a limit that is none", group: "0::/",
			fs:  fstest.MapFS{"cgroup.controllers": file(""), "memory.max": file("-1")},
			err: `memory.max: "-1", want a number of bytes`,
		},
		{
			name: "a period that is none", group: "2:cpu:/",
			fs:  fstest.MapFS{"cpu/cpu.cfs_quota_us": file("1"), "cpu/cpu.cfs_period_us": file("0")},
			err: `cpu/cpu.cfs_quota_us: quota "1" and period "0"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := groupLimits(c.fs, parseGroups(t, c.group))
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one with %q", err, c.err)
				}
			case err != nil || got != c.want:
				t.Errorf("got %+v, error %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseCPUMax(t *testing.T) {
	for _, c := range []struct {
		in   string
		want float64 // 0: an error
	}{
		{"max 100000", math.Inf(1)},
		{"max", math.Inf(1)},
		{"100000 100000", 1},
		{"1000 1000000", 0.001},
		{"250000", 2.5},
		{"0 100000", 0},
		{"-2 100000", 0},
		{"100000 0", 0},
		{"100000 -1", 0},
		{"", 0},
		{"1e5 100000", 0},
		{"99999999999999999999 100000", 0},
	} {
		got, err := parseCPUMax(c.in)
		if got != c.want || (err != nil) != (c.want == 0) {
			t.Errorf("parseCPUMax(%q) = %v, %v, want %v", c.in, got, err, c.want)
		}
	}
}

func FuzzParseCPUMax(f *testing.F) {
	for _, s := range []string{"max 100000", "150000 100000", "max", "", "1 1 1", "-1 0", "0x10 7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := parseCPUMax(s); err == nil && !(v > 0) {
			t.Errorf("parseCPUMax(%q) = %v without an error", s, v)
		}
	})
}

func FuzzMemoryLimits(f *testing.F) {
	f.Add("max", "1", "anon 1\ninactive_file 7\n")
	f.Add("4096", "8192", "inactive_file 8193")
	f.Add("0", "18446744073709551615", "inactive_file x")
	f.Fuzz(func(t *testing.T, limit, usage, stat string) {
		fsys := fstest.MapFS{
			"cgroup.controllers": {}, "memory.max": {Data: []byte(limit)}, "memory.current": {Data: []byte(usage)},
			"memory.stat": {Data: []byte(stat)},
		}
		l, err := groupLimits(fsys, []procfs.Cgroup{{Path: "/a"}})
		if err == nil && l.available > l.memory {
			t.Errorf("more available than there is: %+v", l)
		}
	})
}

func FuzzDirs(f *testing.F) {
	f.Add("unified", "/a/b")
	f.Add(".", "/../..//x/")
	f.Add("cpu,cpuacct", "")
	f.Fuzz(func(t *testing.T, mount, group string) {
		if mount != "cpu" && mount != "." {
			mount = "cpu"
		}
		last := ""
		for d := range dirs(mount, group) {
			if last = d; mount == "cpu" && d != "cpu" && !strings.HasPrefix(d, "cpu/") || strings.HasPrefix(d, "../") {
				t.Fatalf("dirs(%q, %q) leaves the mount: %q", mount, group, d)
			}
		}
		if last != mount {
			t.Errorf("dirs(%q, %q) ends at %q, want the mount", mount, group, last)
		}
	})
}
