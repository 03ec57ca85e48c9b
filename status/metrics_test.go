package status

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"backhand/gossip/node"
)

func seedMetrics() *Metrics { return newMetrics(seedSource, fixed) }

func aRequest() Observation {
	return Observation{
		Route: "/", Farm: "web", Member: "www1", Status: 200, Attempts: 2, Refusals: 1,
		Wait: 3 * time.Millisecond, Took: 40 * time.Millisecond,
	}
}

// scrape returns all figures as Prometheus reads them.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/backhand/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestFiguresFollowTheRulesOfPrometheus(t *testing.T) {
	m := seedMetrics()
	m.Observe(aRequest())
	m.Observe(Observation{Route: "/", Farm: "web", Empty: "503", Status: 503})
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	pedantic := prometheus.NewPedanticRegistry()
	pedantic.MustRegister(m.series, newClusterCollector(seedSource, fixed))
	if _, err := pedantic.Gather(); err != nil {
		t.Error(err)
	}
}

func TestScrapeOfTheSeedCluster(t *testing.T) {
	m := seedMetrics()
	m.Observe(aRequest())
	m.Observe(aRequest())
	m.Observe(Observation{Route: "/", Farm: "web", Member: "www2", Status: 502, Attempts: 3, Took: 2 * time.Second})
	m.Observe(Observation{Route: "/", Farm: "web", Empty: "503", Status: 503})
	m.Observe(Observation{Status: 404, Reason: "route"})
	m.Observe(Observation{Route: "/", Farm: "web", Member: "www1", Attempts: 1, Unproved: 1})
	var ours strings.Builder
	for line := range strings.Lines(scrape(t, m)) {
		if strings.Contains(line, "backhand_") && !strings.HasPrefix(line, "backhand_build_info") { // the Go version changes
			ours.WriteString(line)
		}
	}
	golden(t, "seed.metrics", []byte(ours.String()))
}

func TestAScrapeTellsOfTheProcess(t *testing.T) {
	text := scrape(t, seedMetrics())
	for _, name := range []string{"go_goroutines ", "process_open_fds ", `backhand_build_info{build="1a2b3c4 go1.26",goversion="go`} {
		if !strings.Contains(text, "\n"+name) {
			t.Errorf("no %s", name)
		}
	}
}

func TestFiguresFollowTheSnapshot(t *testing.T) {
	nodes := []*node.Node{aNode(1, "balancer"), aNode(2, "www1", "web")}
	m := newMetrics(func() (*node.Snapshot, Info) { return snapshot(node.NewLiveSet(), nodes), seedInfo() }, fixed)
	if !strings.Contains(scrape(t, m), `backhand_peer_age_seconds{id="`+id(2).String()+`",node="www1"} 0.5`) {
		t.Error("no age of www1")
	}
	nodes = nodes[:1]
	if strings.Contains(scrape(t, m), "www1") {
		t.Error("www1 is gone, and its figures are not")
	}
}

func TestHostileNamesDoNotBreakAScrape(t *testing.T) {
	farm := evil()[:node.MaxFarm]
	twice := []*node.Node{aNode(2, evil(), farm), aNode(3, evil(), farm), aNode(4, "www", "web", "web")}
	info := seedInfo()
	info.Beats.Rejected = []Count{{"x", 1}, {"x", 2}, {"\xff", 3}}
	m := newMetrics(func() (*node.Snapshot, Info) { return snapshot(node.NewLiveSet(), twice), info }, fixed)
	m.Observe(Observation{
		Route: evil(), Farm: "\xff", Member: evil(), Empty: "\xff",
		Status: -7, Attempts: -1, Refusals: -1, Unproved: -1, Wait: -1, Took: -1,
	})
	text := scrape(t, m)
	if !utf8.ValidString(text) || strings.Contains(text, "\x1b") {
		t.Error("names are not cleaned")
	}
	if n := strings.Count(text, "\nbackhand_member_up{"); n != 3 {
		t.Errorf("%d members, want 3", n)
	}
}

func TestTooManyMembersAreCounted(t *testing.T) {
	var all []node.Physical
	for i := range maxSeries + 7 {
		all = append(all, physical("f", fmt.Sprintf("app%d", i), "http://h/"))
	}
	s := snapshot(node.NewLiveSet(), nil, all...)
	text := scrape(t, newMetrics(func() (*node.Snapshot, Info) { return s, Info{} }, fixed))
	if n := strings.Count(text, "\nbackhand_member_up{"); n != maxSeries || !strings.Contains(text, "\nbackhand_series_omitted 7\n") {
		t.Errorf("%d members", n)
	}
}

func TestTooManyNamesShareOne(t *testing.T) {
	m := seedMetrics()
	for i := range maxMemberNames + 5 {
		m.Observe(Observation{Route: "/", Farm: "web", Member: fmt.Sprintf("www%d", i), Status: 200})
	}
	m.Observe(Observation{Route: "/b", Farm: "web", Member: "www0", Status: 200}) // known, on another route
	for i := range maxRouteNames + 5 {
		m.Observe(Observation{Route: fmt.Sprintf("/r%d", i), Status: 200})
	}
	if n := testutil.CollectAndCount(m.series, "backhand_decision_total"); n != maxMemberNames+2 {
		t.Errorf("%d series of decisions, want %d", n, maxMemberNames+2)
	}
	if n := testutil.CollectAndCount(m.series, "backhand_attempts_total"); n != maxRouteNames+1 {
		t.Errorf("%d routes, want %d", n, maxRouteNames+1)
	}
	for name, want := range map[string]float64{"other": 5, "www0": 1, "www1023": 1} {
		if got := testutil.ToFloat64(m.series.decisions.WithLabelValues("/", name)); got != want {
			t.Errorf("%s was chosen %v times, want %v", name, got, want)
		}
	}
	if got := m.Total().Requests; got != maxMemberNames+maxRouteNames+11 {
		t.Errorf("%d requests in total", got)
	}
}

func TestWhatEachStepDropped(t *testing.T) {
	info := Info{LogLost: 7, Routes: []Route{
		{Name: "/", Farm: "web", Chain: []string{"byAge 6", "byRandom", "byAge 6"}, Dropped: []uint64{5, 0, 2}},
		{Name: "/", Farm: "web", Chain: []string{"byAge 6"}, Dropped: []uint64{9}}, // a second one makes no scrape fail
		{Name: "/b\xff", Farm: "web", Chain: []string{"byHostname ^\"\xff"}, Dropped: []uint64{1, 2}},
		{Name: "/c", Farm: "web", Chain: []string{"byRandom"}},
	}}
	var got []string
	for line := range strings.Lines(scrape(t, newMetrics(func() (*node.Snapshot, Info) { return seedCluster(), info }, fixed))) {
		if strings.HasPrefix(line, "backhand_chain_dropped_total{") || strings.HasPrefix(line, "backhand_access_log") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		"backhand_access_log_lost_total 7",
		`backhand_chain_dropped_total{route="/",step="1 byAge 6"} 5`,
		`backhand_chain_dropped_total{route="/",step="2 byRandom"} 0`,
		`backhand_chain_dropped_total{route="/",step="3 byAge 6"} 2`,
		"backhand_chain_dropped_total{route=\"/b\ufffd\",step=\"1 byHostname ^\\\"\ufffd\"} 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestKIsAFigure(t *testing.T) {
	n := aNode(2, "www1", "web")
	n.Services[0].Arrivals = 6.5
	s := snapshot(node.NewLiveSet(), []*node.Node{n}, physical("web", "app01", "http://h/"), physical("reports", "app01", "http://h/"))
	m := newMetrics(func() (*node.Snapshot, Info) {
		return s, Info{Routes: []Route{
			{Name: "/", Farm: "web", Sorts: true}, {Name: "/calm", Farm: "web"}, {Name: "/reports", Farm: "reports", Sorts: true},
		}}
	}, fixed)
	got := scrape(t, m)
	for _, want := range []string{
		`backhand_route_k{route="/"} 6.5`, `backhand_route_k{route="/calm"} 6.5`,
		`backhand_route_herds{route="/"} 1`, `backhand_route_herds{route="/calm"} 0`, `backhand_route_herds{route="/reports"} 0`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(got, `backhand_route_k{route="/reports"}`) {
		t.Error("a farm without nodes has a K")
	}
}

func TestTotalsOfARoute(t *testing.T) {
	m := seedMetrics()
	m.Observe(Observation{Route: "/", Farm: "web", Status: 200})
	m.Observe(Observation{Route: "/", Farm: "new after a reload", Status: 503, Empty: "503"})
	m.Observe(Observation{Status: 404, Reason: "route"})
	got := []Totals{m.Route("/"), m.Route("/nothing"), m.Route(""), m.Total()}
	if d := cmp.Diff([]Totals{{2, 1}, {}, {1, 0}, {3, 1}}, got); d != "" {
		t.Error(d)
	}
}

func TestObserveFromEverywhereAtOnce(t *testing.T) {
	const workers, each = 8, 300
	m := seedMetrics()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				o := aRequest()
				o.Route, o.Member = fmt.Sprintf("/%d", i%7), fmt.Sprintf("www%d", (i*w)%40)
				m.Observe(o)
				if i%100 == 0 {
					w := httptest.NewRecorder()
					m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
					_, _ = io.Copy(io.Discard, w.Body)
				}
			}
		})
	}
	wg.Wait()
	if got := m.Total().Requests; got != workers*each {
		t.Errorf("%d requests, want %d", got, workers*each)
	}
	sum := 0.0
	for r := range 7 {
		for n := range 40 {
			sum += testutil.ToFloat64(m.series.decisions.WithLabelValues(fmt.Sprintf("/%d", r), fmt.Sprintf("www%d", n)))
		}
	}
	if sum != workers*each {
		t.Errorf("%v decisions, want %d", sum, workers*each)
	}
}

func TestTooManyReasonsShareOne(t *testing.T) {
	m := seedMetrics()
	for i := range maxReasons + 5 {
		word := fmt.Sprint("word", i)
		m.Observe(Observation{Route: "/", Farm: "web", Status: 400, Reason: word, Empty: word})
	}
	for name, vec := range map[string]*prometheus.CounterVec{"reason": m.series.answered, "action": m.series.empty} {
		if n := testutil.CollectAndCount(vec); n != maxReasons+1 {
			t.Errorf("%d series by %s, want %d", n, name, maxReasons+1)
		}
	}
	if got := testutil.ToFloat64(m.series.answered.WithLabelValues("other")); got != 5 {
		t.Errorf("%v requests for other reasons, want 5", got)
	}
	if got := testutil.ToFloat64(m.series.empty.WithLabelValues("/", "other")); got != 5 {
		t.Errorf("%v other actions, want 5", got)
	}
}

func TestObserveKeepsNoText(t *testing.T) {
	m := seedMetrics()
	buf := []byte("/route;farm;www1;503;empty")
	text := unsafe.String(&buf[0], len(buf))
	part := func(i int) string { return strings.Split(text, ";")[i] }
	o := Observation{Route: part(0), Farm: part(1), Member: part(2), Empty: part(3), Reason: part(4), Status: 503}
	m.Observe(o)
	before := scrape(t, m)
	for i := range buf {
		buf[i] = 'x' // as the next request on that connection would
	}
	after := scrape(t, m)
	for line := range strings.Lines(before) {
		if strings.HasPrefix(line, "backhand_") && strings.Contains(line, "route") && !strings.Contains(after, line) {
			t.Errorf("no longer there: %s", line)
		}
	}
	m.Observe(Observation{Route: "/route", Farm: "farm", Member: "www1", Empty: "503", Reason: "empty", Status: 503})
	if got := testutil.ToFloat64(m.series.decisions.WithLabelValues("/route", "www1")); got != 2 {
		t.Errorf("www1 was chosen %v times, want 2", got)
	}
	if got := m.Route("/route").Requests; got != 2 {
		t.Errorf("%d requests on the route, want 2", got)
	}
}

func TestObserveAllocatesNothingForWhatIsKnown(t *testing.T) {
	failed := aRequest()
	failed.Status, failed.Empty, failed.Reason = 502, "any", "connect"
	for name, o := range map[string]Observation{
		"a plain request": aRequest(), "one that went badly": failed, "one without a route": {Status: 404, Reason: "route"},
	} {
		m := seedMetrics()
		if n := testing.AllocsPerRun(100, func() { m.Observe(o) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	m, o := seedMetrics(), aRequest()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Observe(o)
		}
	})
}

func BenchmarkView(b *testing.B) {
	for name, s := range map[string]*node.Snapshot{
		"seed": seedCluster(), "crowd": snapshot(node.NewLiveSet(), crowd(16384, "web")),
	} {
		b.Run(name, func(b *testing.B) {
			info := seedInfo()
			b.ReportAllocs()
			for b.Loop() {
				_ = NewView(s, info, now)
			}
		})
	}
}
