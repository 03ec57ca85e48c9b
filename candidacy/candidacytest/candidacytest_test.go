package candidacytest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/candidacy"
	"backhand/gossip/node"
)

func TestClusterReadsWhatItIsTold(t *testing.T) {
	f := Cluster(`
		# the farm of the seed
		www2 age=7s sample=200ms load=3 idle=93% busy=4 workers=9 zone=a tls=true
		self www1 addr=10.58.4.1:8080 load=0.2

		www3 state=draining
		www4 down=refused
		www5 unreachable=true outstanding=2
		physical app1 url=http://app1:8080 outstanding=1
		other farm=reports,x`)
	if got, want := Names(f.Members), "www1 www2 www3 www4 www5 app1"; got != want {
		t.Fatalf("members: %s, want %s", got, want)
	}
	if got, want := Names(f.Candidates), "www1 www2 www5 app1"; got != want {
		t.Errorf("candidates: %s, want %s", got, want)
	}
	if f.Self == nil || f.Self.Name != "www1" || f.Self.HostPort() != "10.58.4.1:8080" {
		t.Errorf("self is %+v", f.Self)
	}
	www2 := Member(f, "www2")
	if got, want := www2.Age(Now()), 7200*time.Millisecond; got != want {
		t.Errorf("age %v, want %v", got, want)
	}
	if st := www2.Stats(); st.Load1 != 3 || st.CPUIdle != 0.93 || www2.Service.Busy != 4 || !www2.Node.TLS {
		t.Errorf("www2 is %+v", www2.Node)
	}
	if addr, _ := www2.Addr(); addr.String() != "10.0.0.1" {
		t.Errorf("address %v, want that of the first line", addr)
	}
	www5, app1 := Member(f, "www5"), Member(f, "app1")
	if www5.Live.Outstanding() != 2 || !www5.Live.Unreachable(Now()) || www2.Live.Unreachable(Now()) {
		t.Error("www5 alone has two requests under way and is unreachable")
	}
	if app1.HostPort() != "app1:8080" || app1.Live.Outstanding() != 1 {
		t.Errorf("app1 is %+v", app1)
	}
}

func TestClusterReadsWhatIsKnownOfLiveMembers(t *testing.T) {
	f := Cluster(`
		self www1 zone=a label=gpu label=rack=7 mem=45% served=9 serve=20ms load=3 speed=50
		www2 slots=4 mu=10 heard=7@2 outstanding=3 predicted=2 errors=1 latency=20ms arrivals=30 average=2.5 dispatched=5 speed=100
		www3 heard=7.5/2/20 since=10s
		physical app1 capacity=8 since=0s heard=1 predicted=1`)
	www1, www2, www3, app1 := Member(f, "www1"), Member(f, "www2"), Member(f, "www3"), Member(f, "app1")
	if gpu, ok := www1.Label("gpu"); !ok || gpu != "" {
		t.Errorf("labels %v", www1.Node.Labels)
	}
	if rack, _ := www1.Label("rack"); rack != "7" || f.Zone != "a" {
		t.Errorf("labels %v, zone %q", www1.Node.Labels, f.Zone)
	}
	if used := www1.Stats().MemUsed(); used != 0.45 || www1.Service.Served != 9 || www1.Service.ServeTime != 20*time.Millisecond {
		t.Errorf("memory %v, service %+v", used, www1.Service)
	}
	if f.Fastest != 100 || f.HighWater != 8 || f.Fronts != 2 {
		t.Errorf("fastest %v, mark %v, %d fronts", f.Fastest, f.HighWater, f.Fronts)
	}
	heard := func(m *node.Member) string { // mu is kept roughly
		h := m.Live.LastHeard()
		return fmt.Sprintf("%v/%v/%.3f@%v", h.InFlight, h.Slots, h.Mu, h.Own)
	}
	if got := heard(www2); got != "7/4/10.000@2" || www2.Live.Outstanding() != 3 || www2.Live.LastHeard().At != Now().UnixNano() {
		t.Errorf("heard %s, %d under way", got, www2.Live.Outstanding())
	}
	if l := www2.Live; l.Predicted(1) != 2 || l.Pending(Now(), time.Second) != 1 || l.Latency() != 20*time.Millisecond {
		t.Errorf("%d predicted, %d failed, latency %v", l.Predicted(1), l.Pending(Now(), time.Second), l.Latency())
	}
	if s := www2.Service; s.Arrivals != 30 || s.Average != 2.5 {
		t.Errorf("service %+v", s)
	}
	if got := heard(www3); got != "7.5/2/20.000@0" || www3.Live.Outstanding() != 0 {
		t.Errorf("heard %s", got)
	}
	if got := heard(app1); app1.Slots() != 8 || got != "1/8/0.000@0" {
		t.Errorf("%v slots, heard %s", app1.Slots(), got)
	}
	for m, want := range map[*node.Member]time.Duration{www1: time.Hour, www2: time.Hour, www3: 10 * time.Second, app1: 0} {
		if got := Now().Sub(m.Live.Since()); got != want {
			t.Errorf("%s is there for %v, want %v", m.Name, got, want)
		}
	}
}

func TestClusterReadsWhatIsSaidOfPhysicalsAndFarms(t *testing.T) {
	s := Snapshot(`
		farm web forward_off=http://sorry/a?b
		www1 stat.queue=2
		physical app1 farm=web,reports labels=gpu,rack=7 label=new weight=1.5 capacity=4 stat.b=1 stat.a=1e3
		physical app2 off=disks out standing=3m updated=9s forward_off=spare forward_down=https://sorry/
		physical app3 down
		farm reports down=flood standing=1m
		www2
		physical app4 drain=update`)
	web, reports := s.Farm("web"), s.Farm("reports")
	if got, want := Names(web.Members), "www1 www2 app1 app2 app3 app4"; got != want {
		t.Fatalf("members: %s, want %s", got, want)
	}
	if got, want := Names(web.Candidates), "www1 www2 app1"; got != want {
		t.Errorf("candidates: %s, want %s", got, want)
	}
	if got := Names(reports.Candidates); got != "" {
		t.Errorf("%s may be chosen in a farm that is down", got)
	}
	ago := func(d time.Duration) time.Time { return Now().Add(-d) }
	to := func(s string) node.Forward {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return node.Forward{URL: u}
	}
	if d := cmp.Diff(node.FarmInfo{Name: "web", Forwards: node.Forwards{Off: to("http://sorry/a?b")}}, web.FarmInfo); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(node.FarmInfo{Name: "reports", Standing: node.Standing{Down: true, Why: "flood", Since: ago(time.Minute)}}, reports.FarmInfo); d != "" {
		t.Error(d)
	}
	at := func(name string) *url.URL { return Member(web, name).URL }
	for _, want := range []node.Physical{
		{
			Name: "app1", Capacity: 4, Weight: 1.5, Labels: []node.Label{{Key: "gpu"}, {Key: "rack", Value: "7"}, {Key: "new"}},
			Stats: []node.Stat{{Name: "a", Value: 1000, At: Now()}, {Name: "b", Value: 1, At: Now()}}, Updated: Now(),
		},
		{
			Name: "app2", Standing: node.Standing{Off: true, Out: true, Why: "disks", Since: ago(3 * time.Minute)},
			Forwards: node.Forwards{Off: node.Forward{Farm: "spare"}, Down: to("https://sorry/")}, Updated: ago(9 * time.Second),
		},
		{Name: "app3", Standing: node.Standing{Down: true}},
		{Name: "app4", Standing: node.Standing{Drain: true, Why: "update"}},
	} {
		want.Farm, want.URL = "web", at(want.Name)
		if d := cmp.Diff(want, *Member(web, want.Name).Physical); d != "" {
			t.Error(d)
		}
	}
	www1, www2 := Member(web, "www1"), Member(web, "www2")
	if v, ok := www1.Pushed("queue"); !ok || v != 2 || len(www2.Service.Pushed) > 0 {
		t.Errorf("www1: %v, %v; www2: %v", v, ok, www2.Service.Pushed)
	}
	if got := www2.HostPort() + " " + at("app1").Host; got != "10.0.0.5:80 10.0.0.2" {
		t.Errorf("addresses %s: a farm's line is no member's", got)
	}
}

func TestClusterOfNobodyIsEmpty(t *testing.T) {
	if f := Cluster(""); f == nil || len(f.Members) > 0 || f.Self != nil {
		t.Errorf("got %+v", f)
	}
}

func TestClusterRefusesWhatItCannotRead(t *testing.T) {
	for _, text := range []string{
		"self", "load=3", "www1 lode=3", "www1 load=x", "www1 age=7", "www1 state=dead", "www1 addr=1.2.3.4", "www1 busy=1.5",
		"www1 heard=x", "www1 heard=1/2/3/4", "www1 heard=1@x", "www1 since=x", "www1 mem=x", "www1 served=-1",
		"www1 off", "www1 out", "www1 weight=2", "www1 stat.=1", "www1 stat.1=1", "www1 stat.a=x", "www1 stat.a=NaN", "www1 stat.a=-1",
		"www1 stat.a=1 stat.a=2", "physical app1 weight=x", "physical app1 standing=x", "physical app1 updated=3",
		"physical app1 forward_off=http://%zz/", "farm", "farm web offf",
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.HasPrefix(got, "candidacytest: line 1, ") {
					t.Errorf("%q: panic %q, want one that names the line", text, got)
				}
			}()
			Cluster(text)
		}()
	}
}

func TestFieldsReadAllCookiesAndArguments(t *testing.T) {
	f := Fields{Cookie: []string{"a=1; b=2", "a=3"}, Args: "a=4&a=5", Fields: http.Header{"X-A": {"6", "7"}}}
	if got := f.AppendCookies(nil, "a"); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("cookies %q", got)
	}
	if got := f.AppendHeader(nil, "x-a"); !slices.Equal(got, []string{"6", "7"}) {
		t.Errorf("fields %q", got)
	}
	if got := f.AppendHeader(nil, "cookie"); !slices.Equal(got, f.Cookie) {
		t.Errorf("Cookie fields %q", got)
	}
	if got := f.AppendQuery(nil, "a"); !slices.Equal(got, []string{"4", "5"}) {
		t.Errorf("arguments %q", got)
	}
}

// A check that finds nothing is worth nothing: each of these steps breaks a promise in some cluster.
func TestCheckSeesBrokenPromises(t *testing.T) {
	runs := 0
	for _, row := range []struct {
		name, want string
		run        candidacy.Func
	}{
		{"a member that was no candidate", "was no candidate", func(req *candidacy.Request, in []*node.Member) []*node.Member {
			if req.Farm == nil {
				return in
			}
			return req.Farm.Members
		}},
		{"a member twice", "is twice in the result", func(_ *candidacy.Request, in []*node.Member) []*node.Member {
			return append(in, in...)
		}},
		{"a member that is nil", "a nil in the result", func(_ *candidacy.Request, in []*node.Member) []*node.Member {
			return append(in, nil)
		}},
		{"a figure that was changed", "changed what it was shown", func(_ *candidacy.Request, in []*node.Member) []*node.Member {
			for _, m := range in {
				m.Live.Start()
			}
			return in
		}},
		{"a service that was changed", "changed what it was shown", func(_ *candidacy.Request, in []*node.Member) []*node.Member {
			for _, m := range in {
				if m.Service != nil {
					m.Service.Busy++
				}
			}
			return in
		}},
		{"a statistic that was changed", "changed what it was shown", func(_ *candidacy.Request, in []*node.Member) []*node.Member {
			for _, m := range in {
				if m.Physical != nil && len(m.Physical.Stats) > 0 {
					m.Physical.Stats[0].Value++
				}
			}
			return in
		}},
		{"a physical that was put back in service", "changed what it was shown", func(req *candidacy.Request, in []*node.Member) []*node.Member {
			if req.Farm == nil {
				return in
			}
			for _, m := range req.Farm.Members {
				if m.Physical != nil {
					m.Physical.Standing = node.Standing{}
				}
			}
			return in
		}},
		{"the farm's own list that was sorted", "changed what it was shown", func(req *candidacy.Request, in []*node.Member) []*node.Member {
			if req.Farm != nil {
				slices.Reverse(req.Farm.Candidates)
			}
			return in
		}},
		{"chance from elsewhere", "same seed, other answer", func(_ *candidacy.Request, in []*node.Member) []*node.Member {
			runs++
			return in[:min(len(in), runs%2)]
		}},
		{"a request that was changed", "changed the request", func(req *candidacy.Request, in []*node.Member) []*node.Member {
			req.Host = "elsewhere"
			return in
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			gen, seen := rapid.Custom(drawCase), ""
			for seed := range 100 {
				if err := gen.Example(seed).check(candidacy.Step{Run: row.run}, promises{}); err != nil {
					seen = err.Error()
					break
				}
			}
			if !strings.Contains(seen, row.want) {
				t.Errorf("the check says %q, want %q", seen, row.want)
			}
		})
	}
}

func TestCheckLetsAStepAddWhatItMay(t *testing.T) {
	c := trial{cluster: "self www1\nwww2\nwww3 state=draining", order: []int{1}}
	add := func(m func(*node.Farm) *node.Member) candidacy.Step {
		return candidacy.Step{Run: func(req *candidacy.Request, in []*node.Member) []*node.Member {
			return append(in, m(req.Farm))
		}}
	}
	self := add(func(f *node.Farm) *node.Member { return f.Self })
	draining := add(func(f *node.Farm) *node.Member { return f.Draining[0] })
	inFarm := trial{cluster: "self www1\nwww2\nfarm web off"}
	if err := inFarm.check(self, promises{mayAddSelf: true}); err == nil {
		t.Error("self may be added to a farm that is off")
	}
	for _, row := range []struct {
		name     string
		step     candidacy.Step
		promises promises
		fine     bool
	}{
		{"self, which it may", self, promises{mayAddSelf: true}, true},
		{"self, which it may not", self, promises{mayAddDraining: true}, false},
		{"a draining member, which it may", draining, promises{mayAddDraining: true}, true},
		{"a draining member, which it may not", draining, promises{mayAddSelf: true}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := c.check(row.step, row.promises); (err == nil) != row.fine {
				t.Errorf("the check says %v", err)
			}
		})
	}
}
