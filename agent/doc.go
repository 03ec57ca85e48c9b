// Package agent is the whole running program: it wires the parts that do not know each other, owns every goroutine, and
// decides in which order things come and go.
//
//	                 beats                                     requests
//	peers  ───────►  gossip  ──► merge ──► node.Snapshot ──►  proxy  ───────► members, own origin
//	       ◄───────    ▲                        │              │ ▲
//	                   │                        ▼              │ └── routes, chains (agent/config, candidacy)
//	              describe  ◄── sampler       status ◄─────────┘ outcomes, node.Live
//
// One goroutine merges what gossip heard, what we are ourselves and the physicals of the file into one immutable
// [node.Snapshot]; everything that decides or shows reads that, and [node.Live], which the proxy writes.
//
// # Farms that are told of
//
// Of the farms of the file and their physicals, people and programs tell over HTTP what they know ([athena] in the file, package
// status/athena); package agent/farm keeps it, the snapshot has it, and notes carry it to the agents whose file lists the same,
// over the transports that beats go by. So may this agent itself, of members that it checks (check in [[farm]]); what it finds
// stays here. Statistics that programs of this host push about this very node travel in its beats, for five minutes after each
// push.
//
// An engine that hears no notes, such as the spare of another site, is told over HTTP ([[mirror]]): everything at first, after
// each failure and every five minutes, and what is new every few seconds. States go whoever said them, statistics only from the
// agent that they were pushed to, so [[mirror]] belongs into the file of every agent to which programs push.
//
// Programs that ask which members to use are answered from the same snapshot, by the farm's own chain. What they are given
// counts among our requests under way there: until they say that they are done or, as most do not, for as long as a request
// takes there, a second if that is not known; and to the steps that sort by beats, until the next beat. Where members are
// equal to a chain, the one goes first that has the fewest requests under way for each slot. So a thousand queries in a second
// are spread, be what is known of the members a second old. Not by a chain that ends in a pushed figure alone, though: the idlest
// is no equal, and gets all of them until the next push. byExpr adds what was given to it since: stat("queue") + outstanding.
//
// Farms need no [athena]: without it nobody here is told or answers programs, but routes lead to farms, and chains choose from them,
// all the same, also by what other agents were told. That is meant so. AthEngine Off, mod_athena's default, made the engine's path
// and the farms inert together; here a farm is inert if no route leads to it.
//
// # Coming and going
//
// [New] opens all that can fail to open and starts nothing. [Agent.Run] starts everything and returns when all of it
// has ended. Asked to end, it first announces that it leaves and asks clients to close their connections, serves on for one
// interval for those who have not heard it yet, then stops accepting, waits for the requests under way, and goes. Sockets
// that a service manager passed (systemd.go) stay open behind it, so that clients wait there for the next agent.
//
// A reload ([Agent.Reload]) is all or nothing: a file with a mistake, or a port that cannot be opened, leaves everything
// as it was. Requests under way keep the routes they came in by. Certificates are read again, whether the file has changed
// or not; so is the key file, and by itself when it changes (keys.go). A listener that stays keeps its connections, whatever
// its options; one that goes lets its requests end, and upgraded connections live on as long as the agent.
package agent
