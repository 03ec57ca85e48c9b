package status

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Observation is what became of one request, for the counters.
type Observation struct {
	Route    string        // its [Route.Name]; "" if there was none for it
	Farm     string        // "" if there was none
	Member   string        // name of the member that was chosen last; "" if none was
	Empty    string        // what was done since the chain left nobody: forward, self, any or 503; "" if it left somebody
	Reason   string        // why this agent answered itself, or why it went badly, in a word; "" if a member answered
	Status   int           // of the response; 0 if the client was gone before there was one
	Attempts int           // at members
	Refusals int           // by members, before they had asked their origin
	Unproved int           // responses of agents whose load or refusal was not believed, since it was not proved
	Cookies  []string      // what became of each cookie that says where the request goes, in a word; nil: there was none
	Wait     time.Duration // from the request's head to that of the response; 0 if none came
	Took     time.Duration // from the request's head to the last byte of the response
}

// Totals are what has been observed since the start.
type Totals struct {
	Requests uint64
	Empty    uint64 // of them, those for which the chain left nobody
}

// Metrics are the figures for Prometheus. They live in a registry of their own, so that several agents can run in one
// process.
//
// The names are those that peers.md, section 1, suggests; the labels follow the glossary of package node instead:
//
//	path        route, since a host and files are part of it too
//	peer        member where one is chosen, since physicals and we ourselves are no peers; node where beats are told of
//	reason=mac  reason=unsealed, seal or forged, by what is wrong with it
//
// A node's name is not trusted, so what is told of one node, or of it as a member, has its id as well; only the long-lived
// backhand_decision_total has not.
type Metrics struct {
	registry *prometheus.Registry
	series   *series
}

// NewMetrics returns figures of which those about the cluster are taken from src at each scrape. It starts nothing.
func NewMetrics(src Source) *Metrics { return newMetrics(src, time.Now) }

func newMetrics(src Source, now func() time.Time) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), series: newSeries()}
	m.registry.MustRegister(
		m.series,
		newClusterCollector(src, now),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	// A scrape beside which two others are under way is one too many; it is told to come back.
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 3})
}

// Observe counts a request that has ended. It may be called by any number of goroutines at once, and in the long run
// neither takes a lock nor allocates. It keeps none of the texts: what is new to it, it copies.
func (m *Metrics) Observe(o Observation) { m.series.observe(o) }

// Route returns the totals of one route, for [Route].
func (m *Metrics) Route(name string) Totals {
	return m.series.totals(func(n string) bool { return n == routeLabel(name) })
}

// Total returns the totals of all requests, for [Info].
func (m *Metrics) Total() Totals { return m.series.totals(func(string) bool { return true }) }
