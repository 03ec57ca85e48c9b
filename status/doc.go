// Package status shows the cluster as this agent sees it: the page at /backhand/, the same as JSON and as a table for a
// terminal, and figures for Prometheus. It is the only package that knows Prometheus.
//
// All of it is drawn from a [View], which [NewView] makes of the very [node.Snapshot] that requests are balanced by: what
// the page calls a candidate is what a chain starts from. The page therefore cannot be green while members are down.
//
// Whatever came in a beat (names, farms, zones, reasons) was written by a stranger. It is cleaned of control and other
// invisible characters on its way into a View and escaped on its way out, and how much of it is shown is bounded.
package status
