package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is CPU time in seconds.
type usage struct{ total, user, system float64 }

// since returns what was used since an earlier reading. User time is a share of the total: where the kernel only samples
// who is running, the total is the exact one.
func (u usage) since(before usage) (total, user float64) {
	total = u.total - before.total
	du, ds := u.user-before.user, u.system-before.system
	if du+ds > 0 {
		user = total * du / (du + ds)
	}
	return total, user
}

// account knows the processes of a server and the CPU time that they use, those that have ended included.
type account interface {
	usage() (usage, error)
	pids() ([]int, error)
	cgroup() string // for the launcher to join; "" if there is none
	close()
}

// cpuacctFolder returns the folder of the cgroup v1 controller cpuacct in which groups can be made, or "".
func cpuacctFolder() string {
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return ""
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for _, dir := range parseCpuacct(string(mounts), string(own)) {
		probe, err := os.MkdirTemp(dir, "backhand-bench-")
		if err != nil {
			continue
		}
		_, err = cgroupAccount(probe).usage()
		os.Remove(probe)
		if err == nil {
			return dir
		}
	}
	return ""
}

// parseCpuacct returns the candidates: this process's own group, and the root.
func parseCpuacct(mounts, own string) (dirs []string) {
	root := ""
	for line := range strings.Lines(mounts) {
		f := strings.Fields(line)
		if len(f) > 3 && f[2] == "cgroup" && has(f[3], "cpuacct") {
			root = f[1]
		}
	}
	if root == "" {
		return nil
	}
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) == 3 && has(f[1], "cpuacct") {
			dirs = append(dirs, filepath.Join(root, f[2]))
		}
	}
	if len(dirs) == 0 || dirs[0] != root {
		dirs = append(dirs, root)
	}
	return dirs
}

func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// cgroupAccount is a group of the controller cpuacct, by its folder.
type cgroupAccount string

func newCgroupAccount(parent, name string) (account, error) {
	dir := filepath.Join(parent, fmt.Sprintf("backhand-bench-%d-%s", os.Getpid(), name))
	return cgroupAccount(dir), os.Mkdir(dir, 0o755)
}

func (c cgroupAccount) usage() (u usage, err error) {
	for _, f := range []struct {
		name string
		to   *float64
	}{{"cpuacct.usage", &u.total}, {"cpuacct.usage_user", &u.user}, {"cpuacct.usage_sys", &u.system}} {
		text, err := os.ReadFile(filepath.Join(string(c), f.name))
		if err != nil {
			return usage{}, err
		}
		ns, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("%s: %w", f.name, err)
		}
		*f.to = float64(ns) / 1e9
	}
	return u, nil
}

func (c cgroupAccount) pids() (list []int, err error) {
	text, err := os.ReadFile(filepath.Join(string(c), "cgroup.procs"))
	for f := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(f); err == nil {
			list = append(list, pid)
		}
	}
	return list, err
}

func (c cgroupAccount) cgroup() string { return string(c) }

// close removes the group, as soon as the kernel has forgotten the processes.
func (c cgroupAccount) close() {
	for range 40 {
		if err := os.Remove(string(c)); err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
}

// procAccount reads /proc for the processes whose sessions these are, by the pids of their leaders.
type procAccount struct{ leaders *[]int }

func (p procAccount) usage() (u usage, err error) {
	all, err := p.stats()
	for _, s := range all {
		u.user += s.user
		u.system += s.system
	}
	u.total = u.user + u.system
	return u, err
}

func (p procAccount) pids() (list []int, err error) {
	all, err := p.stats()
	for pid := range all {
		list = append(list, pid)
	}
	return list, err
}

func (p procAccount) cgroup() string { return "" }

func (p procAccount) close() {}

// stats returns the processes of the sessions, and whatever they have started, by pid.
func (p procAccount) stats() (map[int]procStat, error) {
	dir, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	all, ours := map[int]procStat{}, map[int]procStat{}
	for _, e := range dir {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if s, err := readStat(pid); err == nil {
				all[pid] = s
			}
		}
	}
	for grown := true; grown; {
		grown = false
		for pid, s := range all {
			_, known := ours[pid]
			_, child := ours[s.parent]
			if !known && (child || p.leads(s.session)) {
				ours[pid], grown = s, true
			}
		}
	}
	return ours, nil
}

func (p procAccount) leads(session int) bool {
	return slices.Contains(*p.leaders, session)
}

// procStat is what matters of /proc/PID/stat.
type procStat struct {
	state           byte // Z: it has ended, and nobody asked how
	parent, session int
	user, system    float64 // seconds, children that were waited for included
	started         uint64  // ticks since the machine came up: with the pid, who it is
}

func readStat(pid int) (procStat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(text)
}

func parseStat(text []byte) (s procStat, err error) {
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name before may hold anything
	if len(f) < 20 {
		return procStat{}, fmt.Errorf("a stat of %d fields: want more", len(f))
	}
	var n [20]uint64
	for _, i := range []int{1, 3, 11, 12, 13, 14, 19} {
		if n[i], err = strconv.ParseUint(f[i], 10, 64); err != nil {
			return procStat{}, fmt.Errorf("field %d of a stat: %w", i+3, err)
		}
	}
	return procStat{
		state: f[0][0], parent: int(n[1]), session: int(n[3]), started: n[19],
		user: float64(n[11]+n[13]) / ticksPerSecond, system: float64(n[12]+n[14]) / ticksPerSecond,
	}, nil
}

// memory returns how much memory the processes have, in KiB: resident, and with what they share counted once (PSS).
func memory(pids []int) (rss, pss int) {
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		r, p := parseRollup(string(text))
		rss, pss = rss+r, pss+p
	}
	return rss, pss
}

func parseRollup(text string) (rss, pss int) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "Rss:":
			rss, _ = strconv.Atoi(f[1])
		case "Pss:":
			pss, _ = strconv.Atoi(f[1])
		}
	}
	return rss, pss
}
