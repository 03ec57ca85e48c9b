package node

import (
	"sync"
	"testing"
	"time"
)

// start is when the clocks of these tests begin.
func start() time.Time { return time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC) }

func TestLiveCounts(t *testing.T) {
	var l Live
	l.Start()
	l.Start()
	l.End()
	l.Fail(start())
	l.Refuse()
	l.Refuse()
	if l.Outstanding() != 1 || l.Chosen() != 2 || l.Failed() != 1 || l.Refused() != 2 {
		t.Errorf("%d under way, %d chosen, %d failed, %d refused", l.Outstanding(), l.Chosen(), l.Failed(), l.Refused())
	}
}

func TestLatencyFollowsTheAnswers(t *testing.T) {
	var l Live
	if l.Latency() != 0 {
		t.Errorf("%v before the first answer", l.Latency())
	}
	l.Answered(time.Second)
	if l.Latency() != time.Second {
		t.Errorf("%v after one answer in a second", l.Latency())
	}
	for range 20 {
		l.Answered(3 * time.Second)
	}
	if got := l.Latency(); got < 2400*time.Millisecond || got > 2600*time.Millisecond { // 3 s - 2 s * (15/16)^20
		t.Errorf("%v after twenty answers in 3 s each, want about 2.45 s", got)
	}
	for range 1000 {
		l.Answered(0)
	}
	if got := l.Latency(); got <= 0 || got > time.Microsecond {
		t.Errorf("%v after many answers in no time", got)
	}
}

func TestUnreachableDoublesToTenSeconds(t *testing.T) {
	var l Live
	now := start()
	if l.Unreachable(now) {
		t.Error("unreachable before anything failed")
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		want *= time.Second
		l.ConnectFailed(now)
		if !l.Unreachable(now) || !l.Unreachable(now.Add(want-1)) || l.Unreachable(now.Add(want)) {
			t.Errorf("not unreachable for exactly %v", want)
		}
		now = now.Add(want)
	}
	l.Connected()
	l.ConnectFailed(now)
	if l.Unreachable(now.Add(time.Second)) {
		t.Error("after a connection it does not begin at one second again")
	}
}

func TestOneOutageCountsOnce(t *testing.T) {
	var l Live
	for i := range 10 {
		l.ConnectFailed(start().Add(time.Duration(i) * time.Millisecond))
	}
	if l.Unreachable(start().Add(time.Second)) {
		t.Error("requests that failed together made it longer")
	}
}

func TestConnectedEndsIt(t *testing.T) {
	var l Live
	l.Connected()
	l.ConnectFailed(start())
	l.Connected()
	if l.Unreachable(start()) {
		t.Error("unreachable after a connection was made")
	}
}

func TestLiveBearsManyAtOnce(t *testing.T) {
	var l Live
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				now := start().Add(time.Duration(i) * time.Second)
				l.Start()
				l.ConnectFailed(now)
				l.Unreachable(now)
				l.Connected()
				l.Fail(start())
				l.Refuse()
				l.End()
			}
		})
	}
	wg.Wait()
	if l.Outstanding() != 0 || l.Chosen() != 800 || l.Failed() != 800 || l.Refused() != 800 {
		t.Errorf("%d under way, %d chosen, %d failed, %d refused", l.Outstanding(), l.Chosen(), l.Failed(), l.Refused())
	}
}

func TestLiveSetForgetsWhoIsNotAskedFor(t *testing.T) {
	s := NewLiveSet()
	a, b := s.Get("a"), s.Get("b")
	a.Start()
	b.Start()
	if s.Get("a") != a {
		t.Fatal("another Live in the same round")
	}
	s.Sweep()
	s.Get("a")
	s.Sweep() // b was not asked for since the Sweep before
	if s.Get("a") != a {
		t.Error("one that was asked for in every round is forgotten")
	}
	if got := s.Get("b"); got == b || got.Chosen() != 0 {
		t.Error("one that was not asked for is remembered")
	}
	s.Sweep()
	s.Sweep()
	if len(s.byKey) != 0 {
		t.Errorf("%d are left that nobody asks for", len(s.byKey))
	}
}
