package watch

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestSilence(t *testing.T) {
	type seen struct{ beats, alarms, unsure int }
	for _, row := range []struct {
		name  string
		looks [][2]float64 // when, and the age that is seen, in seconds; beats come every second
		want  seen
	}{
		{"one that beats is no alarm", [][2]float64{{10, .2}, {10.5, .7}, {11, .3}, {11.5, .8}}, seen{beats: 1}},
		{"one look tells nothing of before", [][2]float64{{10, .2}}, seen{}},
		{"clocks that drift make no beat", [][2]float64{{10, .2}, {10.5, .698}, {11, 1.203}}, seen{}},
		{"five lost are no alarm", [][2]float64{{10, 5.6}, {10.5, 6.1}, {11, .4}}, seen{beats: 1}},
		{"an age that is seen is an alarm, once", [][2]float64{{10, 6.2}, {10.5, 6.7}, {11, 7.2}, {11.5, .3}, {12, .8}}, seen{1, 1, 0}},
		{"one that ended between two looks is an alarm", [][2]float64{{10, 6.5}, {10.5, .2}}, seen{1, 1, 0}},
		{"each silence is one", [][2]float64{{10, 6.5}, {10.5, .2}, {16.5, 6.2}, {17, 6.7}, {17.5, .1}}, seen{2, 2, 0}},
		{"a beat may have been overlooked", [][2]float64{{10, 3.9}, {13.5, .2}}, seen{1, 0, 1}},
		{"it had been seen, whatever came afterwards", [][2]float64{{10, 6.7}, {13.5, .2}}, seen{1, 1, 0}},
		{"two at once, of which the first may be none", [][2]float64{{10, 1}, {30, 7}}, seen{1, 1, 1}},
	} {
		var s silence
		var got seen
		for _, l := range row.looks {
			n := s.look(time.Unix(0, 0).Add(seconds(l[0])), seconds(l[1]), time.Second)
			got.beats += number(n.beat)
			got.alarms += number(n.alarm)
			got.unsure += number(n.unsure)
		}
		if got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}

// beatsOf returns when the beats come that are not lost, as agents send them, and how many were sent.
func beatsOf(r *rand.Rand, loss float64, lasts time.Duration) (came []time.Duration, sent int) {
	came = []time.Duration{0}
	for at := time.Duration(0); at < lasts; sent++ {
		at += time.Duration(float64(time.Second) * (1 - jitter + 2*jitter*r.Float64()))
		if r.Float64() >= loss {
			came = append(came, at)
		}
	}
	return came, sent
}

// Looks twice a second find every beat and every silence that is too long, though an agent takes a while to show a beat;
// and there are as many of them as Chance says.
func TestLooksFindAll(t *testing.T) {
	const loss, lasts = .3, 100 * time.Hour
	r := rand.New(rand.NewPCG(1, 2))
	came, sent := beatsOf(r, loss, lasts)
	silences := 0
	for i := 1; i < len(came); i++ {
		if came[i]-came[i-1] > allowed(time.Second) {
			silences++
		}
	}
	var s silence
	beats, alarms, next := 0, 0, 1
	shown := 50 * time.Millisecond // after the beat came
	for at := shown; at < came[len(came)-1]; at += time.Second/looks + time.Duration(r.IntN(50))*time.Millisecond {
		for next < len(came) && came[next]+shown <= at {
			next++
			shown = time.Duration(r.IntN(100)) * time.Millisecond
		}
		n := s.look(time.Unix(0, 0).Add(at), at-came[next-1], time.Second)
		beats += number(n.beat)
		alarms += number(n.alarm)
		if n.unsure {
			t.Errorf("at %v it is not sure what has happened", at)
		}
	}
	// A beat that is shown late makes a silence of just less than the limit look longer than it is: to byAge, too.
	if alarms < silences || alarms > silences+silences/50 {
		t.Errorf("%d alarms of %d silences", alarms, silences)
	}
	if beats < len(came)-3 || beats >= len(came) {
		t.Errorf("%d beats seen of %d", beats, len(came)-1)
	}
	want := Chance(sent, loss)
	if off := math.Abs(float64(alarms) - want); off > 4*math.Sqrt(want) {
		t.Errorf("%d alarms, by chance %.0f", alarms, want)
	}
}

func TestChance(t *testing.T) {
	for _, row := range []struct {
		beats      int
		loss, want float64
	}{
		{12 * 600, .1, .00648}, {240 * 600, .3, 73.48}, {1000, 0, 0}, {1000, 1, 0}, {0, .3, 0},
	} {
		if got := Chance(row.beats, row.loss); math.Abs(got-row.want) > 1e-3*row.want {
			t.Errorf("of %d beats, %v lost: %v, want %v", row.beats, row.loss, got, row.want)
		}
	}
}
