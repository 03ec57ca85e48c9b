package sim

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A clock for all requests gives each what it would get by itself.
func TestOriginSharesItsSlots(t *testing.T) {
	const second = int64(time.Second)
	for _, c := range []struct {
		name  string
		fifo  bool
		slots int
		works []float64 // that come together
		want  []float64 // when each is done
	}{
		{"one slot, two requests: both take twice as long", false, 1, []float64{1, 1}, []float64{2, 2}},
		{"the shorter one goes, and the other is faster then", false, 1, []float64{1, 3}, []float64{2, 4}},
		{"with a slot for each, neither notices", false, 2, []float64{1, 3}, []float64{1, 3}},
		{"three on two slots", false, 2, []float64{1, 1, 2}, []float64{1.5, 1.5, 2.5}},
		{"first come, first served", true, 1, []float64{1, 3, 1}, []float64{1, 4, 5}},
		{"two slots, one line", true, 2, []float64{1, 3, 1}, []float64{1, 3, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := origin{slots: c.slots, fifo: c.fifo, speed: 1}
			place := map[*request]int{}
			for i, w := range c.works {
				r := &request{work: w}
				place[r] = i
				o.add(0, r)
			}
			got := make([]float64, len(c.works))
			for o.inFlight() > 0 {
				at := o.next()
				got[place[o.finish(at)]] = float64(at) / float64(second)
			}
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > 1e-6 {
					t.Errorf("done at %v, want %v", got, c.want)
					break
				}
			}
		})
	}
}

func TestOriginThatSlowsDown(t *testing.T) {
	o := origin{slots: 1, speed: 1}
	o.add(0, &request{work: 2})
	o.setSpeed(int64(time.Second), 0.25)
	if got, want := o.next(), int64(5*time.Second); got != want {
		t.Errorf("done at %v, want %v", time.Duration(got), time.Duration(want))
	}
	if lost := o.abandon(int64(2 * time.Second)); len(lost) != 1 || o.inFlight() != 0 || o.next() != never {
		t.Errorf("%d are lost, %d left", len(lost), o.inFlight())
	}
}

// The queues give what a sorted list would give.
func TestQueues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q alarms
		var m messages
		var times []int64
		for i, at := range rapid.SliceOfN(rapid.Int64Range(0, 20), 0, 60).Draw(t, "at") {
			q.set(alarm{at: at, who: int32(i)})
			times = append(times, at)
		}
		slices.Sort(times)
		for i, want := range times {
			if q.next() != want {
				t.Fatalf("alarm %d is at %d, want %d", i, q.next(), want)
			}
			q.pop()
			m.push(message{at: want})
			m.push(message{at: want})
			if got := m.pop().at; got != times[i/2] {
				t.Fatalf("message %d is at %d, want %d", i, got, times[i/2])
			}
		}
		if q.next() != never {
			t.Error("there is an alarm too many")
		}
		n := rapid.IntRange(1, 20).Draw(t, "members")
		e, at := newEarliest(n), make([]int64, n)
		for i := range at {
			at[i] = never
		}
		for range 40 {
			i := rapid.IntRange(0, n-1).Draw(t, "member")
			at[i] = rapid.OneOf(rapid.Int64Range(0, 9), rapid.Just[int64](never)).Draw(t, "done")
			e.set(int32(i), at[i])
			if _, got := e.first(); got != slices.Min(at) {
				t.Fatalf("first at %d, want %d of %v", got, slices.Min(at), at)
			}
		}
	})
}

func TestBoundedPareto(t *testing.T) {
	for _, c := range []struct{ mean, alpha, cv float64 }{{0.05, 1.5, 2.3}, {1, 2.5, 0.5}, {3, 1, 1.5}, {1, 2, 1}} {
		p := newBoundedPareto(c.mean, c.alpha, c.cv)
		rng := stream(1, 1)
		var sum, squares float64
		const n = 2_000_000
		for range n {
			v := p.quantile(rng.Float64())
			if v < p.low*(1-1e-9) || v > p.high*(1+1e-9) {
				t.Fatalf("%v is not within %v and %v", v, p.low, p.high)
			}
			sum, squares = sum+v, squares+v*v
		}
		mean := sum / n
		cv := math.Sqrt(squares/n-mean*mean) / mean
		if math.Abs(mean/c.mean-1) > 0.02 || math.Abs(cv/c.cv-1) > 0.05 {
			t.Errorf("%+v has mean %.4f and cv %.3f", c, mean, cv)
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := 1; i <= 1000; i++ {
		h.add(float64(i) / 1000)
	}
	for _, share := range []float64{0.001, 0.5, 0.99, 0.999, 1} {
		if got := h.quantile(share); math.Abs(got/share-1) > 0.004 {
			t.Errorf("quantile %v is %v", share, got)
		}
	}
	if got := h.mean(); math.Abs(got-0.5005) > 1e-9 {
		t.Errorf("mean %v, want 0.5005", got)
	}
	if got := new(histogram).quantile(0.5); got != 0 {
		t.Errorf("the quantile of nothing is %v", got)
	}
}

// A rate that changes brings as many requests as it says, when it says.
func TestRatesThatChange(t *testing.T) {
	c := clients{rates: []float64{1000, 0, 3000}, step: int64(time.Second), rng: stream(1, 1), work: func() float64 { return 1 }}
	var counts [6]int
	for now := int64(0); ; {
		now, _ = c.arrival(now)
		if now >= int64(6*time.Second) {
			break
		}
		counts[now/int64(time.Second)]++
	}
	for i, want := range []float64{1000, 0, 3000, 1000, 0, 3000} {
		if math.Abs(float64(counts[i])-want) > 5*math.Sqrt(want) {
			t.Errorf("second %d has %d requests, want about %v", i, counts[i], want)
		}
	}
}

func TestZipf(t *testing.T) {
	c := clients{fronts: zipf(3, 1), nFronts: 3, rng: stream(1, 1)}
	var got [3]float64
	for range 110_000 {
		got[c.front()]++
	}
	for i, want := range []float64{60_000, 30_000, 20_000} {
		if math.Abs(got[i]-want) > 1000 {
			t.Errorf("fronts got %v requests", got)
			break
		}
	}
}
