package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPoolQueue(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.reach = &Reach{Conns: 1, Queue: 2 * time.Second}
		held := l.open()
		first := l.start(t.Context(), nil)
		second := l.start(t.Context(), nil)
		third := l.start(t.Context(), nil)
		l.wantStats(1, 0, 3)
		time.Sleep(time.Second)
		l.pool().give(held, time.Now())
		if o := first.now(); o.conn != held || o.took != time.Second || second.now().done || third.now().done {
			t.Fatalf("want the first in the queue to have it after 1 s; got %+v, %+v, %+v", o, second.now(), third.now())
		}
		l.pool().drop(held)
		if o := second.now(); o.conn == held || o.conn == nil || third.now().done {
			t.Fatalf("want a new one for the second when it is dropped; got %+v, %+v", o, third.now())
		}
		time.Sleep(time.Second)
		if o := third.now(); !errors.Is(o.err, errQueueFull) || o.took != 2*time.Second {
			t.Fatalf("want the third to have waited in vain for 2 s, got %+v", o)
		}
		l.wantStats(1, 0, 0)
		if d := cmp.Diff([]string{"<nil>", "<nil>"}, texts(l.told)); d != "" {
			t.Errorf("told of dials (-want +got):\n%s", d)
		}
	})
}

func texts(errs []error) []string {
	var out []string
	for _, err := range errs {
		out = append(out, fmt.Sprint(err))
	}
	return out
}

func TestPoolQueueDefaults(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		for range defaultConns {
			l.open()
		}
		late := l.start(t.Context(), nil)
		l.wantStats(1024, 0, 1)
		time.Sleep(time.Second)
		if o := late.now(); !errors.Is(o.err, errQueueFull) || o.took != time.Second {
			t.Errorf("got %+v, want to wait for 1 s", o)
		}
	})
}

func TestPoolWhoWaitsMayMakeOneWhenADialFails(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.reach = &Reach{Conns: 1}
		l.net.dark[memberAddr] = true
		p := l.ps.at(l.dest, l.reach, 300*time.Millisecond)
		var got [3]error
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() { _, got[i] = p.open(t.Context(), nil, l.tell) })
			synctest.Wait()
		}
		wg.Wait()
		for i, err := range got {
			if d, ok := errors.AsType[*dialError](err); !ok || !d.Timeout() {
				t.Errorf("%d: %v, want a dial that timed out", i, err)
			}
		}
		if len(l.told) != 3 || l.told[0] == nil {
			t.Errorf("told: %v, want three errors", l.told)
		}
		if s := p.stats(); s.open != 0 || s.waiting != 0 {
			t.Errorf("got %+v, want nothing open", s)
		}
	})
}

func TestPoolContextEnds(t *testing.T) {
	for _, row := range []struct {
		name string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
	}{
		{"by cancel", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second/2, cancel)
			return ctx, cancel
		}, context.Canceled},
		{"by its deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second/2)
		}, context.DeadlineExceeded},
	} {
		t.Run(row.name+" while it waits", func(t *testing.T) {
			inPoolLab(t, func(t *testing.T, l *poolLab) {
				l.reach = &Reach{Conns: 1}
				l.open()
				ctx, cancel := row.ctx(t.Context())
				defer cancel()
				o := l.start(ctx, nil)
				time.Sleep(time.Second / 2)
				if got := o.now(); got.err != row.want {
					t.Errorf("got %+v, want %v", got, row.want)
				}
				l.wantStats(1, 0, 0)
			})
		})
		t.Run(row.name+" while it dials", func(t *testing.T) {
			inPoolLab(t, func(t *testing.T, l *poolLab) {
				l.net.dark[memberAddr] = true
				ctx, cancel := row.ctx(t.Context())
				defer cancel()
				o := l.start(ctx, nil)
				time.Sleep(time.Second / 2)
				if got := o.now(); got.err != row.want || len(l.told) != 0 {
					t.Errorf("got %+v, told %v, want %v, told nothing", got, l.told, row.want)
				}
				l.wantStats(0, 0, 0)
			})
		})
	}
}

// What is handed over in the instant in which ctx ends goes back, or to the next.
func TestPoolContextEndsAsAConnectionComes(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.reach = &Reach{Conns: 1, Queue: time.Hour}
		c := l.open()
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			first := l.start(ctx, nil)
			second := l.start(t.Context(), nil)
			p := l.pool()
			if i%2 == 0 {
				go cancel()
				go p.give(c, time.Now())
			} else {
				go p.drop(c)
				go cancel()
			}
			if o := first.now(); o.conn != nil {
				p.give(o.conn, time.Now())
			}
			o := second.now()
			if o.conn == nil {
				t.Fatalf("round %d: the second was forgotten: %+v, %+v", i, first.now(), o)
			}
			c = o.conn
			l.wantStats(1, 0, 0)
			cancel()
		}
	})
}

// What came just as ctx ended goes back.
func TestPoolTakesBackWhatCameTooLate(t *testing.T) {
	inPoolLab(t, func(t *testing.T, l *poolLab) {
		l.reach = &Reach{Conns: 1}
		c, p := l.open(), l.pool()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var late [2]int
		for i := range 100 { // select chooses at random
			w := &waiter{ready: make(chan *memberConn, 1)}
			p.mu.Lock()
			place := p.queue.PushBack(w)
			p.serve(c)
			p.mu.Unlock()
			got, err := p.wait(ctx, w, place, time.Second)
			switch {
			case got == c && err == nil:
				late[0]++
			case got != nil || err != context.Canceled:
				t.Fatalf("got %v, %v", got, err)
			case i%2 == 0:
				late[1]++
				l.wantStats(1, 1, 0)
				if p.take(time.Now()) != c {
					t.Fatal("the connection did not go back")
				}
			default:
				late[1]++
				if next := l.start(t.Context(), nil).now(); next.conn != c {
					t.Fatalf("the next got %+v", next)
				}
			}
			if c.ended || c.uses != 0 {
				t.Fatalf("the connection was closed, or counts as used: %+v", c)
			}
		}
		if late[0] == 0 || late[1] == 0 {
			t.Errorf("in time, too late: %v, want both", late)
		}
		for range 100 { // as the time in the queue is over, it is taken
			w := &waiter{ready: make(chan *memberConn, 1)}
			p.mu.Lock()
			place := p.queue.PushBack(w)
			p.serve(c)
			p.mu.Unlock()
			if got, err := p.wait(t.Context(), w, place, 0); got != c || err != nil {
				t.Fatalf("got %v, %v", got, err)
			}
		}
	})
}
