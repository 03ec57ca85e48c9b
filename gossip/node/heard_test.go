package node

import (
	"testing"
	"time"
)

func TestHeardIsWhatWasSaidLast(t *testing.T) {
	var l Live
	if h := l.LastHeard(); h != (Heard{}) {
		t.Errorf("before anything was said: %+v", h)
	}
	l.Start()
	l.Heard(Load{InFlight: 9, Slots: 8, Mu: 2}, at(1))
	l.Start()
	l.Heard(Load{InFlight: 7, Slots: 4, Mu: 16}, at(2))
	want := Heard{Load: Load{InFlight: 7, Slots: 4, Mu: 16}, Own: 2, At: at(2).UnixNano()}
	if h := l.LastHeard(); h != want {
		t.Errorf("got %+v, want %+v", h, want)
	}
}

func TestPendingForgetsErrors(t *testing.T) {
	var l Live
	l.Fail(at(0))
	l.Fail(at(0.1))
	l.Fail(at(3))
	for _, row := range []struct {
		name   string
		at     float64
		window time.Duration
		want   int
	}{
		{"all of the last five seconds", 3.2, 5 * time.Second, 3},
		{"not those before", 5.6, 5 * time.Second, 1},
		{"a shorter window forgets earlier", 3.2, time.Second, 1},
		{"a longer one later", 30, 40 * time.Second, 3},
		{"none for no window", 3.2, 0, 0},
		{"a window that is too long counts a minute", 59, time.Hour, 3},
		{"after more than a minute all is forgotten", 64, time.Hour, 0},
		{"what is written over is, too", 67.1, time.Hour, 0},
		{"a clock that goes backwards knows only what was before", 0.2, time.Second, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := l.Pending(at(row.at), row.window); got != row.want {
				t.Errorf("%d pending, want %d", got, row.want)
			}
		})
	}
	if l.Failed() != 3 {
		t.Errorf("%d failed", l.Failed())
	}
}

func TestErrorsSinceThenAreToldFromThoseBefore(t *testing.T) {
	var l Live
	for _, s := range []float64{0, 1, 2} {
		l.Fail(at(s))
	}
	l.Heard(Load{InFlight: 4}, at(2.1))
	l.Fail(at(2.2))
	l.Fail(at(2.3))
	h := l.LastHeard()
	for _, row := range []struct {
		name              string
		at                float64
		failed, forgotten float64
	}{
		{"two came since, and all count still", 2.4, 2, 0},
		{"the first of the others counts no more", 5.2, 2, 1},
		{"nor does the second", 6.9, 2, 2},
		{"in the end nothing counts", 9, 0, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			failed, forgotten := h.Since(&l, at(row.at), 5*time.Second)
			if failed != row.failed || forgotten != row.forgotten {
				t.Errorf("%v since, %v forgotten, want %v, %v", failed, forgotten, row.failed, row.forgotten)
			}
		})
	}
}

func TestPredictionsEndWithTheNextBeat(t *testing.T) {
	var l Live
	l.Predict(7)
	l.Predict(7)
	if got := l.Predicted(7); got != 2 {
		t.Errorf("%d after two", got)
	}
	if got := l.Predicted(8); got != 0 {
		t.Errorf("%d with the next beat", got)
	}
	l.Predict(8)
	if a, b := l.Predicted(7), l.Predicted(8); a != 0 || b != 1 {
		t.Errorf("%d of the old beat, %d of the new one", a, b)
	}
	if l = (Live{}); l.Predicted(0) != 0 {
		t.Error("something is predicted before anything was")
	}
}
