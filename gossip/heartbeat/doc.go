// Package heartbeat speaks with Apache's cluster modules in their own form, so that hosts with an agent and hosts with
// nothing but Apache can stand in one farm: it hears the datagrams of mod_heartbeat, whose senders become nodes, and
// announces this host to mod_heartmonitor, by which mod_lbmethod_heartbeat chooses.
//
// A datagram is a query string, "v=1&ready=75&busy=0", sent once a second to a multicast group of IPv4. It carries neither
// name nor proof: a host is known by the address that it came from, and its figures are what anybody who can send from
// there says they are. So its node is marked [node.Node.Untrusted], is dialled directly, may hand on no request to us, and
// gives way to a node that beats. (Sources: modules/cluster/mod_heartbeat.c, modules/cluster/mod_heartmonitor.c and
// modules/proxy/balancers/mod_lbmethod_heartbeat.c of httpd 2.4.)
package heartbeat
