package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// check is what a row wants of a message.
type check struct {
	whole bool // the body must be there
	want  string
	holds func(*message) (got any, ok bool)
}

// holds makes the checks.
func (k *talk) holds(m *message, want []check) {
	k.Helper()
	for _, c := range want {
		if got, ok := c.holds(m); !ok {
			k.Errorf("%q should have %s, has %q", m.start, c.want, got)
		}
	}
}

// has wants these lines, and no others of the same names, in that order.
func has(lines ...string) check {
	return hasIn("the fields", lines, func(m *message) []field { return m.fields }, false)
}

// hasTrailers is has for trailers.
func hasTrailers(lines ...string) check {
	return hasIn("the trailers", lines, func(m *message) []field { return m.trailers }, true)
}

func hasIn(what string, lines []string, in func(*message) []field, whole bool) check {
	want, err := parseFields(lines)
	if err != nil {
		panic(err)
	}
	return check{whole, fmt.Sprintf("%s %q", what, lines), func(m *message) (any, bool) {
		var got []string
		right := true
		for _, f := range want {
			v := values(in(m), f.name)
			right = right && slices.Equal(v, values(want, f.name))
			got = append(got, fmt.Sprintf("%s %q", f.name, v))
		}
		return got, right
	}}
}

// hasNo wants no field, and no trailer, of these names.
func hasNo(names ...string) check {
	return check{false, fmt.Sprintf("none of the fields %q", names), func(m *message) (any, bool) {
		var got []string
		for _, n := range names {
			got = append(append(got, m.values(n)...), values(m.trailers, n)...)
		}
		return got, got == nil
	}}
}

// content wants that body, after decoding.
func content(want string) check {
	return check{true, fmt.Sprintf("the content %q", cut(want)), func(m *message) (any, bool) {
		return cut(string(m.body)), string(m.body) == want
	}}
}

// starts wants that first line.
func starts(want string) check {
	return check{false, fmt.Sprintf("the first line %q", want), func(m *message) (any, bool) { return m.start, m.start == want }}
}

// framed wants that the body ends in that way.
func framed(want framing) check {
	return check{false, fmt.Sprintf("framing %d", want), func(m *message) (any, bool) { return m.kind, m.kind == want }}
}

// lawsOfRequests returns what is wrong with a request of the front, whatever it is about.
func lawsOfRequests(m *message) (broken []string) {
	breaks := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	if words := strings.Split(m.start, " "); len(words) != 3 || words[2] != "HTTP/1.1" {
		breaks("9112-2.3, 3: the request line is method, target and our own version")
	}
	if n := len(m.values("Host")); n != 1 {
		breaks("9112-3.2: %d Host fields", n)
	}
	if via := m.options("Via"); len(via) == 0 || !strings.HasSuffix(via[len(via)-1], " "+pseudonym) {
		breaks("9110-7.6.3: we are not the last in Via %q", via)
	}
	for _, o := range m.options("Connection") {
		if !slices.Contains([]string{"keep-alive", "close", "te", "upgrade"}, o) {
			breaks("9110-7.6.1: the option %q was passed on", o)
		}
	}
	for _, name := range []string{"TE", "Upgrade"} {
		if n := len(m.values(name)); n > 0 && !slices.Contains(m.options("Connection"), strings.ToLower(name)) {
			breaks("9110-10.1.4, 7.8: %s stands without its connection option", name)
		}
	}
	if te := m.options("TE"); len(te) > 0 && !slices.Equal(te, []string{"trailers"}) {
		breaks("9110-10.1.4: TE is %q", te)
	}
	if m.kind == sized && len(m.values("Trailer")) > 0 {
		breaks("9110-6.6.2: Trailer announces what cannot come")
	}
	if got := m.values("X-Forwarded-For"); !slices.Equal(got, []string{"127.0.0.1"}) {
		breaks("the origin must see one client address, and sees X-Forwarded-For %q", got)
	}
	return append(broken, lawsOfBoth(m)...)
}

// lawsOfResponses is lawsOfRequests for responses. old says that the client speaks HTTP/1.0.
func lawsOfResponses(m *message, old bool) (broken []string) {
	breaks := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	status := m.status()
	if !strings.HasPrefix(m.start, "HTTP/1.1 ") {
		breaks("9110-2.5, 9112-2.3: the version is not our own")
	}
	if status < 200 || status == 204 {
		if m.values("Content-Length") != nil || m.values("Transfer-Encoding") != nil {
			breaks("9110-8.6, 9112-6.1: a response that has no body is framed")
		}
	}
	if old && (status < 200 || m.values("Transfer-Encoding") != nil) {
		breaks("9110-15.2, 9112-6.1: what HTTP/1.0 does not know")
	}
	if n := len(m.values("Date")); n > 1 {
		breaks("9110-6.6.1: %d Date fields", n)
	}
	for _, o := range m.options("Connection") {
		if o != "close" && o != "keep-alive" && (o != "upgrade" || status != 101) {
			breaks("9110-7.6.1: the option %q was passed on", o)
		}
	}
	if len(m.values("Upgrade")) > 0 && status != 101 {
		breaks("9110-7.6.1: Upgrade was passed on")
	}
	if m.kind == untilClose && !old && !slices.Contains(m.options("Connection"), "close") {
		breaks("9112-9.6: the body lasts until close, which is not announced")
	}
	if status == 405 && m.values("Allow") == nil {
		breaks("9110-15.5.6: no Allow")
	}
	return append(broken, lawsOfBoth(m)...)
}

// lawsOfBoth is for messages in both directions.
func lawsOfBoth(m *message) (broken []string) {
	for _, f := range append(slices.Clone(m.fields), m.trailers...) {
		name := strings.ReplaceAll(strings.ToLower(f.name), "_", "-")
		switch {
		case name == "keep-alive", name == "proxy-connection":
			broken = append(broken, "9110-7.6.1: "+f.name+" was passed on")
		case strings.HasPrefix(name, "backhand-") && (name != "backhand-refused" || m.status() != 421):
			broken = append(broken, f.name+" is for agents only")
		}
	}
	return broken
}

// lists wants these elements in a field, in any case.
func lists(name string, elements ...string) check {
	return check{false, fmt.Sprintf("%s %q", name, elements), func(m *message) (any, bool) {
		got := m.options(name)
		return got, slices.Equal(got, elements)
	}}
}

// viaIs wants the lines of Via to read so together.
func viaIs(want string) check {
	return check{false, "Via " + want, func(m *message) (any, bool) {
		got := strings.Join(m.values("Via"), ", ")
		return got, got == want
	}}
}

// dated wants one date of today.
var dated = check{false, "a Date", func(m *message) (any, bool) {
	got := m.values("Date")
	if len(got) != 1 {
		return got, false
	}
	at, err := time.Parse(http.TimeFormat, got[0])
	return got, err == nil && time.Since(at).Abs() < time.Hour
}}
