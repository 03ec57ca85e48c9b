package h1

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The table, however the bytes are cut.
func TestCases(t *testing.T) {
	counts := map[kind]int{}
	for _, c := range cases {
		counts[c.of]++
		section := c.section
		if !strings.HasPrefix(section, "RFC") {
			section = "RFC 9112 " + section
		}
		t.Run(fmt.Sprintf("%s/%s/%s", c.of, section, c.name), func(t *testing.T) {
			in := []byte(strings.ReplaceAll(c.in, "↵", "\r\n"))
			for _, way := range ways {
				if way.all && len(in) > 2000 {
					continue // long ones are cut in the other ways
				}
				if got := way.read(c.of, in); got != c.want {
					t.Errorf("%s: %s\ngot  %s\nwant %s", way.name, clip(c.in), clip(got), clip(c.want))
				}
			}
		})
	}
	t.Logf("%d cases: %v", len(cases), counts)
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}

// ways are the ways in which bytes may come.
var ways = []struct {
	name string
	all  bool // tries all cuts, too much for long input
	read func(k kind, in []byte) string
}{
	{"at once", false, func(k kind, in []byte) string { return newReader(k).feed(in, len(in)) }},
	{"byte by byte", false, byteByByte},
	{"byte by byte, in a buffer that moves", true, movingBuffer},
	{"in two parts", true, inTwoParts},
}

// byteByByte gives one byte more each time, in a buffer that has its place.
func byteByByte(k kind, in []byte) string {
	r := newReader(k)
	for i := range len(in) {
		if got := r.feed(in, i); got != "incomplete" {
			return got
		}
	}
	return r.feed(in, len(in))
}

// movingBuffer gives one byte more each time, in a new buffer, and spoils the old one.
func movingBuffer(k kind, in []byte) string {
	r := newReader(k)
	for i := range len(in) {
		buf := bytes.Clone(in)
		got := r.feed(buf, i)
		for j := range buf {
			buf[j] = 0xff
		}
		if got != "incomplete" {
			return got
		}
	}
	return r.feed(in, len(in))
}

// inTwoParts cuts at each place. Both parts of each cut must come to the same.
func inTwoParts(k kind, in []byte) string {
	want := newReader(k).feed(in, len(in))
	for i := range len(in) {
		r := newReader(k)
		got := r.feed(in, i)
		if got == "incomplete" {
			got = r.feed(in, len(in))
		}
		if got != want {
			return fmt.Sprintf("cut at %d: %s", i, got)
		}
	}
	return want
}

// reader feeds one of the parsers, and says in words what came out.
type reader struct {
	kind     kind
	limits   *Limits
	request  Request
	response Response
	chunked  Chunked
	data     []byte
	fed      int // bytes of the body that Chunked has seen
}

func newReader(k kind) *reader {
	r := &reader{kind: k}
	if k == requestBody {
		r.chunked.Reset(nil, InRequest)
	} else if k == answerBody {
		r.chunked.Reset(nil, InResponse)
	}
	return r
}

var methods = map[kind]MethodID{answer: MethodGet, headAnswer: MethodHead, tunnel: MethodConnect}

// feed gives the first n bytes of in. What is behind an accepted message does not count, except in bodies.
func (r *reader) feed(in []byte, n int) string {
	switch r.kind {
	case request:
		end, err := ParseRequest(in[:n], r.limits, &r.request)
		if err != nil {
			return describeError(err)
		}
		if !endsHead(in[:end]) {
			return fmt.Sprintf("head of %d bytes", end)
		}
		return describeRequest(&r.request)
	case requestBody, answerBody:
		return r.feedChunked(in, n)
	}
	end, err := ParseResponse(in[:n], r.limits, methods[r.kind], &r.response)
	if err != nil {
		return describeError(err)
	}
	if !endsHead(in[:end]) {
		return fmt.Sprintf("head of %d bytes", end)
	}
	return describeResponse(&r.response)
}

// endsHead reports whether the first empty line behind the start line is at b's end.
func endsHead(b []byte) bool {
	return bytes.Index(bytes.TrimLeft(b, "\r\n"), []byte("\r\n\r\n")) == len(bytes.TrimLeft(b, "\r\n"))-4
}

// feedChunked gives Chunked what it has not seen, and trailers always from their beginning.
func (r *reader) feedChunked(all []byte, upTo int) string {
	in := all[:upTo]
	for r.fed < len(in) {
		n, part, err := r.chunked.Next(in[r.fed:])
		if err != nil {
			return describeError(err)
		}
		if part == Trailers {
			break
		}
		if part == Data {
			r.data = append(r.data, in[r.fed:r.fed+n]...)
		}
		r.fed += n
	}
	if _, part, _ := r.chunked.Next(nil); part != Trailers {
		return "incomplete"
	}
	n, err := r.chunked.ReadTrailers(in[r.fed:])
	if err != nil {
		return describeError(err)
	}
	return describeChunked(r.data, r.chunked.Fields, all[r.fed+n:])
}

func describeError(err error) string {
	if errors.Is(err, ErrIncomplete) {
		return "incomplete"
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return "not one of our errors: " + err.Error()
	}
	return fmt.Sprintf("%d %s", e.Status, e.Reason)
}

func describeRequest(r *Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
	if len(r.Query) > 0 {
		fmt.Fprintf(&b, " %s", r.Query)
	}
	fmt.Fprintf(&b, " for %s", r.Host)
	say := func(yes bool, format string, args ...any) {
		if yes {
			fmt.Fprintf(&b, ", "+format, args...)
		}
	}
	say(r.Form == AbsoluteForm, "absolute")
	say(r.Form == AuthorityForm, "authority")
	say(r.Form == AsteriskForm, "asterisk")
	if r.Scheme != NoScheme {
		b.WriteString([]string{HTTP: " http", HTTPS: " https"}[r.Scheme])
	}
	say(r.Framing == FramingLength, "%d bytes", r.Length)
	say(r.Framing == FramingChunked, "chunked")
	say(r.Minor == 0, "1.0")
	say(r.Minor > 1, "minor version %d", r.Minor)
	say(!r.Persistent(), "close after")
	say(r.ExpectContinue, "waits for 100")
	say(r.TETrailers, "takes trailers")
	say(r.MaxForwards >= 0, "forwards %d", r.MaxForwards)
	say(r.Upgrade != nil, "upgrade %s", r.Upgrade)
	b.WriteString(describeNamed(r.Fields))
	return b.String()
}

func describeResponse(r *Response) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", r.Status, r.Reason)
	say := func(yes bool, format string, args ...any) {
		if yes {
			fmt.Fprintf(&b, ", "+format, args...)
		}
	}
	say(r.Interim(), "interim")
	switch r.Framing {
	case FramingNone:
		say(true, "no body")
		if r.Length >= 0 {
			fmt.Fprintf(&b, " of %d bytes", r.Length)
		}
	case FramingLength:
		say(true, "%d bytes", r.Length)
	case FramingChunked:
		say(true, "chunked")
	case FramingClose:
		say(true, "until close")
	case FramingTunnel:
		say(true, "tunnel")
	}
	say(r.Minor == 0, "1.0")
	say(!r.Persistent(), "close after")
	say(r.Upgrade != nil, "upgrade %s", r.Upgrade)
	b.WriteString(describeNamed(r.Fields))
	return b.String()
}

func describeNamed(fields []Field) string {
	var names []string
	for _, f := range fields {
		if f.Named {
			names = append(names, string(f.Name))
		}
	}
	if names == nil {
		return ""
	}
	return ", drops " + strings.Join(names, " ")
}

// describeChunked leaves out the trailers that must not be passed on.
func describeChunked(data []byte, trailers []Field, rest []byte) string {
	s := fmt.Sprintf("%q", data)
	var lines []string
	for _, f := range trailers {
		if f.ID.InTrailers() {
			lines = append(lines, fmt.Sprintf("%s: %s", f.Name, f.Value))
		}
	}
	if lines != nil {
		s += " trailers " + strings.Join(lines, ", ")
	}
	if len(rest) > 0 {
		s += fmt.Sprintf(" rest %q", rest)
	}
	return s
}
