package h1

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A sender of single bytes must not cost more than one of whole heads: what was read is not read again.
func TestASlowSenderIsReadOnce(t *testing.T) {
	buf := []byte(browserRequest)
	var r Request
	for i := 1; i < len(buf); i++ {
		if _, err := ParseRequest(buf[:i], nil, &r); !errors.Is(err, ErrIncomplete) {
			t.Fatalf("after %d bytes: %v", i, err)
		}
		if r.progress.clean != i {
			t.Fatalf("after %d bytes, the next LF is looked for from byte %d on", i, r.progress.clean)
		}
		lines := strings.Count(string(buf[:i]), "\r\n")
		if want := max(lines-1, 0); len(r.Fields) != want {
			t.Fatalf("after %d bytes with %d lines there are %d fields", i, lines, len(r.Fields))
		}
	}
}

// One Request serves a connection, with many requests in one buffer.
func TestOneRequestAfterTheOther(t *testing.T) {
	const first, second = "POST /1 HTTP/1.0\r\nConnection: close, x\r\nX: a\r\nContent-Length: 0\r\nHost: a\r\n\r\n",
		"GET /2 HTTP/1.1\r\nHost: b\r\n\r\n"
	var r Request
	for name, before := range map[string]func(){
		"a good one":            func() { must(ParseRequest([]byte(first), nil, &r)) },
		"a bad one":             func() { _, _ = ParseRequest([]byte("GET / HTTP/1.1\r\nA:b\r\nHost : a\r\n\r\n"), nil, &r) },
		"half a one, Reset":     func() { _, _ = ParseRequest([]byte(first)[:60], nil, &r); r.Reset() },
		"half a one, elsewhere": func() { _, _ = ParseRequest([]byte(first)[:60], nil, &r) },
	} {
		before()
		n, err := ParseRequest([]byte(second), nil, &r)
		if err != nil || n != len(second) {
			t.Fatalf("after %s: %d, %v", name, n, err)
		}
		if diff := cmp.Diff("GET /2 for b", describeRequest(&r)); diff != "" || len(r.Fields) != 1 || r.Length != -1 {
			t.Errorf("after %s: %d fields, length %d, %s", name, len(r.Fields), r.Length, diff)
		}
	}
}

func TestBegun(t *testing.T) {
	var r Request
	for _, c := range []struct {
		in   string
		want bool
	}{{"", false}, {"\r", false}, {"\r\n", false}, {"\r\nG", true}, {"\r\nGET / HTTP/1.1\r\n", true}} {
		r.Reset()
		if _, err := ParseRequest([]byte(c.in), nil, &r); !errors.Is(err, ErrIncomplete) {
			t.Fatalf("%q: %v", c.in, err)
		}
		if got := r.Begun(); got != c.want {
			t.Errorf("%q: begun is %v", c.in, got)
		}
	}
	must(ParseRequest([]byte(browserRequest), nil, &r))
	if _, err := ParseRequest(nil, nil, &r); !errors.Is(err, ErrIncomplete) || r.Begun() {
		t.Error("a request has begun of which nothing has come")
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		lim  Limits
		of   kind
		in   string
		want string
	}{
		{"a head at its limit", Limits{Head: 27}, request, "GET / HTTP/1.1↵Host: a↵↵", "GET / for a"},
		{"a head beyond it", Limits{Head: 26}, request, "GET / HTTP/1.1↵Host: a↵↵", "431 head_size"},
		{"empty lines do not count", Limits{Head: 27}, request, "↵↵GET / HTTP/1.1↵Host: a↵↵", "GET / for a"},
		{"a line at its limit", Limits{Line: 16}, request, "GET / HTTP/1.1↵Host: a↵↵", "GET / for a"},
		{"a line beyond it", Limits{Line: 15}, request, "GET / HTTP/1.1↵Host: a↵↵", "414 line_size"},
		{"a line beyond the limit of heads", Limits{Line: 100, Head: 15}, request, "GET / HTTP/1.1↵Host: a↵↵", "414 line_size"},
		{"fields at their limit", Limits{Fields: 1}, request, "GET / HTTP/1.1↵Host: a↵↵", "GET / for a"},
		{"fields beyond it", Limits{Fields: 1}, request, "GET / HTTP/1.1↵Host: a↵A: b↵↵", "431 field_count"},
		{"options beyond it", Limits{Fields: 2}, request, "GET / HTTP/1.1↵Host: a↵Connection: a, b, c↵↵", "431 connection_size"},
		{"a status line beyond its limit", Limits{Line: 15}, answer, "HTTP/1.1 200 OK↵↵", "502 line_size"},
		{"a chunk's line at its limit", Limits{ChunkLine: 5}, requestBody, "0;a↵↵", `""`},
		{"a chunk's line beyond it", Limits{ChunkLine: 4}, requestBody, "0;a↵↵", "400 chunk_line_size"},
		{"extensions beyond their limit", Limits{ChunkExtensions: 3}, requestBody, "1;a↵x↵0;b↵↵", "400 chunk_extensions_size"},
		{"trailers at their limit", Limits{Head: 8}, requestBody, "0↵A: b↵↵", `"" trailers A: b`},
		{"trailers beyond it", Limits{Head: 7}, requestBody, "0↵A: b↵↵", "431 head_size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(strings.ReplaceAll(c.in, "↵", "\r\n"))
			r, slow := newReader(c.of), newReader(c.of)
			for _, r := range []*reader{r, slow} {
				r.limits = &c.lim
				r.chunked.Reset(&c.lim, InRequest)
			}
			if got := r.feed(in, len(in)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			got := "incomplete"
			for i := 0; i <= len(in) && got == "incomplete"; i++ {
				got = slow.feed(in, i)
			}
			if got != c.want {
				t.Errorf("byte by byte: got %s, want %s", got, c.want)
			}
		})
	}
}

// Each error can happen, and says what it should.
func TestErrors(t *testing.T) {
	wanted := map[string]bool{}
	for _, c := range cases {
		wanted[strings.TrimLeft(c.want, "0123456789 ")] = true
	}
	reasons := map[string]bool{}
	for e := range InRequest.Reasons {
		if reasons[e.Reason] {
			t.Errorf("%s is there twice", e.Reason)
		}
		reasons[e.Reason] = true
		if e.Status < 400 || e.Status > 505 || !ValidToken([]byte(e.Reason)) || !strings.HasSuffix(e.Text, ".") {
			t.Errorf("%+v", e)
		}
		if !wanted[e.Reason] {
			t.Errorf("no case wants %s", e.Reason)
		}
		if !strings.Contains(e.Error(), e.Reason) || !strings.Contains(e.Error(), e.Text) {
			t.Errorf("for the log: %q", e.Error())
		}
	}
	for e := range InResponse.Reasons {
		if e.Status != 502 || !reasons[e.Reason] {
			t.Errorf("of a response: %+v", e)
		}
	}
	if len(reasons) != int(verdicts-incomplete-1) {
		t.Errorf("%d reasons for %d verdicts", len(reasons), verdicts-incomplete-1)
	}
}

func TestIDs(t *testing.T) {
	for id := Unknown + 1; id < ids; id++ {
		name := id.String()
		if name == "" {
			continue // more than one name
		}
		for _, n := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := IDOf(n); got != id {
				t.Errorf("%s: %d, want %d", n, got, id)
			}
		}
	}
	for name, want := range map[string]ID{
		"Backhand-Something": BackhandOther, "Backhand_Proof": BackhandOther, "BACKHAND_hop": BackhandOther, "backhand-": BackhandOther,
		"X-Forwarded-Port": XForwardedOther, "x_forwarded_for": XForwardedOther, "X-Forwarded_Host": XForwardedOther,
		"Backhand": Unknown, "X-Forwarded": Unknown, "Hos": Unknown, "Hosts": Unknown, "Most": Unknown, "Content_Length": Unknown,
		"X": Unknown, "": Unknown,
	} {
		if got := IDOf(name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// What becomes of a field on its way.
func TestClasses(t *testing.T) {
	type class struct{ HopByHop, InTrailers, Ours, Forwarder bool }
	for name, want := range map[string]class{
		"Connection":        {HopByHop: true},
		"Keep-Alive":        {HopByHop: true},
		"TE":                {HopByHop: true},
		"Transfer-Encoding": {HopByHop: true},
		"Upgrade":           {HopByHop: true},
		"Proxy-Connection":  {HopByHop: true},
		"Host":              {},
		"Content-Length":    {},
		"Trailer":           {},
		"Date":              {},
		"ETag":              {InTrailers: true},
		"Grpc-Status":       {InTrailers: true},
		"Server":            {InTrailers: true},
		"Backhand-Load":     {Ours: true},
		"Backhand-Proof":    {Ours: true},
		"backhand_x":        {Ours: true},
		"Forwarded":         {Forwarder: true},
		"X-Forwarded-For":   {Forwarder: true},
		"X_Forwarded_Foo":   {Forwarder: true},
	} {
		id := IDOf(name)
		if got := (class{id.HopByHop(), id.InTrailers(), id.Ours(), id.Forwarder()}); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestLookingUpFields(t *testing.T) {
	var r Request
	must(ParseRequest([]byte("GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nCookie:\r\nx-a: 2\r\n\r\n"), nil, &r))
	if !r.Has(Host) || r.Has(Via) || string(r.Value(Host)) != "a" || r.Value(Via) != nil || r.Value(Cookie) == nil {
		t.Error("by ID")
	}
	v, ok := r.Lookup("X-a")
	if _, other := r.Lookup("X-B"); string(v) != "1" || !ok || other {
		t.Error("by name")
	}
	if cap(v) != len(v) {
		t.Error("who appends to a value writes over the next one")
	}
}

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{"a:80": true, "[::1]": true, "": false, "a/b": false} {
		if got := ValidHost([]byte(host)); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

func TestMethods(t *testing.T) {
	idempotent := map[string]bool{"GET": true, "HEAD": true, "PUT": true, "DELETE": true, "OPTIONS": true, "TRACE": true}
	for name := range strings.FieldsSeq("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH BREW get") {
		id := methodID([]byte(name))
		if (id == OtherMethod) != (name == "BREW" || name == "get") || id.Idempotent() != idempotent[name] {
			t.Errorf("%s: %d, idempotent %v", name, id, id.Idempotent())
		}
	}
}

// Chunked keeps to its contract where it is used in a way that the tables do not show.
func TestChunkedInPieces(t *testing.T) {
	var c Chunked
	c.Reset(nil, InRequest)
	must3(c.Next([]byte("a\r\n")))
	if c.Left() != 10 {
		t.Errorf("%d left, want 10", c.Left())
	}
	c.Skip(9)
	must3(c.Next([]byte("x")))
	if c.Left() != 0 {
		t.Errorf("%d left behind the data", c.Left())
	}
	_, _, err := c.Next([]byte("xx"))
	if _, _, again := c.Next([]byte("\r\n0\r\n\r\n")); err == nil || again != err {
		t.Errorf("an error does not stay: %v, then %v", err, again)
	}
	defer func() {
		if recover() == nil {
			t.Error("more can be skipped than there is")
		}
	}()
	c.Reset(nil, InRequest)
	must3(c.Next([]byte("a\r\n")))
	c.Skip(11)
}

func must3(_ int, _ Part, err error) {
	if err != nil {
		panic(err)
	}
}

func TestHeadsWritten(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{string(AppendRequestLine(nil, "GET", "/a", "?b")), "GET /a?b HTTP/1.1\r\n"},
		{string(AppendStatusLine(nil, 404, nil)), "HTTP/1.1 404 Not Found\r\n"},
		{string(AppendStatusLine(nil, 404, []byte{})), "HTTP/1.1 404 \r\n"},
		{string(AppendStatusLine(nil, 599, nil)), "HTTP/1.1 599 \r\n"},
		{string(AppendContentLength(nil, 0)), "Content-Length: 0\r\n"},
		{string(AppendChunkHeader(nil, 255)), "ff\r\n"},
		{string((&Head{Framing: FramingNone, Length: -1}).AppendFraming(nil)), ""},
		{string((&Head{Framing: FramingNone, Length: 5}).AppendFraming(nil)), "Content-Length: 5\r\n"},
		{string((&Head{Framing: FramingClose, Length: -1}).AppendFraming(nil)), ""},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
