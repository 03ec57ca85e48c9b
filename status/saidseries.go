package status

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"backhand/gossip/node"
)

// Statistics have any name, and come from programs and, those of other nodes, from the network. Of more there are no figures:
// each name and each member is a series in Prometheus. Those of this node and of physicals go before those of others.
const (
	maxStatNames  = 128
	maxStatSeries = 4096
)

// saidSeries are the figures of what people and programs said of physicals and farms.
type saidSeries struct {
	off, drain, down, out, updateAge, stat, omitted *prometheus.Desc
	farmOff, farmDown, farmCandidates               *prometheus.Desc
}

func newSaidSeries() *saidSeries {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	ofMember := func(name, help string, more ...string) *prometheus.Desc {
		return d(name, help, append([]string{"farm", "member", "id"}, more...)...)
	}
	return &saidSeries{
		off: ofMember("backhand_member_off", "1 if the physical was taken out of service by hand, else 0; of physicals only."),
		drain: ofMember("backhand_member_drain",
			"1 if the physical was told to drain: it keeps its sessions and gets nothing else; else 0; of physicals only."),
		down: ofMember("backhand_member_down", "1 if the physical was said to be down, by hand, script or check, else 0; of physicals only."),
		out: ofMember("backhand_member_out",
			"1 if no statistics of the physical came for as long as they are expected, else 0; of physicals only."),
		updateAge: ofMember("backhand_member_update_age_seconds",
			"Time since statistics of the physical came last, in seconds; not there if none ever came."),
		stat: ofMember("backhand_member_stat", "Statistic that programs push of the member, by its name.", "stat"),
		omitted: d("backhand_stats_omitted",
			"Statistics that programs push and of which there are no figures here, since there are too many."),
		farmOff:  d("backhand_farm_off", "1 if the farm was taken out of service by hand, else 0; of farms of which the file says something.", "farm"),
		farmDown: d("backhand_farm_down", "1 if the farm was said to be down, else 0; of the same farms.", "farm"),
		farmCandidates: d("backhand_farm_candidates",
			"Members of the farm that may be chosen: none while it is off or down; of the same farms.", "farm"),
	}
}

func (s *saidSeries) descs() []*prometheus.Desc {
	return []*prometheus.Desc{
		s.off, s.drain, s.down, s.out, s.updateAge, s.stat, s.omitted, s.farmOff, s.farmDown, s.farmCandidates,
	}
}

func (s *saidSeries) collectFarms(e *emitter, snap *node.Snapshot, now time.Time) {
	farms, _ := newFarms(snap, now)
	for i := range farms {
		f := &farms[i]
		e.gauge(s.farmOff, truth(f.Standing.Off), f.Name)
		e.gauge(s.farmDown, truth(f.Standing.Down), f.Name)
		e.gauge(s.farmCandidates, float64(f.Candidates), f.Name)
	}
}

func (s *saidSeries) collectMember(e *emitter, r *Row) {
	if r.Standing == nil {
		return
	}
	e.gauge(s.off, truth(r.Standing.Off), r.Farm, r.Name, r.ID)
	e.gauge(s.drain, truth(r.Standing.Drain), r.Farm, r.Name, r.ID)
	e.gauge(s.down, truth(r.Standing.Down), r.Farm, r.Name, r.ID)
	e.gauge(s.out, truth(r.Standing.Out), r.Farm, r.Name, r.ID)
	if r.UpdateAge != nil {
		e.gauge(s.updateAge, *r.UpdateAge, r.Farm, r.Name, r.ID)
	}
}

// collectStats gives the statistics of the members that are kept, as many as there is room for.
func (s *saidSeries) collectStats(e *emitter, kept roster, now time.Time) {
	ranked := slices.Clone(kept)
	slices.SortStableFunc(ranked, func(a, b entry) int { return int(a.rank) - int(b.rank) })
	names, series, omitted := map[string]bool{}, 0, 0
	for _, m := range ranked {
		stats := newStats(m.member, now)
		if len(stats) == 0 {
			continue
		}
		id := ""
		if m.member.Node != nil {
			id = m.member.Node.ID.String()
		}
		for _, st := range stats {
			if series == maxStatSeries || !names[st.Name] && len(names) == maxStatNames {
				omitted++
				continue
			}
			names[st.Name] = true
			series++
			e.gauge(s.stat, st.Value, clean(m.member.Farm), clean(m.member.Name), id, st.Name)
		}
	}
	e.gauge(s.omitted, float64(omitted))
}
