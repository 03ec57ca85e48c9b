package farm

import (
	"testing"
	"time"

	"backhand/gossip/node"
)

// thousand returns a store with a thousand physicals, each with four statistics, and these as the snapshot wants them.
func thousand(b *testing.B) (*Store, []node.Physical, []node.Update) {
	b.Helper()
	l := manyPhysicals(1000)
	l.Farms[0].ExpectUpdate = 10 * time.Second
	s := newStore(b, 1, l)
	var all []node.Physical
	var updates []node.Update
	for _, m := range l.Farms[0].Members {
		all = append(all, node.Physical{Farm: "reports", Name: m.Name})
		updates = append(updates, push(m.Name, "load1", 0.5, "sessions", 12.0, "cpu", 0.25, "mem", 0.5))
	}
	s.must(b, start, updates...)
	return s, all, updates
}

// BenchmarkThousandUpdates is a second of a farm in which each of a thousand physicals pushes once, by itself: what they say
// is taken, filled in ten times, and told.
func BenchmarkThousandUpdates(b *testing.B) {
	s, all, updates := thousand(b)
	now, notes, bytes := start, 0, 0
	b.ReportAllocs()
	for b.Loop() {
		for i := range updates {
			now = now.Add(time.Millisecond)
			if err := s.Update(now, "10.58.4.9", updates[i:i+1]); err != nil {
				b.Fatal(err)
			}
			if i%100 == 0 {
				s.Fill(all, now)
			}
			if i%40 == 0 {
				told, _ := s.Notes(now)
				notes += len(told)
				for _, n := range told {
					bytes += len(n)
				}
			}
		}
	}
	b.ReportMetric(float64(notes)/float64(b.N), "notes/op")
	b.ReportMetric(float64(bytes)/float64(max(notes, 1)), "bytes/note")
}

// BenchmarkUpdate is one of these updates.
func BenchmarkUpdate(b *testing.B) {
	s, _, updates := thousand(b)
	now := start
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Millisecond)
		if err := s.Update(now, "10.58.4.9", updates[i%1000:i%1000+1]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFill is what a merge costs, of a thousand physicals of which nothing was said since.
func BenchmarkFill(b *testing.B) {
	s, all, _ := thousand(b)
	s.Fill(all, start)
	b.ReportAllocs()
	for b.Loop() {
		s.Fill(all, start)
	}
}

// BenchmarkFillAfterAll is the same if each of them has pushed since.
func BenchmarkFillAfterAll(b *testing.B) {
	s, all, updates := thousand(b)
	now := start
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		now = now.Add(time.Second)
		s.must(b, now, updates...)
		b.StartTimer()
		s.Fill(all, now)
	}
}

// BenchmarkHear is one note that is full of statistics.
func BenchmarkHear(b *testing.B) {
	s, _, updates := thousand(b)
	from := newStore(b, 2, manyPhysicals(1000))
	now := start.Add(time.Second)
	from.must(b, now, updates...)
	notes, _ := from.Notes(now)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		if err := s.Hear(from.self, notes[0], now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNotes is what it costs to ask, twenty-five times a second, with a thousand states and as many physicals with
// statistics to be repeated.
func BenchmarkNotes(b *testing.B) {
	s, all, _ := thousand(b)
	for i := range all {
		s.must(b, start, say("physical "+all[i].Name+" off: disk"))
	}
	now := start
	for ; len(s.newStates)+len(s.newStats) > 0; now = now.Add(tellEvery) {
		_, _ = s.Notes(now)
	}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(tellEvery)
		_, _ = s.Notes(now)
	}
}
