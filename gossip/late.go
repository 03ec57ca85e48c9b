package gossip

import (
	"fmt"
	"sync"
	"time"
)

const (
	// A beat is late if it leaves more than lateShare of the interval after it was planned. After lateBeats such beats in a row
	// people are told, and after punctualBeats in time that it is over.
	lateShare     = 0.5
	lateBeats     = 3
	punctualBeats = 10
)

// lateness is how punctual our beats are. Its methods may be called by several goroutines.
type lateness struct {
	mu       sync.Mutex
	late     int       // beats in a row
	punctual int       // beats in a row
	first    time.Time // when the first of those that are late should have left
	told     bool
	worst    time.Duration // of those since then
}

// note notes how late a beat left.
func (l *lateness) note(now time.Time, late, interval time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if late.Seconds() > lateShare*interval.Seconds() {
		if l.late == 0 && !l.told {
			l.first, l.worst = now.Add(-late), 0
		}
		l.late, l.punctual = l.late+1, 0
		l.worst = max(l.worst, late)
		l.told = l.told || l.late >= lateBeats
		return
	}
	l.late, l.punctual = 0, l.punctual+1
	l.told = l.told && l.punctual < punctualBeats
}

func (l *lateness) finding() (Finding, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.told {
		return Finding{}, false
	}
	return Finding{Kind: FindingLate, Since: l.first, Text: fmt.Sprintf(
		"beats leave this host more than half an interval late, up to %v, so that peers may take it for silent: it has too little "+
			"CPU for what runs on it; take load off it, or let the agent go first (LimitNICE=-15 or CPUWeight= in its unit)",
		l.worst.Round(time.Millisecond))}, true
}
