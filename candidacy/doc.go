// Package candidacy decides who gets a request. A [Chain] is an ordered list of small functions, written in the file as
//
//	chain = ["removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"]
//
// that each take the ordered candidates and drop or reorder them; the first that is left is chosen. The functions are
// those of mod_backhand, under their old names, and some of our own.
//
// All of it is pure: a function sees a [Request] and an immutable [node.Snapshot], time and chance come in as arguments,
// and nothing here opens a socket, reads a clock, starts a goroutine or keeps a global.
//
// The default chain, [Auto], is made of what was found by simulation and on real hosts: multicast says what changes slowly,
// and what changes fast each host learns from the responses to its own requests, since news that all have at once makes
// all choose the same member. A host that is front and member does not prefer itself: by simulation (24 hosts, five of them
// slow, 50 to 85 % load), to serve locally while a slot is free made the mean 7 to 18 % longer, since a slow host then keeps
// what a fast one would do better. It gained something, 0.8 ms, only where all hosts were alike and half idle.
//
// To add a function, write one file with its [Spec] (name, arguments, meaning, source) and its Func, name it in [Builtin],
// and give it a table test; candidacytest.Check holds it to the promises of [Func]. A program that embeds
// the agent adds its own with [Registry.Add].
package candidacy
