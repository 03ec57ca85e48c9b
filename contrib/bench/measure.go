package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"backhand/contrib/bench/load"
)

// sample is one measurement.
type sample struct {
	Row   string  `json:"row"`
	Test  string  `json:"test"`
	Proxy string  `json:"proxy"`
	Rep   int     `json:"rep"`
	Bad   int     `json:"bad"`
	Why   string  `json:"why,omitempty"`
	Other float64 `json:"other"` // cores that were busy with something else
	// Values by the names of the metrics: CPU times in microseconds a request, latencies in microseconds, memory in KiB,
	// log lines and system calls a request.
	Values map[string]float64 `json:"values"`
	Load   load.Result        `json:"load"`
	Calls  map[string]float64 `json:"calls,omitempty"` // system calls a request, by name
}

func (s *sample) blame(n int, why string) {
	s.Bad += n
	if s.Why != "" {
		s.Why += "; "
	}
	s.Why += why
}

// warmUp is for how long there is load before each measurement.
const warmUp = 500 * time.Millisecond

// measure starts the proxy afresh and does one test. An error ends the run; what is wrong with the proxy is in the
// sample.
func (b *bench) measure(ctx context.Context, r row, t test, sub subject) (s sample, err error) {
	s = sample{Row: r.key, Test: t.key, Proxy: sub.name, Values: map[string]float64{}}
	if err := b.origin.fallen(); err != nil {
		return s, err
	}
	srv, err := b.startSubject(ctx, sub)
	if err != nil {
		s.blame(1, err.Error())
		return s, ctx.Err()
	}
	asked := 0
	if err := b.probe(srv.addr, t.spec.Path); err != nil {
		s.blame(1, err.Error())
	}
	switch t.kind {
	case byLoad:
		asked, err = b.byLoad(ctx, srv, t, &s)
	case byIdle:
		err = b.byIdle(ctx, srv, t, &s)
	case byCalls:
		err = b.byCalls(ctx, srv, t, &s)
	}
	if err == nil && s.Load.Bytes == 0 && t.kind != byCalls {
		s.blame(1, "no answer at all")
	}
	if fallen := srv.fallen(); fallen != nil {
		s.blame(1, fallen.Error())
	}
	if srv != b.origin && !srv.stop() {
		b.note(fmt.Sprintf("%s did not end within %v of SIGTERM and was killed", srv.name, stopTime))
	}
	if sub.lines != nil && asked > 0 {
		s.Values["logged"] = float64(sub.lines()) / float64(asked)
	}
	return s, err
}

// startSubject starts a proxy with an empty log. For direct it is the origin, which runs.
func (b *bench) startSubject(ctx context.Context, sub subject) (*server, error) {
	if sub.commands == nil {
		return b.origin, nil
	}
	if sub.clear != nil {
		sub.clear()
	}
	return b.startServer(ctx, sub.name, sub.addr, b.core0, sub.commands)
}

// byLoad measures CPU time, throughput and latency. It returns how many requests were made in all.
func (b *bench) byLoad(ctx context.Context, srv *server, t test, s *sample) (asked int, err error) {
	warm, err := b.load(ctx, srv, t.spec, b.warm, s)
	if err != nil {
		return 0, err
	}
	before, after, err := b.charged(ctx, srv, t, s)
	if err != nil || s.Load.Requests == 0 {
		return 0, err
	}
	n := float64(s.Load.Requests)
	if t.spec.Length > 64<<10 { // few and long: those under way at the end count by the bytes of them that came
		n = float64(s.Load.Bytes) / float64(t.spec.Length)
	}
	total, user := after.proxy.since(before.proxy)
	s.Values["cpu"] = total / n * 1e6
	if t.spec.Rate == 0 { // it is sampled, and an idle core has too few samples
		s.Values["user"] = user / n * 1e6
	}
	s.Values["rate"] = n / s.Load.Secs
	s.Values["p50"], s.Values["p99"] = s.Load.P50, s.Load.P99
	s.Other = max(0, after.other()-before.other()) / after.at.Sub(before.at).Seconds()
	return warm.Requests + s.Load.Requests + 1, nil
}

// charged makes the load between two readings. If not a byte came, and nothing broke, it is made again: on a machine that
// is busy enough that is nobody's fault. A proxy that hangs does so each time.
func (b *bench) charged(ctx context.Context, srv *server, t test, s *sample) (before, after readings, err error) {
	const chances = 3
	for range chances {
		if before, err = b.readings(srv); err != nil {
			return before, after, err
		}
		if s.Load, err = b.load(ctx, srv, t.spec, b.opt.secs, s); err != nil {
			return before, after, err
		}
		if after, err = b.readings(srv); err != nil || s.Load.Bytes > 0 || s.Load.Bad() > 0 {
			return before, after, err
		}
	}
	return before, after, nil
}

// readings are the clocks that are read before and after a load.
type readings struct {
	at            time.Time
	machine, own  float64 // seconds of CPU: all, and those of this program and its generator
	proxy, origin usage
}

// other is what the machine did beside us.
func (r readings) other() float64 { return r.machine - r.own - r.proxy.total - r.origin.total }

func (b *bench) readings(srv *server) (r readings, err error) {
	r.at = time.Now()
	if r.proxy, err = srv.account.usage(); err != nil {
		return r, err
	}
	if srv != b.origin {
		if r.origin, err = b.origin.account.usage(); err != nil {
			return r, err
		}
	}
	for _, whose := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(whose, &u); err != nil {
			return r, err
		}
		r.own += time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	}
	r.machine, err = busy()
	return r, err
}

// byIdle measures the memory that idle connections take.
func (b *bench) byIdle(ctx context.Context, srv *server, t test, s *sample) error {
	if !napFor(700*time.Millisecond, ctx.Done()) {
		return ctx.Err()
	}
	pids, err := srv.account.pids()
	if err != nil {
		return err
	}
	_, before := memory(pids)
	looked := make(chan [2]int, 1)
	timer := time.AfterFunc(idleAfter, func() {
		pids, _ := srv.account.pids() // of processes that have ended the memory is 0, as it should be
		rss, pss := memory(pids)
		looked <- [2]int{rss, pss}
	})
	defer timer.Stop()
	s.Load, err = b.load(ctx, srv, t.spec, idleTime, s)
	if err != nil {
		return err
	}
	if lost := t.spec.Conns - s.Load.Open; lost > 0 {
		s.blame(lost, fmt.Sprintf("%d idle connections lost", lost))
	}
	now := <-looked
	rss, pss := now[0], now[1]
	s.Values["rss"], s.Values["pss"] = float64(rss), float64(pss)
	s.Values["memory"] = float64(max(0, pss-before)) / float64(t.spec.Conns)
	return nil
}

// load runs the generator in a process of its own on core 1. What it complains of goes into the sample.
func (b *bench) load(ctx context.Context, srv *server, spec load.Spec, secs time.Duration, s *sample) (r load.Result, err error) {
	spec.Addr, spec.For = srv.addr, secs
	text, err := json.Marshal(spec)
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, secs+30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, b.self, launcher, fmt.Sprint(b.core1), "", b.self, generator, string(text))
	c.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := c.Output()
	if err := context.Cause(ctx); errors.Is(err, context.Canceled) {
		return r, err
	}
	if err != nil {
		if e, is := errors.AsType[*exec.ExitError](err); is {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(e.Stderr)))
		}
		return r, fmt.Errorf("the load generator: %w", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("the load generator said %q: %w", out, err)
	}
	if r.Bad() > 0 {
		s.blame(r.Bad(), r.Complaint())
	}
	return r, nil
}

// generator is the command by which this program runs as one. What follows is the Spec as JSON.
const generator = "load"

func generate(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s: want a load", generator)
	}
	var spec load.Spec
	if err := json.Unmarshal([]byte(args[0]), &spec); err != nil {
		return err
	}
	r, err := load.Run(spec)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
