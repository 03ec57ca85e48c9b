package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"backhand/contrib/testbed/watch"
)

const (
	usualLossFor = 10 * time.Minute
	lossAskEvery = 50 * time.Millisecond // each node is asked for a page
)

// lossChain lets only byAge keep anybody away, so that a member that counts as gone is missed and no other one is.
func lossChain() []string { return []string{"byAge 6b", "byRandom"} }

// lossy is a cluster whose hosts lose beats.
type lossy struct {
	*bed
	nodes   int
	percent int // of the beats that come to each host
}

// lose watches clusters whose hosts lose beats, all at once: few that lose some, where there should be no false alarm, and
// many that lose much, where there are enough of them to be compared with what chance makes.
func (b *bed) lose(ctx context.Context) (rows []lossRow, err error) {
	all := []*lossy{{nodes: 4, percent: 10}, {nodes: 16, percent: 30}}
	for _, l := range all {
		if l.bed, err = b.lossBed(l.nodes); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, l.net.close()) }()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rows = make([]lossRow, len(all))
	var wait sync.WaitGroup
	for i, l := range all {
		wait.Go(func() {
			r, err := l.watch(ctx)
			if err != nil {
				cancel(fmt.Errorf("loss, %d nodes: %w", l.nodes, err))
				return
			}
			rows[i] = newLossRow(l.nodes, l.percent, b.opt.lossFor, r)
			fmt.Fprintln(b.say, rows[i].line())
		})
	}
	wait.Wait()
	done := slices.DeleteFunc(rows, func(r lossRow) bool { return r.Nodes == 0 })
	return done, context.Cause(ctx)
}

// lossBed returns a bed with hosts of its own.
func (b *bed) lossBed(nodes int) (*bed, error) {
	one := *b
	one.opt.members = nodes
	one.dir = filepath.Join(b.dir, fmt.Sprintf("loss-%d", nodes))
	if err := os.Mkdir(one.dir, 0o755); err != nil {
		return nil, err
	}
	var err error
	one.net, err = newNetwork(nodes, 0)
	return &one, err
}

// watch starts everything, watches it, and ends it.
func (l *lossy) watch(ctx context.Context) (r watch.Result, err error) {
	p := &processes{dir: l.dir}
	defer p.stop()
	// From the beginning: who comes new to a network that loses beats must find the others, too.
	for i := range l.nodes {
		if err := l.net.lose(memberHost(i), l.percent); err != nil {
			return r, err
		}
	}
	spec := watch.Spec{Interval: usualGossip, Every: lossAskEvery, Warm: l.opt.warm, For: l.opt.lossFor}
	if spec.Nodes, err = l.start(p); err != nil {
		return r, err
	}
	err = l.ask(ctx, p, watchCommand, spec, &r)
	return r, err
}

// start starts the nodes, each an agent that serves, and hands requests on to all, with its origin.
func (l *lossy) start(p *processes) (addrs []string, err error) {
	t := turn{group: l.opt.usual(keyLoss)}
	if err := l.startOrigins(p, t); err != nil {
		return nil, err
	}
	keys := filepath.Join(l.dir, "keys")
	if err := said(exec.Command(l.binary, "keygen", keys)); err != nil {
		return nil, err
	}
	for i := range l.nodes {
		v := values{
			Name: fmt.Sprintf("m%d", i), Addr: address(memberHost(i)), Member: true, Slots: t.trace.Slots,
			Chain: lossChain(), Keys: keys,
		}
		addrs = append(addrs, v.Addr+":80")
		if err := l.startAgent(p, t, memberHost(i), roleAgents, v); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}
