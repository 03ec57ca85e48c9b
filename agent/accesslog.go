package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
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
// to a writer and never waited for: if the disk is too slow, lines are lost and counted, not requests delayed.
type accessLog struct {
	path   string
	lines  chan []byte
	reopen chan struct{}
	quit   chan struct{}
	lost   atomic.Uint64
	out    io.WriteCloser
}

const (
	accessLogQueue = 4096
	accessLogFlush = time.Second
)

// openAccessLog opens the file, or standard output for "-". For "" it returns nil, whose methods do nothing.
func openAccessLog(path string) (*accessLog, error) {
	if path == "" {
		return nil, nil
	}
	l := &accessLog{path: path, lines: make(chan []byte, accessLogQueue), reopen: make(chan struct{}, 1), quit: make(chan struct{})}
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
	select {
	case l.lines <- appendLine(nil, o):
	default:
		l.lost.Add(1)
	}
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
	w := bufio.NewWriterSize(l.out, 64<<10)
	flush := time.NewTicker(accessLogFlush)
	defer flush.Stop()
	for {
		select {
		case line := <-l.lines:
			l.write(w, line)
			continue
		case <-flush.C:
			_ = w.Flush() // the next write meets the error again, and counts it
			continue
		case <-l.reopen:
			_ = w.Flush()
			l.swap(w)
			continue
		case <-l.quit:
		case <-ctx.Done():
		}
		for len(l.lines) > 0 {
			l.write(w, <-l.lines)
		}
		_ = w.Flush()
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

// write appends a line. A writer that met an error (a full disk) keeps it for ever; it starts anew with the next line.
func (l *accessLog) write(w *bufio.Writer, line []byte) {
	if _, err := w.Write(line); err != nil {
		l.lost.Add(1)
		w.Reset(l.out)
	}
}

// swap goes on in a fresh file. If there can be none, the old one is better than nothing.
func (l *accessLog) swap(w *bufio.Writer) {
	out, err := l.open()
	if err != nil {
		return
	}
	l.out.Close()
	l.out = out
	w.Reset(out)
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
	b = appendEscaped(b, o.Method)
	b = append(b, ' ')
	b = appendEscaped(b, o.Target)
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
	return appendEscaped(b, s)
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
