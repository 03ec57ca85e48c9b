package agent

import (
	"strconv"
	"strings"
	"time"

	"backhand/proxy"
)

// combinedLine renders lines in Apache's combined format with six fields behind it: the member, the attempts, the
// milliseconds until the last byte had been passed on and until the head of the response was there (0.000 if none came),
// the farm, and in quotes the route:
//
//	192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/7.88.1" www2 1 12.345 11.200 web "/a"
//
// Where a forward was followed, the farm is the one at which it ended, and a complete URL stands for the member. The client is
// "-" on a Unix socket. The member is "-" if the request was answered here, "self" if by our own origin while that is no member. What is empty
// is "-". In quotes, what is not printable ASCII is \xHH, and quotes and backslashes have a backslash before them. New
// fields will stand at the end.
//
// The line is in a buffer that the next one is written to.
type combinedLine struct {
	line []byte

	// The time of the last line as it is written: it changes once a second, and takes longer than all the rest.
	second int64
	zone   *time.Location
	stamp  []byte
}

// render returns the line of one request. It holds until the next call.
func (c *combinedLine) render(o *proxy.Outcome) []byte {
	b := c.line[:0]
	if hasAddress(o) {
		b = o.Client.AppendTo(b)
	} else {
		b = append(b, '-')
	}
	b = append(b, " - - ["...)
	b = append(b, c.time(o.Start)...)
	b = append(b, "] \""...)
	b = appendRequest(b, o)
	b = append(b, "\" "...)
	b = strconv.AppendInt(b, int64(o.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, o.Bytes, 10)
	b = append(b, " \""...)
	b = appendField(b, o.Referer)
	b = append(b, "\" \""...)
	b = appendField(b, o.UserAgent)
	b = append(b, "\" "...)
	b = appendMember(b, o)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(o.Attempts), 10)
	b = append(b, ' ')
	b = appendMillis(b, o.Took)
	b = append(b, ' ')
	b = appendMillis(b, o.Wait)
	b = append(b, ' ')
	b = appendWord(b, o.Farm)
	b = append(b, " \""...)
	b = appendField(b, o.Route)
	c.line = append(b, "\"\n"...)
	return c.line
}

// hasAddress reports whether the client has one. Those of a Unix socket are 0.0.0.0 to the rest of the agent.
func hasAddress(o *proxy.Outcome) bool { return o.Client.IsValid() && !o.Client.IsUnspecified() }

// time returns a time as the format has it.
func (c *combinedLine) time(t time.Time) []byte {
	if s := t.Unix(); s != c.second || t.Location() != c.zone || len(c.stamp) == 0 {
		c.second, c.zone = s, t.Location()
		c.stamp = t.AppendFormat(c.stamp[:0], "02/Jan/2006:15:04:05 -0700")
	}
	return c.stamp
}

// appendRequest appends the request line; "-" if the request was too broken to have one.
func appendRequest(b []byte, o *proxy.Outcome) []byte {
	if o.Method == "" {
		return append(b, '-')
	}
	b = appendField(b, o.Method)
	b = append(b, ' ')
	b = appendField(b, o.Target)
	b = append(b, ' ')
	return appendField(b, o.Proto)
}

func appendMember(b []byte, o *proxy.Outcome) []byte {
	switch {
	case o.Member != nil:
		return appendWord(b, o.Member.Name)
	case o.Self:
		return append(b, "self"...)
	}
	return append(b, '-')
}

// appendMillis appends a duration in milliseconds with three decimals.
func appendMillis(b []byte, d time.Duration) []byte {
	us := max(0, d.Microseconds())
	b = strconv.AppendInt(b, us/1000, 10)
	us %= 1000
	return append(b, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}

// appendField appends what stands in quotes. It is cut, since clients must not make lines of any length.
func appendField(b []byte, s string) []byte {
	switch {
	case s == "":
		return append(b, '-')
	case len(s) > accessLogField:
		return append(appendEscaped(b, s[:accessLogField]), "..."...)
	}
	return appendEscaped(b, s)
}

// appendEscaped escapes what would end the field or the line, and what is not printable ASCII, as Apache does.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if c == '"' || c == '\\' {
			b = append(b, '\\', c)
		} else {
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return append(b, s[from:]...)
}

// appendWord appends a name, which may have come in a beat, as one word.
func appendWord(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	for _, r := range s[:min(len(s), accessLogField)] {
		if r <= ' ' || r >= 0x7f || strings.ContainsRune(`"\[]`, r) {
			r = '_' // it would be read as two words, or as the beginning of what ends elsewhere
		}
		b = append(b, byte(r))
	}
	return b
}
