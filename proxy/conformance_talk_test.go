package proxy_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/proxy"
)

// row is one promise of the front as an HTTP intermediary: a talk between a client and an origin through it, all of it
// over TCP. In texts, ↵ stands for CR LF.
//
// Each message that comes out of the front is also held against the laws of conformance_laws_test.go, whatever the row
// is about, and each row ends with a check that the origin got not a byte more than the row says and that the front
// still serves others.
type row struct {
	name  string // begins with RFC and section
	steps steps
}

type steps []step

// step is one thing that the client or the origin does, or sees. Steps are taken one after the other, so that each
// happens under the condition that those before it have.
type step func(*talk)

// talk is a row while it runs.
type talk struct {
	*testing.T
	*ledger
	front   net.Addr
	handler *proxy.Handler
	site    proxy.Site
	gone    bool // the origin
	broke   bool // the origin may have seen requests that broke off

	topic
	remembered topic
}

// topic is who talks now, and about what.
type topic struct {
	client   *stream
	old      bool     // the client speaks HTTP/1.0
	server   *stream  // the origin's connection on which the last request came
	request  *message // that the origin saw last
	response *message // that the client saw last
}

// self is the front's ID; its pseudonym is in Via fields.
var self = node.ID{0xfe, 0xed, 0xfa, 0xce}

const pseudonym = "backhand-feedface"

// run takes the steps.
func (r *row) run(t *testing.T) {
	k := &talk{T: t, ledger: newLedger()}
	k.start()
	k.dial()
	for _, s := range r.steps {
		s(k)
	}
	k.nothingElse()
}

// start runs a front with one route to a farm of one physical, the origin of this row.
func (k *talk) start() {
	k.Helper()
	k.site.ClientHead = 5 * time.Second
	k.handler, k.front = startFront(k.T, k.listen(k.T).String(), &k.site)
}

// startFront runs a front with one route to a farm of one physical, which is at host:port, until the test ends.
func startFront(t *testing.T, physical string, s *proxy.Site) (*proxy.Handler, net.Addr) {
	t.Helper()
	chain, errs := candidacy.Builtin().Parse([]string{"byRandom"})
	if errs != nil {
		t.Fatal(errs)
	}
	var err error
	if s.Routes, err = proxy.NewRoutes([]proxy.Route{{Path: "/", Farm: "web", Chain: chain}}); err != nil {
		t.Fatal(err)
	}
	snap := node.NewSnapshot(node.Parts{
		Taken: time.Now(), Self: self, Live: node.NewLiveSet(),
		Physicals: []node.Physical{{Farm: "web", Name: "origin", URL: &url.URL{Scheme: "http", Host: physical}}},
	})
	h := proxy.New(proxy.Config{
		Self: self, Snapshot: func() *node.Snapshot { return snap }, Accept: netip.MustParsePrefix("127.0.0.0/8").Contains,
	}, s)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := h.NewServer(proxy.ServerConfig{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.Drain(ctx); err != nil {
			t.Errorf("after all connections were closed: %v", err)
		}
	})
	return h, ln.Addr()
}

// dial makes another connection of a client, which is the one that talks from now on.
func (k *talk) dial() {
	k.Helper()
	c, err := net.Dial("tcp", k.front.String())
	if err != nil {
		k.Fatal(err)
	}
	s := k.stream(c, "client")
	done := make(chan struct{})
	go func() { defer close(done); s.record() }()
	k.Cleanup(func() {
		_ = s.Close()
		<-done
		s.written()
	})
	k.client, k.old = s, false
}

func wire(text string) string { return strings.ReplaceAll(text, "↵", "\r\n") }

// nothingElse proves what did not happen: a request of another client goes to the origin and is answered as it should
// be, and the origin got no byte besides what the row took.
func (k *talk) nothingElse() {
	k.Helper()
	if k.Failed() {
		return
	}
	if !k.gone {
		k.dial()
		k.exchange("/from-another-client")
	}
	for _, s := range k.conns {
		k.mu.Lock()
		in := string(s.in)
		k.mu.Unlock()
		switch {
		case in == "":
		case k.broke:
			k.brokeOff(s)
		default:
			k.Fatalf("the origin also got %q", cut(in))
		}
	}
}

// brokeOff wants that what came on a connection is less than a request, and the connection's end.
func (k *talk) brokeOff(s *stream) {
	k.Helper()
	if !k.await(func() bool { return s.err != nil }) {
		k.Fatalf("the origin got %q, and then neither more nor the end of the connection", cut(string(s.in)))
	}
	m, n, err := parseHead(s.in)
	if err == nil && n > 0 {
		err = m.frame(noBody)
	}
	if err != nil {
		k.Fatalf("the origin got %q: %v", cut(string(s.in)), err)
	}
	if n == 0 {
		return
	}
	if _, done, err := m.read(s.in[n:], s.err); done || err != nil {
		k.Fatalf("the origin got a whole request, %q: %v", cut(string(s.in)), err)
	}
}

// exchange is a request that has nothing to do with what was before, on the client's connection.
func (k *talk) exchange(path string) {
	k.Helper()
	send("GET " + path + " HTTP/1.1↵Host: a↵↵")(k)
	sees("GET " + path + " HTTP/1.1")(k)
	answers("HTTP/1.1 200 OK↵Content-Length: " + length(path) + "↵↵" + path)(k)
	reads(200, content(path))(k)
}

// take waits for a head at the front of one of the streams, and takes it off. If there are several, it is the one that
// begins as wanted.
func (k *talk) take(from func() []*stream, start string) (m *message, s *stream) {
	k.Helper()
	var err error
	found := k.await(func() bool {
		for _, c := range from() {
			got, n, e := parseHead(c.in)
			if e == nil && (n == 0 || k.broke && start != "" && got.start != start) {
				continue
			}
			if m, s, err = got, c, e; e == nil {
				c.in = c.in[n:]
			}
			return true
		}
		return false
	})
	if !found || err != nil {
		k.Fatalf("waiting for a head: %v; there are %s", err, k.there())
	}
	return m, s
}

// there tells what nobody has taken yet.
func (k *talk) there() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := ""
	for _, s := range append([]*stream{k.client}, k.conns...) {
		in := s.in
		if len(in) > 300 {
			in = in[:300]
		}
		text += fmt.Sprintf("%s: %s, ended with %v; ", s.name, strings.ReplaceAll(string(in), "\r\n", "↵"), s.err)
	}
	return text
}

// rest waits for the whole body of a message, and takes it off.
func (k *talk) rest(m *message, s *stream) {
	k.Helper()
	var done bool
	var err error
	if !k.await(func() bool {
		var used int
		used, done, err = m.read(s.in, s.err)
		if done {
			s.in = s.in[used:]
		}
		return done || err != nil || s.err != nil
	}) || err != nil || !done {
		k.Fatalf("waiting for the body of %q: %v; there is %q; the connection ended with %v", m.start, err, cut(string(m.body)), s.err)
	}
}

// part waits until the body has come as far as that.
func (k *talk) part(m *message, s *stream, want string) {
	k.Helper()
	var err error
	k.await(func() bool {
		_, _, err = m.read(s.in, s.err)
		return err != nil || len(m.body) >= len(want)
	})
	if err != nil || string(m.body) != want {
		k.Fatalf("the body of %q goes %q, %v, want %q", m.start, cut(string(m.body)), err, cut(want))
	}
}

// broken waits for the end of the connection, before that of the message.
func (k *talk) broken(m *message, s *stream) {
	k.Helper()
	var done bool
	if !k.await(func() bool {
		_, done, _ = m.read(s.in, s.err)
		return done || s.err != nil
	}) || done {
		k.Fatalf("%q with %q should have been broken off, its end came: %v", m.start, cut(string(m.body)), done)
	}
	s.in = nil
}

// ended waits for the end of the connection, upon which nothing more may have come.
func (k *talk) ended(s *stream) error {
	k.Helper()
	if !k.await(func() bool { return s.err != nil }) {
		k.Fatalf("a connection of the %s stays open", s.name)
	}
	if len(s.in) > 0 {
		k.Fatalf("before the end the %s also got %q", s.name, cut(string(s.in)))
	}
	return s.err
}

// raw waits for these bytes and takes them off.
func (k *talk) raw(s *stream, want string) {
	k.Helper()
	if !k.await(func() bool {
		if len(s.in) < len(want) || string(s.in[:len(want)]) != want {
			return false
		}
		s.in = s.in[len(want):]
		return true
	}) {
		k.Fatalf("the %s should have got %q; there is %s", s.name, want, k.there())
	}
}

// cut shortens what is too long to be shown.
func cut(s string) string {
	if len(s) <= 400 {
		return s
	}
	return s[:200] + "…" + s[len(s)-200:]
}
