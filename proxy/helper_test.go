package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// memNet is a network in memory. An address at which nobody listens refuses connections; one that is dark never
// answers.
type memNet struct {
	mu        sync.Mutex
	listeners map[string]*memListener
	dark      map[string]bool
	port      uint16
	dials     map[string]int
}

func newMemNet() *memNet {
	return &memNet{listeners: map[string]*memListener{}, dark: map[string]bool{}, dials: map[string]int{}, port: 40000}
}

func (n *memNet) listen(addr string) *memListener {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &memListener{addr: netip.MustParseAddrPort(addr), conns: make(chan net.Conn), done: make(chan struct{})}
	n.listeners[addr] = l
	return l
}

func (n *memNet) dial(ctx context.Context, from netip.Addr, addr string) (net.Conn, error) {
	n.mu.Lock()
	l, dark := n.listeners[addr], n.dark[addr]
	n.port++
	n.dials[addr]++
	local := netip.AddrPortFrom(from, n.port)
	if !from.IsValid() {
		local = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n.port)
	}
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	switch {
	case dark:
		<-ctx.Done()
		return nil, ctx.Err()
	case l == nil:
		return nil, refused
	}
	a, b := net.Pipe()
	select {
	case l.conns <- &memConn{Conn: b, local: l.addr, remote: local}:
		return &memConn{Conn: a, local: local, remote: l.addr}, nil
	case <-l.done:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *memNet) dialled(addr string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[addr]
}

type memListener struct {
	addr  netip.AddrPort
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *memListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

type memConn struct {
	net.Conn
	local, remote netip.AddrPort
}

func (c *memConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *memConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.remote) }

// lab is a cluster on a memNet, inside a synctest bubble.
type lab struct {
	t       *testing.T
	net     *memNet
	reg     *candidacy.Registry
	live    *node.LiveSet
	nodes   []*node.Node
	phys    []node.Physical
	farms   []node.FarmInfo
	mu      sync.Mutex
	done    []*Outcome          // of the front
	last    map[string]*Outcome // the last one of each agent, by name
	handler map[string]*Handler // by name
	proofs  map[string]Proof    // by name of the agent; those that are not in it have no keys
}

// inLab runs a test in a bubble with time and network of its own.
func inLab(t *testing.T, f func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Second) }) // net/http waits half a second where it closes before all was read
		f(t, &lab{t: t, net: newMemNet(), reg: testRegistry(), live: node.NewLiveSet(), handler: map[string]*Handler{}, last: map[string]*Outcome{}})
	})
}

// testRegistry has steps that make decisions easy to foresee.
func testRegistry() *candidacy.Registry {
	spec := func(name string, run func(words []string) candidacy.Func) candidacy.Spec {
		return candidacy.Spec{Name: name, Make: func(a *candidacy.Args) candidacy.Step {
			var words []string
			for w := a.Word(""); w != ""; w = a.Word("") {
				words = append(words, w)
			}
			return candidacy.Step{Run: run(words), Note: func(_ *candidacy.Request, m *node.Member) string { return "I am " + m.Name }}
		}}
	}
	return candidacy.NewRegistry(
		spec("order", func(names []string) candidacy.Func { // those named, in that order
			return func(_ *candidacy.Request, in []*node.Member) []*node.Member {
				var out []*node.Member
				for _, n := range names {
					for _, m := range in {
						if m.Name == n {
							out = append(out, m)
						}
					}
				}
				return out
			}
		}),
		spec("shuffle", func([]string) candidacy.Func {
			return func(req *candidacy.Request, in []*node.Member) []*node.Member {
				req.Rand.Shuffle(len(in), func(i, j int) { in[i], in[j] = in[j], in[i] })
				return in
			}
		}),
		spec("none", func([]string) candidacy.Func {
			return func(_ *candidacy.Request, in []*node.Member) []*node.Member { return in[:0] }
		}),
		spec("withSelf", func([]string) candidacy.Func {
			return func(req *candidacy.Request, in []*node.Member) []*node.Member {
				if req.Farm.Self == nil || slices.Contains(in, req.Farm.Self) {
					return in
				}
				return append(in, req.Farm.Self)
			}
		}),
		spec("redirect", func(words []string) candidacy.Func {
			return func(req *candidacy.Request, in []*node.Member) []*node.Member {
				host := strings.Join(words, " ")
				req.Redirect = candidacy.Redirect{On: true, Host: func(*candidacy.Request, *node.Member) string { return host }}
				return in
			}
		}),
		spec("first", func(names []string) candidacy.Func { // brings one forward
			return func(_ *candidacy.Request, in []*node.Member) []*node.Member {
				if i := slices.IndexFunc(in, func(m *node.Member) bool { return m.Name == names[0] }); i >= 0 {
					in[0], in[i] = in[i], in[0]
				}
				return in
			}
		}),
		spec("limit", func(words []string) candidacy.Func { // above how many, and how many members may refuse
			var limit float64
			var hops int
			_, _ = fmt.Sscan(strings.Join(words, " "), &limit, &hops)
			return func(req *candidacy.Request, in []*node.Member) []*node.Member {
				req.Limit, req.Hops = limit, hops
				return in
			}
		}),
		spec("predict", func([]string) candidacy.Func {
			return func(req *candidacy.Request, in []*node.Member) []*node.Member {
				req.Predict = true
				return in
			}
		}),
		spec("cookie", func(words []string) candidacy.Func { // keeps who is named by the cookie
			return func(req *candidacy.Request, in []*node.Member) []*node.Member {
				for _, v := range req.Fields.AppendCookies(nil, words[0]) {
					return slices.DeleteFunc(in, func(m *node.Member) bool { return m.Name != v })
				}
				return in
			}
		}),
	)
}

func (l *lab) chain(steps ...string) *candidacy.Chain {
	l.t.Helper()
	c, errs := l.reg.Parse(steps)
	if errs != nil {
		l.t.Fatal(errs)
	}
	return c
}

func (l *lab) routes(list ...Route) *Routes {
	l.t.Helper()
	rs, err := NewRoutes(list)
	if err != nil {
		l.t.Fatal(err)
	}
	return rs
}

// toWeb is the site of a front: one route for all to the farm web, by this chain.
func (l *lab) toWeb(steps ...string) *Site {
	return &Site{Routes: l.routes(Route{Path: "/", Farm: "web", Chain: l.chain(steps...)})}
}

func idOf(name string) node.ID {
	var id node.ID
	copy(id[:], name)
	return id
}

// addNode makes a node known to all, which serves these farms.
func (l *lab) addNode(name, addr string, farms ...string) *node.Node {
	n := &node.Node{
		ID: idOf(name), Name: name, Addr: netip.MustParseAddrPort(addr), State: node.Up, Interval: time.Second,
		Heard: time.Now(), From: netip.MustParseAddrPort(addr).Addr(),
	}
	for _, f := range farms {
		n.Services = append(n.Services, node.Service{Farm: f, Ready: true})
	}
	l.nodes = append(l.nodes, n)
	return n
}

func (l *lab) addPhysical(farm, name, rawURL string) {
	l.phys = append(l.phys, node.Physical{Farm: farm, Name: name, URL: mustURL(rawURL)})
}

// farm is what is said of a farm: where its requests go while it is off, and while it is down, each "" for nowhere, a farm's
// name or a URL.
func farm(name string, is node.Standing, off, down string) node.FarmInfo {
	return node.FarmInfo{Name: name, Standing: is, Forwards: forwards(off, down)}
}

func forwards(off, down string) node.Forwards {
	to := func(s string) node.Forward {
		if strings.Contains(s, "://") {
			return node.Forward{URL: mustURL(s)}
		}
		return node.Forward{Farm: s}
	}
	return node.Forwards{Off: to(off), Down: to(down)}
}

// see has the agent of that name see these farms, and its physicals standing so, by name; the others are well.
func (l *lab) see(name string, farms []node.FarmInfo, standing map[string]node.Standing) {
	l.farms = farms
	l.phys = slices.Clone(l.phys)
	for i := range l.phys {
		l.phys[i].Standing = standing[l.phys[i].Name]
	}
	snap := l.snapshot(name)
	synctest.Wait()
	l.handler[name].cfg.Snapshot = func() *node.Snapshot { return snap }
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// snapshot is the cluster as the node of that name sees it.
func (l *lab) snapshot(self string) *node.Snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := l.live
	if self != "front" {
		live = node.NewLiveSet()
	}
	return node.NewSnapshot(node.Parts{
		Taken: time.Now(), Self: idOf(self), Nodes: slices.Clone(l.nodes), Physicals: l.phys, Farms: l.farms, Live: live,
	})
}

// liveOf is what the front knows of a member.
func (l *lab) liveOf(farm, name string) *node.Live {
	for _, m := range l.snapshot("front").Farm(farm).Members {
		if m.Name == name {
			return m.Live
		}
	}
	l.t.Fatalf("no member %s of %s", name, farm)
	return nil
}

// agent makes a Handler for the node of that name, and serves it at the address.
func (l *lab) agent(name, addr string, s *Site) *Handler {
	snap := l.snapshot(name)
	h := New(Config{
		Self: idOf(name), Snapshot: func() *node.Snapshot { return snap },
		Accept:    netip.MustParsePrefix("10.0.0.0/24").Contains,
		LocalAddr: netip.MustParseAddrPort(addr).Addr,
		Dial:      l.net.dial,
		Proof:     l.proofs[name],
		Seed:      func() uint64 { return 1 },
		Done: func(o *Outcome) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.last[name] = o.Clone()
			if name == "front" {
				l.done = append(l.done, l.last[name])
			}
		},
	}, s)
	l.handler[name] = h
	l.listen(addr, h, ServerConfig{})
	l.t.Cleanup(h.members.closeIdle)
	return h
}

// listen serves clients at the address as h does.
func (l *lab) listen(addr string, h *Handler, cfg ServerConfig) *Server {
	srv, ln := h.NewServer(cfg), l.net.listen(addr)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := srv.Serve(ln); err != nil {
			l.t.Errorf("serving %s: %v", addr, err)
		}
	})
	l.t.Cleanup(func() {
		_ = srv.Close()
		wg.Wait()
	})
	return srv
}

// serve runs a web server.
func (l *lab) serve(addr string, h http.Handler) *http.Server {
	srv := &http.Server{Handler: h}
	ln := l.net.listen(addr)
	go func() { _ = srv.Serve(ln) }()
	l.t.Cleanup(func() { _ = srv.Close() })
	return srv
}

// origin is an Origin at the address, with a meter.
func origin(farm, addr string) *Origin {
	return &Origin{Farm: farm, URL: mustURL("http://" + addr), Meter: node.NewMeter(4, time.Now())}
}

// outcome returns the last one of the front, once all is quiet.
func (l *lab) outcome() *Outcome {
	l.t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.done) == 0 {
		l.t.Fatal("the front told of no outcome")
	}
	return l.done[len(l.done)-1]
}

func (l *lab) outcomes() int {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}

// conn is a client's connection to the address.
func (l *lab) conn(from, to string) net.Conn {
	l.t.Helper()
	c, err := l.net.dial(l.t.Context(), netip.MustParseAddr(from), to)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close() })
	return c
}

// reply is a response that was read to its end.
type reply struct {
	*http.Response
	body string
}

const clientAddr, frontAddr = "192.0.2.7", "10.0.0.1:80"

// send writes a request, as it stands, from the client to the front and reads the response.
func (l *lab) send(request string) reply { return l.sendTo(frontAddr, clientAddr, request) }

func (l *lab) sendTo(to, from, request string) reply {
	l.t.Helper()
	c := l.conn(from, to)
	defer c.Close()
	go func() { _, _ = io.WriteString(c, strings.ReplaceAll(request, "\n", "\r\n")) }()
	return l.read(c, strings.Fields(request)[0])
}

func (l *lab) read(c net.Conn, method string) reply {
	l.t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		l.t.Fatalf("reading the response: %v", err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		l.t.Fatalf("reading the body after %q: %v", b, err)
	}
	return reply{res, string(b)}
}

// get is a GET of the front.
func (l *lab) get(target string, fields ...string) reply {
	l.t.Helper()
	return l.send(request("GET", target, fields...))
}

func request(method, target string, fields ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\nHost: example.com\n%s\n", method, target, lines(fields))
}

func lines(fields []string) string {
	s := ""
	for _, f := range fields {
		s += f + "\n"
	}
	return s
}

// named answers with a name.
func named(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, name)
	}
}

// echo answers with what it got: request line, Host, head, body, trailers.
func echo(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(&b, "%s %s\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	_ = r.Header.Write(&b)
	fmt.Fprintf(&b, "\n%s\n", body)
	_ = r.Trailer.Write(&b)
	_, _ = io.WriteString(w, strings.ReplaceAll(b.String(), "\r\n", "\n"))
}

// field returns the values of a field in what echo sent.
func field(text, name string) []string {
	var out []string
	for l := range strings.SplitSeq(text, "\n") {
		if v, ok := strings.CutPrefix(l, name+": "); ok {
			out = append(out, v)
		}
	}
	return out
}
