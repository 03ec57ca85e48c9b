// Package sim runs candidacy chains over a cluster that exists only in memory: the same chains, over the same snapshots,
// with the same bookkeeping of requests and the same meters as an agent has, so that what is learned here is true of the
// agent. Only the network, the clock, the origins and the clients are played.
//
// It is a discrete-event simulation. A [Scenario] says how many members and fronts there are, how fast, how loaded, what
// fails when, and which chains and rivals are compared; [Run] plays each of its cases and returns figures of each.
// The same scenario gives the same figures, always.
//
// # What is played
//
// Clients send requests in an open loop: they do not wait for one another. Each request has a work, in seconds on a member
// of speed one. A front chooses a member; the request takes the one-way delay to get there, is worked for, and its
// response takes the delay back. A member's origin shares its slots among all requests that it has (processor sharing),
// or works for as many as it has slots, in the order in which they came. A member is slow for good, slowed now and then by
// something else on its host (the antagonist), or fails as a [Failure] says.
//
// Every agent, of fronts and members, announces itself once an interval, with the figures of its meter; each beat is lost
// at each front by chance. What a response carries between agents ([node.Load]) it carries here.
//
// All policies of one case and seed get the same requests with the same works at the same times, the same antagonists and
// the same failures; only their own chance differs.
//
// # What is not
//
// Delays are the same for all. Connections cost nothing, bodies have no length, no client gives up, and agents never
// restart. A rival is what its papers and manuals say of it, not its code: see rivals.go.
package sim
