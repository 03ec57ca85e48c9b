package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// options say what is measured.
type options struct {
	rows    []row
	tests   []test
	against []peer
	reps    int
	secs    time.Duration // of a measurement
	binary  string        // backhand, if it is not to be built
	proc    bool          // CPU time from /proc even where there is a cgroup
}

// direct is the origin without a proxy: what core 1 can carry, and the latency of the generator itself.
const direct = "direct"

const warnBusy = 0.1 // cores that others may use before it is said

// bench is one run.
type bench struct {
	opt  options
	say  io.Writer // progress
	self string    // this program
	dir  string    // all that is written
	logs string    // access logs

	binary        string
	commit        string
	cores         []int // that we may use
	core0, core1  int   // for the proxy; for the generator, the origin and ourselves
	cpuacct       string
	warm          time.Duration
	ports         ports
	syslog        *syslog
	originCommand func(*bench) (command, error)
	origin        *server
	four, hundred []string // addresses of the origin
	bodies        map[string][]byte

	samples    []sample
	versions   map[string]string
	notes      []string
	complaints []string // of backhand
}

// newBench prepares what does not need other programs.
func newBench(opt options, say io.Writer) (b *bench, err error) {
	b = &bench{opt: opt, say: say, originCommand: nginxOrigin, warm: warmUp, versions: map[string]string{}}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.cores, err = cores(); err != nil {
		return nil, err
	}
	b.core0, b.core1 = b.cores[0], b.cores[min(1, len(b.cores)-1)]
	if b.core0 == b.core1 {
		b.note("only one core: proxy, generator and origin share it; throughput and latency mean little")
	}
	if n := allowFiles(openFiles); n < 2*idleConns {
		b.note(fmt.Sprintf("only %d open files are allowed: idle connections may be lost", n))
	}
	if !opt.proc {
		b.cpuacct = cpuacctFolder()
	}
	if b.dir, err = os.MkdirTemp("", "backhand-bench-"); err != nil {
		return nil, err
	}
	if err := b.prepare(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) prepare() (err error) {
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	var where string
	if b.logs, where, err = logFolder(b.dir); err != nil {
		return err
	}
	if slices.ContainsFunc(b.opt.rows, func(r row) bool { return r.log }) {
		b.note("access logs: HAProxy's to a datagram socket that is drained, all others to " + where)
	}
	if b.syslog, err = openSyslog(b.dir); err != nil {
		return err
	}
	return b.prepareOrigin()
}

// close ends what runs and removes what was written.
func (b *bench) close() {
	if b.origin != nil {
		b.origin.stop()
	}
	if b.syslog != nil {
		b.syslog.close()
	}
	_ = pinAll(b.cores...) // tests go on
	os.RemoveAll(b.dir)
	if b.logs != "" {
		os.RemoveAll(b.logs)
	}
}

func (b *bench) note(text string) {
	if !slices.Contains(b.notes, text) {
		b.notes = append(b.notes, text)
		fmt.Fprintln(b.say, "note:", text)
	}
}

func (b *bench) source() string {
	if b.cpuacct != "" {
		return "cgroup v1 cpuacct"
	}
	return "/proc/PID/stat"
}

// run does all the measurements.
func (b *bench) run(ctx context.Context) error {
	if err := b.binaryReady(ctx); err != nil {
		return err
	}
	if err := b.warnIfBusy(ctx); err != nil {
		return err
	}
	if err := pinAll(b.core1); err != nil {
		return err
	}
	if err := b.startOrigin(ctx); err != nil {
		return err
	}
	b.findPeers()
	field, err := b.tryAll(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.say, "%d measurements, about %v; CPU time from %s\n",
		b.count(field), b.estimate(field).Round(10*time.Second), b.source())
	for rep := range b.opt.reps {
		for _, r := range b.opt.rows {
			for _, t := range b.opt.tests {
				if rep >= t.reps(b.opt.reps) {
					continue
				}
				if err := b.turn(ctx, rep, r, t, field[r.key]); err != nil {
					return err
				}
			}
		}
	}
	b.judge()
	return nil
}

// binaryReady builds backhand, if none was named.
func (b *bench) binaryReady(ctx context.Context) error {
	if b.opt.binary != "" {
		b.binary, b.commit = b.opt.binary, "as given"
		_, err := os.Stat(b.binary)
		return err
	}
	root, err := clone()
	if err != nil {
		return err
	}
	b.binary = filepath.Join(b.dir, ours)
	fmt.Fprintln(b.say, "building ./cmd/backhand of", root)
	b.commit, err = build(ctx, root, b.binary, b.say)
	return err
}

func (b *bench) warnIfBusy(ctx context.Context) error {
	const look = 500 * time.Millisecond
	before, err := busy()
	if err != nil {
		return err
	}
	if !napFor(look, ctx.Done()) {
		return ctx.Err()
	}
	after, err := busy()
	if used := (after - before) / look.Seconds(); used > warnBusy {
		b.note(fmt.Sprintf("%.2f of the cores were busy before the start: something else runs here, expect noise", used))
	}
	return err
}

// findPeers leaves out those that are not installed.
func (b *bench) findPeers() {
	b.opt.against = slices.DeleteFunc(b.opt.against, func(p peer) bool {
		err := p.find()
		if err != nil {
			b.note(fmt.Sprintf("%s is left out: %v", p.key, err))
			return true
		}
		b.versions[p.key] = p.says()
		return false
	})
}

// tryAll prepares the proxies of each row and asks each one for every path, before any time is spent. A peer that does
// not work is left out; if backhand does not, that is the result.
func (b *bench) tryAll(ctx context.Context) (map[string][]subject, error) {
	field := map[string][]subject{}
	for _, r := range b.opt.rows {
		mine, err := b.ourSubject(r)
		if err != nil {
			return nil, err
		}
		if err := b.try(ctx, mine); err != nil {
			return nil, fmt.Errorf("%w: row %s: %w", errBad, r.key, err)
		}
		field[r.key] = append(field[r.key], mine)
		for _, p := range b.opt.against {
			if r.hop {
				break
			}
			s, err := b.peerSubject(r, p)
			if err != nil {
				return nil, err
			}
			if err := b.try(ctx, s); ctx.Err() != nil {
				return nil, ctx.Err()
			} else if err != nil {
				b.note(fmt.Sprintf("%s is left out of row %s: %v", p.key, r.key, err))
				continue
			}
			field[r.key] = append(field[r.key], s)
		}
	}
	first := b.opt.rows[0].key
	field[first] = append(field[first], subject{name: direct})
	return field, nil
}

func (b *bench) try(ctx context.Context, sub subject) error {
	srv, err := b.startServer(ctx, sub.name, sub.addr, b.core0, sub.commands)
	if err != nil {
		return err
	}
	defer srv.stop()
	var all error
	for _, path := range slices.Sorted(maps.Keys(b.bodies)) {
		all = errors.Join(all, b.probe(srv.addr, path))
	}
	return all
}

// rotated returns the proxies in the order of a repetition: in each another one is the first.
func rotated(field []subject, rep int) []subject {
	k := rep % len(field)
	return slices.Concat(field[k:], field[:k])
}

// turn measures all the proxies of a row once.
func (b *bench) turn(ctx context.Context, rep int, r row, t test, field []subject) error {
	for _, sub := range rotated(field, rep) {
		s, err := b.measure(ctx, r, t, sub)
		if err != nil {
			return err
		}
		s.Rep = rep
		b.samples = append(b.samples, s)
		fmt.Fprintf(b.say, "%d/%d %s %s %s: %s\n", rep+1, b.opt.reps, r.key, t.key, sub.name, s.line())
		switch {
		case s.Bad > 0 && sub.name == ours:
			b.complaints = append(b.complaints, fmt.Sprintf("%s, %s, repetition %d: %d bad: %s", r.key, t.key, rep+1, s.Bad, s.Why))
		case s.Bad > 0:
			b.note(fmt.Sprintf("%s gave bad answers in %s, %s; those measurements do not count: %s", sub.name, r.key, t.key, s.Why))
		}
	}
	return nil
}

// line is a sample for the eye.
func (s sample) line() string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(s.Values)) {
		words = append(words, k+"="+digits(s.Values[k]))
	}
	if s.Other > warnBusy {
		words = append(words, "other="+digits(s.Other))
	}
	if s.Bad > 0 {
		words = append(words, fmt.Sprintf("BAD %d: %s", s.Bad, s.Why))
	}
	return strings.Join(words, " ")
}

// judge adds the notes that only the whole can give.
func (b *bench) judge() {
	var other []float64
	logged := map[string][]float64{}
	for _, s := range b.samples {
		if s.Values["cpu"] > 0 {
			other = append(other, s.Other)
		}
		if l, some := s.Values["logged"]; some && s.Bad == 0 {
			logged[s.Proxy] = append(logged[s.Proxy], l)
		}
	}
	if o := spreadOf(other); o.Median > warnBusy {
		b.note(fmt.Sprintf("something else ran on this machine: %.2f of the cores (median; at most %.2f)", o.Median, o.Max))
	}
	for _, name := range slices.Sorted(maps.Keys(logged)) {
		if l := spreadOf(logged[name]); l.Min < .99 {
			b.note(fmt.Sprintf("%s wrote %.0f %% of its log lines (median; at least %.0f %%)", name, 100*l.Median, 100*l.Min))
		}
	}
}

// each calls f for each measurement that is to be done.
func (b *bench) each(field map[string][]subject, f func(t test)) {
	for _, r := range b.opt.rows {
		for _, t := range b.opt.tests {
			for range t.reps(b.opt.reps) * len(field[r.key]) {
				f(t)
			}
		}
	}
}

func (b *bench) count(field map[string][]subject) (n int) {
	b.each(field, func(test) { n++ })
	return n
}

func (b *bench) estimate(field map[string][]subject) (d time.Duration) {
	b.each(field, func(t test) {
		switch d += 700 * time.Millisecond; t.kind { // starting and stopping
		case byIdle:
			d += idleTime + time.Second
		case byCalls:
			d += b.warm + 3*b.opt.secs
		default:
			d += b.warm + b.opt.secs
		}
	})
	return d
}
