package main

import (
	"errors"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// syslog is a datagram socket as /dev/log is one. What comes is counted and dropped.
type syslog struct {
	path  string
	conn  *net.UnixConn
	lines atomic.Int64
	wg    sync.WaitGroup
}

func openSyslog(dir string) (*syslog, error) {
	l := &syslog{path: filepath.Join(dir, "log")}
	var err error
	if l.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.path, Net: "unixgram"}); err != nil {
		return nil, err
	}
	l.wg.Go(l.drain)
	return l, nil
}

func (l *syslog) drain() {
	b := make([]byte, 64<<10)
	for {
		_, err := l.conn.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			l.lines.Add(1)
		}
	}
}

func (l *syslog) close() {
	l.conn.Close()
	l.wg.Wait()
}
