package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// stream is a connection as bytes, of a client or to a member. What was read and not used yet is in a pooled buffer; a
// stream that waits holds none.
type stream struct {
	// What each request needs stands together: of many connections none is at hand when its turn comes.

	in      *buffer               // what was read; nil: nothing
	raw     syscall.RawConn       // of what has a file descriptor; nil: it has none
	ready   func(fd uintptr) bool // readReady, bound once
	first   *buffer               // to be written by readReady before it waits
	unsent  *buffer               // first, if not all of it could be written at once
	quiet   bool                  // first is not to be written if the other end has sent anything, or closed
	least   int                   // bytes of the first buffer that is read into
	readErr error
	rd      deadline // for reading

	room     func(fd uintptr) // writeReady, bound once
	count    int              // of pieces
	pieces   [3][]byte        // to be written by writeReady
	writeErr error
	reader   reader    // is told when whoever is written to takes less than there is; nil: nobody
	endBy    time.Time // when writing ends in any case; zero: never

	nc       net.Conn
	tcp      *net.TCPConn // the same, if it is plain TCP
	wrote    int          // bytes of first
	patience *patience    // nil: whoever is written to took all at once until now
}

// reader is told of the other end of a connection that it does not take at once what is written to it, and that it has.
type reader interface{ waitedFor(yes bool) }

func (s *stream) begin(nc net.Conn) {
	s.nc = nc
	s.tcp, _ = nc.(*net.TCPConn)
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw, s.ready, s.room = raw, s.readReady, s.writeReady
		}
	}
}

// fill waits until there is more to read, and appends it to in, which has room. A connection that was closed by the
// other end is io.EOF.
func (s *stream) fill() error {
	if b := s.in; b != nil {
		if b.empty() {
			b.r, b.w = 0, 0
		}
		if len(b.space()) == 0 {
			return errNoRoom // what read 0 bytes would look like the end
		}
	}
	if s.raw != nil {
		s.readErr = nil
		if err := s.raw.Read(s.ready); err != nil {
			return err
		}
		return s.readErr
	}
	if s.in == nil {
		s.in = getBuffer(s.least)
	}
	n, err := s.nc.Read(s.in.space())
	s.in.w += n
	s.letGo()
	if n > 0 {
		return nil
	}
	return err
}

var errNoRoom = errors.New("there is no room for more bytes: a mistake in this program")

// letGo gives the buffer back if nothing is in it.
func (s *stream) letGo() {
	if s.in != nil && s.in.empty() {
		putBuffer(s.in)
		s.in = nil
	}
}

// readReady reads if there is something to read; else it returns false, which makes RawConn wait and call again. Only
// then is there need for a buffer.
//
// If there is something to be written first, it is done here, after RawConn has made ready to wait: so the answer cannot
// be missed, and there is no need to look for it in vain.
func (s *stream) readReady(fd uintptr) bool {
	if s.first != nil {
		if s.quiet && peek(fd) != seenNothing {
			s.readErr, s.wrote = errNotQuiet, 0
			s.first, s.unsent = nil, s.first
			return true
		}
		n, err := send(fd, s.first.data())
		if n == s.first.w {
			putBuffer(s.first) // no memory is held while the other end thinks
			s.first = nil
			return false
		}
		s.wrote, s.readErr = max(n, 0), err
		s.first, s.unsent = nil, s.first
		return true
	}
	b := s.in
	if b == nil {
		b = getBuffer(s.least)
	}
	n, err := receive(fd, b.space())
	switch {
	case n > 0:
		b.w += n
		s.in = b
		return true
	case s.in == nil:
		putBuffer(b)
	}
	if err == syscall.EAGAIN {
		return false
	}
	if err == nil {
		s.readErr = io.EOF
	} else {
		s.readErr = s.systemError("read", err)
	}
	return true
}

// ask writes what is in b, which it gives back, and waits for what comes then, which is appended to in. If quiet is set, it may
// return errNotQuiet instead. A deadline for reading must be in the future when it is called. idle is how long the other end may take
// for each 64 KiB that it does not take at once.
func (s *stream) ask(b *buffer, idle time.Duration) error {
	if s.raw == nil {
		defer putBuffer(b)
		if err := s.write(b.data(), idle); err != nil {
			return err
		}
		return s.fill()
	}
	s.first, s.wrote = b, 0
	err := s.fill()
	if s.first != nil { // the deadline came before anything was tried
		s.first, s.unsent, s.readErr = nil, s.first, nil
	}
	if s.unsent == nil {
		return err
	}
	return s.askSlowly(idle)
}

// errNotQuiet says that nothing was written, since the other end has closed the connection, or sent what nobody asked for.
var errNotQuiet = errors.New("the connection is not fit to be used again")

// askSlowly is ask where not all could be written at once.
//
//go:noinline
func (s *stream) askSlowly(idle time.Duration) error {
	rest := s.unsent
	s.unsent = nil
	defer putBuffer(rest)
	if s.readErr == nil && s.wrote == 0 && s.quiet && newPeeker(s.raw).look() != seenNothing {
		s.readErr = errNotQuiet
	}
	switch s.readErr {
	case errNotQuiet:
		return errNotQuiet
	case nil, syscall.EAGAIN:
		if err := s.writeSlowly(rest.data()[s.wrote:], idle); err != nil {
			return err
		}
		return s.fill()
	}
	return s.systemError("write", s.readErr)
}

// systemError returns the error of a system call as package net does.
//
//go:noinline
func (s *stream) systemError(call string, err error) error {
	return &net.OpError{Op: call, Net: "tcp", Addr: s.nc.RemoteAddr(), Err: os.NewSyscallError(call, err)}
}

// write sends bytes. idle is how long the other end may take for each 64 KiB.
func (s *stream) write(b []byte, idle time.Duration) error {
	s.pieces[0] = b
	return s.writePieces(1, idle)
}

// writePieces sends the first n of the pieces.
func (s *stream) writePieces(n int, idle time.Duration) error {
	defer clear(s.pieces[:])
	if s.raw != nil {
		s.count, s.writeErr = n, nil
		if err := s.raw.Control(s.room); err != nil { // it never waits
			return err
		}
		if s.writeErr != nil {
			return s.systemError("write", s.writeErr)
		}
	}
	for _, p := range s.pieces[:n] {
		if err := s.writeSlowly(p, idle); err != nil {
			return err
		}
	}
	return nil
}

// writeSlowly sends bytes to one who does not take them at once.
func (s *stream) writeSlowly(b []byte, idle time.Duration) error {
	if len(b) == 0 {
		return nil
	}
	if s.reader != nil {
		s.reader.waitedFor(true)
		defer s.reader.waitedFor(false)
	}
	if s.patience == nil {
		s.patience = newPatience(s.nc)
	}
	s.patience.begin(idle, s.endBy)
	defer s.patience.end()
	for len(b) > 0 {
		if err := s.patience.renew(time.Now()); err != nil {
			return err
		}
		n, err := s.nc.Write(b[:min(len(b), slowPart)])
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// slowPart is how much one who reads slowly must take within the time that he has, in bytes.
const slowPart = 64 << 10

// deadline is a read deadline that is set as seldom as can be, since setting it costs more than looking at the clock: it
// may come too early, never too late. Whoever gets os.ErrDeadlineExceeded calls passed, and looks at the clock.
type deadline struct {
	at   time.Time // zero: none, or one that has passed
	none bool      // there is none
}

// by makes reading from c end at that time, or earlier. The zero time is never.
func (d *deadline) by(c net.Conn, now, latest time.Time) {
	if d.none && latest.IsZero() || !d.at.IsZero() && d.at.After(now) && (latest.IsZero() || !d.at.After(latest)) {
		return
	}
	d.at, d.none = latest, latest.IsZero()
	_ = c.SetReadDeadline(latest)
}

// passed notes that the deadline has passed, or that somebody has changed it.
func (d *deadline) passed() { *d = deadline{} }

// longAgo is a deadline that ends a read at once.
var longAgo = time.Unix(1, 0)

// timedOut reports whether the error is that of a deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
