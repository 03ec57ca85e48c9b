package memberlist

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	hashicorp "github.com/hashicorp/memberlist"
	"golang.org/x/sys/unix"
)

// receiveBuffer is how many bytes the kernel is asked to keep while we are busy: of beats some 8,000.
const receiveBuffer = 4 << 20

// open opens the three sockets: memberlist has datagrams and connections on one port, beats come on another. Those that the
// transport before has at the same address are shared with it until it is closed.
func (t *Transport) open() error {
	var shared Transport // whose sockets are those to share
	if b := t.cfg.Before; b != nil && b.cfg.Bind == t.cfg.Bind {
		shared.streams, shared.packets = b.streams, b.packets
	}
	if b := t.cfg.Before; b != nil && b.beatsAt() == t.beatsAt() {
		shared.beats = b.beats
	}
	at := t.cfg.Bind
	var err error
	if t.streams, err = listenTCP(at, shared.streams); err != nil {
		return fmt.Errorf("memberlist: listen for connections at %v: %w", at, err)
	}
	if t.packets, err = listenUDP(at, shared.packets); err != nil {
		t.closeSockets()
		return fmt.Errorf("memberlist: listen for datagrams at %v: %w", at, err)
	}
	at = t.beatsAt()
	if t.beats, err = listenUDP(at, shared.beats); err != nil {
		t.closeSockets()
		return fmt.Errorf("memberlist: listen for beats at %v: %w", at, err)
	}
	return nil
}

// beatsAt is where beats come in.
func (t *Transport) beatsAt() netip.AddrPort {
	return netip.AddrPortFrom(t.cfg.Bind.Addr(), t.cfg.BeatPort)
}

func (t *Transport) closeSockets() {
	_ = t.streams.Close() // nothing gets lost by it, here and below
	if t.packets != nil {
		_ = t.packets.Close()
	}
	if t.beats != nil {
		_ = t.beats.Close()
	}
}

func listenTCP(at netip.AddrPort, share *net.TCPListener) (*net.TCPListener, error) {
	if share != nil {
		f, err := share.File()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		ln, err := net.FileListener(f)
		if err != nil {
			return nil, err
		}
		return ln.(*net.TCPListener), nil
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), family("tcp", at), at.String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}

// listenUDP asks for a buffer that holds a burst from a large cluster. The system may grant less of it: then more gets lost
// on a busy host, and nothing else.
func listenUDP(at netip.AddrPort, share *net.UDPConn) (*net.UDPConn, error) {
	if share != nil {
		f, err := share.File()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		c, err := net.FilePacketConn(f)
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
			}
		})
	}}
	c, err := lc.ListenPacket(context.Background(), family("udp", at), at.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.UDPConn), nil
}

// family makes 0.0.0.0 mean IPv4 alone; [::] is both.
func family(protocol string, at netip.AddrPort) string {
	if at.Addr().Is4() {
		return protocol + "4"
	}
	return protocol
}

// pause is how long we wait after an error of a socket.
const pause = 100 * time.Millisecond

// readPackets hands the library its datagrams until the socket is closed.
func (t *Transport) readPackets() {
	buf := make([]byte, maxPacket+1)
	for {
		n, from, err := t.packets.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.voice.warn("datagrams of memberlist cannot be received; trying on", "err", err)
			t.rest()
			continue
		}
		t.takePacket(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
}

func (t *Transport) takePacket(b []byte, from netip.AddrPort) {
	if !t.accepts(from.Addr()) {
		return // a flood from outside must cost nothing
	}
	if err := t.guardNow().packet(b); err != nil {
		t.voice.warn("datagrams come to memberlist's port that are not taken", "from", from, "err", err)
		return
	}
	t.engine.Load().link.deliver(&hashicorp.Packet{
		Buf: append([]byte(nil), b...), From: net.UDPAddrFromAddrPort(from), Timestamp: time.Now(),
	})
}

// acceptStreams hands the library its connections until the socket is closed.
func (t *Transport) acceptStreams() {
	for {
		c, err := t.streams.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.voice.warn("connections of memberlist cannot be accepted; trying on", "err", err)
			t.rest()
			continue
		}
		t.takeStream(c)
	}
}

func (t *Transport) takeStream(c *net.TCPConn) {
	from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	if !t.accepts(from) {
		_ = c.Close()
		return
	}
	free := t.places.get(from)
	if free == nil {
		_ = c.Close()
		t.voice.warn("too many connections to memberlist's port at a time; the last ones are closed", "from", from,
			"limit", maxStreamsOf, "limit_of_all", maxStreams)
		return
	}
	t.engine.Load().link.take(&stream{
		guardedStream: guardedStream{Conn: c, guard: t.guardNow(), labeled: true}, free: free,
	})
}

// rest waits a moment, or until the transport is closed.
func (t *Transport) rest() {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-t.ctx.Done():
	case <-timer.C:
	}
}
