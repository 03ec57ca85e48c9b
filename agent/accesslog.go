package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"backhand/proxy"
)

// accessLog writes a line for each request, in the combined format with the member and the number of attempts behind it:
//
//	192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" 200 512 "-" "curl/7.88.1" www2 1
//
// The member is "-" if the request was answered here, "self" if by our own origin while that is no member. A line is handed
// to a writer and never waited for: if the disk is too slow or full, lines are lost and counted, not requests delayed.
type accessLog struct {
	path   string
	lines  chan []byte
	reopen chan struct{}
	quit   chan struct{}
	queued atomic.Int64 // bytes of the lines that wait
	lost   atomic.Uint64
	log    *slog.Logger
	said   trouble

	// Only run uses these.
	out     io.WriteCloser
	w       *bufio.Writer
	pending uint64 // lines that are in w
}

const (
	accessLogQueue = 4096    // lines that wait at most
	accessLogBytes = 8 << 20 // bytes that they may have together
	accessLogField = 4096    // bytes of a field that a client wrote
	accessLogFlush = time.Second
)

// openAccessLog opens the file, or standard output for "-". For "" it returns nil, whose methods do nothing.
func openAccessLog(path string, log *slog.Logger) (*accessLog, error) {
	if path == "" {
		return nil, nil
	}
	l := &accessLog{path: path, log: log, lines: make(chan []byte, accessLogQueue), reopen: make(chan struct{}, 1), quit: make(chan struct{})}
	out, err := l.open()
	if err != nil {
		return nil, fmt.Errorf("log.access: %w", err)
	}
	l.out = out
	return l, nil
}

func (l *accessLog) open() (io.WriteCloser, error) {
	if l.path == "-" {
		return nopCloser{os.Stdout}, nil
	}
	if err := os.MkdirAll(filepath.Dir(l.path), 0o750); err != nil {
		return nil, err
	}
	return os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// Reopen makes the writer go on in a new file of the same name: logrotate has moved the old one.
func (l *accessLog) Reopen() {
	if l == nil {
		return
	}
	select {
	case l.reopen <- struct{}{}:
	default: // one is under way
	}
}

// Log hands over the line of a request that has ended.
func (l *accessLog) Log(o *proxy.Outcome) {
	if l == nil {
		return
	}
	line := appendLine(nil, o)
	if l.queued.Add(int64(len(line))) <= accessLogBytes {
		select {
		case l.lines <- line:
			return
		default:
		}
	}
	l.queued.Add(-int64(len(line)))
	l.lost.Add(1)
}

// Lost returns how many lines were not written.
func (l *accessLog) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// run writes until the context ends or stop is called, and then what is still queued.
func (l *accessLog) run(ctx context.Context) {
	if l == nil {
		return
	}
	l.w = bufio.NewWriterSize(l.out, 64<<10)
	flush := time.NewTicker(accessLogFlush)
	defer flush.Stop()
	for {
		select {
		case line := <-l.lines:
			l.write(line)
			continue
		case <-flush.C:
			l.flush()
			continue
		case <-l.reopen:
			l.flush()
			l.swap()
			continue
		case <-l.quit:
		case <-ctx.Done():
		}
		for len(l.lines) > 0 {
			l.write(<-l.lines)
		}
		l.flush()
		_ = l.out.Close()
		return
	}
}

// close closes the file of a log that never ran.
func (l *accessLog) close() {
	if l != nil {
		_ = l.out.Close()
	}
}

// stop makes run write what is queued and end.
func (l *accessLog) stop() {
	if l != nil {
		close(l.quit)
	}
}

// write appends a line, and first writes what there is if it has no room.
func (l *accessLog) write(line []byte) {
	l.queued.Add(-int64(len(line)))
	if l.w.Available() < len(line) {
		l.flush()
	}
	_, _ = l.w.Write(line) // goes to the buffer; a line longer than that is judged by the flush that comes
	l.pending++
}

// flush writes what there is. On an error all of it is lost: a writer keeps its error for ever, so it starts anew.
func (l *accessLog) flush() {
	if l.pending == 0 {
		return
	}
	err := l.w.Flush()
	if err != nil {
		l.lost.Add(l.pending)
		l.w.Reset(l.out)
	}
	l.pending = 0
	l.said.note(l.log, "the access log cannot be written; lines are lost", err)
}

// swap goes on in a fresh file. If there can be none, the old one is better than nothing.
func (l *accessLog) swap() {
	out, err := l.open()
	if err != nil {
		l.log.Error("the access log cannot be reopened; it goes on in the old file", "err", err)
		return
	}
	_ = l.out.Close()
	l.out = out
	l.w.Reset(out)
}

// appendLine appends the line of one request. Whatever the client wrote is escaped, so that a line is a line.
func appendLine(b []byte, o *proxy.Outcome) []byte {
	if o.Client.IsValid() {
		b = o.Client.AppendTo(b)
	} else {
		b = append(b, '-') // a request on a Unix socket
	}
	b = append(b, " - - ["...)
	b = o.Start.AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, "] \""...)
	b = appendEscaped(b, cutField(o.Method))
	b = append(b, ' ')
	b = appendEscaped(b, cutField(o.Target))
	b = append(b, ' ')
	b = appendEscaped(b, o.Proto)
	b = append(b, "\" "...)
	b = strconv.AppendInt(b, int64(o.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, o.Bytes, 10)
	b = append(b, " \""...)
	b = appendField(b, o.Referer)
	b = append(b, "\" \""...)
	b = appendField(b, o.UserAgent)
	b = append(b, "\" "...)
	switch {
	case o.Member != nil:
		b = appendWord(b, o.Member.Name)
	case o.Self:
		b = append(b, "self"...)
	default:
		b = append(b, '-')
	}
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(o.Attempts), 10)
	return append(b, '\n')
}

func appendField(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	return appendEscaped(b, cutField(s))
}

// cutField bounds what a client can make of a line.
func cutField(s string) string {
	if len(s) > accessLogField {
		return s[:accessLogField] + "..."
	}
	return s
}

// appendEscaped escapes what would end the field or the line, and what is not printable ASCII, as Apache does.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c >= 0x7f:
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendWord writes a name that came in a beat as one word.
func appendWord(b []byte, s string) []byte {
	for _, r := range s {
		if r <= ' ' || r >= 0x7f || r == '"' || r == '\\' || r == utf8.RuneError {
			r = '_'
		}
		b = append(b, byte(r))
	}
	return b
}
