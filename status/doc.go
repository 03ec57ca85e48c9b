// Package status shows the cluster as this agent sees it: the page at /backhand/, the same as JSON and as a table for a
// terminal, and figures for Prometheus. It is the only package that knows Prometheus.
//
// All of it is drawn from a [View], which [NewView] makes of the very [node.Snapshot] that requests are balanced by: what
// the page calls a candidate is what a chain starts from. The page therefore cannot be green while members are down.
//
// How a physical or a farm stands by what was said of it is told in mod_athena's three pairs, kept apart: on or off, up or
// down, in or out, with the reason and since when. The one word for its state is the first of off, down and out that holds.
// Of the statistics that programs push, the page and the terminal show the first few of a member, by name, and the JSON all.
// Figures for Prometheus are bounded in number, since their names are anybody's choice.
//
// Whatever came in a beat or an update (names, farms, zones, labels, reasons) was written by a stranger. It is cleaned of
// control and other invisible characters on its way into a View and escaped on its way out, and how much of it is shown is
// bounded.
package status
