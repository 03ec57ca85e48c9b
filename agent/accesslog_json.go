package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"backhand/proxy"
)

// jsonLines renders one JSON object a line. Each has all keys, in this order:
//
//	time        when the head of the request had come
//	client      its address as the origin sees it; "" on a Unix socket (0.0.0.0 to the origin)
//	method, target, proto, host, referer, user_agent
//	            as the client sent them; target with the query; "" for none. They stand around:
//	status      as the client saw it; 499 if it was gone before
//	bytes       of the response's body
//	route       its label; "" if no route applied
//	farm        at which the request was last; "" if none
//	member      that was asked last; "" if none was. Of a complete URL, that URL
//	self        whether it was our own origin
//	hop         whether another agent handed the request to us
//	attempts    members that were asked
//	refusals    members that refused
//	wait_ms     until the head of the response was there; 0 if none came
//	took_ms     until the last byte had been passed on
//	reason      a word for why it did not go well, or for what we answered ourselves; "" if a member answered
//	error       the same in detail, with addresses; "" if it went well
//	forward     where the last forward led that was followed: the name of a farm, or a complete URL; "" if none was
//
// The lines are ASCII. Bytes that are no UTF-8 are U+FFFD. New keys will stand at the end.
type jsonLines struct {
	handler slog.Handler
	attrs   sync.Pool // of *[jsonAttrs]slog.Attr
}

const jsonAttrs = 21 // besides the time

// newJSONLines returns one that passes its lines to add, which must neither wait nor keep them.
func newJSONLines(add func(line []byte)) *jsonLines {
	j := &jsonLines{handler: slog.NewJSONHandler(&asciiWriter{add: add}, &slog.HandlerOptions{ReplaceAttr: leaveAway})}
	j.attrs.New = func() any { return new([jsonAttrs]slog.Attr) }
	return j
}

// leaveAway drops what log/slog adds to every record: a line about a request has neither a level nor a message.
func leaveAway(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.LevelKey || a.Key == slog.MessageKey {
		return slog.Attr{}
	}
	return a
}

// log renders the line of one request.
func (j *jsonLines) log(o *proxy.Outcome) {
	attrs := j.attrs.Get().(*[jsonAttrs]slog.Attr)
	*attrs = attrsOf(o)
	r := slog.NewRecord(o.Start, slog.LevelInfo, "", 0)
	r.AddAttrs(slog.Attr{Value: slog.GroupValue(attrs[:]...)}) // a group without a name shows as what is in it
	_ = j.handler.Handle(context.Background(), r)              // an asciiWriter makes no errors
	clear(attrs[:])                                            // the texts are those of the request's buffers
	j.attrs.Put(attrs)
}

func attrsOf(o *proxy.Outcome) [jsonAttrs]slog.Attr {
	var client, member, problem string
	if hasAddress(o) {
		client = o.Client.String()
	}
	if o.Member != nil {
		member = o.Member.Name
	}
	if o.Err != nil {
		problem = o.Err.Error()
	}
	return [jsonAttrs]slog.Attr{
		slog.String("client", client),
		slog.String("method", cut(o.Method)),
		slog.String("target", cut(o.Target)),
		slog.String("proto", cut(o.Proto)),
		slog.String("host", cut(o.Host)),
		slog.Int("status", o.Status),
		slog.Int64("bytes", o.Bytes),
		slog.String("referer", cut(o.Referer)),
		slog.String("user_agent", cut(o.UserAgent)),
		slog.String("route", cut(o.Route)),
		slog.String("farm", cut(o.Farm)),
		slog.String("member", cut(member)),
		slog.Bool("self", o.Self),
		slog.Bool("hop", o.Hop),
		slog.Int("attempts", o.Attempts),
		slog.Int("refusals", o.Refusals),
		slog.Float64("wait_ms", millis(o.Wait)),
		slog.Float64("took_ms", millis(o.Took)),
		slog.String("reason", cut(o.Reason)),
		slog.String("error", cut(problem)),
		slog.String("forward", cut(o.Forward)),
	}
}

// cut bounds a text.
func cut(s string) string {
	if len(s) > accessLogField {
		return s[:accessLogField] + "..."
	}
	return s
}

// millis returns a duration in milliseconds with three decimals.
func millis(d time.Duration) float64 { return float64(max(0, d.Microseconds())) / 1000 }

// asciiWriter passes lines of JSON on in ASCII. JSON lets marks of writing direction and the control characters above
// U+007F through, and a terminal obeys them.
type asciiWriter struct {
	add  func(line []byte)
	line []byte // log/slog calls Write with a lock held
}

// Write takes one line.
func (w *asciiWriter) Write(line []byte) (int, error) {
	w.line = appendASCII(w.line[:0], line)
	w.add(w.line)
	return len(line), nil
}

// appendASCII appends JSON with whatever is not ASCII as \uXXXX. It can only stand in strings.
func appendASCII(b, json []byte) []byte {
	from := 0
	for i := 0; i < len(json); {
		if json[i] < 0x7f {
			i++
			continue
		}
		b = append(b, json[from:i]...)
		r, n := utf8.DecodeRune(json[i:])
		i += n
		from = i
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		} else {
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return append(b, json[from:]...)
}
