package node

import (
	"math"
	"testing"
	"time"
)

// loaded returns a node with that load, heard at the start.
func loaded(load, speed float64) *Node {
	return &Node{Interval: time.Second, Heard: start(), Stats: Stats{Load1: load, Speed: speed}}
}

func TestHighWaterIsAPowerOfTwo(t *testing.T) {
	for _, row := range []struct {
		name  string
		nodes []*Node
		want  float64
	}{
		{"nobody makes it one", nil, 1},
		{"an idle cluster makes it one", []*Node{loaded(0, 0)}, 1},
		{"a load of one is one", []*Node{loaded(1, 0)}, 1},
		{"a little more makes it two", []*Node{loaded(1.001, 0)}, 2},
		{"it is rounded up", []*Node{loaded(3.7, 0)}, 4},
		{"as in the ancestor's screenshot", []*Node{loaded(7.312, 0)}, 8},
		{"a power of two is itself", []*Node{loaded(8, 0)}, 8},
		{"a little more is the next", []*Node{loaded(8.001, 0)}, 16},
		{"the highest load counts", []*Node{loaded(1, 0), loaded(5, 0), loaded(2, 0)}, 8},
		{"a slow host's load weighs more", []*Node{loaded(1, 400), loaded(3, 100)}, 16},
		{"without a speed it weighs as it is", []*Node{loaded(1, 400), loaded(3, 0)}, 4},
		{"the dead do not count", []*Node{loaded(1, 0), {Interval: time.Second, Heard: start().Add(-6601 * time.Millisecond), Stats: Stats{Load1: 99}}}, 1},
		{"what is no number does not count", []*Node{loaded(math.NaN(), 0), loaded(3, 0)}, 4},
		{"infinity does not count", []*Node{loaded(math.Inf(1), 0), loaded(3, 0)}, 4},
		{"a load beyond belief does not count", []*Node{loaded(1e30, 0), loaded(3, 0)}, 4},
		{"nor does one that a tiny speed blows up", []*Node{loaded(1, 1e-300), loaded(3, 1e300)}, 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			var h HighWater
			if got := h.Update(row.nodes, nil, start()); got != row.want {
				t.Errorf("mark %v, want %v", got, row.want)
			}
		})
	}
}

func TestHighWaterRisesAtOnceAndFallsSlowly(t *testing.T) {
	var h HighWater
	for _, step := range []struct {
		minute float64
		load   float64
		want   float64
	}{
		{0, 1, 1},
		{1, 30, 32},   // at once
		{2, 1, 32},    // one bad minute is not forgotten at once
		{10.9, 1, 32}, // not before ten minutes are over
		{11, 1, 16},
		{11.1, 1, 16}, // once in ten minutes
		{20.9, 1, 16},
		{21, 1, 8},
		{22, 5, 8},
		{31, 5, 8}, // it does not fall below what there is
		{32, 9, 16},
		{41.9, 1, 16}, // ten minutes count from the rise
		{42, 1, 8},
		{52, 1, 4},
		{62, 1, 2},
		{72, 1, 1},
		{82, 0, 1}, // and not below one
		{81, 0, 1}, // clocks may go backwards
	} {
		now := start().Add(time.Duration(step.minute * float64(time.Minute)))
		n := loaded(step.load, 0)
		n.Heard = now
		if got := h.Update([]*Node{n}, nil, now); got != step.want {
			t.Errorf("minute %v, load %v: mark %v, want %v", step.minute, step.load, got, step.want)
		}
	}
}
