package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestOpenResolvesANameEachTime(t *testing.T) {
	var got []string
	ps := newPools(poolsConfig{Dial: func(_ context.Context, _ netip.Addr, addr string) (net.Conn, error) {
		got = append(got, addr)
		c, _ := net.Pipe()
		return c, nil
	}})
	defer ps.closeIdle()
	for range 3 {
		p := ps.at(destination{addr: "www.example.com:80", kind: toPhysical, farm: "web"}, &Reach{}, time.Second)
		c, err := p.open(t.Context(), nil, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		p.drop(c)
	}
	if want := slices.Repeat([]string{"www.example.com:80"}, 3); !slices.Equal(got, want) {
		t.Errorf("dialled %q, want %q", got, want)
	}
}

func TestOpenTellsOfDials(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	noPort := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}
	for _, row := range []struct {
		name string
		err  error
		told []string
		own  bool
	}{
		{"that work", nil, []string{"<nil>"}, false},
		{"that the member refuses", refused, []string{refused.Error()}, false},
		{"not if we have no port left", noPort, nil, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			ps := newPools(poolsConfig{Dial: func(context.Context, netip.Addr, string) (net.Conn, error) {
				c, _ := net.Pipe()
				return c, row.err
			}})
			defer ps.closeIdle()
			p := ps.at(destination{addr: memberAddr, kind: toOrigin}, &Reach{}, time.Second)
			var told []error
			c, err := p.open(t.Context(), nil, func(err error) { told = append(told, err) })
			if d := cmp.Diff(row.told, texts(told)); d != "" {
				t.Errorf("told (-want +got):\n%s", d)
			}
			de, failed := errors.AsType[*dialError](err)
			if failed != (row.err != nil) || (c == nil) != failed {
				t.Errorf("got %v, %v", c, err)
			}
			if failed && (de.Timeout() || lacksResources(de) != row.own) {
				t.Errorf("%v: a time-out: %v, for want of resources: %v", de, de.Timeout(), lacksResources(de))
			}
			if want := map[bool]int{true: 0, false: 1}[failed]; p.stats().open != want {
				t.Errorf("%d are open, want %d", p.stats().open, want)
			}
		})
	}
}

// lateContext is one whose deadline has passed, and whose timer did not notice.
type lateContext struct{ context.Context }

func (lateContext) Deadline() (time.Time, bool) { return time.Now().Add(-1), true }

func TestOpenDoesNotChargeTheMemberForTheRequestsDeadline(t *testing.T) {
	ps := newPools(poolsConfig{Dial: func(context.Context, netip.Addr, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	}})
	defer ps.closeIdle()
	p := ps.at(destination{addr: memberAddr, kind: toOrigin}, &Reach{}, time.Second)
	_, err := p.open(lateContext{t.Context()}, nil, func(err error) { t.Errorf("told %v", err) })
	if err != context.DeadlineExceeded {
		t.Errorf("got %v, want the context's error", err)
	}
}

const memberHeader = "PROXY TCP4 192.0.2.7 10.0.0.2 50000 80\r\n"

func TestOpenBeginsWithTheProxyHeader(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.reach = &Reach{ProxyProtocol: 1, Conns: 1}
		o := l.start(t.Context(), []byte(memberHeader))
		if o.now().done {
			t.Fatal("the connection was there before its header was sent")
		}
		b := make([]byte, len(memberHeader))
		if _, err := io.ReadFull(l.peers[0], b); err != nil || string(b) != memberHeader {
			t.Fatalf("the member got %q, %v", b, err)
		}
		c := o.now().conn
		if c == nil {
			t.Fatalf("got %+v", o.now())
		}
		time.Sleep(2 * time.Second) // the deadline of the header is not that of what follows
		go func() { _, _ = io.WriteString(c.nc, "x") }()
		if _, err := io.ReadFull(l.peers[0], b[:1]); err != nil {
			t.Error(err)
		}
		waits := l.start(t.Context(), []byte(memberHeader))
		l.pool().give(c, time.Now())
		l.wantStats(1, 0, 0) // that of the second
		l.wantClosed(true)
		if _, err := io.ReadFull(l.peers[1], b); err != nil || string(b) != memberHeader || waits.now().conn == nil {
			t.Errorf("the member got %q, %v; the second got %+v", b, err, waits.now())
		}
	})
}

// The time to connect is for all: TCP, PROXY header and TLS.
func TestOpenIsGivenUp(t *testing.T) {
	for _, row := range []struct {
		name string
		tls  bool
		dark bool
		hdr  []byte
	}{
		{"if the member's host does not answer", false, true, nil},
		{"if the member does not take the PROXY header", false, false, []byte(memberHeader)},
		{"if the member does not speak TLS", true, false, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			inPoolLab(t, func(t *testing.T, l *poolLab) {
				l.dest.tls, l.net.dark[memberAddr] = row.tls, row.dark
				o := l.start(t.Context(), row.hdr)
				time.Sleep(time.Second)
				got := o.now()
				de, ok := errors.AsType[*dialError](got.err)
				if !ok || !de.Timeout() || got.took != time.Second || len(l.told) != 1 || l.told[0] == nil {
					t.Errorf("got %+v, told %v, want a time-out after 1 s", got, l.told)
				}
				l.wantStats(0, 0, 0)
				if !row.dark {
					l.wantClosed(true)
				}
			})
		})
		t.Run(row.name+", or the client goes", func(t *testing.T) {
			inPoolLab(t, func(t *testing.T, l *poolLab) {
				l.dest.tls, l.net.dark[memberAddr] = row.tls, row.dark
				ctx, cancel := context.WithCancel(t.Context())
				o := l.start(ctx, row.hdr)
				cancel()
				if got := o.now(); got.err != context.Canceled || len(l.told) != 0 {
					t.Errorf("got %+v, told %v, want it to end with the client", got, l.told)
				}
				l.wantStats(0, 0, 0)
			})
		})
	}
}

// tlsMember is a web server on loopback that speaks TLS, as origin.test and 127.0.0.1. Each connection gets one byte.
type tlsMember struct {
	addr   string
	roots  *x509.CertPool
	states chan tls.ConnectionState
	before string // what each connection begins with
}

func newTLSMember(t *testing.T, before string) *tlsMember {
	t.Helper()
	cert, roots := testCert(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &tlsMember{addr: ln.Addr().String(), roots: roots, states: make(chan tls.ConnectionState, 9), before: before}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cfg := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			m.serve(c, cfg)
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return m
}

func (m *tlsMember) serve(c net.Conn, cfg *tls.Config) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, len(m.before))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != m.before {
		return
	}
	s := tls.Server(c, cfg)
	if s.Handshake() == nil {
		m.states <- s.ConnectionState()
		_, _ = s.Write([]byte("x"))
		_, _ = s.Read(make([]byte, 1)) // until the other end closes
	}
}

func testCert(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"origin.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func TestOpenTLS(t *testing.T) {
	for _, row := range []struct {
		name   string
		host   string // in the member's address; "" is 127.0.0.1
		tls    *tls.Config
		before string
		want   string // of the error; "" is none
	}{
		{"by CA, for the address", "", &tls.Config{}, "", ""},
		{"by CA, for the name in the address", "origin.test", &tls.Config{}, "", ""},
		{"by CA, for a name that was given", "other.test", &tls.Config{ServerName: "origin.test"}, "", ""},
		{"behind a PROXY header", "origin.test", &tls.Config{}, memberHeader, ""},
		{"not for another name", "other.test", &tls.Config{}, "", "not other.test"},
		{"not by the system's roots", "origin.test", nil, "", "unknown authority"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newTLSMember(t, row.before)
			if row.tls != nil {
				row.tls.RootCAs = m.roots
			}
			d := destination{addr: m.addr, tls: true, kind: toOrigin}
			if row.host != "" {
				d.addr = row.host + ":443"
			}
			var conn net.Conn
			dial := func(ctx context.Context, from netip.Addr, _ string) (_ net.Conn, err error) {
				conn, err = dialServer(ctx, from, m.addr)
				return conn, err
			}
			ps := newPools(poolsConfig{Dial: dial})
			defer ps.closeIdle()
			p := ps.at(d, &Reach{TLS: row.tls}, 10*time.Second)
			c, err := p.open(t.Context(), []byte(row.before), func(error) {})
			if row.want != "" {
				if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), d.addr) {
					t.Fatalf("got %v, want %q with the address", err, row.want)
				}
				if err := conn.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%v, want the connection to be closed", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.drop(c)
			if s := <-m.states; s.NegotiatedProtocol != "http/1.1" || c.tcp != nil || c.raw != nil {
				t.Errorf("protocol %q, want http/1.1, and no plain TCP", s.NegotiatedProtocol)
			}
			if row.tls.NextProtos != nil || row.tls.ClientSessionCache != nil {
				t.Error("the given configuration was changed")
			}
		})
	}
}

func TestOpenResumesTLS(t *testing.T) {
	m := newTLSMember(t, "")
	ps := newPools(poolsConfig{})
	defer ps.closeIdle()
	cfg := &tls.Config{RootCAs: m.roots}
	for n, want := range []bool{false, true} {
		// A reload that leaves TLS alone leaves its sessions, too.
		p := ps.at(destination{addr: m.addr, tls: true, kind: toOrigin}, &Reach{TLS: cfg, Conns: 5 + n}, 10*time.Second)
		c, err := p.open(t.Context(), nil, func(error) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.nc, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if s := <-m.states; s.DidResume != want {
			t.Errorf("connection %d resumed: %v, want %v", n, s.DidResume, want)
		}
		p.drop(c)
	}
	p := ps.at(destination{addr: m.addr, tls: true, kind: toOrigin}, &Reach{TLS: &tls.Config{}}, 10*time.Second)
	if _, err := p.open(t.Context(), nil, func(error) {}); err == nil {
		t.Error("a session was resumed by a configuration that does not trust the member")
	}
}

func TestPoolTLSChanges(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.reach = &Reach{TLS: &tls.Config{}}
		held := l.open()
		l.opens(1)
		p := l.set(Reach{TLS: &tls.Config{}})
		if p.take(time.Now()) != nil {
			t.Error("a connection was given that was made by another configuration")
		}
		p.give(held, time.Now())
		l.wantStats(0, 0, 0)
		synctest.Wait()
		l.wantClosed(true, true)
	})
}
