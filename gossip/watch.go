package gossip

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookAfter is how often the interfaces are looked at when the system has told of no change.
	lookAfter = 5 * time.Second
	// lookAgain is the same while something is wrong with them.
	lookAgain = time.Second
	// A transport that fails that many times in a row, with nothing wrong to be seen, is opened anew: at first after
	// reopenAfter, then after twice that, and so on to reopenMost.
	failuresMost = 3
	reopenAfter  = 5 * time.Second
	reopenMost   = 5 * time.Minute
)

// WatchConfig says how a transport is opened, and what it depends on.
type WatchConfig struct {
	// Open opens the transport, now and whenever it must be opened anew. The one before has been closed then. Required.
	Open func() (Transport, error)
	// Way returns in words by which interface and from which address Open would let beats leave now: where that changes, the
	// transport is opened anew. An error says why there is no way at the moment. It is called every few seconds, and whenever
	// the system tells of a change; [SocketConfig.Way] is one. Required.
	Way func() (string, error)
}

// Watched is a [Transport] that bears changes of the host's network: an interface that is renamed, gets another address, or
// goes and comes back takes the sockets that hang on it with it. They are opened anew then, while Receive waits. It is the
// Gossiper that uses it who looks after that.
type Watched struct {
	cfg  WatchConfig
	name string
	done chan struct{} // closed by Close

	sendFailed, receiveFailed atomic.Int32 // times in a row

	mu     sync.RWMutex // held for writing while inner is replaced
	inner  Transport    // nil: none could be opened
	why    error        // that it is nil
	next   chan struct{}
	closed bool

	// Only check uses these.
	way    string    // that inner was opened by
	err    error     // what is wrong now
	looked time.Time // at the interfaces
	retry  time.Time // before that, a transport that fails is not opened anew
	pause  time.Duration
}

// Watch opens a transport. What is wrong with the way is no error, if it can be opened all the same.
func Watch(cfg WatchConfig) (*Watched, error) {
	way, err := cfg.Way()
	if err != nil {
		way = ""
	}
	t, err := cfg.Open()
	if err != nil {
		return nil, err
	}
	return &Watched{
		cfg: cfg, name: t.String(), done: make(chan struct{}), inner: t, next: make(chan struct{}), way: way, pause: reopenAfter,
	}, nil
}

// get returns the transport of the moment, and what is closed when another one has taken its place.
func (w *Watched) get() (inner Transport, next <-chan struct{}, why error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return nil, nil, net.ErrClosed
	}
	return w.inner, w.next, w.why
}

// Send implements [Transport].
func (w *Watched) Send(b []byte) error {
	var before Transport
	for {
		t, _, err := w.get()
		if t == nil {
			return err
		}
		if t == before {
			err = fmt.Errorf("gossip to %s: the socket was closed", w.name)
		} else if err = t.Send(b); errors.Is(err, net.ErrClosed) {
			before = t // most likely it is being replaced
			continue
		}
		count(&w.sendFailed, err)
		return err
	}
}

// count counts failures in a row.
func count(failed *atomic.Int32, err error) {
	switch {
	case err != nil:
		failed.Add(1)
	case failed.Load() != 0:
		failed.Store(0)
	}
}

// Receive implements [Transport]. Only one goroutine may call it at a time.
func (w *Watched) Receive(b []byte) (int, netip.AddrPort, error) {
	for {
		t, next, err := w.get()
		switch {
		case errors.Is(err, net.ErrClosed):
			return 0, netip.AddrPort{}, err
		case t != nil:
			n, from, err := t.Receive(b)
			count(&w.receiveFailed, err)
			if !errors.Is(err, net.ErrClosed) {
				return n, from, err
			}
			if now, _, _ := w.get(); now == t { // it ended by itself
				w.receiveFailed.Store(failuresMost)
			}
		}
		select {
		case <-next:
			w.receiveFailed.Store(0)
		case <-w.done:
		}
	}
}

// Close implements [Transport].
func (w *Watched) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	close(w.done)
	if w.inner == nil {
		return nil
	}
	return w.inner.Close()
}

// String implements [Transport].
func (w *Watched) String() string { return w.name }

// Fanout is that of the transport inside, or 0 if it has none.
func (w *Watched) Fanout() int {
	t, _, _ := w.get()
	if f, ok := t.(fanout); ok {
		return f.Fanout()
	}
	return 0
}

// check looks whether beats still leave by the way by which the transport was opened, and if not opens it anew. news says
// that the system told of a change. It returns what is wrong. Only one goroutine may call it.
func (w *Watched) check(now time.Time, news bool) (reopened bool, err error) {
	failing := w.sendFailed.Load() >= failuresMost || w.receiveFailed.Load() >= failuresMost
	if !failing && now.After(w.retry) {
		w.pause = reopenAfter
	}
	failing = failing && !now.Before(w.retry)
	least := lookAfter
	if w.err != nil {
		least = lookAgain
	}
	if !news && !failing && now.Sub(w.looked) < least {
		return false, w.err
	}
	w.looked = now
	way, err := w.cfg.Way()
	switch {
	case err != nil:
		// The sockets stay: it may be no more than a cable that was pulled. But when it is back they are opened anew, since
		// groups must be joined again where a switch has forgotten us, or is another one.
		w.err = err
		return false, err
	case w.err == nil && way == w.way && !failing:
		return false, nil
	}
	if w.retry = now.Add(w.pause); failing {
		w.pause = min(2*w.pause, reopenMost)
	}
	w.err = w.reopen()
	w.way = way
	return w.err == nil, w.err
}

// reopen replaces the transport. The old one goes first: it may hold the port, and a group that it is in still is not
// joined anew.
func (w *Watched) reopen() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	if w.inner != nil {
		_ = w.inner.Close() // it is broken anyway
	}
	w.inner, w.why = w.cfg.Open()
	if w.why != nil {
		w.inner = nil
	}
	close(w.next)
	w.next = make(chan struct{})
	w.sendFailed.Store(0)
	w.receiveFailed.Store(0)
	return w.why
}

// Way returns by which interface and from which address beats would leave now, in words. It is an error if there is no such
// interface, or if it is down.
func (cfg SocketConfig) Way() (string, error) {
	w, err := findWay(cfg)
	if err != nil {
		return "", err
	}
	switch flags := w.ifi.Flags; {
	case flags&net.FlagUp == 0:
		return "", fmt.Errorf("interface %q is down: ip link set %s up", w.ifi.Name, w.ifi.Name)
	case flags&(net.FlagRunning|net.FlagLoopback) == 0:
		return "", fmt.Errorf("interface %q has no carrier: look at its cable, and at the port of the switch", w.ifi.Name)
	}
	return fmt.Sprintf("%s (%d) from %v", w.ifi.Name, w.ifi.Index, w.source), nil
}
