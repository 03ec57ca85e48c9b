package agent

import (
	"math"
	"slices"
	"testing"
	"time"

	"backhand/gossip/node"
)

func TestFreeShare(t *testing.T) {
	service := func(average, slots float64, busy, workers int) *node.Service {
		return &node.Service{Average: average, Slots: slots, Busy: busy, Workers: workers}
	}
	for _, row := range []struct {
		what   string
		s      *node.Service
		direct bool
		want   int
	}{
		{"nothing to do", service(0, 4, 0, 0), false, 100},
		{"one of four slots busy", service(1, 4, 0, 0), false, 75},
		{"a fraction of a slot", service(0.5, 4, 0, 0), false, 88},
		{"full", service(4, 4, 0, 0), false, 20},
		{"more than full", service(40, 4, 0, 0), false, 20},
		{"workers do not count where slots do", service(1, 4, 150, 150), false, 75},
		{"slots that are not known", service(3, 0, 0, 0), false, 100},
		{"a status page that is not known", service(3, 4, 7, 0), true, 100},
		{"an agent that only announces goes by the status page", service(0, 4, 30, 150), true, 80},
	} {
		var f freeShare
		if got := f.percent(); got != 100 {
			t.Errorf("before the first beat: %d%%", got)
		}
		if free, known := freeOf(row.s, row.direct); known {
			f.note("web", free, time.Unix(1, 0))
		}
		if got := f.percent(); got != row.want {
			t.Errorf("%s: %d%%, want %d%%", row.what, got, row.want)
		}
	}
}

func TestFreeShareIsSlow(t *testing.T) {
	now := time.Unix(1, 0)
	var f freeShare
	f.note("web", 1, now)
	var got []int
	for range 40 {
		now = now.Add(time.Second)
		f.note("web", 0.5, now)
		got = append(got, f.percent())
	}
	if got[0] != 95 || got[9] < 65 || got[9] > 70 || got[39] != 51 {
		t.Errorf("half of it is busy from now on: %v", got)
	}
	f.note("web", 0, now.Add(time.Hour))
	if got := f.percent(); got != 41 {
		t.Errorf("one beat after an hour moved it from 51%% to %d%%", got)
	}
	f.note("web", 1, now) // a clock that was set back
	if got := f.percent(); got != 41 {
		t.Errorf("a beat of the past moved it to %d%%", got)
	}
	f.note("shop", 1, now)
	if got := f.percent(); got != 100 {
		t.Errorf("of another farm it says %d%%", got)
	}
}

// haproxy is some members behind a HAProxy that shares requests by weight: as a fluid, without queues and chance, so that
// whatever swings does so by itself.
type haproxy struct {
	beat, poll time.Duration
	use        float64   // of all that the members can do together
	slots      []float64 // of each member
	raw        bool      // without the slow average

	free   []freeShare
	weight []float64
	worked []float64 // requests under way, summed up since the last beat
}

// run returns for each member how far its weight moved in the last of these minutes, and what it was at the end.
func (h *haproxy) run(minutes int) (swing, end []float64) {
	const step = 100 * time.Millisecond
	n := len(h.slots)
	h.free, h.weight, h.worked = make([]freeShare, n), make([]float64, n), make([]float64, n)
	least, most := make([]float64, n), make([]float64, n)
	for i := range h.weight {
		h.weight[i], least[i] = 100, math.Inf(1)
	}
	h.weight[0] = 20 // to begin with some disorder
	start := time.Unix(1, 0)
	for at := step; at <= time.Duration(minutes)*time.Minute; at += step {
		h.step(start.Add(at), at, step)
		for i, w := range h.weight {
			if at > time.Duration(minutes-1)*time.Minute {
				least[i], most[i] = min(least[i], w), max(most[i], w)
			}
		}
	}
	for i := range most {
		swing = append(swing, most[i]-least[i])
	}
	return swing, h.weight
}

func (h *haproxy) step(now time.Time, at, step time.Duration) {
	all, can := 0.0, 0.0
	for i := range h.slots {
		all, can = all+h.weight[i], can+h.slots[i]
	}
	for i, slots := range h.slots {
		h.worked[i] += h.use * can * h.weight[i] / all * step.Seconds()
		// Neither beats nor questions come all at the same moment.
		if (at+time.Duration(i)*300*time.Millisecond)%h.beat == 0 {
			if h.raw {
				h.free[i] = freeShare{}
			}
			free, _ := freeOf(&node.Service{Average: h.worked[i] / h.beat.Seconds(), Slots: slots}, false)
			h.free[i].note("web", free, now)
			h.worked[i] = 0
		}
		if (at+time.Duration(i)*700*time.Millisecond)%h.poll == 0 {
			h.weight[i] = float64(h.free[i].percent())
		}
	}
}

// With what the agent says, HAProxy settles: whatever the load, for members that are alike and for such that are not.
func TestWeightsDoNotSwing(t *testing.T) {
	alike, unlike := []float64{4, 4, 4, 4}, []float64{8, 4, 4, 2}
	for _, slots := range [][]float64{alike, unlike} {
		for _, use := range []float64{0.1, 0.5, 0.7, 0.8, 0.9, 1, 1.3} {
			for _, beat := range []time.Duration{time.Second, 500 * time.Millisecond, 5 * time.Second, 20 * time.Second} {
				h := haproxy{beat: beat, poll: 2 * time.Second, use: use, slots: slots}
				swing, end := h.run(15)
				if worst := slices.Max(swing); worst > 2 {
					t.Errorf("slots %v, %.0f %% in use, beats of %v: weights move by %v", slots, 100*use, beat, swing)
				}
				if slots[0] == slots[3] && slices.Max(end)-slices.Min(end) > 3 {
					t.Errorf("%.0f %% in use, beats of %v: members that are alike get the weights %v", 100*use, beat, end)
				}
				if slots[0] > slots[3] && use < 1 && (end[0] < end[1] || end[2] < end[3]) {
					t.Errorf("%.0f %% in use, beats of %v: members with %v slots get the weights %v", 100*use, beat, slots, end)
				}
			}
		}
	}
	// The test above would be worth nothing if nothing could swing.
	h := haproxy{beat: time.Second, poll: 2 * time.Second, use: 0.7, slots: alike, raw: true}
	if swing, _ := h.run(15); slices.Max(swing) < 30 {
		t.Errorf("without the slow average weights move by %v only", swing)
	}
}
