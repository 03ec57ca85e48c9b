package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestParseStat(t *testing.T) {
	const text = "42 (a (b) c) S 7 40 39 0 -1 4194304 100 0 0 0 150 50 25 5 20 0 3 0 987654 1000 200\n"
	got, err := parseStat([]byte(text))
	want := procStat{state: 'S', parent: 7, session: 39, user: 1.75, system: .55, started: 987654}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "42 (x) S 7", strings.Replace(text, " 150 ", " x ", 1)} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("42 (a (b) c) S 7 40 39 0 -1 4194304 100 0 0 0 150 50 25 5 20 0 3 0 987654 1000 200\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := parseStat(b); err == nil && (s.user < 0 || s.system < 0) {
			t.Errorf("%q: %+v", b, s)
		}
	})
}

func TestParseBusy(t *testing.T) {
	got, err := parseBusy("cpu  100 20 30 9999 8888 1 2 47 500 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if err != nil || got != 2 {
		t.Errorf("got %v, %v; want 2: not what is idle or waits, nor what guests use, which is in user", got, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseCpuacct(t *testing.T) {
	const mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n" +
		"cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
	for _, row := range []struct {
		name, mounts, own string
		want              []string
	}{
		{
			"a group of its own, then the root", mounts, "4:cpu,cpuacct:/a/b\n0::/\n",
			[]string{"/sys/fs/cgroup/cpu,cpuacct/a/b", "/sys/fs/cgroup/cpu,cpuacct"},
		},
		{"in the root", mounts, "4:cpu,cpuacct:/\n", []string{"/sys/fs/cgroup/cpu,cpuacct"}},
		{"cgroup v2 only", "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/x\n", nil},
		{"nothing", "", "", nil},
	} {
		if got := parseCpuacct(row.mounts, row.own); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

func TestParseCalls(t *testing.T) {
	got := parseCalls(`% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.02    0.100000           5     20000       150 read
 39.98    0.050000           2     20001           write
  0.00    0.000000           0         3         3 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.150000           3     40004       153 total
`)
	if want := map[string]int{"read": 20000, "write": 20001, "futex": 3}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	short, long := map[string]int{"read": 500, "accept4": 64}, map[string]int{"read": 1500, "accept4": 64, "brk": 5}
	if got, want := perRequest(short, long, 500), map[string]float64{"read": 2, "brk": .01}; !maps.Equal(got, want) {
		t.Errorf("a request takes %v, want %v: connections do not count", got, want)
	}
	if got := parseCalls("strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n"); len(got) > 0 {
		t.Errorf("a complaint counts as %v", got)
	}
}

func TestParseRollup(t *testing.T) {
	rss, pss := parseRollup("00400000-7fff ---p 00000000 00:00 0 [rollup]\nRss:  2048 kB\nPss:  1024 kB\nPss_Dirty:  512 kB\n")
	if rss != 2048 || pss != 1024 {
		t.Errorf("got %d and %d KiB", rss, pss)
	}
}

func TestFlags(t *testing.T) {
	for _, row := range []struct {
		args string
		want string // in the error; "": none
	}{
		{"", ""},
		{"-against nginx,haproxy,nginx -tests k64,lat -rows hundred -reps 3 -secs 1", ""},
		{"-against=", ""},
		{"-tests k65", `-tests: there is no "k65", only k64,`},
		{"-rows many -against iis", `-against: there is no "iis"`},
		{"-tests=", "want at least one"},
		{"-rows hop", "hop is compared with four"},
		{"-reps 0", "-reps is 0: want 1 to 100"},
		{"-secs 0.01", "-secs is 0.01"},
		{"-cpu guess", `-cpu is "guess"`},
		{"k64", "there are only flags"},
	} {
		var said strings.Builder
		_, _, err := parseFlags(strings.Fields(row.args), &said)
		switch {
		case err == nil && row.want != "":
			t.Errorf("%q: no complaint, want %q", row.args, row.want)
		case err != nil && (row.want == "" || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%q: %v, want %q", row.args, err, row.want)
		}
	}
	opt, file, err := parseFlags([]string{"-against", "nginx,haproxy,nginx", "-json", "x"}, &strings.Builder{})
	if err != nil || file != "x" || len(opt.against) != 2 || opt.against[0].key != "nginx" || opt.reps != 9 || len(opt.rows) != 5 {
		t.Errorf("%+v, %q, %v", opt, file, err)
	}
}
