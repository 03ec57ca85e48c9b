package proxy

import (
	"context"
	"fmt"
	"sync/atomic"
)

// inFlight counts requests under way, and lets one wait until there are none. Counting takes no lock.
type inFlight struct {
	n    atomic.Int64
	zero chan struct{} // holds a token if n may have come to 0 since somebody looked; capacity 1
}

func (f *inFlight) begin() { f.n.Add(1) }

func (f *inFlight) end() {
	if f.n.Add(-1) == 0 {
		f.signal()
	}
}

func (f *inFlight) signal() {
	select {
	case f.zero <- struct{}{}:
	default:
	}
}

// wait returns when there was an instant with nothing under way.
func (f *inFlight) wait(ctx context.Context) error {
	for f.n.Load() != 0 {
		select {
		case <-f.zero:
		case <-ctx.Done():
			return fmt.Errorf("%d requests are still under way: %w", f.n.Load(), ctx.Err())
		}
	}
	f.signal() // others may be waiting too
	return nil
}

// InFlight returns how many requests are under way, upgraded connections included, the status page not.
func (h *Handler) InFlight() int { return int(h.inFlight.n.Load()) }

// Drain waits until no request is under way, upgraded connections included, or until ctx ends; then the error says how
// many there still are. The caller sees to it that no new ones come. Idle connections to members are closed.
func (h *Handler) Drain(ctx context.Context) error {
	err := h.inFlight.wait(ctx)
	h.members.closeIdle()
	return err
}
