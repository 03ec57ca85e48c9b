package status

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Names come from the file and, those of members, from the network. Beyond so many different ones, all others share the
// name "other": each costs memory here and in Prometheus for as long as they run.
const (
	maxMemberNames = 1024
	maxRouteNames  = 1024
	maxReasons     = 64 // of answers, and of what is done about an empty chain
	otherName      = "other"
	noneName       = "none" // for a request that took no route or has no farm
)

// series are what requests are counted by. The children that a route needs are kept in maps that are replaced whole when
// one is added, so that a request whose route and member are known only reads.
type series struct {
	requests  *prometheus.CounterVec
	decisions *prometheus.CounterVec
	empty     *prometheus.CounterVec
	answered  *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	unproved  *prometheus.CounterVec
	cookies   *prometheus.CounterVec
	took      *prometheus.HistogramVec
	wait      *prometheus.HistogramVec

	routes  atomic.Pointer[map[routeKey]*routeSeries]
	reasons counters
	results counters // of cookies

	mu      sync.Mutex // held while a route, a member or a reason is added
	members map[string]bool
}

type routeKey struct{ route, farm string }

// routeSeries are the children of one route and farm.
type routeSeries struct {
	name     string // as the label has it
	total    atomic.Uint64
	empty    atomic.Uint64
	byCode   [6]prometheus.Counter // by the first digit of the status; 0 for none
	attempts prometheus.Counter
	refusals prometheus.Counter
	unproved prometheus.Counter
	took     prometheus.Observer
	wait     prometheus.Observer
	actions  counters
	members  counters
}

// counters are children by the value of one label. The map is replaced whole when one is added.
type counters struct {
	known atomic.Pointer[map[string]prometheus.Counter]
}

// get returns nil for one that is not known.
func (c *counters) get(value string) prometheus.Counter {
	if known := c.known.Load(); known != nil {
		return (*known)[value]
	}
	return nil
}

// add makes one known. Called with series.mu held.
func (c *counters) add(value string, n prometheus.Counter) {
	var old map[string]prometheus.Counter
	if known := c.known.Load(); known != nil {
		old = *known
	}
	c.known.Store(with(old, value, n))
}

// len returns how many there are.
func (c *counters) len() int {
	if known := c.known.Load(); known != nil {
		return len(*known)
	}
	return 0
}

// durations bounds the buckets from a file out of memory to a page that took a minute.
func durations() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

func newSeries() *series {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		opts := prometheus.HistogramOpts{Name: name, Help: help, Buckets: durations()}
		return prometheus.NewHistogramVec(opts, []string{"route"})
	}
	s := &series{
		requests: counter("backhand_requests_total",
			"Requests that have ended, by route, farm and class of the status; "+
				"class none means that the client left before there was one.",
			"route", "farm", "code"),
		decisions: counter("backhand_decision_total",
			"Requests by route and by the name of the member that was chosen last.", "route", "member"),
		empty: counter("backhand_chain_empty_total",
			"Requests for which the chain of the route left nobody, by what was done then (forward, self, any, 503 or none).", "route", "action"),
		answered: counter("backhand_answered_total",
			"Requests that no member answered, or that ended badly, by reason: the client's mistakes, refused hops, members "+
				"that could not be reached; status is the status page.", "reason"),
		attempts: counter("backhand_attempts_total",
			"Members that requests were handed to, further attempts after a failure included.", "route"),
		refusals: counter("backhand_refusals_total",
			"Times that a member sent a request back before it had asked its origin.", "route"),
		unproved: counter("backhand_unproved_total",
			"Responses of agents whose load or refusal was not believed, since no key of ours proves that it is theirs.", "route"),
		cookies: counter("backhand_cookies_total",
			"Cookies by which applications say where a request goes, by what became of them: stick, stay or farm if they were "+
				"followed, moved if the member that they name took nothing, or why they did not count.", "result"),
		took: histogram("backhand_request_duration_seconds",
			"Time from the head of a request to the last byte of its response, in seconds."),
		wait: histogram("backhand_request_wait_seconds",
			"Time from the head of a request to the head of its response, in seconds; not of those that got none."),
		members: map[string]bool{},
	}
	s.routes.Store(&map[routeKey]*routeSeries{})
	return s
}

// parts are the collectors that series consists of.
func (s *series) parts() []prometheus.Collector {
	return []prometheus.Collector{s.requests, s.decisions, s.empty, s.answered, s.attempts, s.refusals, s.unproved, s.cookies, s.took, s.wait}
}

// Describe implements [prometheus.Collector].
func (s *series) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range s.parts() {
		c.Describe(ch)
	}
}

// Collect implements [prometheus.Collector].
func (s *series) Collect(ch chan<- prometheus.Metric) {
	for _, c := range s.parts() {
		c.Collect(ch)
	}
}

func (s *series) observe(o Observation) {
	r := s.route(o.Route, o.Farm)
	r.total.Add(1)
	r.byCode[class(o.Status)].Inc()
	if o.Attempts > 0 {
		r.attempts.Add(float64(o.Attempts))
	}
	if o.Refusals > 0 {
		r.refusals.Add(float64(o.Refusals))
	}
	if o.Unproved > 0 {
		r.unproved.Add(float64(o.Unproved))
	}
	if o.Empty != "" {
		r.empty.Add(1)
		s.action(r, o.Empty).Inc()
	}
	if o.Reason != "" {
		s.reason(o.Reason).Inc()
	}
	for _, word := range o.Cookies {
		s.result(word).Inc()
	}
	r.took.Observe(max(0, o.Took).Seconds())
	if o.Wait > 0 {
		r.wait.Observe(o.Wait.Seconds())
	}
	if o.Member != "" {
		s.member(r, o.Member).Inc()
	}
}

// route returns the children of a route and farm, and makes them the first time.
func (s *series) route(route, farm string) *routeSeries {
	key := routeKey{route, farm}
	if r := (*s.routes.Load())[key]; r != nil {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.routes.Load()
	if r := old[key]; r != nil {
		return r
	}
	if len(old) >= maxRouteNames {
		key = routeKey{otherName, otherName}
		if r := old[key]; r != nil {
			return r
		}
	}
	key = routeKey{strings.Clone(key.route), strings.Clone(key.farm)}
	r := s.newRoute(key)
	s.routes.Store(with(old, key, r))
	return r
}

func (s *series) newRoute(key routeKey) *routeSeries {
	route, farm := routeLabel(key.route), routeLabel(key.farm)
	r := &routeSeries{
		name: route, attempts: s.attempts.WithLabelValues(route), refusals: s.refusals.WithLabelValues(route),
		unproved: s.unproved.WithLabelValues(route), took: s.took.WithLabelValues(route), wait: s.wait.WithLabelValues(route),
	}
	for i, code := range []string{noneName, "1xx", "2xx", "3xx", "4xx", "5xx"} {
		r.byCode[i] = s.requests.WithLabelValues(route, farm, code)
	}
	return r
}

// member returns the counter of a route's decisions for a member.
func (s *series) member(r *routeSeries, name string) prometheus.Counter {
	if c := r.members.get(name); c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := r.members.get(name); c != nil {
		return c
	}
	if !s.members[name] && len(s.members) >= maxMemberNames {
		return s.decisions.WithLabelValues(r.name, otherName)
	}
	name = strings.Clone(name)
	s.members[name] = true
	c := s.decisions.WithLabelValues(r.name, clean(name))
	r.members.add(name, c)
	return c
}

// reason returns the counter of a reason.
func (s *series) reason(word string) prometheus.Counter {
	return s.bounded(&s.reasons, word, func(label string) prometheus.Counter { return s.answered.WithLabelValues(label) })
}

// result returns the counter of what became of a cookie.
func (s *series) result(word string) prometheus.Counter {
	return s.bounded(&s.results, word, func(label string) prometheus.Counter { return s.cookies.WithLabelValues(label) })
}

// action returns the counter of what a route did about an empty chain.
func (s *series) action(r *routeSeries, word string) prometheus.Counter {
	return s.bounded(&r.actions, word, func(label string) prometheus.Counter { return s.empty.WithLabelValues(r.name, label) })
}

// bounded returns the counter of a word, and adds it to c the first time, unless there are too many already.
func (s *series) bounded(c *counters, word string, child func(label string) prometheus.Counter) prometheus.Counter {
	if n := c.get(word); n != nil {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := c.get(word); n != nil {
		return n
	}
	if c.len() >= maxReasons {
		return child(otherName)
	}
	word = strings.Clone(word)
	n := child(clean(word))
	c.add(word, n)
	return n
}

func (s *series) totals(want func(route string) bool) Totals {
	var t Totals
	for _, r := range *s.routes.Load() {
		if want(r.name) {
			t.Requests += r.total.Load()
			t.Empty += r.empty.Load()
		}
	}
	return t
}

// with returns a copy of the map with one entry more: readers of the old one need no lock.
func with[K comparable, V any](old map[K]V, key K, v V) *map[K]V {
	m := make(map[K]V, len(old)+1)
	maps.Copy(m, old)
	m[key] = v
	return &m
}

func routeLabel(name string) string {
	if name == "" {
		return noneName
	}
	return clean(name)
}

// class returns the first digit of a status, or 0 for what is none.
func class(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}
