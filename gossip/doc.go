// Package gossip tells the cluster how busy this node is, once a second, and listens to what the others say.
//
// A [Gossiper] owns the sockets, a goroutine for each, and the table of nodes. Beats go out over every [Transport] alike; a
// beat that arrives twice counts once. Whom to believe is decided here: by CIDR first, then by the cluster's name and, with
// keys, by proof of origin (package wire). Nothing that comes in makes the table grow without bound.
//
// # Networks that fail
//
// What users of such systems suffer from most is UDP that silently does not arrive. So a Gossiper looks at its network while it
// runs, and says in one sentence what is wrong ([Gossiper.Findings]). Sockets whose interface was renamed, readdressed or
// exchanged are opened anew ([Watch]). If all peers fall silent at once it suspects itself rather than all of them
// ([Gossiper.Suspects]). And a switch that forgets groups, since it snoops IGMP and nobody queries, is known by when the silence
// began; until that is cured the groups are joined again and again.
package gossip
