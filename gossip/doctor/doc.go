// Package doctor finds out why beats do not arrive, and says it in one sentence.
//
// [Examine] sends and listens for a few seconds and gathers [Facts]: the interfaces, what the kernel says in /proc, the
// datagrams that came and from whom, what peers answer. [Judge] looks at nothing but these. It runs a tree of checks, each
// of which is about one leg of the way that a beat takes; one that failed silences those below it, which could only fail
// for the same reason. Where a check failed although some peers are heard, those below it still count.
//
//	configuration           the file has no mistake
//	  agent                 (note) whether the agent of this host runs, and by this very file
//	  interface             is there, has the address of this node, is up, carries multicast
//	    mtu                 at least 1,280
//	    buffer              (note) the kernel lends programs enough memory for a burst of beats
//	    port                for each destination of gossip.send: not taken by another program; agents share it
//	      sending           beats leave
//	        ttl             they go as far as the peers are; of a broadcast: to a network that the interface is in
//	          loopback      our own beats come back: else a firewall of this host
//	            elsewhere   beats do not come in by another interface
//	              rp_filter the kernel does not drop them for the way they came
//	                firewall nothing comes to the interface that reaches no program
//	                  version, cluster, accept, keys, address, peers: see below
//	    port                for gossip.peers: that of gossip.listen, if no agent of this host has it
//	      sending, rp_filter, firewall, version, cluster, accept, keys, address, peers
//	  names                 those in gossip.peers have addresses
//	    answers             there is a node at each
//	  seeds                 those of memberlist have addresses
//	    doors               something listens there
//	      members           the agent hears somebody
//	  identity              no other host has our node id
//	  silent                (note) nodes that the agent knew and does not hear any more
//	  findings              (note) what the agent has found out by itself
//	  hears                 the peers that we hear list us on their pages: else it is one-way
//	  clocks                (note) wall clocks differ, which does no harm
//
// The last six of a destination judge what came in:
//
//	version                 is one that we understand
//	  cluster               is of our cluster
//	    accept              from an address in gossip.accept: or else which CIDR is missing there
//	      keys              sealed with a key that we hold, and that it is; and peers hold ours
//	        address         announces an address in gossip.accept
//	          peers         there is somebody: else a switch that snoops IGMP without a querier, by its signature
//
// While the agent of this host runs, its beats are the ones that are sent; the group's port is shared with it. While it does
// not, the doctor sends a few of its own: of a random id, named "doctor on HOST", leaving and without farms, so that nobody
// ever chooses it, and peers answer a newcomer at once. The peers list it among those that have left, for an hour.
//
// # What is believed
//
// Datagrams and pages of peers are written by strangers. How many sources, nodes and bytes are kept is bounded; peers are
// asked only at addresses in gossip.accept; and what is printed is cleaned of whatever could move a terminal's cursor. A
// stranger can make a check fail, and that is all.
package doctor
