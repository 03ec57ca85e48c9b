// Package lab puts several hosts on one machine, for tests with real parts: each host is a network namespace with its
// own addresses, routes and loopback, all on one bridge that lives in a namespace too, so that nothing of the machine's own
// network is touched. Cables can be pulled, datagrams lost, directions cut.
//
//	l := lab.New(t, 3)
//	l.Host(1).Start(t, agent, "run", "--config", file)
//	resp, err := l.Host(2).HTTPClient(t).Get("http://10.58.4.1/")
//	l.Cut(1) // its cable is pulled
//
// A lab needs root, iproute2 and nftables. Where something is missing the test is skipped with its reason; with
// BACKHAND_TEST=all in the environment it fails instead ([Need]). Tests with real parts run one at a time on a machine
// ([Lock]). Everything that a lab made is gone when its test ends, however it ends.
//
// What is measured in a lab holds for this machine at this moment: all hosts share its processors and its load average.
package lab
