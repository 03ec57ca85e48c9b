// Package wire puts one beat into bytes and reads it back, and proves where it comes from, as it does for what agents say to
// one another in notes and in the fields of a hop. It opens no socket and believes nothing: what [Parser.Parse] or
// [Parser.ParseNote] returns without an error is whole, within bounds, and of this cluster: by its name, and if it was sealed
// by a key. When it was sent is another question.
//
// # Format, version 1
//
// Numbers are unsigned and big-endian. A figure is an IEEE 754 double, finite, from 0 to 1e15. A text is one byte of
// length and that many bytes, any bytes. A beat is one or more parts of the same sequence; each part is one datagram of
// at most [MaxDatagram] bytes: header, body, extensions.
//
// Header:
//
//	0   4  magic "BKHD"
//	4   1  version 1
//	5   1  flags: bit 0 sealed, bit 1 a note, which is below; the others are 0, and ignored by a reader
//	6   1  number of the key, from 1; 0 if not sealed, and ignored then
//	7   1  header length in bytes: 16, or more in times to come; a reader skips what it does not know
//	8   8  the first 8 bytes of the SHA-256 of the cluster's name
//
// Of a beat that is not sealed the rest is the body. Of one that is, there follow
//
//	24  nonce, random
//	    the body, encrypted
//	16  tag
//
// as of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-01, by RFC 8439). Its associated data are the header, with all the bytes
// that it says it has, and behind them the name of the cluster, without its length. Each part is sealed for itself, with a
// nonce of its own. A beat that is not sealed leaves the room for nonce and tag, so that turning keys on changes no limit.
// The tag is checked before anything of the body is looked at. A reader tries the key that the header names, and no other.
//
// Body:
//
//	0   1  part, counted from 1
//	1   1  parts of this sequence, at most 64
//	2   2  length of the node block
//	4      node block
//	    1  number of farm blocks
//	       for each: 2 bytes of length, then the farm block
//	       extensions up to the end
//
// Node block, the same in each part but for what time does to it:
//
//	 0  16  node id, not 0
//	16   8  boot
//	24   8  sequence
//	32   4  age of the sample in ms
//	36   4  interval in ms, 100 to 60000
//	40   1  state: 1 up, 2 draining, 3 leaving
//	41   1  lowest version that the agent understands, at least 1
//	42   1  highest version
//	43   1  bit 0 the address speaks TLS, bit 1 direct: announces only
//	44   8  hash of the configuration
//	52   2  CPUs, at least 1
//	54   8  speed of one CPU, figure
//	62   8  load average of one minute, figure
//	70   8  idle share of the CPUs, figure from 0 to 1
//	78   8  CPU pressure, figure from 0 to 1
//	86   8  memory in bytes
//	94   8  of it available, not more than there is
//	102  4  how late the beat before was sent, in µs
//	106  8  requests a second dispatched, figure
//	114  1  length of the address: 4 or 16
//	115     address, one that can be connected to
//	     2  port, not 0
//	        name, text of at most 255 bytes
//	        zone, text of at most 32 bytes
//
// Farm block:
//
//	   farm, text of 1 to 32 bytes, unique in the beat
//	1  bit 0 ready
//	   why it is not, text of at most 64 bytes
//	8  slots, figure
//	8  mu, figure
//	8  in flight on average, figure
//	8  arrivals a second, figure
//	8  completions a second, figure
//	8  errors a second, figure
//	8  refusals a second, figure
//	4  workers
//	4  workers that are busy
//	4  requests in flight
//	8  requests served for other nodes
//	4  average time of those in µs
//
// The numbers of 4 bytes in a farm block are at most 2147483647. A duration that does not fit is sent as the longest that
// does.
//
// An extension is one byte of type, two of length, and the value. Each type of which this version knows is at most once in a
// part, and not at all if it would be empty. Types 1 and 2 are in the first part only: whoever misses that one still has
// those of the beat before.
//
// Type 1 is the labels of the node. Its value has for each label, up to its end and in the ascending order of the keys, each
// key once:
//
//	key, text of 1 to 32 bytes
//	value, text of at most 32 bytes
//
// There are at most 16 labels, and their keys and values have at most 480 bytes together.
//
// Type 2 is the keys of the cluster that the agent holds, at most 16. Its value has for each of them, up to its end and in
// the ascending order of their numbers, each number once:
//
//	1  number of the key, from 1
//	4  mark of the key
//
// By the marks everybody can see which nodes have not got a key yet, or another one of the same number, before it is the one
// that seals. The first part has room for all of that, but next to names that are as long as may be perhaps for no farm.
//
// Type 3 is what programs on the host have pushed of the farms of this part. Its value has for each farm of which there is
// something, up to its end and in the order of the farm blocks:
//
//	1  place of the farm block in this part, counted from 0
//	1  number of statistics, 1 to 16
//	   for each, in the ascending order of the names, each name once:
//	   name, text of 1 to 32 bytes: letters, digits, dots, dashes and underscores, the first a letter
//	8  value, an IEEE 754 double, finite and not negative; it may be above 1e15
//
// The names of one farm have at most 384 bytes together, so that a farm and its statistics always fit into one part. What
// does not keep to that is left out by who sends, and so are all statistics of a beat that would have more than 64 parts by
// them: nothing that a program pushes silences a node.
//
// # Note
//
// A note is something that one agent tells all others at once, and that is no part of how it stands itself: what was said to it
// of a physical. It goes the ways of beats and has their header, with bit 1 of the flags set, and is sealed as they are. Its
// body is this, and what is behind it a reader skips:
//
//	 0   1  0, where a beat has its part: readers that know of no notes drop it as malformed
//	 1  16  node id, not 0
//	17   8  boot, that of the node's beats
//	25   8  sequence, from 1: notes since boot
//	33   2  length of what it says, 1 to 1024
//	35      what it says: bytes that this package does not look into
//
// Each note says something else, so none makes those before it needless, as the next beat does. Who misses one misses what
// it said until somebody says it again.
//
// # Keys
//
// A key is a secret of 32 random bytes with a number from 1 to 255; see [ParseKeys] for the file. What is used are the
// outputs of HKDF-SHA256 (RFC 5869) with the secret as input, the name of the cluster as salt, and as info:
//
//	backhand v1 beat        32 bytes: the key that seals beats
//	backhand v1 field       32 bytes: the key of the MAC in proofs
//	backhand v1 memberlist  32 bytes: the key that memberlist encrypts with
//	backhand v1 mark         4 bytes: the mark of the key
//
// A new key first comes to all nodes marked receive-only. When the marks show that all have it, the word is taken off on one
// host after the other, and each that reads the file anew seals with it. When no beat comes any more that is sealed with the
// old one, that can go. The three modes of [Mode] do the same for the first key.
//
// # Proof
//
// With keys, the fields that agents add to a hop are proved by one more, whose value [Keyring.AppendProof] writes:
//
//	v1 <key> <boot> <sequence> <MAC>
//
// with one blank each: the number of the key, boot and sequence of the sender's latest beat, as decimal numbers without
// zeros in front, and the first 16 bytes of HMAC-SHA256 in base64url without padding (RFC 4648, section 5; 22 characters).
// The MAC is that of these bytes:
//
//	 0   1  1, the version of the proof
//	 1   1  0 request, 1 response
//	 2   1  number of the key
//	 3  16  node id of who says it
//	19   8  boot
//	27   8  sequence
//	35      name of the cluster
//	        method of the request
//	        target of the request, as it stands in its first line on the hop
//	        value of the request's field Backhand-Hop
//	        value of Backhand-Limit
//	        value of the response's field Backhand-Load
//	        value of Backhand-Refused
//
// From 35 on there are before each of them 4 bytes of its length. What is missing, and the fields of the other direction,
// have the length 0.
//
// # What keys do not prove
//
// Who has a key can say anything, of any node. A beat can be taken off the wire and sent again: receivers take only a
// greater (boot, sequence), see [backhand/gossip.Table]. So can a note: receivers take each once, of the boot that they hear
// the node's beats of; but who has just started knows of none, and can be sent what was said since that boot until the next
// note of the node comes. A proof can be used again for the same method and target as long
// as its sequence is fresh; it covers neither the other fields, Host among them, nor the body, nor whom it was sent to. Who
// listens sees who sends, how much and how often, the number of the key and the hash of the cluster's name; without keys, or
// in mode [ReceiveOnly], everything.
//
// # Growth
//
// What is new goes into an extension, or behind the fields of the header, the node block or a farm block, all of which
// carry their length. A reader skips what it does not know, and never needs to know it in order to read the rest. A bit
// that is free may be used if a reader that ignores it is still right. Anything else is a new version: agents announce
// which ones they understand, so that all can be taught the new one before the first speaks it. testdata holds beats that
// every later reader must still understand.
package wire
