package proxy

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"time"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// handover is one request at one member, from before the connection until the last byte was passed on.
type handover struct {
	attempt
	body bodyReader // of the response
}

// attempt is what is forgotten with a handover.
type attempt struct {
	x        *exchange
	m        *memberConn
	member   *node.Member // may be nil for our own origin
	live     *node.Live   // to be charged; nil: nobody
	origin   *Origin      // our own; nil: another member
	start    time.Time
	answered time.Time // when the head of the response was there
	toAgent  bool      // which understands a hop
	ended    bool
	waiting  bool // for the head
	unserved bool // the request never reached the member
	believed bool // what the response says of load and refusal counts, see checkSaid

	cookie  string       // that leads the client back to the member; "": none
	metered node.Metered // at our own origin
	upgrade string       // the protocol that was asked for
	limit   float64      // that was given to an agent, see giveLimit; 0: none

	instead *url.URL // that takes the place of the request's; nil: none does
	dest    destination
	reach   *Reach
	asked   time.Time // when there was a connection
}

func (x *exchange) newHandover(d *decision) *handover {
	ho := &x.ho
	ho.forget()
	if x.res != nil {
		x.res.Reset() // the one before may have sent a part of a head, in a buffer that is used again
	}
	ho.x, ho.member, ho.origin, ho.start, ho.cookie = x, d.member, d.origin, x.now, d.cookie
	// What came over a hop was counted by the agent that chose us.
	if d.member != nil && x.hop == nil {
		ho.live = d.member.Live
	}
	switch {
	case d.origin != nil:
		o := d.origin
		ho.dest = destination{kind: toOrigin, addr: node.HostPort(o.URL), farm: o.Farm}
		ho.dest.speaks(o.URL.Scheme)
		ho.reach = &o.Reach
	case d.member.Node != nil:
		ho.dest = destination{kind: toAgent, addr: d.member.HostPort(), tls: d.member.Node.TLS}
		ho.reach = &x.site.Agents
		ho.toAgent = !d.member.Node.Direct
		ho.giveLimit(d)
	case d.complete != nil:
		ho.instead = d.complete
		ho.dest = destination{kind: toPhysical, addr: d.member.HostPort()}
		ho.dest.speaks(d.complete.Scheme)
		ho.reach = &x.site.other
	default:
		ho.dest = destination{kind: toPhysical, addr: d.member.HostPort(), farm: d.member.Farm}
		ho.dest.speaks(d.member.URL.Scheme)
		ho.reach = x.site.physicals(d.member.Farm)
	}
	return ho
}

// forget makes ready for another attempt.
func (ho *handover) forget() {
	ho.attempt = attempt{}
	ho.body.reset()
}

// handOver makes one attempt: it returns when the head of the response is there, in x.res, or it failed.
func (x *exchange) handOver(d *decision) error {
	ho := x.newHandover(d)
	d.letGo()
	x.out.Member, x.out.Self = d.member, d.origin != nil
	if !ho.begin() {
		return because(tooBusy, nil)
	}
	x.out.Attempts++
	d.added()
	if err := ho.converse(); err != nil {
		x.body.stop()
		x.tick()
		ho.drop()
		err = x.judge(err)
		if reasonOf(err) == membersRefused {
			ho.refused() // in HTTP/2
		} else {
			ho.fail(reasonOf(err))
		}
		return err
	}
	ho.checkSaid()
	if r := ho.refusal(); r != proxied {
		return ho.sentBack(r)
	}
	if ho.believed {
		x.h.doubts.clear(ho.member.Node.ID)
	}
	ho.answered = x.tick()
	if x.res.Status != 101 {
		ho.hear()
	}
	x.out.Wait = ho.answered.Sub(x.out.Start)
	if ho.live != nil {
		ho.live.Answered(ho.answered.Sub(ho.start))
	}
	return nil
}

// converse sends the request and reads the head of the response. A connection that was used before may be closed by the
// member at the very moment at which it is used again: then a request that may run twice takes another one.
func (ho *handover) converse() error {
	x := ho.x
	p := ho.pool()
	for tries := 1; ; tries++ {
		err := ho.connect(p, tries > 1)
		if err != nil {
			return err
		}
		if err = ho.talk(); err == nil {
			return nil
		}
		if err == errNotQuiet {
			ho.drop()
			ho.waiting, ho.asked = false, time.Time{}
			tries--
			continue
		}
		ho.waiting = ho.waiting && !x.body.streaming() // for the member, and not for the client
		x.body.stop()
		if !ho.mayTalkAgain(err, tries) {
			return err
		}
		ho.drop()
		ho.waiting = false
	}
}

// pool returns the one with the connections to the member. It is no part of converse, since what is on the stack while a request
// waits is cold when its turn comes.
//
//go:noinline
func (ho *handover) pool() *pool {
	x := ho.x
	return x.h.members.at(ho.dest, ho.reach, x.site.Connect)
}

// mayTalkAgain reports whether the same member may be asked once more, after so many tries.
func (ho *handover) mayTalkAgain(err error, tries int) bool {
	if ho.m.h2c != nil && ho.mayTakeAnotherStream(err, tries) {
		return true
	}
	return ho.m.uses > 0 && ho.m.in == nil && connectionLost(err) && ho.x.mayRepeat()
}

// connect takes an idle connection, or makes one.
func (ho *handover) connect(p *pool, fresh bool) error {
	x := ho.x
	if ho.reach.ProxyProtocol == 0 && !fresh {
		if m := p.take(x.now); m != nil {
			ho.m, ho.asked = m, x.now
			return nil
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !x.total.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, x.total)
		defer cancel()
	}
	x.alarm.expect(nil, cancel)
	x.watchClient()
	m, err := p.open(ctx, ho.proxyHeader(), ho.dialled)
	x.alarm.expect(nil, nil)
	x.stopWatching()
	if x.gone.Load() {
		if m != nil {
			p.give(m, x.tick())
		}
		return because(clientGone, err)
	}
	if err != nil {
		return err
	}
	ho.m, ho.asked = m, x.tick()
	return nil
}

// proxyHeader returns what a connection to the member begins with, if it wants to be told so who the client is.
func (ho *handover) proxyHeader() []byte {
	if ho.reach.ProxyProtocol == 0 {
		return nil
	}
	return appendProxyHeader(nil, ho.reach.ProxyProtocol, netip.AddrPortFrom(ho.x.client.Client, ho.x.a.port), ho.x.a.local)
}

// drop closes the connection.
func (ho *handover) drop() {
	if m := ho.m; m != nil {
		ho.m = nil
		putBuffer(m.in)
		m.in = nil
		m.pool.drop(m)
	}
}

// release gives the connection back, if all of both messages went over it and nothing else.
func (ho *handover) release() {
	m := ho.m
	sent := ho.x.body.stop()
	m.letGo()
	if m.h2c != nil || !sent || !ho.body.done() || m.in != nil || !ho.x.res.Persistent() || m.bound {
		ho.drop()
		return
	}
	ho.m = nil
	m.pool.give(m, ho.x.now)
}

// talk sends the request and reads the head of the response.
func (ho *handover) talk() error {
	x, m := ho.x, ho.m
	out := getBuffer(ordinary)
	head := x.appendHead(out.b[:0], ho)
	out.b, out.w = head[:cap(head)], len(head)
	now := ho.asked
	x.from(now, x.site.ResponseHead)
	x.lookAt = now.Add(watchAfter)
	ho.waiting = true
	err := ho.ask(out, now)
	if err != nil && x.body.pump != nil && m.in == nil {
		err = ho.lastWords(err)
	}
	if err != nil {
		return err
	}
	return ho.readHead()
}

// ask sends the request, of which out, which it gives back, is the head, and waits for the first bytes of the response. It returns
// errNotQuiet, and has sent nothing, if the connection is not fit to be used again.
func (ho *handover) ask(out *buffer, now time.Time) error {
	x, m := ho.x, ho.m
	short := ho.addBody(out)
	if m.uses > 0 && !m.quiet && m.closedByPeer() {
		putBuffer(out)
		return errNotQuiet
	}
	if !short {
		return ho.askAtLength(out, now)
	}
	for !x.arm(m, now) {
	}
	afterOthers()
	if err := m.ask(out, x.site.ClientIdle); err != nil {
		return x.goOn(m, err)
	}
	return nil
}

// addBody appends the body to the head if both can go out in one piece, and says so. Then the connection is looked at with that.
//
//go:noinline
func (ho *handover) addBody(out *buffer) bool {
	m, body := ho.m, ho.x.body.content()
	short := m.h2c == nil && ho.x.body.atOnce() && len(body) <= len(out.space())
	m.quiet = short && m.uses > 0 && m.looksItself()
	if short {
		out.w += copy(out.space(), body)
	}
	return short
}

// askAtLength is ask for a request that does not go out in one piece.
//
//go:noinline
func (ho *handover) askAtLength(out *buffer, now time.Time) (err error) {
	x, m := ho.x, ho.m
	defer putBuffer(out)
	switch {
	case m.h2c != nil:
		ho.startStream(out.data(), now)
	case x.body.atOnce():
		m.pieces[0], m.pieces[1] = out.data(), x.body.content()
		err = m.writePieces(2, x.site.ClientIdle)
	default:
		if err = m.write(out.data(), x.site.ClientIdle); err == nil {
			x.from(now, 0)
			x.startPump(m)
		}
	}
	if err != nil {
		return err
	}
	return x.more(m, now)
}

// lastWords returns the client's fault, if it is that which ended the connection.
func (ho *handover) lastWords(err error) error {
	p := ho.x.body.pump
	if p.ended.Load() {
		if fault := ho.x.body.fault(); fault != nil {
			return fault
		}
	}
	return err
}

// interimMost is how many interim responses a member may send for one request.
const interimMost = 32

// readHead reads the head of the final response, of which a part has been read; interim ones are passed on.
func (ho *handover) readHead() error {
	x, m := ho.x, ho.m
	for interim := 0; ; {
		if m.in != nil {
			if x.res == nil {
				x.res = getResponse()
			}
			n, err := h1.ParseResponse(m.in.data(), x.site.Limits, x.req.MethodID, x.res)
			if err == nil && x.res.Interim() {
				if interim++; interim > interimMost {
					return errInterim
				}
				if err := ho.inform(); err != nil {
					return err
				}
				m.in.r += n
				m.letGo()
				continue
			}
			if err == nil {
				m.in.r += n
				ho.waiting = false
				return nil
			}
			if !errors.Is(err, h1.ErrIncomplete) {
				return err
			}
			if err := ho.room(); err != nil {
				return err
			}
		}
		if err := x.more(m, x.tick()); err != nil {
			return unexpected(err)
		}
	}
}

var errInterim = errors.New("the member sends one interim response after the other")

// room makes room for more of the head.
func (ho *handover) room() error {
	m := ho.m
	m.compact()
	if len(m.in.space()) > 0 {
		return nil
	}
	_, most := headLimits(ho.x.site)
	g := m.in.grown(most)
	if g == nil {
		return errHeadRoom // the codec refuses what is longer
	}
	m.in = g
	return nil
}

var errHeadRoom = errors.New("the head of the response is longer than allowed")

// inform passes an interim response on.
func (ho *handover) inform() error {
	x := ho.x
	if x.res.Status == 100 {
		if p := x.body.pump; p != nil {
			p.goOn()
		}
		x.body.asked = true
	}
	return toldClient(x.f.inform(x.res))
}

// begin counts the request, as long as its last byte was not passed on. It returns false if our own origin is too busy for
// it: then nothing was counted.
func (ho *handover) begin() bool {
	if ho.origin != nil && !ho.beginAtOrigin() {
		ho.ended = true
		return false
	}
	if ho.live != nil {
		ho.live.Start()
	}
	return true
}

// added says that the request goes to the member, if the chain wants that to be added to what is known of it.
func (d *decision) added() {
	if d.predict && d.member.Node != nil {
		d.member.Live.Predict(d.member.Node.Sequence)
	}
}

// end counts the end of the request at the member, once. If it failed, the member is to blame.
func (ho *handover) end(result node.Result) {
	if ho.ended {
		return
	}
	ho.ended = true
	now := ho.x.now
	if ho.live != nil {
		if result == node.Failed {
			ho.live.Fail(now)
		}
		ho.live.End()
	}
	if ho.origin != nil {
		forPeer := ho.x.hop != nil && !ho.unserved
		ho.metered.End(now, result, now.Sub(ho.start), forPeer)
	}
}

// fail counts a request to which there was no answer. What is the client's fault, or ours, is not the member's.
func (ho *handover) fail(r reason) {
	result := node.Failed
	switch r {
	case clientGone, clientSlow, badBody, bodyTooLong, refusedTooLate:
		result = node.GaveUp
	case noResources, queueFull:
		ho.unserved = true
		result = node.GaveUp
	case overall:
		ho.unserved = ho.asked.IsZero()
		if !ho.waiting { // the time may have passed with the client
			result = node.GaveUp
		}
	case notConnected, connectTimeout:
		ho.unserved = true
	case fellSilent:
		ho.live.ConnectFailed(ho.x.now) // the connections that there are lead nowhere, either
	}
	ho.end(result)
}

// dialled is told of each connection that was made, or could not be made, for this request.
func (ho *handover) dialled(err error) {
	switch {
	case err == nil && ho.live != nil:
		ho.live.Connected()
	case err != nil && ho.live != nil:
		ho.live.ConnectFailed(ho.x.tick())
	}
	if err != nil && ho.origin != nil && ho.origin.ConnectFailed != nil {
		ho.origin.ConnectFailed()
	}
}
