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
			m.Begin(time.Now())
			m.End(time.Now(), Completed, time.Millisecond, true)
		}
	})
}

// BenchmarkMeterAlone is the same without the clock.
func BenchmarkMeterAlone(b *testing.B) {
	m, now := NewMeter(4, start()), start()
	b.ReportAllocs()
	for b.Loop() {
		m.Begin(now)
		now = now.Add(20 * time.Microsecond)
		m.End(now, Completed, 20*time.Microsecond, true)
	}
}
