package athena

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestBalance(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		status      int
		body        string
	}{
		{"a farm", "farm_one", 200, "app01\n"},
		{"farms, in the order asked", "farm_two,farm_one", 200, "app01\napp01\n"},
		{"a farm twice is asked for twice", "farm_two,farm_two", 200, "app01\nwww1\n"},
		{"several members stand on one line", "farm_two,n=2", 200, "app01 www1\n"},
		{"there are fewer than were asked for", "farm_two,n=3", 200, "app01 www1\n"},
		{"URLs", "farm_two,n=2,f=url", 200, "http://app01.example:8080 http://www1.example:8080\n"},
		{"each request has its own options", "farm_two,n=2;farm_one,format=url", 200, "app01 www1\nhttp://app01.example:8080\n"},
		{"long names", "farm=farm_two,members=2,format=name", 200, "app01 www1\n"},
		{"letters", "h=farm_one,g=farm_two", 200, "app01\napp01\n"},
		{"why so", "farm_one,explain", 200, "app01\n# byAge 6  app01 app02\n# a\ufffd[31mred\ufffdline\n"},
		{"not why so", "farm_one,explain=false", 200, "app01\n"},
		{
			"nobody is eligible", "empty", 503,
			"error: nobody of farm \"empty\" is eligible: nobody is in it\nhttp://sorry.example/later?x=1\n",
		},
		{
			"nobody is eligible in one of two", "empty,farm_one", 503,
			"error: nobody of farm \"empty\" is eligible: nobody is in it\nhttp://sorry.example/later?x=1\napp01\n",
		},
		{"a name that begins with E", "EEast", 200, "db01\n"},
		{"a name that begins with E, with its key", "farm=East", 200, "db01\n"},
		{"JSON", "farm_one,f=json", 200, `[{"farm":"farm_one","members":[{"name":"app01","url":"http://app01.example:8080"}]}]` + "\n"},
		{
			"nobody in JSON", "empty,f=json", 503,
			`[{"farm":"empty","members":[],"forward":"http://sorry.example/later?x=1","why":"nobody is in it"}]` + "\n",
		},
		{
			"one request asks for JSON, and all are", "farm_one;farm_two,f=json", 200,
			`[{"farm":"farm_one","members":[{"name":"app01","url":"http://app01.example:8080"}]},` +
				`{"farm":"farm_two","members":[{"name":"app01","url":"http://app01.example:8080"}]}]` + "\n",
		},
		{"work is done", "farm_one,done=app01", 200, ""},
		{"work of several is done", "farm_one,done=app01,done=app02", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := newHandler()
			says(t, get(h, "/athena/balance?"+tt.query), tt.status, tt.body)
		})
	}
}

func TestBalanceRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		status      int
		has         string
	}{
		{"no farm", "", 400, "at byte 1: want the name of a farm, as in balance?farm_one"},
		{"no farm beside options", "n=2", 400, "at byte 1: want the name of a farm"},
		{"no farm in the second request", "farm_one;n=2", 400, "at byte 10: want the name of a farm"},
		{"a farm that is not there", "nobody", 404, `there is no farm "nobody"; known: farm_one, farm_two, East, empty`},
		{"a name that begins with E", "East", 404, "for East write ?EEast"},
		{"a query that is escaped and does not say so", "f%22arm", 404, "begins with E"},
		{"none", "farm_one,n=0", 400, `at byte 12: want a number of members from 1 to 64, not "0"`},
		{"too many", "farm_one,n=65", 400, "from 1 to 64"},
		{"no number", "farm_one,n=many", 400, "at byte 12"},
		{"no format", "farm_one,f=xml", 400, `at byte 12: want name, url or json as the format, not "xml"`},
		{"twice", "farm_one,n=2,members=3", 400, `at byte 14: "members" is given twice`},
		{"explained twice", "farm_one,explain,explain", 400, `at byte 18: "explain" is given twice`},
		{"no address", "farm_one,client=me", 400, `at byte 17: want an IP address as the client, not "me"`},
		{"an unknown argument", "farm_one,weight=3", 400, `at byte 10: "weight" is no argument of balance`},
		{"reports on two farms", "farm_one,farm_two,done=app01", 400, "want one farm"},
		{"reports on an unknown member", "farm_one,done=app09", 404, `there is no physical "app09"`},
		{"too many farms", strings.Repeat("farm_one,", 64) + "farm_one", 400, "at most 64 farms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newHandler()
			refuses(t, get(h, "/athena/balance?"+tt.query), tt.status, tt.has)
			if n := f.assigned(); n != 0 {
				t.Errorf("%d assignments were counted", n)
			}
		})
	}
}

func TestWhatIsUnknownTakesTheOthersBack(t *testing.T) {
	h, f := newHandler()
	refuses(t, get(h, "/athena/balance?farm_two,n=2;nobody"), 404, "nobody")
	if len(f.asked) != 2 || f.assigned() != 0 {
		t.Errorf("after %d questions %d assignments stand", len(f.asked), f.assigned())
	}
	refuses(t, get(h, "/athena/balance?farm_two,explain;nobody"), 404, "nobody")
	if f.assigned() != 0 {
		t.Errorf("what was explained, and so not counted, was taken back: %d assignments", f.assigned())
	}
}

func TestWithAMistakeAnywhereNothingHasEnded(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		status      int
		left        int
	}{
		{"a report", "farm_two,done=app01", 200, 2},
		{"members before their farm", "done=app01,done=www1,farm=farm_two", 200, 1},
		{"an unknown member behind it", "farm_two,done=app01,done=app09", 404, 3},
		{"an unknown member in the next request", "farm_two,done=app01;farm_one,done=app09", 404, 3},
		{"an unknown farm in the next request", "farm_two,done=app01;nobody", 404, 3},
		{"an unknown farm of whom it is", "nobody,done=app01", 404, 3},
		{"a mistake in the next request", "farm_two,done=app01;farm_one,n=0", 400, 3},
		{"who was given a member beside a report that is a mistake does not have it", "farm_two;farm_two,done=app09", 404, 3},
		{"who was given a member beside a report has it", "farm_two;farm_two,done=app01", 200, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newHandler()
			get(h, "/athena/balance?farm_two,farm_two,farm_two")
			if w := get(h, "/athena/balance?"+tt.query); w.Code != tt.status || f.assigned() != tt.left {
				t.Errorf("%d %s: %d assignments stand, want %d %d", w.Code, w.Body, f.assigned(), tt.status, tt.left)
			}
		})
	}
}

func TestWhatTheEngineIsAsked(t *testing.T) {
	h, f := newHandler()
	get(h, "/athena/balance?farm_one,n=3,explain;farm_two,client=::ffff:192.0.2.7")
	want := []Question{
		{Farm: "farm_one", Members: 3, Client: addr("127.0.0.1"), Explain: true},
		{Farm: "farm_two", Members: 1, Client: addr("192.0.2.7")},
	}
	if diff := cmp.Diff(want, f.asked, cmpopts.EquateComparable(want[0].Client)); diff != "" {
		t.Errorf("(- want, + got)\n%s", diff)
	}
}

func TestAMistakeOfTheEngineIsLoggedAndNotTold(t *testing.T) {
	h, f := newHandler()
	f.failWith = errBroken
	w := get(h, "/athena/balance?farm_one")
	refuses(t, w, 500, "see the agent's log")
	if strings.Contains(w.Body.String(), "broken") {
		t.Errorf("%s", w.Body)
	}
}

// sink is a client that reads nothing.
type sink struct {
	head   http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header         { return s.head }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { s.bytes += len(b); return len(b), nil }

// quick is an engine that has its answers ready.
type quick struct {
	*fake
	members []Chosen
}

func (q quick) Balance(Question) (Choice, error) { return Choice{Members: q.members}, nil }

func quickQuery(query string) (http.Handler, *sink, *http.Request) {
	h := New(Config{Engine: quick{newFake(), []Chosen{{"app01", "http://app01:8080"}}}})
	r := httptest.NewRequest(http.MethodGet, "/athena/balance?"+query, nil)
	r.RemoteAddr = "127.0.0.1:1234"
	return h, &sink{head: make(http.Header)}, r
}

func TestBalanceTakesNoMemory(t *testing.T) {
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("under the race detector a sync.Pool forgets at random")
	}
	for _, query := range []string{"farm_one", "Efarm_one,n=2,f=url", "farm_one,farm_two;farm_three"} {
		h, w, r := quickQuery(query)
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > 0 {
			t.Errorf("%s allocates %v times", query, n)
		}
		if w.status != 200 || w.bytes == 0 {
			t.Errorf("%s: %d, %d bytes", query, w.status, w.bytes)
		}
	}
}

func BenchmarkBalance(b *testing.B) {
	for _, bb := range []struct{ name, query string }{
		{"plain", "farm_one"},
		{"escaped", "E%66arm_one,n=2,f=url"},
		{"sixteen", strings.Repeat("farm_one;", 15) + "farm_one"},
		{"json", "farm_one,f=json"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			h, w, r := quickQuery(bb.query)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "queries/s")
			if w.status != 200 {
				b.Errorf("status %d", w.status)
			}
		})
	}
}
