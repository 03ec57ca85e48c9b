package proxy

import (
	"net/http"
	"net/netip"
	"time"

	"backhand/proxy/h1"
)

// front is the client's end of an exchange: a connection of ours that speaks HTTP/1 (conn.go), or a request of
// net/http's (nethttp.go), which speaks HTTP/2 and serves our own pages.
//
// All methods are called by the goroutine of the exchange, one after the other, except for readBody, which may run in
// another one meanwhile, and setBodyDeadline, which may be called while it does. An error of a method that sends means
// that the client is gone, or does not read: os.ErrDeadlineExceeded.
type front interface {
	// readBody reads the content of the request's body, without framing. At the end it returns io.EOF, perhaps with the
	// last bytes, and trailers holds. Malformed framing is an *h1.Error.
	readBody(p []byte) (int, error)
	// trailers returns those of the request's body, once readBody has returned io.EOF. They are as they came: which of
	// them may pass is the exchange's business.
	trailers() []h1.Field
	// setBodyDeadline makes a readBody that waits, and later ones, return os.ErrDeadlineExceeded at that time. It does not
	// break anything: with a later deadline, or with the zero time for none, reading goes on where it was.
	setBodyDeadline(t time.Time)

	// inform passes an interim response on: 1xx, but not 101.
	inform(res *h1.Response) error
	// respond begins the response. Of its fields those pass for which passesBack holds; via, if not empty, is the value
	// of a Via field to be added. How the body ends for the client is the front's business: res.Framing says how it came,
	// and res.Length how long it is if that is known. Nothing need be sent before flush.
	respond(res *h1.Response, via []byte) error
	// write sends a part of the body's content, or keeps it until flush. It does not hold on to p.
	write(p []byte) error
	// flush sends what was kept.
	flush() error
	// finish ends the body, with these trailers, and flushes. It is called for responses without a body, too.
	finish(trailers []h1.Field) error
	// abort breaks the response off such that the client cannot take it for complete.
	abort()
	// closeAfter says that no further request is to be read from this connection.
	closeAfter()

	// watch calls gone, once, if the client goes away while it waits for its response. The request's body has been read
	// by then. stop ends that and returns when gone is not running any more.
	watch(gone func()) (stop func())

	// page answers by a handler of net/http's, and returns the status and the number of bytes of the body. ok is false if
	// the request has been handed to another front, which will answer it.
	page(h http.Handler) (status int, bytes int64, ok bool)
}

// arrival is how a request came to us.
type arrival struct {
	peer   netip.Addr     // at the other end of the connection, or who the PROXY header says that is
	port   uint16         // and its port
	socket netip.Addr     // at the other end of the connection, whatever a PROXY header says
	local  netip.AddrPort // at our end
	tls    bool
	noHops bool   // no hop is believed here
	proto  string // "HTTP/1.1"; "" for the version of the request's head
}

// passesBack reports whether a field of a member's response is passed on to the client: what is for one connection only
// is not, nor what frames the body, nor what is between agents.
func passesBack(f *h1.Field) bool {
	return !f.Named && !f.ID.HopByHop() && !f.ID.Ours() && f.ID != h1.ContentLength
}
