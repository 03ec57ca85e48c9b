package watch

import (
	"math"
	"time"
)

// What byAge 6b allows, as the agents reckon it: a node counts as gone once it is older than six of its intervals, each a
// tenth longer, since it sends a beat up to a tenth of its interval early or late.
const (
	Missed = 6
	jitter = .1
)

func allowed(interval time.Duration) time.Duration {
	return time.Duration(Missed * (1 + jitter) * float64(interval))
}

// Chance returns how many false alarms are to be expected among so many beats, each of which gets lost with the same
// probability, whatever becomes of the others.
//
// An alarm is Missed losses in a row, or more: it begins with a beat that came, 1 - loss of all, behind which Missed get
// lost, loss^Missed. However many more get lost then, it is still one alarm. With six lost the next beat comes seven
// intervals after the last one, 7 ± 0.15 of them, and byAge 6b allows 6.6, so that 3 such gaps of 1,000 are no alarm; with
// five lost it comes after six, which are never longer than that.
func Chance(beats int, loss float64) float64 {
	return float64(beats) * (1 - loss) * math.Pow(loss, Missed)
}

// silence is what one node hears of another one.
type silence struct {
	beat   time.Time // when the last one came
	looked time.Time // when we looked last
	alarm  bool      // this silence has been counted
}

// noticed is what a look has shown that was not known before.
type noticed struct {
	beat   bool // another beat has come
	alarm  bool // the node was silent for too long: true once in each such silence
	unsure bool // perhaps it was, but a beat may have come and have been overlooked
}

// look takes what an agent says at the time now: how long ago the last beat of the other one came. What has gone on between
// two looks is found out, too: that most of the silences that are too long last less than half a second from there on.
func (s *silence) look(now time.Time, age, interval time.Duration) (n noticed) {
	beat, limit := now.Add(-age), allowed(interval)
	first := s.beat.IsZero()
	// The times of the same beat differ a little from look to look: two clocks are in them.
	if gap := beat.Sub(s.beat); !first && gap > interval/10 {
		n.beat = true
		if gap > limit && !s.alarm {
			// Two beats are nine tenths of an interval apart, or more, and the agent takes up to a tenth to show one.
			n.unsure = beat.Sub(s.looked) >= interval*8/10
			n.alarm = !n.unsure
		}
		s.alarm = false
	}
	if first || n.beat {
		s.beat = beat
	}
	if age > limit && !s.alarm {
		n.alarm, s.alarm = true, true
	}
	s.looked = now
	return n
}
