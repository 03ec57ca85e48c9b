package proxy

import (
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
	"backhand/proxy/h1"
)

func TestRequestFields(t *testing.T) {
	f := &requestFields{
		section: sectionOf("Cookie: a=1; b=\"2\";c", "Cookie: a=3=4 ;A=5"),
		query:   "a=1&b=2;a=x%20y&c&a=%zz&&",
	}
	for name, want := range map[string][]string{"a": {"1", "3=4"}, "b": {"2"}, "c": nil, "A": {"5"}} {
		if d := cmp.Diff(want, f.AppendCookies(nil, name)); d != "" {
			t.Errorf("cookies %s (-want +got):\n%s", name, d)
		}
	}
	for name, want := range map[string][]string{"a": {"1", "x y", "%zz"}, "b": {"2"}, "c": {""}, "d": nil} {
		if d := cmp.Diff(want, f.AppendQuery(nil, name)); d != "" {
			t.Errorf("query %s (-want +got):\n%s", name, d)
		}
	}
	f.section = sectionOf("X-User: 7", "x-user:  8 ", "Accept: a", "Accept: b", "X-Hidden: 1", "Connection: x-hidden", "X-Empty:")
	for name, want := range map[string][]string{
		"x-USER": {"7", "8"}, "accept": {"a", "b"}, "X-Empty": {""}, "x-use": nil, "X-Hidden": nil, "": nil,
	} {
		if d := cmp.Diff(want, f.AppendHeader(nil, name)); d != "" {
			t.Errorf("fields %s (-want +got):\n%s", name, d)
		}
	}
	if got := (&requestFields{}).AppendHeader(nil, "accept"); got != nil {
		t.Errorf("there is %q in no fields", got)
	}
}

// A chain reads of a question what it would read of a request.
func TestFieldsOfAQuestion(t *testing.T) {
	q := Question{Header: http.Header{
		"Cookie": {"a=1", "a=2", "a=\n"}, "X-User": {"7"}, "no token": {"x"},
		"Content-Length": {"x"}, "Transfer-Encoding": {"x"}, "Connection": {"X-User"}, "Host": {"a b"},
	}}
	f := q.fields("b=3")
	got := [][]string{f.AppendCookies(nil, "a"), f.AppendQuery(nil, "b"), f.AppendHeader(nil, "x-user")}
	if d := cmp.Diff([][]string{{"1", "2"}, {"3"}, {"7"}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := len(f.section.Fields); n != 3 {
		t.Errorf("%d fields", n)
	}
}

func TestMaxForwards(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		l.agent("front", frontAddr, l.toWeb())
		for _, tc := range []struct{ method, in, want string }{
			{"OPTIONS", "3", "2"}, {"TRACE", "1", "0"}, {"GET", "0", "0"}, {"GET", "x", "x"},
		} {
			got := field(l.send(request(tc.method, "/", "Max-Forwards: "+tc.in)).body, "Max-Forwards")
			if d := cmp.Diff([]string{tc.want}, got); d != "" {
				t.Errorf("%s with %s (-want +got):\n%s", tc.method, tc.in, d)
			}
		}
	})
}

// What counts only in a head does not come in by a trailer, announced or not, in either direction.
func TestTrailersThatAreForHeads(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		all := []string{
			"Authorization", "Cookie", "Set-Cookie", "Content-Type", "content_encoding", "Host", "Proxy-Authorization", "If-Match", "Expect",
			"Max-Forwards", "Range", "Age", "Date", "Location", "Vary", "Cache-Control", "X-Real-IP", "X-Forwarded-For", "Via", "Backhand-Load",
		}
		want := http.Header{"Content-Digest": {"d"}, "Etag": {"e"}, "Grpc-Status": {"0"}}
		l.serve("127.0.0.1:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if d := cmp.Diff(want, r.Trailer); d != "" {
				t.Errorf("the origin sees trailers (-want +got):\n%s", d)
			}
			w.Header().Set("Trailer", "Set-Cookie, ETag")
			_, _ = io.WriteString(w, "x")
			for _, name := range all {
				w.Header().Set(http.TrailerPrefix+name, "late")
			}
			for name, v := range want {
				w.Header()[http.TrailerPrefix+name] = v
			}
		}))
		l.agent("front", frontAddr, l.toWeb())
		late := "Content-Length: 7\nContent-Digest: d\nETag: e\nGrpc-Status: 0\n"
		for _, name := range all {
			late += name + ": late\n"
		}
		for _, announced := range []string{"", "Trailer: Cookie, Authorization, ETag\n"} {
			got := l.send("POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n" + announced + "\n3\nabc\n0\n" + late + "\n")
			if d := cmp.Diff(want, got.Trailer); d != "" {
				t.Errorf("the client sees trailers (-want +got):\n%s", d)
			}
		}
	})
}

// sectionOf parses fields.
func sectionOf(lines ...string) *h1.Section {
	return &requestOf(lines...).Section
}

// requestOf parses the head of a GET for example.com.
func requestOf(lines ...string) *h1.Request {
	req := new(h1.Request)
	head := "GET / HTTP/1.1\r\nHost: example.com\r\n"
	for _, l := range lines {
		head += l + "\r\n"
	}
	if _, err := h1.ParseRequest([]byte(head+"\r\n"), nil, req); err != nil {
		panic(err)
	}
	return req
}

func TestStepsThatReadFieldsDoNotAllocate(t *testing.T) {
	f := candidacytest.Cluster("www1\nwww2\nwww3")
	fields := &requestFields{
		section: sectionOf("Cookie: a=1; PHPSESSID=0a000002abc", "X-User: seven"), query: "id=3&PHPSESSID=0a000001",
	}
	for _, step := range []string{
		"bySession", "bySession none", "byHash cookie:a", "byHash query:id", "byHash header:X-User",
	} {
		c := candidacytest.Chain(candidacy.Builtin(), step)
		req := candidacytest.Request(f)
		list := make([]*node.Member, 0, 4)
		n := testing.AllocsPerRun(20, func() {
			req.Reset()
			req.Farm, req.Fields, req.Now = f, fields, candidacytest.Now()
			c.Select(req, c.AppendCandidates(list, req, nil))
		})
		if n > 0 {
			t.Errorf("%s allocates %v times", step, n)
		}
	}
}
