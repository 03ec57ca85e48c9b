package memberlist

import (
	"context"
	"log"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

// What strangers can cause by a datagram must not fill the log: one line a time, and the next one says how many it stands for.
const (
	warnEvery = 10 * time.Second
	maxLine   = 300 // bytes of what the library says
)

// voice is where the library speaks, and we of what anybody can cause.
type voice struct {
	log   *slog.Logger
	start time.Time
	muted atomic.Bool   // the transport was closed: what still ends in the library needs not be told
	next  atomic.Int64  // ns from start to when the next warning may pass
	held  atomic.Uint64 // warnings since the last one
}

func newVoice(l *slog.Logger) *voice { return &voice{log: l, start: time.Now()} }

// warn tells it, unless another warning was just told.
func (v *voice) warn(msg string, args ...any) {
	if v.muted.Load() {
		return
	}
	since := int64(time.Since(v.start))
	if next := v.next.Load(); since < next || !v.next.CompareAndSwap(next, since+int64(warnEvery)) {
		v.held.Add(1)
		return
	}
	if held := v.held.Swap(0); held > 0 {
		args = append(args, "other_warnings", held)
	}
	v.log.Warn(msg, args...)
}

// library returns what the library logs by. It writes lines such as "[WARN] memberlist: Refuting a suspect message".
func (v *voice) library() *log.Logger { return log.New(v, "", 0) }

// Write implements [io.Writer] for a line of the library.
func (v *voice) Write(line []byte) (int, error) {
	if v.muted.Load() {
		return len(line), nil
	}
	level, text, found := strings.Cut(string(line[:min(len(line), maxLine)]), " ")
	if !found || !strings.HasPrefix(level, "[") {
		level, text = "[WARN]", level+" "+text
	}
	text = plain(strings.TrimPrefix(text, "memberlist: "))
	if strings.HasPrefix(text, "Refuting an alive message") {
		level = "[INFO]" // that is how it goes on where it was: after each start
	}
	switch level {
	case "[DEBUG]", "[INFO]":
		if v.log.Enabled(context.Background(), slog.LevelDebug) {
			v.log.Debug("memberlist says", "text", text)
		}
	default:
		v.warn("memberlist has trouble", "text", text)
	}
	return len(line), nil
}

// plain returns a text in which nothing can steer a terminal: it may hold what somebody sent us.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimRight(s, "\n")))
}
