package node

import (
	"testing"
	"time"
)

// BenchmarkMeter is what one request costs, by as many goroutines as there are processors; most of it is the clock.
func BenchmarkMeter(b *testing.B) {
	m := NewMeter(4, time.Now())
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := m.Begin(time.Now())
			r.End(time.Now(), Completed, time.Millisecond, true)
		}
	})
}

// BenchmarkMeterAlone is the same without the clock.
func BenchmarkMeterAlone(b *testing.B) {
	m, now := NewMeter(4, start()), start()
	b.ReportAllocs()
	for b.Loop() {
		r := m.Begin(now)
		now = now.Add(20 * time.Microsecond)
		r.End(now, Completed, 20*time.Microsecond, true)
	}
}

// BenchmarkMeterLoad is what a response to a peer costs: the request is let in by a limit, rests once, and says the load.
func BenchmarkMeterLoad(b *testing.B) {
	m, now := NewMeter(4, start()), start()
	m.SetPrior(100)
	b.ReportAllocs()
	for b.Loop() {
		r, ok := m.BeginWithin(now, 4)
		if now = now.Add(20 * time.Microsecond); !ok || m.Load(now).Mu == 0 {
			b.Fatal("no load")
		}
		r.Rest(now)
		r.Work(now)
		r.End(now, Completed, 20*time.Microsecond, true)
	}
}
