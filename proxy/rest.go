package proxy

// A client that reads slowly keeps a request under way at our origin, but gives it nothing to do. So the request rests
// while something is written that its client does not take at once, and does not make the origin look slow.
//
// What is left to the kernel (splice) rests all the time: who waits for whom there, nobody tells us. Only bodies of known
// length go that way, and such are mostly complete when their head is sent: what they wait for is the client. If the
// origin pauses for longer than spliceWait, the exchange waits for it itself, and that counts as the origin's work.

// waitedFor is told that the client does not take what is written to it, and that it has.
func (x *exchange) waitedFor(yes bool) {
	ho := &x.ho
	switch {
	case ho.origin == nil || ho.ended:
	case yes:
		ho.metered.Rest(x.tick())
	default:
		ho.metered.Work(x.tick())
	}
}

// write passes a part of the response's body on. A connection of ours tells when the client keeps it waiting; net/http
// does not, so that there every write counts as waiting.
func (x *exchange) write(p []byte) error {
	if x.f == front(&x.h1) {
		return x.f.write(p)
	}
	x.waitedFor(true)
	defer x.waitedFor(false)
	return x.f.write(p)
}

// flush sends what write has kept.
func (x *exchange) flush() error {
	if x.f == front(&x.h1) {
		return x.f.flush()
	}
	x.waitedFor(true)
	defer x.waitedFor(false)
	return x.f.flush()
}
