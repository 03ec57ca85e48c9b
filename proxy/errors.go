package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"strconv"
	"strings"

	"backhand/proxy/h1"
)

// reason is why a request was answered here instead of by a member.
type reason uint8

const (
	proxied reason = iota // it was not: a member answered
	statusPage
	redirected
	generalOptions
	malformed // see h1.Error
	headSlow
	badMethod
	badTarget
	badReadings
	loop
	hopNotBelieved
	hopUnproved
	noRoute
	nobodyLeft
	memberBound
	originRefuses
	tooBusy
	membersRefused
	membersDisbelieve
	refusedTooLate
	noResources
	queueFull
	notConnected
	connectTimeout
	closedEarly
	notHTTP
	headTimeout
	fellSilent
	overall
	brokenOff
	clientGone
	clientSlow
	badBody
	bodyTooLong
	reasons // how many there are
)

// StatusClientGone is the status of a request whose client went away before it was answered. It is never sent; nginx
// introduced it for logs.
const StatusClientGone = 499

// answers says, for each reason, its name in metrics and logs, the status, and the sentence that the client reads.
// {farm} is the farm's name in quotes; addresses of members are nobody's business outside.
var answers = [reasons]struct {
	name   string
	status int
	text   string
}{
	proxied:        {"", 0, ""},
	statusPage:     {"status", 0, ""},
	redirected:     {"redirect", http.StatusFound, "Another server takes this request; see the Location field."},
	generalOptions: {"options", http.StatusNoContent, ""},

	malformed: {"malformed_request", http.StatusBadRequest, ""}, // these are the h1.Error's own
	headSlow:  {"head_slow", http.StatusRequestTimeout, "The request's head did not arrive in time."},

	badMethod: {"method", http.StatusMethodNotAllowed, "This server does not offer that method."},
	badTarget: {"target", http.StatusBadRequest, "The request's target is not a path."},
	badReadings: {"readings", http.StatusBadRequest, "The path can be read in two ways that lead to different places; " +
		"send it without dot segments, and encode nothing that need not be."},
	loop: {"loop", http.StatusLoopDetected, "The request has been here before: it goes round in a circle."},
	hopNotBelieved: {"hop", http.StatusMisdirectedRequest, "The request claims to come from a node of " +
		"this cluster, and is not believed."},
	hopUnproved: {"proof", http.StatusMisdirectedRequest, "The request claims to come from a node of " +
		"this cluster, and does not prove it."},
	badBody:     {"body", http.StatusBadRequest, "The request's body could not be read."},
	bodyTooLong: {"body_size", http.StatusRequestEntityTooLarge, "The request's body is longer than is allowed here."},
	clientSlow:  {"slow", http.StatusRequestTimeout, "The request's body did not arrive in time."},
	clientGone:  {"client", StatusClientGone, ""},

	noRoute:    {"route", http.StatusNotFound, "No route leads from this address and path to a farm."},
	nobodyLeft: {"empty", http.StatusServiceUnavailable, "No member of the farm {farm} can take the request now."},
	memberBound: {"cookie", http.StatusServiceUnavailable, "The member of the farm {farm} to which a cookie binds this request " +
		"takes none now."},
	originRefuses: {"origin", http.StatusServiceUnavailable, "The web server behind this node does not " +
		"serve the farm {farm} now."},
	tooBusy: {"busy", http.StatusServiceUnavailable, "The web server behind this node has too much to do for " +
		"the farm {farm} now."},

	membersRefused: {"refused", http.StatusServiceUnavailable, "The members of the farm {farm} that " +
		"were asked take no requests now."},
	membersDisbelieve: {"disbelieved", http.StatusBadGateway, "The nodes of the farm {farm} that were " +
		"asked do not accept requests from this node."},
	refusedTooLate: {"late", http.StatusServiceUnavailable, "The member of the farm {farm} that was asked refused, " +
		"after a part of the body was sent that is too long to be sent again."},

	noResources: {"resources", http.StatusServiceUnavailable, "This server has nothing left to make a connection " +
		"with: no file descriptor, no port, no memory."},
	queueFull: {"queue", http.StatusServiceUnavailable, "All connections to the member of the farm {farm} that was asked " +
		"are in use, and none became free in time."},
	notConnected: {"connect", http.StatusBadGateway, "No member of the farm {farm} that was asked " +
		"could be connected to."},
	connectTimeout: {"connect_timeout", http.StatusGatewayTimeout, "No member of the farm {farm} that " +
		"was asked could be connected to in time."},
	closedEarly: {"closed", http.StatusBadGateway, "The member of the farm {farm} that was asked " +
		"closed the connection before it answered."},
	notHTTP: {"malformed", http.StatusBadGateway, "The member of the farm {farm} that was asked " +
		"gave an answer that is no valid HTTP."},
	headTimeout: {"timeout", http.StatusGatewayTimeout, "The member of the farm {farm} that was " +
		"asked did not answer in time."},
	fellSilent: {"silent", http.StatusGatewayTimeout, "The node of the farm {farm} that was asked is not heard of any " +
		"more, and did not answer."},
	overall: {"total", http.StatusGatewayTimeout, "The request could not be answered in the time that it has."},
	brokenOff: {"broken", http.StatusBadGateway, "The member of the farm {farm} that was asked " +
		"broke off its answer."},
}

// problem is why a request was not answered by a member, and what led to that.
type problem struct {
	reason reason
	cause  error // may be nil
}

// Error is for the log: it may name addresses.
func (p *problem) Error() string {
	if same, ok := p.cause.(*problem); ok && same.reason == p.reason {
		return same.Error() // once is enough
	}
	if p.cause != nil {
		return answers[p.reason].name + ": " + p.cause.Error()
	}
	return answers[p.reason].name
}

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.cause }

func because(r reason, cause error) *problem { return &problem{reason: r, cause: cause} }

func becausef(r reason, format string, args ...any) *problem {
	return &problem{reason: r, cause: fmt.Errorf(format, args...)}
}

// reasonOf returns the reason that an error carries. One that carries none came from the wire, as an answer that could
// not be understood.
func reasonOf(err error) reason {
	if p, ok := errors.AsType[*problem](err); ok {
		return p.reason
	}
	if _, ok := errors.AsType[*h1.Error](err); ok {
		return malformed
	}
	return notHTTP
}

// malformedReason returns the codec's word for what is wrong with a request.
func malformedReason(err error) string {
	if e, ok := errors.AsType[*h1.Error](err); ok {
		return e.Reason
	}
	return answers[malformed].name
}

// answer sends what belongs to the reason.
func (x *exchange) answer(err error) {
	a := answers[x.reason]
	if e, ok := errors.AsType[*h1.Error](err); ok && x.reason == malformed {
		a.status, a.text = e.Status, e.Text
	}
	text := ""
	if a.text != "" {
		text = strings.ReplaceAll(a.text, "{farm}", strconv.Quote(x.out.Farm)) + "\n"
	}
	if x.res == nil {
		x.res = getResponse()
	}
	res := x.res
	res.Reset()
	res.Status, res.Minor, res.Framing, res.Length = a.status, 1, h1.FramingLength, int64(len(text))
	x.h.date.add(res, x.h.cfg.Now())
	for name, value := range x.answerFields() {
		addField(res, name, value)
	}
	if text != "" {
		addField(res, "Content-Type", "text/plain; charset=utf-8")
		addField(res, "X-Content-Type-Options", "nosniff")
		addField(res, "Cache-Control", "no-store")
	}
	x.tellAgent(x.refusedAs())
	x.status = a.status
	sent := x.f.respond(res, nil)
	if sent == nil && text != "" && x.req.MethodID != h1.MethodHead {
		x.sent = int64(len(text))
		sent = x.f.write([]byte(text))
	}
	if sent == nil {
		sent = x.f.finish(nil)
	}
	if sent = toldClient(sent); sent != nil && x.out.Err == nil {
		x.reason, x.out.Err = reasonOf(sent), sent
	}
}

// refusedAs returns how the request is sent back to the agent that handed it on, or "" if it is not.
func (x *exchange) refusedAs() string {
	switch {
	case x.reason == hopNotBelieved, x.reason == hopUnproved:
		return refusedHop
	case x.hop == nil:
		return ""
	case x.reason == originRefuses:
		return refusedOrigin
	case x.reason == tooBusy, x.reason == noResources:
		return refusedBusy
	}
	return ""
}

// answerFields yields the fields that belong to the reason.
func (x *exchange) answerFields() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		switch x.reason {
		case hopNotBelieved, hopUnproved:
			yield(fieldRefused, x.refusedAs())
		case originRefuses, tooBusy, noResources:
			why := x.refusedAs()
			_ = (why == "" || yield(fieldRefused, why)) && yield("Retry-After", "1")
		case nobodyLeft, memberBound, membersRefused, refusedTooLate, queueFull:
			yield("Retry-After", "1")
		case badMethod, generalOptions:
			yield("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		case redirected:
			yield("Location", x.location)
		}
	}
}

// addField adds a field to a head of our own. It passes, whatever it is: those of members are recognised by their IDs.
func addField(res *h1.Response, name, value string) {
	res.Fields = append(res.Fields, h1.Field{Name: []byte(name), Value: []byte(value)})
}

// judge finds out whose fault it is that there was no answer.
func (x *exchange) judge(err error) error {
	if fault := x.body.fault(); fault != nil {
		return fault
	}
	if x.gone.Load() {
		return because(clientGone, err)
	}
	if _, ok := errors.AsType[*problem](err); ok {
		return err
	}
	if err == errQueueFull {
		return because(queueFull, err)
	}
	if d, ok := errors.AsType[*dialError](err); ok {
		switch {
		case lacksResources(err):
			return because(noResources, err)
		case d.Timeout():
			return because(connectTimeout, err)
		}
		return because(notConnected, err)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return because(overall, err)
	case timedOut(err):
		return because(headTimeout, err)
	case connectionLost(err):
		return because(closedEarly, err)
	}
	return because(notHTTP, err)
}

// connectionLost reports whether a connection ended where it should not.
func connectionLost(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) {
		return true
	}
	_, ok := errors.AsType[*net.OpError](err) // reset, broken pipe, or silent for longer than TCP_USER_TIMEOUT
	return ok && !timedOut(err)
}
