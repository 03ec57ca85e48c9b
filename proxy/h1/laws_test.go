package h1

import (
	"bytes"
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// head is what a round trip must keep.
type head struct {
	Start  []string
	Fields [][2]string
	Length int64
	Frame  Framing
}

func fieldsOf(fields []Field) (all [][2]string) {
	for _, f := range fields {
		all = append(all, [2]string{string(f.Name), string(f.Value)})
	}
	return all
}

var (
	tokens = rapid.StringMatching("[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}")
	values = rapid.Map(rapid.SliceOfN(rapid.ByteRange(0x20, 0xff), 0, 60), func(b []byte) string {
		return string(trim(bytes.ReplaceAll(b, []byte{0x7f}, []byte{'\t'})))
	})
	paths   = rapid.StringMatching("/([a-zA-Z0-9/._~!$&'()*+,;=:@|^-]|%[0-9A-Fa-f]{2}){0,40}")
	queries = rapid.StringMatching("(\\?[a-zA-Z0-9/?%&=.;+|-]{0,40})?")
	hosts   = rapid.StringMatching("([a-z0-9.-]{1,30}|\\[2001:db8::[0-9a-f]{1,4}\\])(:[1-9][0-9]{0,3})?")
)

// others draws fields that do not decide anything.
func others(t *rapid.T) (all [][2]string) {
	for range rapid.IntRange(0, 20).Draw(t, "fields") {
		name := tokens.Draw(t, "name")
		if id := IDOf(name); id != Unknown && id <= MaxForwards {
			name = "X-" + name
		}
		all = append(all, [2]string{name, values.Draw(t, "value")})
	}
	return all
}

// written appends fields, framing and the empty line.
func (h *head) written(dst []byte) []byte {
	for _, f := range h.Fields {
		dst = AppendField(dst, f[0], f[1])
	}
	framed := Head{Framing: h.Frame, Length: h.Length}
	return AppendEnd(framed.AppendFraming(dst))
}

// framed draws a framing.
func (h *head) framed(t *rapid.T) {
	h.Frame = rapid.SampledFrom([]Framing{FramingNone, FramingLength, FramingChunked}).Draw(t, "framing")
	if h.Length = -1; h.Frame == FramingLength {
		h.Length = rapid.Int64Min(0).Draw(t, "length")
	}
}

// same compares what was written with what was read. The field that says how the body ends was added behind the others.
func (h *head) same(t *rapid.T, buf []byte, n int, got head) {
	if n != len(buf) {
		t.Fatalf("%d bytes of %d read", n, len(buf))
	}
	if h.Frame == FramingLength || h.Frame == FramingChunked {
		got.Fields = got.Fields[:len(got.Fields)-1]
	}
	if len(got.Fields) == 0 {
		got.Fields = nil
	}
	if diff := cmp.Diff(*h, got); diff != "" {
		t.Fatalf("read is not what was written (-written +read):\n%s\n%q", diff, buf)
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Run("requests", rapid.MakeCheck(func(t *rapid.T) {
		method := rapid.SampledFrom([]string{"GET", "POST", "PURGE", "m~"}).Draw(t, "method")
		w := head{Start: []string{method, paths.Draw(t, "path"), queries.Draw(t, "query"), hosts.Draw(t, "host")}}
		w.framed(t)
		w.Fields = append([][2]string{{"Host", w.Start[3]}}, others(t)...)
		buf := w.written(AppendRequestLine(nil, method, w.Start[1], w.Start[2]))
		var r Request
		n, err := ParseRequest(buf, nil, &r)
		if err != nil {
			t.Fatalf("%v\n%q", err, buf)
		}
		start := []string{string(r.Method), string(r.Path), string(r.Query), string(r.Host)}
		w.same(t, buf, n, head{start, fieldsOf(r.Fields), r.Length, r.Framing})
	}))
	t.Run("responses", rapid.MakeCheck(func(t *rapid.T) {
		status := rapid.IntRange(205, 299).Draw(t, "status")
		w := head{Start: []string{values.Draw(t, "reason")}, Fields: others(t)}
		if w.framed(t); w.Frame == FramingNone {
			w.Frame = FramingClose
		}
		buf := w.written(AppendStatusLine(nil, status, []byte(w.Start[0])))
		var r Response
		n, err := ParseResponse(buf, nil, MethodGet, &r)
		if err != nil {
			t.Fatalf("%v\n%q", err, buf)
		}
		if r.Status != status {
			t.Fatalf("status %d, want %d", r.Status, status)
		}
		w.same(t, buf, n, head{[]string{string(r.Reason)}, fieldsOf(r.Fields), r.Length, r.Framing})
	}))
}

func TestChunksThatAreWrittenAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var buf, want, got []byte
		for range rapid.IntRange(0, 5).Draw(t, "chunks") {
			data := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data")
			buf = AppendEnd(append(AppendChunkHeader(buf, int64(len(data))), data...))
			want = append(want, data...)
		}
		buf = AppendLastChunk(buf)
		trailers := others(t)
		for _, f := range trailers {
			buf = AppendField(buf, f[0], f[1])
		}
		buf = AppendEnd(buf)
		var c Chunked
		c.Reset(nil, InResponse)
		at := 0
		for part := Frame; part != Trailers; {
			// Cut at random places; of data, a part goes another way, as splice does it.
			upTo := min(len(buf), at+rapid.IntRange(1, 100).Draw(t, "piece"))
			n, p, err := c.Next(buf[at:upTo])
			if err != nil {
				t.Fatalf("%v at %d\n%q", err, at, buf)
			}
			if part = p; part == Data {
				got = append(got, buf[at:at+n]...)
				other := c.Left() / 2
				got = append(got, buf[at+n:at+n+int(other)]...)
				c.Skip(other)
				at += int(other)
			}
			at += n
		}
		n, err := c.ReadTrailers(buf[at:])
		if err != nil || at+n != len(buf) || !bytes.Equal(got, want) {
			t.Fatalf("%v, %d bytes of %d, data %q, want %q", err, at+n, len(buf), got, want)
		}
		if diff := cmp.Diff(trailers, fieldsOf(c.Fields)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The fast loop says what the definition does.
func TestValidValueIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.OneOf(rapid.ByteRange(0x20, 0x7e), rapid.Byte()), 0, 40).Draw(t, "value")
		want := true
		for _, c := range b {
			want = want && (c == '\t' || c >= 0x20 && c != 0x7f)
		}
		if got := ValidValue(b); got != want {
			t.Fatalf("%q: %v, want %v", b, got, want)
		}
	})
	for c := range 256 {
		for at := range 17 {
			b := bytes.Repeat([]byte{'a'}, 17)
			b[at] = byte(c)
			if got, want := ValidValue(b), c == '\t' || c >= 0x20 && c != 0x7f; got != want {
				t.Errorf("%q: %v, want %v", b, got, want)
			}
		}
	}
}

func TestIPv6IsThatOfNetip(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		a, err := netip.ParseAddr(s)
		want := err == nil && a.Is6() && a.Zone() == ""
		if got := validIPv6([]byte(s)); got != want {
			t.Fatalf("%q: %v, want %v", s, got, want)
		}
	}
	for _, s := range []string{
		"", ":", "::", ":::", "1", "1:", ":1", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::",
		"::2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7", "1::2:3:4:5:6:7:8", "1::2::3", "12345::", "::1.2.3.4", "1.2.3.4::",
		"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.4.5", "::1.2.3.256", "::01.2.3.4", "::g",
		"1:2:3:4:5:6:7:8::",
		"::1.2.3.4:5", "::ffff:1.2.3.4", "::1.2.3.",
	} {
		check(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		end := "([0-9a-f]{0,4}|[0-9]{1,3}(\\.[0-9]{1,3}){3})"
		check(t, rapid.StringMatching("(::)?([0-9a-fA-F]{1,5}::?){0,8}"+end).Draw(t, "address"))
	})
}

func TestStatusTextIsThatOfTheRegistry(t *testing.T) {
	renamed := map[int]string{ // RFC 9110 and the registry have newer names than net/http
		413: "Content Too Large",
		414: "URI Too Long",
		416: "Range Not Satisfiable",
		422: "Unprocessable Content",
	}
	for status := range 700 {
		want := http.StatusText(status)
		if r := renamed[status]; r != "" {
			want = r
		}
		if got := string(AppendStatusText(nil, status)); got != want {
			t.Errorf("%d: %q, want %q", status, got, want)
		}
	}
}
