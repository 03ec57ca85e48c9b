// Package sampler measures this host and the origins on it: the figures that a node announces of itself.
//
//   - [Host] reads load, CPU and memory from /proc, and what the control groups leave this process of them.
//   - [Origin] checks a web server every beat: is it up, and how many of its workers are busy?
//   - [Speed] times one CPU, once.
//
// A program that has no real host to measure, such as the demo, stands in with a [Sampler] of its own.
//
// Load, CPU and pressure are those of the whole machine, even in a container: they say how busy the CPUs are that its
// processes will get. Memory and the number of CPUs are what the control groups allow this process.
package sampler
