package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// reason is why a request was answered here instead of by a member.
type reason uint8

const (
	proxied reason = iota // it was not: a member answered
	statusPage
	redirected
	generalOptions
	badMethod
	badTarget
	badReadings
	loop
	hopNotBelieved
	noRoute
	nobodyLeft
	originRefuses
	membersRefused
	membersDisbelieve
	refusedTooLate
	noResources
	notConnected
	connectTimeout
	closedEarly
	notHTTP
	headTimeout
	brokenOff
	clientGone
	clientSlow
	badBody
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

	badMethod: {"method", http.StatusMethodNotAllowed, "This server does not offer that method."},
	badTarget: {"target", http.StatusBadRequest, "The request's target is not a path."},
	badReadings: {"readings", http.StatusBadRequest, "The path can be read in two ways that lead to different places; " +
		"send it without dot segments, and encode nothing that need not be."},
	loop: {"loop", http.StatusLoopDetected, "The request has been here before: it goes round in a circle."},
	hopNotBelieved: {"hop", http.StatusMisdirectedRequest, "The request claims to come from a node of " +
		"this cluster, and is not believed."},
	badBody:    {"body", http.StatusBadRequest, "The request's body could not be read."},
	clientSlow: {"slow", http.StatusRequestTimeout, "The request's body did not arrive in time."},
	clientGone: {"client", StatusClientGone, ""},

	noRoute:    {"route", http.StatusNotFound, "No route leads from this address and path to a farm."},
	nobodyLeft: {"empty", http.StatusServiceUnavailable, "No member of the farm {farm} can take the request now."},
	originRefuses: {"origin", http.StatusServiceUnavailable, "The web server behind this node does not " +
		"serve the farm {farm} now."},

	membersRefused: {"refused", http.StatusServiceUnavailable, "The members of the farm {farm} that " +
		"were asked take no requests now."},
	membersDisbelieve: {"disbelieved", http.StatusBadGateway, "The nodes of the farm {farm} that were " +
		"asked do not accept requests from this node."},
	refusedTooLate: {"late", http.StatusServiceUnavailable, "The member of the farm {farm} that was asked refused, " +
		"after a part of the body was sent that is too long to be sent again."},

	noResources: {"resources", http.StatusServiceUnavailable, "This server has nothing left to make a connection " +
		"with: no file descriptor, no port, no memory."},
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
	return notHTTP
}

// answer sends what belongs to the reason.
func answer(w http.ResponseWriter, r reason, farm string) {
	a := answers[r]
	h := w.Header()
	switch r {
	case hopNotBelieved:
		h.Set(fieldRefused, refusedHop)
	case originRefuses:
		h.Set(fieldRefused, refusedOrigin)
		h.Set("Retry-After", "1")
	case nobodyLeft, membersRefused, refusedTooLate, noResources:
		h.Set("Retry-After", "1")
	case badMethod, generalOptions:
		h.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	if a.text == "" {
		w.WriteHeader(a.status)
		return
	}
	text := strings.ReplaceAll(a.text, "{farm}", strconv.Quote(farm)) + "\n"
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(text)) // an error shows as that of the client, see responseWriter
}
