// Package node says who a member of a cluster is and how busy it is: plain values without sockets, clocks or locks,
// which every other package can read. It imports nothing but the standard library.
//
// # Words
//
// The code, the flags, the pages and the documentation use these words and no others for these things.
//
//	agent       the running program
//	node        a host with an agent, as the cluster sees it (a peer is a node other than oneself)
//	physical    a server without an agent, known from the file (mod_athena's word)
//	member      a node or a physical that serves a farm
//	farm        a named set of members that serve the same thing
//	cluster     all nodes that share a cluster name and hear one another
//	origin      the web server that an agent stands in front of, on its own host
//	beat        one announcement
//	age         how old what we know of a member is: the time since its beat came,
//	            plus how old the sample was when it was sent
//	candidate   a member while a chain runs
//	chain, step the ordered list of candidacy functions of a route; one of them with its arguments
//	route       host, path and file pattern, mapped to a farm and a chain
//	hop         handing a request from one agent to another; at most one a request
//
// # Names of the ancestor
//
// mod_backhand's record of a server (as Apache::Backhand exposes it) maps to our fields like this:
//
//	hostname    Node.Name
//	mtime       Node.Heard, by the receiver's clock
//	contact     Node.Addr
//	arriba      Stats.Speed
//	aservers    Service.Workers - Service.Busy
//	nservers    Service.Workers
//	load        Stats.Load1 (theirs is multiplied by 1000)
//	load_hwm    Snapshot.HighWater (theirs never falls, ours decays)
//	cpu         Stats.CPUIdle (theirs is multiplied by 1000)
//	ncpu        Stats.CPUs
//	tmem, amem  Stats.MemTotal, Stats.MemAvailable (bytes)
//	numbacked   Service.Served
//	tatime      Service.ServeTime
package node
