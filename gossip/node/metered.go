package node

import "time"

// Metered is one request at the origin, from [Meter.Begin] to End: what the meter must know of it so that nothing is
// counted twice or forgotten. The zero value, and one that has ended, is no request, and all its methods do nothing. It
// may be used by one goroutine at a time and must not be copied once a method was called.
//
//	r := meter.Begin(now)
//	r.Rest(now) // the origin waits until the reader takes more
//	r.Work(now) // it did
//	r.End(now, node.Completed, took, forPeer)
type Metered struct {
	_       noCopy
	meter   *Meter // nil: no request
	resting bool
}

// Rest says that the origin waits for the reader of its response, which takes no more: until Work or End the request still
// counts as under way, but not as one that the origin works for, so that a slow reader does not make a slow origin.
// Calling it again changes nothing.
func (r *Metered) Rest(now time.Time) {
	if r.meter == nil || r.resting {
		return
	}
	r.resting = true
	r.meter.rest(now, 1)
}

// Work says that the reader took what it was given, and the origin goes on. Without a Rest before, it changes nothing.
func (r *Metered) Work(now time.Time) {
	if r.meter == nil || !r.resting {
		return
	}
	r.resting = false
	r.meter.rest(now, -1)
}

// End counts the end of the request, which took that long; forPeer says that it came over a hop. It may rest until then.
func (r *Metered) End(now time.Time, result Result, took time.Duration, forPeer bool) {
	if r.meter == nil {
		return
	}
	r.meter.end(now, result, took, forPeer, r.resting)
	r.meter, r.resting = nil, false
}

// noCopy makes go vet complain where the struct that has it is copied.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}
