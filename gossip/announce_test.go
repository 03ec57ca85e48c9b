package gossip_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a := join(t, network, 1)
		out := newRecorder(network.Transport(address(2)))
		b := &agent{}
		b.run(t, b.config(2, out))
		time.Sleep(10*time.Second + 300*time.Millisecond)

		began, before := time.Now(), len(out.beats())
		b.Leave(t.Context())
		a.mustSee(t, "when Leave is back", "www2 leaving")
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("three beats 50 ms apart took %v", took)
		}
		if got := out.beats()[before:]; len(got) != 3 || got[0].at != began {
			t.Errorf("%d beats, want three, the first at once", len(got))
		}
		time.Sleep(5 * time.Second)
		for _, sent := range out.beats()[before:] {
			if sent.State != node.Leaving {
				t.Error("a beat after Leave does not say so")
			}
		}
		a.mustSee(t, "later", "www2 leaving")
		b.stop()
		time.Sleep(time.Hour + time.Second)
		a.mustSee(t, "an hour later", "")
	})
}

func TestLeaveIsSeenWithin100ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		network.Set(gossiptest.Conditions{Delay: time.Millisecond})
		a, b := join(t, network, 1), join(t, network, 2)
		time.Sleep(time.Minute)
		go b.Leave(t.Context())
		time.Sleep(100 * time.Millisecond)
		a.mustSee(t, "after 100 ms", "www2 leaving")
	})
}

func TestLeaveNeverHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &agent{}
		cfg := a.config(1, gossiptest.NewNetwork(1).Transport(address(1)))
		g, err := gossip.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		g.Leave(context.Background()) // Run was not called
		a.run(t, cfg)
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { a.Leave(context.Background()) })
		}
		wg.Wait()
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("three at the same time took %v", took)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		a.Leave(ended)
		a.stop()
		a.Leave(context.Background()) // Run has ended
	})
}

func TestDrainIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(1)
		a, b := join(t, network, 1), join(t, network, 2)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		for _, s := range []node.State{node.Draining, node.Up, node.Draining} {
			b.state.Store(int32(s))
			b.Beat()
			a.mustSee(t, "at once", "www2 "+s.String())
			time.Sleep(400 * time.Millisecond)
		}
	})
}

// recorder notes the beats that go out over another transport.
type recorder struct {
	gossip.Transport
	mu   sync.Mutex
	sent []sent
}

type sent struct {
	node.Node
	at time.Time
}

func newRecorder(t gossip.Transport) *recorder { return &recorder{Transport: t} }

func (r *recorder) Send(b []byte) error {
	var beat wire.Beat
	if err := wire.NewParser(wire.HashCluster("web")).Parse(b, nil, &beat); err != nil {
		return err
	}
	r.mu.Lock()
	r.sent = append(r.sent, sent{beat.Node, time.Now()})
	r.mu.Unlock()
	return r.Transport.Send(b)
}

func (r *recorder) beats() []sent {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// gaps returns the times between beats.
func gaps(beats []sent) (d []time.Duration) {
	for i := range len(beats) - 1 {
		d = append(d, beats[i+1].at.Sub(beats[i].at))
	}
	return d
}

func record(t *testing.T) (*agent, *recorder) {
	t.Helper()
	r := newRecorder(gossiptest.NewNetwork(1).Transport(address(1)))
	a := &agent{}
	return a.run(t, a.config(1, r)), r
}

func TestQuickBeatsThenJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, r := record(t)
		time.Sleep(5 * time.Minute)
		beats := r.beats()
		got := gaps(beats)
		if beats[0].at != began || got[0] != 200*time.Millisecond || got[1] != 200*time.Millisecond {
			t.Errorf("the first beats come after %v, %v, %v", beats[0].at.Sub(began), got[0], got[1])
		}
		shortest, longest, sum := time.Hour, time.Duration(0), time.Duration(0)
		for _, d := range got[2:] {
			shortest, longest, sum = min(shortest, d), max(longest, d), sum+d
		}
		mean := sum / time.Duration(len(got)-2)
		switch {
		case shortest < 900*time.Millisecond || longest > 1100*time.Millisecond:
			t.Errorf("%v to %v, want 0.9 s to 1.1 s", shortest, longest)
		case shortest > 920*time.Millisecond || longest < 1080*time.Millisecond:
			t.Errorf("%v to %v is less chance than promised", shortest, longest)
		case mean < 980*time.Millisecond || mean > 1020*time.Millisecond:
			t.Errorf("%v on average, want 1 s", mean)
		}
		for i, b := range beats {
			if b.Sequence != uint64(i+1) {
				t.Fatalf("beat %d has sequence %d", i+1, b.Sequence)
			}
		}
	})
}

func TestBeatAtMostFiveASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := record(t)
		time.Sleep(10 * time.Second)
		before := len(r.beats())
		for range 1000 {
			a.Beat()
			time.Sleep(10 * time.Millisecond)
		}
		beats := r.beats()[before-1:]
		for _, d := range gaps(beats)[1:] {
			if d < 200*time.Millisecond {
				t.Fatalf("two beats %v apart", d)
			}
		}
		if n := len(beats); n < 50 || n > 52 {
			t.Errorf("%d beats in ten seconds, want 50", n)
		}
	})
}

func TestSetInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, r := record(t)
		time.Sleep(10 * time.Second)
		for _, d := range []time.Duration{99 * time.Millisecond, time.Hour} {
			if err := a.SetInterval(d); err == nil {
				t.Errorf("%v was taken", d)
			}
		}
		if err := a.SetInterval(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		a.Beat()
		before := len(r.beats())
		time.Sleep(time.Minute)
		beats := r.beats()[before-1:]
		if n := len(beats); n < 6 || n > 8 || beats[n-1].Interval != 10*time.Second {
			t.Errorf("%d beats in a minute, which announce %v", n, beats[n-1].Interval)
		}
	})
}

func TestLatenessIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(gossiptest.NewNetwork(1).Transport(address(1)))
		a := &agent{}
		cfg := a.config(1, r)
		describe := cfg.Describe
		cfg.Describe = func(now time.Time) node.Node {
			time.Sleep(70 * time.Millisecond) // as if the host were too busy to let us
			return describe(now)
		}
		a.run(t, cfg)
		time.Sleep(5 * time.Second)
		beats := r.beats()
		if beats[0].Stats.SendLate != 0 || beats[1].Stats.SendLate != 70*time.Millisecond {
			t.Errorf("late by %v and %v, want 0 and 70ms", beats[0].Stats.SendLate, beats[1].Stats.SendLate)
		}
	})
}
