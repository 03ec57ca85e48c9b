package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// group is the goroutines of a running agent: the first one that fails ends all, and wait returns when all have ended.
// Unlike errgroup's it takes goroutines without an error, and may be added to by a reload while it is waited for to fail.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu  sync.Mutex
	err error
}

func newGroup(parent context.Context) *group {
	g := &group{}
	g.ctx, g.cancel = context.WithCancel(parent)
	return g
}

// run starts f. Its error, if it is not that of the context, ends the group.
func (g *group) run(what string, f func(context.Context) error) {
	g.wg.Go(func() {
		if err := f(g.ctx); err != nil && !errors.Is(err, context.Canceled) {
			g.fail(fmt.Errorf("%s: %w", what, err))
		}
	})
}

// start starts f, which cannot fail.
func (g *group) start(f func(context.Context)) {
	g.wg.Go(func() { f(g.ctx) })
}

// fail notes the first error and ends the group.
func (g *group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = err
	}
	g.cancel()
}

// wait returns the first error when all have ended.
func (g *group) wait() error {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// undoer takes back what was opened, last first, if what comes after cannot be.
type undoer struct{ steps []func() }

func (u *undoer) add(f func()) { u.steps = append(u.steps, f) }

func (u *undoer) all() {
	for i := len(u.steps) - 1; i >= 0; i-- {
		u.steps[i]()
	}
}
