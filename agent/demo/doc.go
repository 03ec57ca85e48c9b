// Package demo is a whole cluster on one machine, over loopback alone: five agents as they would run on five hosts, on
// 127.0.0.1 to 127.0.0.5, with real multicast on lo (TTL 0, so that nothing leaves the machine), real files, and toy origins of
// different speed, one of which dies and comes back. It needs neither root nor a file.
//
// Two more toys, on 127.0.0.6 and 127.0.0.7, run no agent: a farm of mod_athena's kind. They push over HTTP how many jobs they
// have under way, each to another agent, and the front's route goes by that, and by what it has handed to each since: while one
// has a job of its own to do, the other gets the requests. Each agent answers programs that ask which server to use.
//
// Five agents on one kernel would all announce the same load average. So each toy origin stands in for the figures of its
// host, and the page says so.
package demo
