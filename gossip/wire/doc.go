// Package wire puts one beat into bytes and reads it back. It opens no socket and believes nothing: what [Parser.Parse]
// returns without an error is whole, within bounds, and of this cluster by name; who sent it is another question.
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
//	5   1  flags: bit 0 sealed; the others are 0, and ignored by a reader
//	6   1  key id; 0 if not sealed
//	7   1  header length in bytes: 16, or more in times to come; a reader skips what it does not know
//	8   8  the first 8 bytes of the SHA-256 of the cluster's name
//
// Sealed, by XChaCha20-Poly1305, there follow the nonce (24 bytes), the body encrypted, and the tag (16 bytes); header and
// cluster name are authenticated with them. That is not built yet: a sealed beat is dropped with [ErrSeal]. A plain beat
// leaves the room for both, so that turning keys on changes no limit.
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
// An extension is one byte of type, two of length, and the value. Type 1 is the labels of the node. It is in the first part
// only, at most once, and not at all if there are none: whoever misses that part still has those of the beat before. Its
// value has for each label, up to its end and in the ascending order of the keys, each key once:
//
//	key, text of 1 to 32 bytes
//	value, text of at most 32 bytes
//
// There are at most 16 labels, and their keys and values have at most 480 bytes together, so that part 1 always has room
// for a farm beside them.
//
// # Growth
//
// What is new goes into an extension, or behind the fields of the header, the node block or a farm block, all of which
// carry their length. A reader skips what it does not know, and never needs to know it in order to read the rest. A bit
// that is free may be used if a reader that ignores it is still right. Anything else is a new version: agents announce
// which ones they understand, so that all can be taught the new one before the first speaks it. testdata holds beats that
// every later reader must still understand.
package wire
