package gossiptest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/wire"
)

// patience is for a datagram that must come. It only passes if the test is about to fail.
const patience = 10 * time.Second

// TestTransport checks what a [gossip.Transport] promises. open returns a new one each time it is called, from the address
// want; two that are open at the same time reach one another.
func TestTransport(t *testing.T, want netip.Addr, open func(t *testing.T) gossip.Transport) {
	t.Run("what one sends the other hears, from its address", func(t *testing.T) {
		a, b := opened(t, open), opened(t, open)
		hear(t, want, a, b)
	})
	t.Run("both ways", func(t *testing.T) { bothWays(t, open) })
	t.Run("what is longer than the buffer is cut", func(t *testing.T) { longIsCut(t, open) })
	t.Run("Send keeps no reference", func(t *testing.T) { sendCopies(t, open) })
	t.Run("Close wakes Receive", func(t *testing.T) { closeWakes(t, open) })
	t.Run("after Close", func(t *testing.T) { afterClose(t, open) })
	t.Run("several send and close at the same time", func(t *testing.T) { atTheSameTime(t, open) })
}

// TestGroup checks a [gossip.Transport] whose datagrams come back to their sender besides, as those of multicast do: two that
// are open at the same time, on one host or on two, hear the same.
func TestGroup(t *testing.T, want netip.Addr, open func(t *testing.T) gossip.Transport) {
	TestTransport(t, want, open)
	t.Run("what one sends both hear, from its address", func(t *testing.T) {
		a, b := opened(t, open), opened(t, open)
		hear(t, want, a, a, b)
	})
}

// hear sends beats of several sizes from one transport to others.
func hear(t *testing.T, want netip.Addr, from gossip.Transport, to ...gossip.Transport) {
	t.Helper()
	for _, size := range []int{1, 300, wire.MaxDatagram} {
		sent := random(size)
		if err := from.Send(sent); err != nil {
			t.Fatal(err)
		}
		for _, tr := range to {
			got, source := receive(t, tr, sent, make([]byte, 2048))
			if got != size || source.Addr() != want || source.Port() == 0 {
				t.Errorf("%d bytes from %v, want %d from %v", got, source, size, want)
			}
		}
	}
}

func bothWays(t *testing.T, open func(*testing.T) gossip.Transport) {
	a, b := opened(t, open), opened(t, open)
	for _, pair := range [][2]gossip.Transport{{a, b}, {b, a}} {
		sent := random(64)
		if err := pair[0].Send(sent); err != nil {
			t.Fatal(err)
		}
		receive(t, pair[1], sent, make([]byte, 2048))
	}
}

func longIsCut(t *testing.T, open func(*testing.T) gossip.Transport) {
	a, b := opened(t, open), opened(t, open)
	sent := random(1000)
	if err := a.Send(sent); err != nil {
		t.Fatal(err)
	}
	if got, _ := receive(t, b, sent[:100], make([]byte, 100)); got != 100 {
		t.Errorf("%d bytes into a buffer of 100", got)
	}
}

func sendCopies(t *testing.T, open func(*testing.T) gossip.Transport) {
	a, b := opened(t, open), opened(t, open)
	sent := random(100)
	buf := bytes.Clone(sent)
	if err := a.Send(buf); err != nil {
		t.Fatal(err)
	}
	clear(buf)
	receive(t, b, sent, make([]byte, 2048))
}

func closeWakes(t *testing.T, open func(*testing.T) gossip.Transport) {
	a := opened(t, open)
	done := make(chan error)
	go func() {
		for {
			if _, _, err := a.Receive(make([]byte, 2048)); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive: %v, want net.ErrClosed", err)
		}
	case <-time.After(patience):
		t.Error("Receive still waits")
	}
}

func afterClose(t *testing.T, open func(*testing.T) gossip.Transport) {
	a := opened(t, open)
	for range 2 {
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if err := a.Send([]byte("late")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send: %v, want net.ErrClosed", err)
	}
	if _, _, err := a.Receive(make([]byte, 2048)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Receive: %v, want net.ErrClosed", err)
	}
	if a.String() == "" {
		t.Error("it has no name")
	}
}

func atTheSameTime(t *testing.T, open func(*testing.T) gossip.Transport) {
	a := opened(t, open)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if err := a.Send([]byte("x")); err != nil && !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		wg.Go(func() { _ = a.Close() })
	}
	wg.Wait()
}

func opened(t *testing.T, open func(*testing.T) gossip.Transport) gossip.Transport {
	t.Helper()
	tr := open(t)
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // documented never to fail
	return b
}

// receive waits for that datagram; others, of whoever else uses the group, are passed over.
func receive(t *testing.T, tr gossip.Transport, want, buf []byte) (int, netip.AddrPort) {
	t.Helper()
	type result struct {
		n    int
		from netip.AddrPort
		err  error
	}
	done := make(chan result, 1)
	go func() {
		for {
			n, from, err := tr.Receive(buf)
			if err != nil || bytes.Equal(buf[:n], want) {
				done <- result{n, from, err}
				return
			}
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			t.Fatalf("Receive: %v", r.err)
		}
		return r.n, r.from
	case <-time.After(patience):
		t.Fatalf("a datagram of %d bytes did not come", len(want))
	}
	panic("not reached")
}
