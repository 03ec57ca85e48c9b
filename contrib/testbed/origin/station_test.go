package origin

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// arrival is a work that comes at a time, and when it has to end.
type arrival struct{ at, work, end time.Duration }

const s = time.Second

func TestStation(t *testing.T) {
	for _, row := range []struct {
		name  string
		slots int
		works []arrival
		by    map[time.Duration]float64 // slowness from a time on
	}{
		{"a work takes its time", 1, []arrival{{0, 3 * s, 3 * s}}, nil},
		{"as many run at once as there are slots", 2, []arrival{{0, 3 * s, 3 * s}, {s, 3 * s, 4 * s}}, nil},
		{"the next one waits for the first that ends", 2, []arrival{{0, 3 * s, 3 * s}, {0, 5 * s, 5 * s}, {s, s, 4 * s}}, nil},
		{"first come, first served", 1, []arrival{{0, 3 * s, 3 * s}, {s, 5 * s, 8 * s}, {2 * s, s, 9 * s}}, nil},
		{"a slow one takes longer", 1, []arrival{{0, 3 * s, 9 * s}}, map[time.Duration]float64{0: 3}},
		{"what is left takes longer", 1, []arrival{{0, 3 * s, 7 * s}}, map[time.Duration]float64{s: 3}},
		{"and is as quick as before afterwards", 1, []arrival{{0, 3 * s, 5 * s}}, map[time.Duration]float64{s: 3, 4 * s: 1}},
		{"what waits is slow, too", 1, []arrival{{0, 2 * s, 3 * s}, {0, s, 5 * s}}, map[time.Duration]float64{s: 2}},
		{"an empty station begins anew", 1, []arrival{{0, s, s}, {10 * s, s, 11 * s}}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st, began := NewStation(row.slots), time.Now()
				got := make([]time.Duration, len(row.works))
				var wait sync.WaitGroup
				for at, by := range row.by {
					wait.Go(func() {
						time.Sleep(at)
						st.SetSlowness(by)
					})
				}
				for i, a := range row.works {
					wait.Go(func() {
						time.Sleep(a.at + time.Duration(i)*time.Microsecond) // in the order of the table
						st.Do(a.work)
						got[i] = time.Since(began).Round(time.Millisecond)
					})
				}
				wait.Wait()
				for i, a := range row.works {
					if got[i] != a.end {
						t.Errorf("work %d ended after %v, want %v", i, got[i], a.end)
					}
				}
				if n := st.Load(); n != 0 {
					t.Errorf("%d are left", n)
				}
			})
		})
	}
}

// A timer that fires late does not take capacity away: the next work began when it could.
func TestLateTimersTakeNoCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, now := NewStation(1), time.Now()
		st.running = []*job{{1, now, make(chan struct{})}}
		st.waiting = []*job{{2, time.Time{}, make(chan struct{})}, {4, time.Time{}, make(chan struct{})}}
		jobs := slices.Concat(st.running, st.waiting)
		st.advance(now.Add(3500 * time.Millisecond)) // the timers of the first two have not fired
		if len(st.running) != 1 || st.running[0] != jobs[2] || !jobs[2].from.Equal(now.Add(3*s)) {
			t.Errorf("running: %+v, want the third, from 3 s on", st.running)
		}
		for i, j := range jobs[:2] {
			select {
			case <-j.done:
			default:
				t.Errorf("job %d has not ended", i)
			}
		}
		st.timer.Stop()
	})
}
