package status

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"backhand/gossip/node"
)

// maxSeries is of how many nodes, and of how many members, figures are given. They are picked as the rows of the
// page are; who is left out is counted.
const maxSeries = 1024

// clusterCollector gives the figures of the cluster as the snapshot has them at the time of a scrape. Nothing is kept
// from one scrape to the next, so that what has gone is gone.
type clusterCollector struct {
	src Source
	now func() time.Time

	age, lateness, nodes                                                   *prometheus.Desc
	up, candidate, outstanding, inFlight, handed, failed, refused, latency *prometheus.Desc
	omitted, highWater, sent, received, rejected, ready                    *prometheus.Desc
	warnings, unauthenticated, snapshotAge, build, dropped, lost           *prometheus.Desc
	open, accepted, closed, handshakes, k, herds                           *prometheus.Desc
	key, unsealed, otherKey, lackingKey, finding                           *prometheus.Desc

	said    *saidSeries
	mirrors *mirrorSeries
}

func newClusterCollector(src Source, now func() time.Time) *clusterCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	ofMember := func(name, help string) *prometheus.Desc { return d(name, help, "farm", "member", "id") }
	return &clusterCollector{
		src: src, now: now, said: newSaidSeries(), mirrors: newMirrorSeries(),
		age: d("backhand_peer_age_seconds",
			"How old what is known of a peer is, in seconds: the time since "+
				"its last beat came, plus how old its figures were then.", "node", "id"),
		lateness: d("backhand_beat_lateness_seconds",
			"How much later than planned a node sent the beat before its last, in seconds, as it says itself.", "node", "id"),
		nodes: d("backhand_nodes",
			"Nodes and physicals that are known, by state; one that serves several farms counts as the worst.", "state"),
		up: ofMember("backhand_member_up",
			"1 if the member is heard, its origin is up, it is neither draining "+
				"nor leaving, or, a physical, it is on, up and in, and the last connect to it did not fail; else 0."),
		candidate: ofMember("backhand_member_candidate",
			"1 if the chains of the farm's routes start with the member, else 0."),
		outstanding: ofMember("backhand_member_outstanding", "Requests that this agent has under way at the member."),
		latency: ofMember("backhand_member_latency_seconds",
			"Time until the head of the member's answers, on average over the last of them; 0 if there was none."),
		inFlight: ofMember("backhand_member_in_flight",
			"Requests that are under way at the origin of the member, and its errors of the last 5 s, as it announced."),
		handed: ofMember("backhand_member_requests_total", "Requests that this agent handed to the member."),
		failed: ofMember("backhand_member_failures_total", "Requests of this agent that the member failed."),
		refused: ofMember("backhand_member_refusals_total",
			"Requests of this agent that the member sent back before it had asked its origin."),
		omitted: d("backhand_series_omitted",
			"Nodes and members of which there are no figures here, since there are too many."),
		highWater: d("backhand_load_high_water", "Load average that counts as full in the cluster; a power of two."),
		sent:      d("backhand_beats_sent_total", "Beats that this agent sent."),
		received:  d("backhand_beats_received_total", "Datagrams that came in for beats: of others, its own, and those that it did not take."),
		rejected:  d("backhand_beats_rejected_total", "Beats that this agent did not take, by reason.", "reason"),
		ready:     d("backhand_ready", "1 if this agent takes requests, 0 if it is draining or leaving."),
		warnings:  d("backhand_config_warnings", "Warnings about the configuration that the page shows."),
		unauthenticated: d("backhand_unauthenticated",
			"1 if beats without proof of origin are taken on something else than loopback, else 0."),
		key: d("backhand_node_key",
			"Number of the key that a node's last beat was sealed with; 0 if it was not sealed.", "node", "id"),
		unsealed: d("backhand_nodes_unsealed", "Nodes that are heard and whose beats are not sealed, this one included."),
		otherKey: d("backhand_nodes_other_key",
			"Nodes that are heard and seal with another key than the newest one that any of them seals with, this one included."),
		lackingKey: d("backhand_nodes_lacking_key",
			"Nodes that are heard and have not got all the keys that this agent holds."),
		finding: d("backhand_finding",
			"1 if something of the kind has turned out to be wrong with the cluster, its network or this agent, else 0; the page says what.",
			"kind"),
		snapshotAge: d("backhand_snapshot_age_seconds",
			"How old the picture of the cluster is that requests are balanced by, in seconds."),
		dropped: d("backhand_chain_dropped_total",
			"Candidates that a step of the route's chain dropped, since the file was read; the label step is its number and text.",
			"route", "step"),
		k: d("backhand_route_k",
			"Requests that a node of the route's farm gets from one of its beats to the next, from all nodes together, on average; "+
				"not there without such nodes.", "route"),
		herds: d("backhand_route_herds",
			"1 if the route's chain sorts by figures that all nodes hear alike, backhand_route_k is above 5, and there is more than one "+
				"to choose from; else 0.", "route"),
		lost: d("backhand_access_log_lost_total", "Lines of the access log that could not be written."),
		open: d("backhand_connections", "Connections of clients and other agents that are open, by listener.", "listener"),
		accepted: d("backhand_connections_accepted_total",
			"Connections that came in since the listener was opened, those that were refused included.", "listener"),
		closed: d("backhand_connections_refused_total",
			"Connections that were closed at once, since the listener was opened, by reason: total and address are listen.connections "+
				"and connections_per_address; proxy is no valid PROXY header; accept is that none could be opened; panic is a mistake of ours.", "listener", "reason"),
		handshakes: d("backhand_tls_handshake_errors_total",
			"Connections whose TLS handshake did not succeed, since the listener was opened.", "listener"),
		build: d("backhand_build_info", "1; the labels say which build runs.", "version", "build", "goversion"),
	}
}

func (c *clusterCollector) descs() []*prometheus.Desc {
	return append([]*prometheus.Desc{
		c.age, c.lateness, c.nodes, c.up, c.candidate, c.outstanding, c.inFlight, c.handed, c.failed, c.refused, c.latency, c.omitted,
		c.highWater, c.sent, c.received, c.rejected, c.ready, c.warnings, c.unauthenticated, c.snapshotAge, c.build,
		c.dropped, c.lost, c.open, c.accepted, c.closed, c.handshakes, c.k, c.herds,
		c.key, c.unsealed, c.otherKey, c.lackingKey, c.finding,
	}, append(c.said.descs(), c.mirrors.descs()...)...)
}

// Describe implements [prometheus.Collector].
func (c *clusterCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs() {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *clusterCollector) Collect(ch chan<- prometheus.Metric) {
	s, info := c.src()
	now := c.now()
	all := newRoster(s, info.Routes, now)
	e := &emitter{ch: ch, seen: map[seriesKey]bool{}}
	for _, n := range countStates(all, s.Others) {
		e.gauge(c.nodes, float64(n.N), n.Name)
	}
	for _, s := range states() {
		e.gauge(c.nodes, 0, string(s)) // unless it was given: an alert can only compare what is there
	}
	omitted := c.collectNodes(e, all.nodes(), info.Keys, now) + c.collectMembers(e, all.members(), now)
	if s.Others != nil {
		omitted += s.Others.Nodes
	}
	e.gauge(c.omitted, float64(omitted))
	c.said.collectFarms(e, s, now)
	c.mirrors.collect(e, info.Mirrors, now)
	c.collectKeys(e, takeKeyCensus(s, info.Keys, now))
	c.collectAgent(e, info)
	c.collectChains(e, info.Routes)
	c.collectK(e, s, info.Routes, now)
	c.collectListeners(e, info.Listeners)
	e.gauge(c.highWater, s.HighWater)
	e.gauge(c.snapshotAge, max(0, now.Sub(s.Taken)).Seconds())
}

// collectNodes returns how many were left out.
func (c *clusterCollector) collectNodes(e *emitter, nodes roster, ours *Keys, now time.Time) int {
	kept := nodes.keep(maxSeries)
	for _, n := range kept {
		m := n.member
		name, id := clean(m.Name), m.Node.ID.String()
		if !m.Self {
			e.gauge(c.age, m.Age(now).Seconds(), name, id)
		}
		e.gauge(c.lateness, m.Node.Stats.SendLate.Seconds(), name, id)
		if !m.Node.Untrusted {
			e.gauge(c.key, float64(newSeal(m.Node, m.Self, ours).Key), name, id)
		}
	}
	return len(nodes) - len(kept)
}

// collectMembers returns how many were left out.
func (c *clusterCollector) collectMembers(e *emitter, members roster, now time.Time) int {
	kept := members.keep(maxSeries)
	for _, m := range kept {
		r := m.row(now)
		c.collectMember(e, &r)
		c.said.collectMember(e, &r)
	}
	c.said.collectStats(e, kept, now)
	return len(members) - len(kept)
}

func (c *clusterCollector) collectMember(e *emitter, r *Row) {
	e.gauge(c.up, truth(r.State == Up), r.Farm, r.Name, r.ID)
	e.gauge(c.candidate, truth(r.Candidate), r.Farm, r.Name, r.ID)
	e.gauge(c.outstanding, float64(r.Outstanding), r.Farm, r.Name, r.ID)
	e.gauge(c.latency, r.Latency, r.Farm, r.Name, r.ID)
	if r.Service != nil {
		e.gauge(c.inFlight, float64(r.Service.InFlight), r.Farm, r.Name, r.ID)
	}
	e.counter(c.handed, r.Chosen, r.Farm, r.Name, r.ID)
	e.counter(c.failed, r.Failed, r.Farm, r.Name, r.ID)
	e.counter(c.refused, r.Refused, r.Farm, r.Name, r.ID)
}

func (c *clusterCollector) collectKeys(e *emitter, census *keyCensus) {
	e.gauge(c.unsealed, float64(census.unsealed()))
	e.gauge(c.otherKey, float64(census.other()))
	e.gauge(c.lackingKey, float64(census.lacking))
}

func (c *clusterCollector) collectAgent(e *emitter, info Info) {
	for _, f := range newFindings(info.Findings) {
		e.gauge(c.finding, 1, f.Kind)
	}
	for _, kind := range info.FindingKinds {
		e.gauge(c.finding, 0, clean(kind)) // unless it was given
	}
	e.counter(c.sent, info.Beats.Sent)
	e.counter(c.received, info.Beats.Received)
	for _, r := range info.Beats.Rejected {
		e.counter(c.rejected, r.N, clean(r.Name))
	}
	e.gauge(c.ready, truth(ownState(info.State) == Up))
	e.gauge(c.warnings, float64(len(info.Warnings)))
	e.gauge(c.unauthenticated, truth(info.Unauthenticated))
	e.counter(c.lost, info.LogLost)
	e.gauge(c.build, 1, clean(info.Version), clean(info.Build), runtime.Version())
}

func (c *clusterCollector) collectChains(e *emitter, routes []Route) {
	for _, r := range routes {
		for i, step := range r.Chain[:min(len(r.Chain), len(r.Dropped))] {
			// With its number, since a chain may have the same step twice.
			e.counter(c.dropped, r.Dropped[i], routeLabel(r.Name), strconv.Itoa(i+1)+" "+clean(step))
		}
	}
}

func (c *clusterCollector) collectK(e *emitter, s *node.Snapshot, routes []Route, now time.Time) {
	for _, r := range routes {
		rv := newRoute(r, s.Farm(r.Farm), now)
		if rv.K != nil {
			e.gauge(c.k, *rv.K, routeLabel(r.Name))
		}
		e.gauge(c.herds, truth(rv.Herds), routeLabel(r.Name))
	}
}

func (c *clusterCollector) collectListeners(e *emitter, listeners []Listener) {
	for _, l := range listeners {
		name := clean(l.Name)
		e.gauge(c.open, float64(l.Open), name)
		e.counter(c.accepted, l.Accepted, name)
		for _, r := range l.Refused {
			e.counter(c.closed, r.N, name, clean(r.Name))
		}
		e.counter(c.handshakes, l.Handshake, name)
	}
}

// emitter sends figures, each name and labels only once: a second one, made by a node that poses as another, would
// make Prometheus refuse the whole scrape.
type emitter struct {
	ch   chan<- prometheus.Metric
	seen map[seriesKey]bool
}

type seriesKey struct {
	desc   *prometheus.Desc
	labels [4]string // no desc has more
}

func (e *emitter) gauge(d *prometheus.Desc, v float64, labels ...string) {
	e.emit(d, prometheus.GaugeValue, v, labels)
}

func (e *emitter) counter(d *prometheus.Desc, v uint64, labels ...string) {
	e.emit(d, prometheus.CounterValue, float64(v), labels)
}

func (e *emitter) emit(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	key := seriesKey{desc: d}
	copy(key.labels[:], labels)
	if e.seen[key] {
		return
	}
	e.seen[key] = true
	m, err := prometheus.NewConstMetric(d, kind, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	e.ch <- m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
