package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"backhand/agent/config"
	"backhand/proxy"
)

// accessLog writes a line for each request that has ended, never two: see combinedLine and jsonLines for what is in it.
//
// The line is made and queued while the request ends, and written by a goroutine of its own, some hundred lines at a time
// and at least once a second. Nobody waits for the disk: if it is too slow or full, lines are lost and counted, not
// requests delayed. A line is written whole or lost, so that several agents and logrotate's copies may share a file.
type accessLog struct {
	path     string
	json     *jsonLines // nil: combined
	combined sync.Pool  // of *combinedLine
	queue    lineQueue
	reopen   chan struct{}
	quit     chan struct{}
	lost     atomic.Uint64
	log      *slog.Logger
	said     trouble

	// Only run uses these.
	out  io.WriteCloser
	torn bool // the last line in out has no end, since the disk was full
}

const (
	accessLogField = 4096 // bytes of a text that a line has at most, before it is escaped
	accessLogFlush = time.Second
)

// openAccessLog opens the file, or standard output for "-". For "" it returns nil, whose methods do nothing.
func openAccessLog(cfg config.Log, log *slog.Logger) (*accessLog, error) {
	if cfg.Access == "" {
		return nil, nil
	}
	l := &accessLog{
		path: cfg.Access, queue: newLineQueue(), reopen: make(chan struct{}, 1), quit: make(chan struct{}), log: log,
	}
	l.combined.New = func() any { return new(combinedLine) }
	if cfg.Format == config.LogJSON {
		l.json = newJSONLines(l.add)
	}
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

// Log queues the line of a request that has ended. It keeps nothing of o.
func (l *accessLog) Log(o *proxy.Outcome) {
	switch {
	case l == nil:
	case l.json != nil:
		l.json.log(o)
	default:
		c := l.combined.Get().(*combinedLine)
		l.add(c.render(o))
		l.combined.Put(c)
	}
}

// add queues a copy of a line.
func (l *accessLog) add(line []byte) {
	if !l.queue.add(line) {
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

// run writes until stop is called, and then what is still queued. The end of the context is not enough: requests that are
// cut off by it have a line, too.
func (l *accessLog) run(context.Context) {
	if l == nil {
		return
	}
	flush := time.NewTicker(accessLogFlush)
	defer flush.Stop()
	for {
		select {
		case <-l.queue.full:
			l.write(l.queue.filled())
		case <-flush.C:
			l.write(l.queue.waiting())
		case <-l.reopen:
			l.write(l.queue.waiting())
			l.swap()
		case <-l.quit:
			l.queue.close()
			l.write(l.queue.waiting())
			_ = l.out.Close()
			return
		}
	}
}

// close closes the file of a log that never ran.
func (l *accessLog) close() {
	if l != nil {
		_ = l.out.Close()
	}
}

// stop makes run write what is queued and end. What is logged later is lost. It may be called once.
func (l *accessLog) stop() {
	if l != nil {
		close(l.quit)
	}
}

// write writes that many chunks; those that are added meanwhile must not keep it for ever.
func (l *accessLog) write(chunks int) {
	for range chunks {
		c := l.queue.take()
		l.writeLines(c)
		l.queue.done(c)
	}
}

// writeLines writes what it can. The lines that did not get out whole are lost.
func (l *accessLog) writeLines(lines []byte) {
	written, err := 0, error(nil)
	if l.torn {
		if _, err = l.out.Write([]byte("\n")); err == nil {
			l.torn = false
		}
	}
	if err == nil {
		written, err = l.out.Write(lines)
	}
	if err != nil {
		l.lost.Add(uint64(bytes.Count(lines[written:], []byte("\n"))))
		l.torn = l.torn || written > 0 && lines[written-1] != '\n'
	}
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
	l.out, l.torn = out, false
}
