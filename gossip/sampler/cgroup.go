package sampler

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// limits are what the control groups of a process leave it of its host.
type limits struct {
	cpus      float64 // CPUs' worth of time; +Inf if not limited
	memory    uint64  // bytes; MaxUint64 if not limited
	available uint64  // bytes of these that it can still get; MaxUint64 if not limited
}

func noLimits() limits {
	return limits{cpus: math.Inf(1), memory: math.MaxUint64, available: math.MaxUint64}
}

// tightest returns the lower one of each limit.
func (l limits) tightest(o limits) limits {
	return limits{
		cpus: min(l.cpus, o.cpus), memory: min(l.memory, o.memory), available: min(l.available, o.available),
	}
}

// ownLimits returns the limits of this process. It asks anew each time, since limits change, and processes are moved.
func ownLimits(proc procfs.FS, cgroups fs.FS) (limits, error) {
	self, err := proc.Self()
	if err != nil {
		return limits{}, err
	}
	groups, err := self.Cgroups()
	if errors.Is(err, fs.ErrNotExist) {
		return noLimits(), nil // a kernel without control groups
	}
	if err != nil {
		return limits{}, err
	}
	return groupLimits(cgroups, groups)
}

// groupLimits returns the tightest limits of the groups and of all above them, since each holds for what is below it.
//
// A group that we do not find is no mistake: a container sees its own group as the root of the file system, while
// /proc/self/cgroup may name the path that it has on the host. The walk to the root finds the limits all the same.
func groupLimits(fsys fs.FS, groups []procfs.Cgroup) (limits, error) {
	all := noLimits()
	for _, g := range groups {
		read := limitsOf(g)
		if read == nil {
			continue
		}
		for dir := range dirs(mount(fsys, g), g.Path) {
			l, err := read(fsys, dir)
			if err != nil {
				return limits{}, err
			}
			all = all.tightest(l)
		}
	}
	return all, nil
}

// limitsOf returns what reads the limits of such a group, or nil if it limits neither CPU nor memory.
func limitsOf(g procfs.Cgroup) func(fs.FS, string) (limits, error) {
	cpu, memory := slices.Contains(g.Controllers, "cpu"), slices.Contains(g.Controllers, "memory")
	switch {
	case g.HierarchyID == 0 && len(g.Controllers) == 0:
		return limitsV2
	case cpu && memory:
		return func(fsys fs.FS, dir string) (limits, error) {
			c, errC := cpuV1(fsys, dir)
			m, errM := memoryV1(fsys, dir)
			return c.tightest(m), errors.Join(errC, errM)
		}
	case cpu:
		return cpuV1
	case memory:
		return memoryV1
	}
	return nil
}

// mount returns the folder in which the hierarchy of a group is mounted, as distributions and containers do it.
func mount(fsys fs.FS, g procfs.Cgroup) string {
	there := func(name string) bool {
		_, err := fs.Stat(fsys, name)
		return err == nil
	}
	if len(g.Controllers) == 0 { // version 2, alone or beside version 1
		if there("cgroup.controllers") {
			return "."
		}
		return "unified"
	}
	all := strings.Join(g.Controllers, ",")
	// Of "cpu,cpuacct" and its link "cpu", a container may have only one.
	for _, name := range append([]string{all}, g.Controllers...) {
		if there(name) {
			return name
		}
	}
	return all
}

// dirs yields the folder of a group, and of all above it up to the mount itself.
func dirs(mount, group string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		// A group outside of our namespace is shown as /../name. Clean keeps us below the mount.
		for g := path.Clean("/" + group); yield(path.Join(mount, g)) && g != "/"; g = path.Dir(g) {
		}
	}
}

// limitsV2 reads a group of version 2 (Documentation/admin-guide/cgroup-v2.rst).
func limitsV2(fsys fs.FS, dir string) (limits, error) {
	text, err := readFile(fsys, dir, "cpu.max", "max")
	if err != nil {
		return limits{}, err
	}
	l := noLimits()
	if l.cpus, err = parseCPUMax(text); err != nil {
		return limits{}, fmt.Errorf("%s/cpu.max: %w", dir, err)
	}
	m, err := readMemory(fsys, dir, memoryFiles{"memory.max", "memory.current", "inactive_file"})
	return l.tightest(m), err
}

// cpuV1 reads a group of the controller cpu (Documentation/scheduler/sched-bwc.rst).
func cpuV1(fsys fs.FS, dir string) (limits, error) {
	l := noLimits()
	quota, err := readFile(fsys, dir, "cpu.cfs_quota_us", "-1")
	if err != nil {
		return limits{}, err
	}
	period, err := readFile(fsys, dir, "cpu.cfs_period_us", "100000")
	if err != nil {
		return limits{}, err
	}
	if l.cpus, err = parseQuota(quota, period); err != nil {
		return limits{}, fmt.Errorf("%s/cpu.cfs_quota_us: %w", dir, err)
	}
	return l, nil
}

// memoryV1 reads a group of the controller memory (Documentation/admin-guide/cgroup-v1/memory.rst).
func memoryV1(fsys fs.FS, dir string) (limits, error) {
	return readMemory(fsys, dir, memoryFiles{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"})
}

// memoryFiles are the files of a group, and the line of its memory.stat.
type memoryFiles struct{ limit, usage, inactive string }

// readMemory returns the limit of a group's memory. Files that were read long ago do not count as use: the kernel drops
// them before anything else (the kubelet's working set leaves them out, too).
func readMemory(fsys fs.FS, dir string, f memoryFiles) (limits, error) {
	l := noLimits()
	limit, err := readBytes(fsys, dir, f.limit, "max")
	if err != nil || limit == math.MaxUint64 {
		return l, err
	}
	usage, err := readBytes(fsys, dir, f.usage, "0")
	if err != nil {
		return l, err
	}
	stat, err := readFile(fsys, dir, "memory.stat", "")
	if err != nil {
		return l, err
	}
	inactive, err := parseMemoryStat(stat, f.inactive)
	if err != nil {
		return l, fmt.Errorf("%s/memory.stat: %w", dir, err)
	}
	l.memory = limit
	l.available = limit - min(limit, usage-min(usage, inactive))
	return l, nil
}

// readBytes returns the number of bytes in a file of a group.
func readBytes(fsys fs.FS, dir, name, absent string) (uint64, error) {
	text, err := readFile(fsys, dir, name, absent)
	if err != nil {
		return 0, err
	}
	n, err := parseBytes(text)
	if err != nil {
		return 0, fmt.Errorf("%s/%s: %w", dir, name, err)
	}
	return n, nil
}

// readFile returns the text of a file of a group, or absent if it is not there.
func readFile(fsys fs.FS, dir, name, absent string) (string, error) {
	b, err := fs.ReadFile(fsys, path.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	return strings.TrimSpace(string(b)), err
}

// parseCPUMax reads "MAX PERIOD", both in µs, where MAX may be the word "max", and returns CPUs; +Inf for no limit. A
// missing period is the kernel's default, 100 ms.
func parseCPUMax(s string) (float64, error) {
	quota, period, ok := strings.Cut(s, " ")
	if !ok {
		period = "100000"
	}
	if quota == "max" {
		quota = "-1"
	}
	return parseQuota(quota, period)
}

// parseQuota returns CPUs of a quota and its period, both in µs; +Inf for a quota of -1.
func parseQuota(quota, period string) (float64, error) {
	q, errQ := strconv.ParseInt(quota, 10, 64)
	p, errP := strconv.ParseInt(period, 10, 64)
	switch {
	case errQ != nil || errP != nil || p <= 0 || q < -1 || q == 0:
		return 0, fmt.Errorf("quota %q and period %q, want microseconds", quota, period)
	case q == -1:
		return math.Inf(1), nil
	}
	return float64(q) / float64(p), nil
}

// parseBytes reads a number of bytes, or "max", which is MaxUint64.
func parseBytes(s string) (uint64, error) {
	if s == "max" {
		return math.MaxUint64, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%.40q, want a number of bytes", s)
	}
	return n, nil
}

// parseMemoryStat returns the figure of one line "name bytes", 0 if there is none.
func parseMemoryStat(s, name string) (uint64, error) {
	for line := range strings.Lines(s) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return parseBytes(strings.TrimSpace(value))
		}
	}
	return 0, nil
}
