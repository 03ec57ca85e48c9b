package proxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"backhand/proxy"
)

// What a front must make of HTTP/2 as clients should not send it, by the sections of RFC 9113, over real sockets. The
// cases are those of h2spec that matter for a front, and some of our own.

// specCase is one of them.
type specCase struct {
	name string // with the section in front
	send func(c *specConn)
	// want are the outcomes that the RFC allows; see specConn.outcome.
	want []string
	// differs is what comes instead, by the server of net/http on which our HTTP/2 stands, and why that may be.
	differs, why string
}

// specConn is a connection of a client, which says frames as they are.
type specConn struct {
	*http2.Framer
	testing.TB
	nc net.Conn
}

func TestHTTP2Spec(t *testing.T) {
	var heads atomic.Int64
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			select {
			case <-r.Context().Done():
			case <-time.After(patience):
			}
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	})
	front := oneAgent(t, serverAt(t, server), proxy.ServerConfig{})
	// Of what the others have sent some may still be on its way to the member when the next case counts.
	frontOfHeads := oneAgent(t, serverAt(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heads.Add(1)
		server(w, r)
	})), proxy.ServerConfig{})
	cases, differ := specCases(), 0
	for _, tc := range cases {
		if tc.differs != "" {
			differ++
		}
		t.Run(tc.name, func(t *testing.T) {
			before, at := heads.Load(), front
			if aboutHeads.MatchString(tc.name) {
				at = frontOfHeads
			}
			c := dialSpec(t, at)
			tc.send(c)
			got := c.outcome()
			switch allowed := slices.Contains(tc.want, got); {
			case tc.differs == "" && !allowed:
				t.Errorf("it ends with %q, want one of %q", got, tc.want)
			case tc.differs != "" && allowed:
				t.Errorf("it ends with %q, as it should: take it off the list of differences", got)
			case tc.differs != "" && got != tc.differs:
				t.Errorf("it ends with %q, neither as it should (%q) nor as it did (%q)", got, tc.want, tc.differs)
			}
			if n := heads.Load() - before; got != "200" && n > 0 {
				t.Errorf("what is refused with %q reached the member, %d times", got, n)
			}
		})
	}
	t.Logf("%d cases, of which %d differ from the RFC", len(cases), differ)
}

// aboutHeads are the sections whose mistakes are in what comes first, so that the member must not be asked.
var aboutHeads = regexp.MustCompile(`^(4\.3|8\.2|8\.3|8\.5)`)

func dialSpec(t *testing.T, front string) *specConn {
	t.Helper()
	nc, err := net.Dial("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	c := &specConn{Framer: http2.NewFramer(nc, nc), TB: t, nc: nc}
	c.AllowIllegalWrites, c.ReadMetaHeaders = true, hpack.NewDecoder(4096, nil)
	return c
}

// outcome reads frames until one tells what became of what was sent: "GOAWAY CODE", "RST CODE", the status of a response
// whose stream has ended, "alive" for the answer to probe, "closed", or "HTTP/1.1" for an answer in that.
func (c *specConn) outcome() string {
	status := ""
	for {
		f, err := c.ReadFrame()
		if err != nil {
			if strings.Contains(err.Error(), "looked like an HTTP/1.1 header") {
				return "HTTP/1.1"
			}
			if n, ok := err.(net.Error); ok && n.Timeout() {
				return "nothing"
			}
			return "closed"
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo { // else the streams go on
				return "GOAWAY " + f.ErrCode.String()
			}
		case *http2.RSTStreamFrame:
			return "RST " + f.ErrCode.String()
		case *http2.PingFrame:
			if f.IsAck() {
				return "alive"
			}
		case *http2.MetaHeadersFrame:
			if status == "" {
				status = f.PseudoValue("status")
			}
		}
		if f.Header().Flags.Has(http2.FlagDataEndStream) && status != "" && (f.Header().Type == http2.FrameData || f.Header().Type == http2.FrameHeaders) {
			return status
		}
	}
}

// h2 begins a connection.
func (c *specConn) h2() *specConn {
	_, _ = io.WriteString(c.nc, http2.ClientPreface)
	_ = c.WriteSettings()
	return c
}

// probe asks whether the connection lives.
func (c *specConn) probe() { _ = c.WritePing(false, [8]byte{1}) }

func (c *specConn) raw(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) {
	_ = c.WriteRawFrame(kind, flags, stream, []byte(payload))
}

// headers begins a stream with these fields: names and values by turns.
func (c *specConn) headers(stream uint32, end bool, fields ...string) {
	c.block(stream, end, true, literals(fields...))
}

func (c *specConn) block(stream uint32, end, endHeaders bool, block string) {
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(block), EndStream: end, EndHeaders: endHeaders})
}

// wait reads until the response to a stream has ended.
func (c *specConn) wait() {
	if got := c.outcome(); got != "200" {
		c.Fatalf("before the case, there came %q", got)
	}
}

// literals are fields without indexing (RFC 7541, section 6.2.2), so that the blocks need no state.
func literals(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		b.WriteByte(0)
		for _, s := range fields[i : i+2] {
			if len(s) >= 127 {
				n := len(s) - 127
				b.WriteByte(127)
				for ; n >= 128; n >>= 7 {
					b.WriteByte(byte(n&127) | 128)
				}
				b.WriteByte(byte(n))
			} else {
				b.WriteByte(byte(len(s)))
			}
			b.WriteString(s)
		}
	}
	return b.String()
}

// specGet is a whole request, with more fields.
func specGet(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "example.com"}, more...)
}

func specPost(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "example.com"}, more...)
}

// specWait is a request to which there is no answer.
func specWait() []string {
	return []string{":method", "GET", ":scheme", "http", ":path", "/wait", ":authority", "example.com"}
}

// h2spec, which others have written, checks the whole of RFC 9113. It is among the tools of contrib/tools, and may have to
// be downloaded.
func TestH2spec(t *testing.T) {
	if os.Getenv("BACKHAND_TEST") != "all" {
		t.Skip("h2spec may have to be downloaded and built: set BACKHAND_TEST=all")
	}
	server := serverAt(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(w, "hello")
	}))
	host, port, _ := net.SplitHostPort(oneAgent(t, server, proxy.ServerConfig{}))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "tool", "-modfile=contrib/tools/go.mod", "h2spec", "-h", host, "-p", port, "--timeout", "2")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput() // an error if one case fails
	summary := regexp.MustCompile(`\d+ tests, \d+ passed.*`).FindString(string(out))
	if summary == "" {
		t.Fatalf("h2spec: %v\n%s", err, out)
	}
	t.Log(summary)
	_, failures, _ := strings.Cut(string(out), "Failures:")
	var failed []string
	for _, m := range regexp.MustCompile(`(?m)^\s*× \d+: (.*)$`).FindAllStringSubmatch(failures, -1) {
		failed = append(failed, m[1])
	}
	if d := cmp.Diff(h2specKnown, failed); d != "" {
		t.Errorf("what fails is not what is known to (-known +failed):\n%s\n%s", d, failures)
	}
}

// h2specKnown are the cases of h2spec 2.2.1 that fail by the server of net/http, on which our HTTP/2 stands, in their
// order.
var h2specKnown = []string{
	// 3.5/2: the connection is closed, but with an error of its own before.
	"Sends invalid connection preface",
	// 6.5.3/1: a setting that is sent twice is taken for an attack.
	"Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE",
	// 8.1.2.2/1 and /2: answered with 400 instead of a stream error; no member sees the request.
	"Sends a HEADERS frame that contains the connection-specific header field",
	`Sends a HEADERS frame that contains the TE header field with any value other than "trailers"`,
}
