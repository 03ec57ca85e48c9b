package sim

import "math"

// origin works for requests. Those that it works for get the same rate each, so that their progress can be told from one
// clock, which runs at that rate: a request is done when the clock shows what it showed at its begin, plus its work. What
// changes the rate changes one number, and not all requests.
type origin struct {
	slots int
	fifo  bool
	speed float64 // work a second that one busy slot gets done

	clock float64 // in seconds of work
	at    int64   // when it showed that, in ns
	work  []job   // under way, a heap by done
	queue []job   // waiting for a slot, if fifo
	first int     // of queue

	busy float64 // integral of the busy slots over time, in seconds
}

// job is a request that an origin has.
type job struct {
	done float64 // what the clock shows when it is done; while it waits, its work
	r    *request
}

// inFlight returns how many requests the origin has.
func (o *origin) inFlight() int { return len(o.work) + len(o.queue) - o.first }

// rate returns how fast the clock runs.
func (o *origin) rate() float64 {
	if n := len(o.work); !o.fifo && n > o.slots {
		return o.speed * float64(o.slots) / float64(n)
	}
	return o.speed
}

// advance brings the clock to the time now.
func (o *origin) advance(now int64) {
	seconds := float64(now-o.at) / 1e9
	o.at = now
	o.busy += seconds * float64(min(len(o.work), o.slots))
	if len(o.work) > 0 {
		o.clock += seconds * o.rate()
	}
}

func (o *origin) add(now int64, r *request) {
	o.advance(now)
	if o.fifo && len(o.work) >= o.slots {
		o.queue = append(o.queue, job{done: r.work, r: r})
		return
	}
	o.begin(job{done: r.work, r: r})
}

// begin makes a job one that is worked for.
func (o *origin) begin(j job) {
	j.done += o.clock
	h := append(o.work, j)
	i := len(h) - 1
	for i > 0 && j.done < h[(i-1)/2].done {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = j
	o.work = h
}

// next returns when the next request is done, if nothing changes.
func (o *origin) next() int64 {
	if len(o.work) == 0 {
		return never
	}
	rate := o.rate()
	if rate <= 0 {
		return never
	}
	return o.at + int64(math.Ceil(max(0, o.work[0].done-o.clock)/rate*1e9))
}

// finish takes out the request that is done first, at the time that next returned.
func (o *origin) finish(now int64) *request {
	o.advance(now)
	h := o.work
	r, last := h[0].r, h[len(h)-1]
	o.clock = max(o.clock, h[0].done) // the rest of a ns that next has rounded away
	h[len(h)-1] = job{}
	h = h[:len(h)-1]
	o.work = h
	for i := 0; len(h) > 0; {
		down := 2*i + 1
		if down+1 < len(h) && h[down+1].done < h[down].done {
			down++
		}
		if down >= len(h) || last.done <= h[down].done {
			h[i] = last
			break
		}
		h[i] = h[down]
		i = down
	}
	if o.first < len(o.queue) {
		o.begin(o.shift())
	}
	return r
}

// shift takes the first of those that wait.
func (o *origin) shift() job {
	j := o.queue[o.first]
	o.queue[o.first] = job{}
	if o.first++; o.first == len(o.queue) {
		o.queue, o.first = o.queue[:0], 0
	} else if o.first > 64 && 2*o.first > len(o.queue) {
		o.queue, o.first = append(o.queue[:0], o.queue[o.first:]...), 0
	}
	return j
}

func (o *origin) setSpeed(now int64, speed float64) {
	o.advance(now)
	o.speed = speed
}

// abandon forgets all requests and returns them.
func (o *origin) abandon(now int64) []*request {
	o.advance(now)
	lost := make([]*request, 0, o.inFlight())
	for _, j := range o.work {
		lost = append(lost, j.r)
	}
	for _, j := range o.queue[o.first:] {
		lost = append(lost, j.r)
	}
	clear(o.work)
	clear(o.queue)
	o.work, o.queue, o.first = o.work[:0], o.queue[:0], 0
	return lost
}
