// Package memberlist carries beats in clouds, and in clusters that are larger than one multicast domain: where a network has
// no multicast, and nobody wants to list all nodes in a file.
//
// github.com/hashicorp/memberlist finds the members and notices which of them are dead; it carries nothing else. One member
// that is known, a seed, is enough to find all. Beats and notes are the same datagrams as on any other transport. They go by UDP to
// each live member by itself, over a socket of their own, so that the receiver sees where a beat came from, and checks
// address, seal and order as always. Its port is what a member announces through memberlist ([Config.BeatPort]).
//
// # Whom memberlist removes
//
// Nobody. If it takes a member for dead, or the member left, we send it no more beats; what we know of that node stays, and
// ages, until beats or byAge decide. So a member that is wrongly taken for dead is not lost as long as its beats arrive, and
// it is found again: as in Serf, those that are gone are called now and then for a day, and so are the seeds.
//
// # Size
//
// A beat costs a datagram to each member. Above 256 members the interval stretches, so that no node sends more than 256 a
// second: a cluster of 1,024 beats every 4 s. That is the limit of this transport today: there is no summary for those who
// need no details. More than [MaxMembers] members are not taken in.
//
// # What is trusted
//
// Whatever comes in is checked by us before memberlist sees it: the address by [Config.Accept], the cluster's name (as
// memberlist's label), that it is encrypted where all must be, and else that it is of a kind, and a size, which cannot cost
// us much. The name of a member is its address, so nobody can speak for two, and its announcement is read strictly.
//
// Who has a key, or without keys an address in Accept, is believed about who is a member: by memberlist he can make us send
// beats to addresses in Accept, at most [MaxAtAddress] times to each, or send none to a member until that one contradicts,
// which it does at once. The latter can also, where the library has forgotten that they were said, who plays old messages
// again: memberlist has no guard against that. Into the cluster, or out of it, none of this puts a node.
package memberlist
