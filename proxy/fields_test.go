package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestRequestFields(t *testing.T) {
	f := &requestFields{
		header: http.Header{"Cookie": {`a=1; b="2";c`, "a=3=4 ;A=5"}},
		query:  "a=1&b=2;a=x%20y&c&a=%zz&&",
	}
	for name, want := range map[string][]string{"a": {"1", "3=4"}, "b": {"2"}, "c": nil, "A": {"5"}} {
		if d := cmp.Diff(want, slices.Collect(f.Cookies(name))); d != "" {
			t.Errorf("cookies %s (-want +got):\n%s", name, d)
		}
	}
	for name, want := range map[string][]string{"a": {"1", "x y", "%zz"}, "b": {"2"}, "c": {""}, "d": nil} {
		if d := cmp.Diff(want, slices.Collect(f.Query(name))); d != "" {
			t.Errorf("query %s (-want +got):\n%s", name, d)
		}
	}
	for range f.Cookies("a") {
		break // and no more is asked for
	}
	for range f.Query("a") {
		break
	}
}

func TestMaxForwards(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.addPhysical("web", "p", "http://127.0.0.1:8080")
		l.serve("127.0.0.1:8080", http.HandlerFunc(echo))
		l.agent("front", frontAddr, l.toWeb())
		for _, tc := range []struct{ method, in, want string }{
			{"OPTIONS", "3", "2"}, {"TRACE", "1", "0"}, {"GET", "0", "0"}, {"OPTIONS", "x", "x"},
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

func TestBodyFaults(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want reason
	}{
		{os.ErrDeadlineExceeded, clientSlow},
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), clientGone},
		{errors.New("malformed chunked encoding"), badBody},
	} {
		r, err := http.NewRequest("POST", "/", io.MultiReader(strings.NewReader("x"), iotest.ErrReader(tc.err)))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 9
		if err := newBody(r).fill(); err == nil || reasonOf(err) != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%v is taken for %v, want %s", tc.err, err, answers[tc.want].name)
		}
	}
}

// An attempt that was given up, and still waits for the client, takes nothing away from the next.
func TestBodyOfAnAttemptThatWasGivenUp(t *testing.T) {
	src, client := io.Pipe()
	r, err := http.NewRequest("POST", "/", src)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	b := newBody(r)
	var first, second http.Request
	b.attach(&first)
	read := make(chan int)
	go func() {
		n, _ := first.Body.Read(make([]byte, 10))
		read <- n
	}()
	write(t, client, "12345")
	if n := <-read; n != 5 {
		t.Fatalf("the first attempt read %d bytes", n)
	}
	_ = first.Body.Close()
	if !b.replayable() {
		t.Error("five bytes cannot be sent again")
	}
	b.attach(&second)
	go func() { write(t, client, "678"); _ = client.Close() }()
	if got, err := io.ReadAll(second.Body); string(got) != "12345678" || err != nil {
		t.Errorf("the second attempt read %q, %v", got, err)
	}
	if _, err := first.Body.Read(make([]byte, 1)); err == nil {
		t.Error("the first attempt reads on")
	}
	b.stop()
	if _, err := second.Body.Read(make([]byte, 1)); err == nil {
		t.Error("an attempt reads on after the end")
	}
}
