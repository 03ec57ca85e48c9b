package athena

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"backhand/gossip/node"
)

const app01 = `name=app01 farm=farm_one url=http://app01.example:8080 kind=physical state=on health=up updates=in fit=yes ` +
	`why=- since=- capacity=4 weight=1 labels=gpu,rack=7 chosen=0 under_way=0 age=1.5 expect=10 cpu=0.25 load1=0.4` + "\n"

const app02 = `name=app02 farm=farm_one url=http://app02.example:8080 kind=physical state=on health=down updates=in fit=no ` +
	`why="disk full" since=- capacity=- weight=1 labels=- chosen=0 under_way=0 age=- expect=10` + "\n"

func TestStatus(t *testing.T) {
	for _, tt := range []struct{ name, target, body string }{
		{"all fields", "phys?h=app01,g=farm_one", app01},
		{"all fields of one that is down", "phys?app02", app02},
		{"the word text is no format", "phys?app02,f=text", app02},
		{"everybody", `phys?f="%h@%g "`, "app01@farm_one \napp02@farm_one \napp01@farm_two \nwww1@farm_two \ndb01@East \n"},
		{"everybody of a farm", "phys?g=farm_two,f=%h", "app01\nwww1\n"},
		{"a pattern", "phys?h=*0*1,f=%h", "app01\napp01\ndb01\n"},
		{"several, in the order asked, each once", "phys?h=www1,h=app*,h=app02,f=%h", "www1\napp01\napp02\napp01\n"},
		{"nodes are told from physicals", `phys?g=farm_two,f="%h:%k"`, "app01:physical\nwww1:node\n"},
		{"several requests", "phys?db01,f=%h;www1,f=%g;db01,f=%h", "db01\nfarm_two\ndb01\n"},
		{
			"no request at all", "farm", "name=farm_one state=on health=up why=- since=- members=0 fit=0 names=- " +
				"chain=\"byAge 6,byLoad\" chosen=0 forward_off=- forward_down=-\nname=farm_two",
		},
		{"a farm that is off", "farm?empty,f=%o:%t:%r:%D", "off:90:closed for the winter:http://sorry.example/later?x=1\n"},
		{"the farm's code is a name's, too", "farm?g=East,f=%g", "East\n"},
		{
			"the engine", "engine?true",
			"name=www1 id=00ff version=1.0 uptime=60 farms=4 physicals=3 nodes=1 queries=0 taken=0 mirrored=0 mirrors=- refused=0\n",
		},
		{"the engine without arguments", `engine?f="%h %v %t"`, "www1 1.0 60\n"},
		{"everything", "debug?true", "engine name=www1 id="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := newHandler()
			w := get(h, "/athena/status/"+tt.target)
			got, whole := w.Body.String(), strings.HasSuffix(tt.body, "\n")
			if w.Code != 200 || !strings.HasPrefix(got, tt.body) || whole && got != tt.body {
				t.Errorf("%d, got\n%swant\n%s", w.Code, w.Body, tt.body)
			}
		})
	}
}

func TestStatusOfOneThatDrains(t *testing.T) {
	h, f := newHandler()
	f.physes[4].Standing, f.physes[4].Fit, f.physes[4].Why = node.Standing{Drain: true, Why: "update"}, false, "drain: update"
	says(t, get(h, `/athena/status/phys?db01,f="%o:%u:%i:%x:%r"`), 200, "drain:up:in:no:update\n")
	f.physes[4].Standing.Off = true // which an engine should not say
	says(t, get(h, `/athena/status/phys?db01,f="%o"`), 200, "off\n")
}

func TestStatusRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		status       int
		has          string
	}{
		{"an unknown physical", "phys?h=app09", 404, `there is no physical "app09"; known: app01, app02, www1, db01`},
		{"an unknown physical of a farm", "phys?h=app09,g=farm_two", 404, `known: app01, www1`},
		{"an unknown farm", "phys?g=nobody", 404, `there is no farm "nobody"; known: farm_one, farm_two, East`},
		{"a pattern that fits nothing", "farm?x*", 404, `there is no farm "x*"`},
		{"an unknown engine", "engine?h=other", 404, `there is no engine "other"; known: www1`},
		{"an unknown code", "farm?%{x}=1", 400, "at byte 1: "},
		{"an unknown code in a format", "farm?h=East,f=\"%h %Z\"", 400, `at byte 15: "Z" is no code of a farm`},
		{"a format that is escaped and does not say so", "farm?f=%22%25h%22", 400, "; a query string that is URL-escaped begins with E"},
		{"two formats", "phys?f=%h,f=%o", 400, "at byte 6: the format is given twice"},
		{"two farms", "phys?g=East,g=farm_one", 400, "at byte 8: the farm is given twice"},
		{"text and JSON at once", "phys?f=json;f=%h", 400, "at byte 8: want no format beside f=json"},
		{"statistics select nothing", "phys?h=app01,load1=3", 400, `at byte 9: "load1" selects nothing`},
		{"an empty name", `phys?h=""`, 400, "at byte 4: want the name of a physical"},
		{"a backslash in a name", `phys?h="a\n"`, 400, `at byte 5: want \\ or \"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, _ := newHandler()
			refuses(t, get(h, "/athena/status/"+tt.target), tt.status, tt.has)
		})
	}
}

func TestStatusAsJSON(t *testing.T) {
	h, _ := newHandler()
	var phys []map[string]any
	w := get(h, "/athena/status/phys?h=app01,g=farm_one;h=db01,format=json")
	if err := json.Unmarshal(w.Body.Bytes(), &phys); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%v, %v: %s", err, w.Header(), w.Body)
	}
	if len(phys) != 2 || phys[0]["name"] != "app01" || phys[0]["fit"] != true ||
		phys[0]["capacity"] != 4.0 || phys[1]["capacity"] != nil {
		t.Errorf("%s", w.Body)
	}
	if stats, _ := phys[0]["stats"].(map[string]any); stats["load1"] != 0.4 || len(stats) != 2 {
		t.Errorf("statistics: %v", phys[0]["stats"])
	}
	for _, tt := range []struct{ target, kind string }{
		{"/athena/status/farm", "application/json"},
		{"/athena/status/debug?true", "application/json"},
		{"/athena/balance?farm_one", "application/json"},
		{"/athena/balance?nobody", "application/json"},
		{"/athena/status/farm?f=%h", "text/plain; charset=utf-8"},  // it asks for text
		{"/athena/update/phys?app01", "text/plain; charset=utf-8"}, // it has nothing to say
	} {
		path, raw, _ := strings.Cut(tt.target, "?")
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.URL.RawQuery, r.RemoteAddr = raw, "127.0.0.1:1"
		r.Header.Set("Accept", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); got != tt.kind || tt.kind == jsonKind && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s %s", tt.target, w.Code, got, w.Body)
		}
	}
}

func TestTheEngineCountsWhatIsAsked(t *testing.T) {
	h, _ := newHandler()
	get(h, "/athena/balance?farm_one,farm_two;East")
	get(h, "/athena/update/phys?h=app01,h=app02")
	get(h, "/athena/nonsense")
	get(h, "/athena/balance?nobody")
	says(t, get(h, "/athena/status/engine?f=%q:%U:%R"), 200, "3:2:2\n")

	// Another handler goes on.
	counts := new(Counts)
	get(New(Config{Engine: newFake(), Counts: counts}), "/athena/balance?farm_one")
	says(t, get(New(Config{Engine: newFake(), Counts: counts}), "/athena/status/engine?f=%q"), 200, "1\n")
}

func TestRepliesHaveABound(t *testing.T) {
	h, f := newHandler()
	f.physes = []Phys{{Name: "app01", Farm: "big", URL: "http://" + strings.Repeat("x", maxReply/8)}}
	refuses(t, get(h, "/athena/status/phys?"+strings.Repeat("h=*;", 15)+"h=*"), 413, "ask for less at once")
	w := get(h, "/athena/status/phys?"+strings.Repeat("h=*;", 15)+"h=*,f=json")
	says(t, w, 413, `{"error":"the reply would have more than 16777216 bytes: ask for less at once"}`+"\n")
	for range 16 {
		f.physes = append(f.physes, f.physes[0])
	}
	const instead = "the reply would have more than 16777216 bytes: ask for status/farm, and for one farm after the other " +
		"status/phys?g=FARM"
	refuses(t, get(h, "/athena/status/debug?true"), 413, instead)
	r := httptest.NewRequest(http.MethodGet, "/athena/status/debug", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Accept", "application/json")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	says(t, w, 413, `{"error":"`+instead+"\"}\n")
}

func TestEverythingAsJSON(t *testing.T) {
	h, f := newHandler()
	r := httptest.NewRequest(http.MethodGet, "/athena/status/debug", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Accept", "application/json")
	for _, members := range []int{len(f.physes), 1, 0} {
		f.physes, f.farms = f.physes[:members], f.farms[:min(len(f.farms), members)]
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var all struct {
			Engine struct {
				Name string `json:"name"`
			} `json:"engine"`
			Farms     []map[string]any `json:"farms"`
			Physicals []map[string]any `json:"physicals"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if all.Engine.Name != "www1" || len(all.Farms) != len(f.farms) || all.Farms == nil || len(all.Physicals) != members ||
			members > 0 && (all.Physicals[0]["name"] != "app01" || all.Farms[0]["name"] != "farm_one") {
			t.Errorf("of %d members: %s", members, w.Body)
		}
	}
}

func TestAtMost32NamesAreTold(t *testing.T) {
	h, f := newHandler()
	for i := range 40 {
		f.physes = append(f.physes, Phys{Name: fmt.Sprintf("p%02d", i), Farm: "big"})
	}
	w := get(h, "/athena/status/phys?h=x,g=big")
	refuses(t, w, 404, "p31 and 8 more")
	if strings.Contains(w.Body.String(), "p32") {
		t.Errorf("%s", w.Body)
	}
}

func TestPatterns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab]{0,10}`).Draw(t, "name")
		want := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$").MatchString(name)
		if got := matches(pattern, name); got != want {
			t.Errorf("%q fits %q: %v, want %v", name, pattern, got, want)
		}
	})
}
