package gossip

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Finding is something that is wrong with the network, or with this host in it.
type Finding struct {
	Kind  string    // one of FindingKinds
	Text  string    // what is wrong, and what to do about it, in one sentence
	Since time.Time // when it was like that first
}

// The kinds of findings.
const (
	FindingOutage   = "outage"   // beats do not leave or cannot be received, or the interface that they leave by is gone
	FindingLoopback = "loopback" // beats leave, but do not come back to us, as those of multicast and broadcast do
	FindingIGMP     = "igmp"     // a switch forgets that we listen to the group
	FindingAlone    = "alone"    // all peers fell silent at once
	FindingLate     = "late"     // our beats leave much later than planned
	FindingClone    = "clone"    // another agent has our node id
)

// FindingKinds returns the kinds, for metrics that also say what is not wrong.
func FindingKinds() []string {
	return []string{FindingOutage, FindingLoopback, FindingIGMP, FindingAlone, FindingLate, FindingClone}
}

// Findings returns what is wrong at that time, the cause before its consequences.
func (g *Gossiper) Findings(now time.Time) []Finding {
	g.mu.Lock()
	links, addr, alone, igmp := g.links, g.addr.Addr(), g.suspicion, g.snooping
	silent, clone := len(g.suspicion.nodes), g.twin
	g.mu.Unlock()
	if len(links) == 0 {
		return nil
	}
	var all []Finding
	for _, l := range links {
		if since, err := l.health.outage(); err != nil {
			all = append(all, Finding{
				FindingOutage, fmt.Sprintf("beats to %v do not leave this host, which tries on: %v", l, err), since,
			})
		}
		if since, err := l.health.unreadable(); err != nil {
			all = append(all, Finding{
				FindingOutage, fmt.Sprintf("beats to %v cannot be received, which is tried on: %v", l, err), since,
			})
		}
	}
	for _, l := range links {
		if since, deaf := l.health.deaf(now); deaf && looperOf(l.Transport) != nil {
			all = append(all, g.loopbackFinding(l, addr, since))
		}
	}
	if igmp.told() {
		all = append(all, igmp.finding(strings.Join(groups(links), " and ")))
	}
	if alone.holds() {
		all = append(all, aloneFinding(silent, alone.since))
	}
	if f, late := g.lateness.finding(); late {
		all = append(all, f)
	}
	if f, there := clone.finding(g.cfg.ID, now); there {
		all = append(all, f)
	}
	return all
}

func (g *Gossiper) loopbackFinding(l *link, addr netip.Addr, since time.Time) Finding {
	why := "look for a firewall on this host that drops what comes in for that port"
	if addr.IsValid() && !g.accepts(addr.Unmap()) {
		why = fmt.Sprintf("gossip.accept does not name this host's own address %v; add its network there", addr)
	}
	return Finding{FindingLoopback, fmt.Sprintf(
		"beats to %v leave this host, but unlike they should they do not come back to it, so those of others will hardly come either: %s",
		l, why), since}
}

func aloneFinding(nodes int, since time.Time) Finding {
	return Finding{FindingAlone, fmt.Sprintf(
		"all %d peers that were heard fell silent at once, so rather this host is cut off than all of them are gone, and those to which "+
			"TCP still connects stay in use: look at its cable and its switch port, at firewalls on the gossip port, and run "+
			"backhand doctor", nodes), since}
}

// groups returns the destinations of multicast.
func groups(links []*link) (to []string) {
	for _, l := range links {
		if t := looperOf(l.Transport); t != nil && t.Multicast() {
			to = append(to, l.String())
		}
	}
	return to
}

// teller logs findings when they begin and when they are over, each kind at most once a minute. Outages and clones are not
// among them: those are logged at once where they are noticed.
type teller struct {
	open map[string]bool
	next map[string]time.Time
}

const tellEvery = time.Minute

func (t *teller) tell(log *slog.Logger, found []Finding, now time.Time) {
	if len(found) == 0 && len(t.open) == 0 {
		return
	}
	holds := map[string]bool{}
	for _, f := range found {
		if f.Kind == FindingOutage || f.Kind == FindingClone || holds[f.Kind] {
			continue
		}
		holds[f.Kind] = true
		if !t.open[f.Kind] && !now.Before(t.next[f.Kind]) {
			log.Warn(f.Text, "finding", f.Kind)
			t.open[f.Kind], t.next[f.Kind] = true, now.Add(tellEvery)
		}
	}
	for kind := range t.open {
		if !holds[kind] {
			log.Info("a finding is over", "finding", kind)
			delete(t.open, kind)
		}
	}
}
