package gossip

import (
	"fmt"
	"time"

	"backhand/gossip/node"
)

// A switch that snoops IGMP sends a group only to ports behind which somebody has reported that he listens. A host reports
// that when it joins and whenever a querier asks, and the switch forgets it some minutes after the last time: 260 s by RFC
// 2236. Where there is no querier nobody asks. So everything works at first, and then all peers are gone together, though
// our own beats still come back.
const (
	forgetsFrom = 100 * time.Second // after the group was joined
	forgetsTo   = 600 * time.Second
	// rejoinEvery is how often the group is left and joined again while that lasts. That makes the kernel report, unless some
	// other program on this host has joined the group too. It is a crutch: each time beats may have been lost for a while.
	rejoinEvery = time.Minute
	// answeredWithin is how many beats after that a node must be heard, if it is because of it.
	answeredWithin = 3
	// crutchFor is how long the crutch stays in use, although peers are heard, once it was seen to help twice.
	crutchFor = time.Hour
)

// membership is what is known of the groups that were joined.
type membership struct {
	joined time.Time // when the last of them was; zero: there is none
	looped time.Time // when one of our own beats came back last
}

// snooping recognises such a switch. It has no lock and no clock.
type snooping struct {
	phase phase
	since time.Time          // when it was first suspected
	lost  map[node.ID]uint64 // boots of the nodes that fell silent together
	took  time.Duration      // from the join to the silence
	until time.Time          // of phase proven

	rejoined time.Time
}

type phase uint8

const (
	unsuspected phase = iota
	silence           // all peers fell silent as if it were so
	waiting           // joining again has helped, as it seems; if it is so, they will be silent once more
	proven            // they were; and as long as we join again and again nobody is lost
)

// look takes the nodes that are listed, and says whether to leave the groups and to join them again.
func (s *snooping) look(nodes []*node.Node, m membership, now time.Time) (rejoin bool) {
	together, last := fallen(nodes, now)
	signature := s.signature(together, last, m)
	switch s.phase {
	case unsuspected:
		if !signature {
			return false
		}
		s.since = now
		return s.fell(silence, together, last, m, now)
	case silence:
		if len(nodes) == 0 {
			*s = snooping{}
			return false
		}
		if len(together) == 0 && !s.answered(nodes, now) {
			return false
		}
	case waiting:
		switch {
		case signature:
			return s.fell(proven, together, last, m, now)
		case now.Sub(m.joined) > forgetsTo:
			*s = snooping{}
		}
		return false
	case proven:
		if len(together) > 0 {
			s.until = now.Add(crutchFor)
		}
		if now.After(s.until) {
			s.phase = waiting
			return false
		}
	}
	if s.phase == waiting || now.Sub(s.rejoined) < rejoinEvery {
		return false
	}
	s.rejoined = now
	return true
}

// signature reports whether all peers fell silent together, at the time for it, and our own beats have come back since.
func (s *snooping) signature(together []*node.Node, last time.Time, m membership) bool {
	after := last.Sub(m.joined)
	return len(together) > 0 && after >= forgetsFrom && after <= forgetsTo && m.looped.After(last)
}

// fell notes who fell silent, and has the groups joined again at once.
func (s *snooping) fell(p phase, together []*node.Node, last time.Time, m membership, now time.Time) (rejoin bool) {
	s.phase, s.took, s.rejoined, s.until = p, last.Sub(m.joined), now, now.Add(crutchFor)
	s.lost = make(map[node.ID]uint64, len(together))
	for _, n := range together {
		s.lost[n.ID] = n.Boot
	}
	return true
}

// answered is asked when somebody is heard after all. If that is one of the lost, not started anew, and right after we have
// joined again, then that may be why. If not, then it was something else.
func (s *snooping) answered(nodes []*node.Node, now time.Time) bool {
	for _, n := range nodes {
		boot, lost := s.lost[n.ID]
		after := n.Heard.Sub(s.rejoined)
		if lost && boot == n.Boot && after >= 0 && after <= n.Beats(answeredWithin) {
			s.phase = waiting
			return true
		}
	}
	*s = snooping{}
	return false
}

// told reports whether people should hear of it. A single peer may as well have died when it fell silent.
func (s *snooping) told() bool {
	return s.phase == proven || s.phase != unsuspected && len(s.lost) > 1
}

// finding says what is wrong with the switch behind those destinations.
func (s *snooping) finding(to string) Finding {
	const text = "%s like a switch that snoops IGMP but hears no querier: %s fell silent %v after we had joined %s, while our own " +
		"beats come back; let a router or switch of this VLAN be IGMP querier, or turn IGMP snooping off there, or send by unicast " +
		"(gossip.peers or memberlist); until then the group is joined anew once a minute, which is only a crutch"
	looks, who := "this looks", fmt.Sprintf("all %d peers", len(s.lost))
	if s.phase == proven {
		looks = "the network behaves, twice in a row,"
	}
	if len(s.lost) == 1 {
		who = "the only peer"
	}
	return Finding{Kind: FindingIGMP, Since: s.since, Text: fmt.Sprintf(text, looks, who, s.took.Round(time.Second), to)}
}
