package h1

import (
	"strings"
	"testing"
)

// Each target holds two promises: the verdict does not depend on how the bytes were cut, and what we accept, net/http
// accepts and reads in the same way, but for what oracle_test.go permits. The seeds are the table.

func seeds(f *testing.F, add func(c verdictCase, in []byte)) {
	for _, c := range cases {
		if in := strings.ReplaceAll(c.in, "↵", "\r\n"); len(in) < 5000 {
			add(c, []byte(in))
		}
	}
}

// sameVerdict cuts the input in all ways, if it is short enough for that.
func sameVerdict(t *testing.T, k kind, in []byte) {
	t.Helper()
	want := newReader(k).feed(in, len(in))
	for _, way := range ways {
		if way.all && len(in) > 500 {
			continue
		}
		if got := way.read(k, in); got != want {
			t.Fatalf("%s: %s, at once: %s\n%q", way.name, got, want, in)
		}
	}
}

func FuzzRequest(f *testing.F) {
	seeds(f, func(c verdictCase, in []byte) {
		if c.of == request {
			f.Add(in)
		}
	})
	f.Add([]byte(browserRequest))
	f.Fuzz(func(t *testing.T, in []byte) {
		sameVerdict(t, request, in)
		checkRequest(t, in)
	})
}

func FuzzResponse(f *testing.F) {
	seeds(f, func(c verdictCase, in []byte) {
		if m, ok := methods[c.of]; ok {
			f.Add(in, uint8(m))
		}
	})
	f.Add([]byte(plainResponse), uint8(MethodGet))
	f.Fuzz(func(t *testing.T, in []byte, method uint8) {
		of := answer
		for k, m := range methods {
			if m == MethodID(method) {
				of = k
			}
		}
		sameVerdict(t, of, in)
		checkResponse(t, in, methods[of])
	})
}

func FuzzChunked(f *testing.F) {
	seeds(f, func(c verdictCase, in []byte) {
		if c.of == requestBody || c.of == answerBody {
			f.Add(in)
		}
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		sameVerdict(t, requestBody, in)
		checkRequest(t, append([]byte(chunkedHead), in...))
		checkPass(t, in)
	})
}

// checkPass holds Pass to what Next says.
func checkPass(t *testing.T, in []byte) {
	t.Helper()
	var a, b Chunked
	a.Reset(nil, InResponse)
	b.Reset(nil, InResponse)
	passed, trailers, passErr := a.Pass(in)
	at, part, err := 0, Frame, error(nil)
	for at < len(in) && part != Trailers && err == nil {
		var n int
		n, part, err = b.Next(in[at:])
		at += n
	}
	switch {
	case passErr != err:
		t.Fatalf("Pass: %v, Next: %v\n%q", passErr, err, in)
	case err == nil && (passed != at || trailers != (a.state == inTrailers)):
		t.Fatalf("Pass: %d bytes, Next: %d\n%q", passed, at, in)
	}
}
