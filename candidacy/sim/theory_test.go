package sim

import (
	"context"
	"math"
	"testing"
	"time"
)

// plain is a cluster of equal members without a network, of which theory knows what comes out.
func plain(members, slots int, load float64, rival string) *Scenario {
	return &Scenario{
		Seeds: []uint64{1}, WarmUp: 5 * time.Second, Measure: 40 * time.Second,
		Members:  Members{Count: members, Slots: slots},
		Work:     Work{Kind: Exponential, Mean: []time.Duration{50 * time.Millisecond}},
		Arrivals: Arrivals{Load: []float64{load}},
		Fronts:   Fronts{Count: []int{1}, Tries: 3},
		Gossip:   Gossip{Interval: []time.Duration{time.Second}},
		Policies: []Policy{{Name: rival, Rival: rival}},
	}
}

func play(t *testing.T, s *Scenario) *Report {
	t.Helper()
	rep, err := Run(context.Background(), s, Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// sojourn is the mean time in M/M/c divided by that of the service: by Erlang's formula for who must wait.
func sojourn(c int, load float64) float64 {
	a := load * float64(c)
	blocked := 1.0
	for k := 1; k <= c; k++ {
		blocked = a * blocked / (float64(k) + a*blocked)
	}
	wait := blocked / (1 - load*(1-blocked))
	return 1 + wait/(float64(c)*(1-load))
}

func TestTheory(t *testing.T) {
	four, twenty := sojourn(4, 0.85), sojourn(20, 0.8)
	for _, c := range []struct {
		name  string
		s     *Scenario
		fifo  bool
		work  WorkKind
		want  float64 // ms
		p99   float64 // ms; 0: theory does not say
		about float64
	}{
		{"random over M/M/1, shared", plain(300, 1, 0.7, "random"), false, Exponential, 50 / 0.3, 0, 0.05},
		// The time in M/M/1, first come, first served, is exponential itself.
		{"random over M/M/1, first in, first out", plain(300, 1, 0.7, "random"), true, Exponential, 50 / 0.3, 50 / 0.3 * math.Log(100), 0.05},
		{"random over M/M/4, shared", plain(100, 4, 0.85, "random"), false, Exponential, 50 * four, 0, 0.05},
		{"random over M/M/4, first in, first out", plain(100, 4, 0.85, "random"), true, Exponential, 50 * four, 0, 0.05},
		// What is shared does not mind how works are distributed; what waits in line does: Pollaczek and Khinchin.
		{"random over M/D/1, shared", plain(300, 1, 0.7, "random"), false, Constant, 50 / 0.3, 0, 0.05},
		{"random over M/D/1, first in, first out", plain(300, 1, 0.7, "random"), true, Constant, 50 * (1 + 0.7/0.6), 0, 0.05},
		// One queue before all: the slots together are M/M/20.
		{"one queue for all slots", plain(1, 20, 0.8, "jsq"), true, Exponential, 50 * twenty, 0, 0.05},
		// Mitzenmacher's fixed point for two choices at 90 %: the sum over i of 0.9^(2^i - 2) times the service time.
		{"two choices by what all know", plain(400, 1, 0.9, "two-choices"), true, Exponential, 50 * twoChoicesTime(0.9), 0, 0.05},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.s.Members.FIFO, c.s.Work.Kind = c.fifo, c.work
			row := play(t, c.s).Rows[0]
			if off := math.Abs(row.Mean/c.want - 1); off > c.about {
				t.Errorf("mean %.1f ms of %d requests, theory says %.1f", row.Mean, row.Requests, c.want)
			}
			if c.p99 > 0 && math.Abs(row.P99/c.p99-1) > c.about {
				t.Errorf("p99 %.1f ms, theory says %.1f", row.P99, c.p99)
			}
		})
	}
}

func twoChoicesTime(load float64) (sum float64) {
	for i := 1.0; i < 10; i++ {
		sum += math.Pow(load, math.Pow(2, i)-2)
	}
	return sum
}

// What a rival or a chain knows is worth something: it may not be worse than chance, nor better than knowing all.
func TestOrderOfPolicies(t *testing.T) {
	s := plain(40, 4, 0.85, "omniscient")
	s.Seeds, s.Measure = []uint64{3}, 20*time.Second
	s.Delay, s.Gossip.Jitter = 500*time.Microsecond, 0.1
	s.Fronts.Count = []int{8}
	s.Policies = append(s.Policies,
		Policy{Name: "auto", Chain: []string{"auto"}}, Policy{Name: "c3", Rival: "c3"},
		Policy{Name: "two-choices", Rival: "two-choices"}, Policy{Name: "random", Rival: "random"},
		Policy{Name: "herd", Chain: []string{"byAge 6", "byRandom", "byLogWindow", "byBusyChildren"}})
	means := map[string]float64{}
	for _, r := range play(t, s).Rows {
		means[r.Policy] = r.Mean
	}
	for _, c := range []struct {
		better, worse string
		by            float64 // at least so many times
	}{
		{"omniscient", "auto", 1.001},
		{"auto", "two-choices", 1.15},
		{"c3", "two-choices", 1.1},
		{"two-choices", "random", 1.2},
		{"random", "herd", 2},
	} {
		if means[c.worse] < c.by*means[c.better] {
			t.Errorf("%s has a mean of %.1f ms, %s of %.1f: want %v times as much",
				c.worse, means[c.worse], c.better, means[c.better], c.by)
		}
	}
	if means["auto"] > 1.06*means["omniscient"] {
		t.Errorf("auto has a mean of %.1f ms, who knows all %.1f", means["auto"], means["omniscient"])
	}
}
