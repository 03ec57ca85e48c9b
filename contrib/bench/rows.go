package main

import (
	"fmt"
	"time"

	"backhand/contrib/bench/load"
)

// row is a farm, and how it is balanced.
type row struct {
	key   string
	about string
	many  bool     // a hundred members instead of four
	chain []string // of backhand; the others balance round robin
	log   bool     // with an access log
	hop   bool     // front, member agent, origin; without a peer
}

// oneHop is the row that two hops are compared with.
const oneHop = "four"

func allRows() []row {
	random := []string{"byRandom"}
	seedChain := []string{"byAge 6", "byRandom", "byLogWindow", "byLoad"}
	return []row{
		{key: oneHop, about: "4 members, `byRandom`", chain: random},
		{key: "hundred", about: "100 members, seed chain", many: true, chain: seedChain},
		{key: "four-log", about: "4 members, `byRandom`, access log", chain: random, log: true},
		{key: "hundred-log", about: "100 members, seed chain, access log", many: true, chain: seedChain, log: true},
		{key: "hop", about: "two hops: front, member agent, origin", chain: seedChain, hop: true},
	}
}

func (r row) name() string { return r.key }

// kind says how a test is done.
type kind int

const (
	byLoad  kind = iota
	byIdle       // memory of idle connections
	byCalls      // system calls
)

// test is a load, and what is looked at meanwhile.
type test struct {
	key   string
	about string
	kind  kind
	spec  load.Spec
}

const (
	idleConns = 10_000
	idleTime  = 9 * time.Second
	idleAfter = 8 * time.Second // when memory is read
	slowReps  = 2               // tests that are no matter of luck are done in so many repetitions only
)

func allTests() []test {
	get := func(conns int) load.Spec { return load.Spec{Path: "/1k", Length: 1 << 10, Conns: conns} }
	fresh, open, idle := get(64), get(64), get(idleConns)
	fresh.Close, open.Rate, idle.Idle = true, 2000, true
	return []test{
		{"k64", "1 KiB, 64 connections", byLoad, get(64)},
		{"k512", "1 KiB, 512 connections", byLoad, get(512)},
		{"nk64", "1 KiB, a new connection each", byLoad, fresh},
		{"b100k", "100 KiB, 64 connections", byLoad, load.Spec{Path: "/100k", Length: 100 << 10, Conns: 64}},
		{"b10m", "10 MiB, 8 connections", byLoad, load.Spec{Path: "/10m", Length: 10 << 20, Conns: 8}},
		{"post64k", "POST 64 KiB, 64 connections", byLoad, load.Spec{Path: "/post", Length: 2, Conns: 64, Post: 64 << 10}},
		{"lat", fmt.Sprintf("1 KiB, %.0f requests/s", open.Rate), byLoad, open},
		{"idle", fmt.Sprintf("%d idle connections", idleConns), byIdle, idle},
		{"sys", "system calls, 1 KiB, 64 connections", byCalls, get(64)},
	}
}

func (t test) name() string { return t.key }

// reps returns in how many of the repetitions the test is done.
func (t test) reps(all int) int {
	if t.kind == byLoad {
		return all
	}
	return min(all, slowReps)
}
