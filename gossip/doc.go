// Package gossip tells the cluster how busy this node is, once a second, and listens to what the others say.
//
// A [Gossiper] owns the sockets, a goroutine for each, and the table of nodes. Beats go out over every [Transport] alike; a
// beat that arrives twice counts once. Whom to believe is decided here: by CIDR first, then by the cluster's name and, with
// keys, by proof of origin (package wire). Nothing that comes in makes the table grow without bound.
package gossip
