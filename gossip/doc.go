// Package gossip tells the cluster how busy this node is, once a second, and listens to what the others say.
//
// A [Gossiper] owns the sockets, a goroutine for each, and the table of nodes. Beats go out over every [Transport] alike; a
// beat that arrives twice counts once. Whom to believe is decided here: by CIDR first, then by the cluster's name and, with
// keys, by proof of origin (package wire). Nothing that comes in makes the table grow without bound.
//
// # Notes
//
// What one agent was told of something else than its own host, it tells all others at once by a note ([Gossiper.Tell],
// [Config.Told]): a datagram that goes every way that beats go, and is proved as they are. A note is taken once, and only of a
// node whose beats are heard, so that whatever keeps strangers out keeps out their notes. It may get lost: who tells something
// that must be known by all tells it again.
//
// # Networks that fail
//
// What users of such systems suffer from most is UDP that silently does not arrive. So a Gossiper looks at its network while it
// runs, and says in one sentence what is wrong ([Gossiper.Findings]). Sockets whose interface was renamed, readdressed or
// exchanged are opened anew ([Watch]). If all peers fall silent at once it suspects itself rather than all of them
// ([Gossiper.Suspects]). And a switch that forgets groups, since it snoops IGMP and nobody queries, is known by when the silence
// began; until that is cured the groups are joined again and again.
package gossip
