package athena

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// taker is an engine's end of mirroring.
type taker struct {
	said        []node.Said
	listed      int
	differences []string
	err         error
	by          string // who sent the last
}

func (k *taker) take(by string, said []node.Said) (int, []string, error) {
	k.by = by
	if k.err != nil {
		return 0, nil, k.err
	}
	k.said = append(k.said, said...)
	return k.listed, slices.Clone(k.differences), nil
}

func newMirrored() (http.Handler, *taker) {
	k := &taker{}
	return New(Config{Engine: newFake(), Now: fixed, Mirror: k.take}), k
}

const (
	anID     = "000102030405060708090a0b0c0d0e0f"
	saidPhys = `[{"name":"app01","age":1.5,"stats":[{"name":"load1","value":0.4,"age":2}],` +
		`"up_down":{"state":"down","why":"no route","by":"10.0.0.8","age":3,"counter":1790000000001,"node":"` + anID + `"}}]`
	saidFarm = `[{"name":"reports","members":["app01","app02"]},{"name":"empty","members":[]},{"name":"other"}]`
)

func TestAthena19MirrorIsRefusedUnlessEnabled(t *testing.T) {
	h, _ := newHandler()
	for _, method := range []string{"GET", "POST", "PUT"} {
		for _, path := range []string{"/athena/mirror/farm", "/athena/mirror/phys/"} {
			says(t, send(h, method, path, jsonKind, saidPhys), 403, "error: mirroring is not enabled\n")
		}
	}
	on, k := newMirrored()
	says(t, send(on, "POST", "/athena/mirror/phys", jsonKind, saidPhys), 200, "")
	if len(k.said) != 1 {
		t.Errorf("it was told of %d", len(k.said))
	}
}

func TestMirrorHandsOnWhatItIsTold(t *testing.T) {
	h, k := newMirrored()
	says(t, send(h, "POST", "/athena/mirror/phys", jsonKind, saidPhys), 200, "")
	says(t, send(h, "POST", "/athena/mirror/farm", jsonKind+"; charset=utf-8", saidFarm), 200, "")
	id, _ := node.ParseID(anID)
	want := []node.Said{
		{
			Name: "app01", Updated: fixed().Add(-1500 * time.Millisecond),
			Stats: []node.Stat{{Name: "load1", Value: 0.4, At: fixed().Add(-2 * time.Second)}},
			UpDown: &node.SaidState{
				State: "down", Why: "no route", By: "10.0.0.8", Since: fixed().Add(-3 * time.Second), Counter: 1790000000001, Node: id,
			},
		},
		{Farm: true, Name: "reports", Members: []string{"app01", "app02"}},
		{Farm: true, Name: "empty", Members: []string{}},
		{Farm: true, Name: "other"},
	}
	if diff := cmp.Diff(want, k.said); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMirrorRepliesWithDifferences(t *testing.T) {
	h, k := newMirrored()
	k.listed, k.differences = 1, []string{`farm "shop" is not listed here`, "odd\x1b[2J\nname"}
	w := send(h, "POST", "/athena/mirror/phys", jsonKind, saidPhys)
	says(t, w, 200, "difference: farm \"shop\" is not listed here\ndifference: odd\ufffd[2J\ufffdname\n")
	if kind := w.Header().Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		t.Errorf("they come as %q", kind)
	}
	r := httptest.NewRequest(http.MethodPost, "/athena/mirror/phys", strings.NewReader(saidPhys))
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("Content-Type", jsonKind)
	r.Header.Set("Accept", jsonKind)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var got mirrored
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Listed != 1 || len(got.Differences) != 2 ||
		got.Engine != "00ff-20261122T115900.000" {
		t.Errorf("as JSON: %v, %s", err, w.Body)
	}
	if got := get(h, "/athena/status/engine?f=%X").Body.String(); got != "2\n" {
		t.Errorf("it counts %q", got)
	}
}

func TestMirrorRefuses(t *testing.T) {
	phys := func(fields string) string { return `[{"name":"app01",` + fields + `}]` }
	state := func(fields string) string {
		return phys(`"on_off":{"state":"off","age":1,"counter":5,"node":"` + anID + `",` + fields + `}`)
	}
	for what, tt := range map[string]struct {
		path, body string
		status     int
		has        string
	}{
		"nothing at all":                      {"phys", "", 400, "at byte 1: want a JSON list"},
		"an object":                           {"phys", "{}", 400, "at byte 1: want a JSON list"},
		"a list that does not end":            {"phys", "[", 400, "at byte 2: want a ]"},
		"something behind the list":           {"phys", "[]  []", 400, "at byte 5: want nothing behind"},
		"a number in the list":                {"phys", "[ 3]", 400, "at byte 3: want an object, not a number"},
		"null":                                {"phys", "[null]", 400, "want a name"},
		"broken JSON":                         {"phys", `[{"name":"app01"},{"name":]`, 400, "at byte 19: want JSON"},
		"a text for a number":                 {"phys", phys(`"age":"1"`), 400, `"age" cannot be a string`},
		"no name":                             {"phys", `[{"age":1}]`, 400, "want a name of 1 to 32 bytes"},
		"a long name":                         {"phys", `[{"name":"` + strings.Repeat("a", 33) + `"}]`, 400, "want a name"},
		"a name with a line end":              {"phys", `[{"name":"a\nb"}]`, 400, "want a name"},
		"a member without a name":             {"farm", `[{"name":"reports","members":[""]}]`, 400, "member"},
		"members of a physical":               {"phys", phys(`"members":[]`), 400, "want no members"},
		"an age of a farm":                    {"farm", `[{"name":"reports","age":1}]`, 400, "want no age"},
		"statistics of a farm":                {"farm", `[{"name":"reports","stats":[]}]`, 400, "want no age and no stats"},
		"a negative age":                      {"phys", phys(`"age":-1`), 400, "want an age"},
		"an age of many centuries":            {"phys", phys(`"age":1e300`), 400, "want an age"},
		"a number that is too large":          {"phys", phys(`"age":1e999`), 400, "cannot be"},
		"a negative statistic":                {"phys", phys(`"stats":[{"name":"load1","value":-1,"age":0}]`), 400, "value from 0"},
		"a statistic's name with a line end":  {"phys", phys(`"stats":[{"name":"a\n","value":1,"age":0}]`), 400, "want a name"},
		"a statistic twice":                   {"phys", phys(`"stats":[{"name":"a1","value":1,"age":0},{"name":"a1","value":1,"age":0}]`), 400, "there twice"},
		"too many statistics":                 {"phys", phys(`"stats":[` + strings.Repeat(`{},`, 64) + `{}]`), 400, "at most 64 stats"},
		"a state without a word":              {"phys", phys(`"on_off":{"age":1,"counter":5,"node":"` + anID + `"}`), 400, "on_off: want a state"},
		"a state of a long word":              {"phys", state(`"state":"` + strings.Repeat("o", 17) + `"`), 400, "want a state"},
		"a negative counter":                  {"phys", state(`"counter":-1`), 400, "cannot be a number"},
		"a node that is none":                 {"phys", state(`"node":"www1"`), 400, "want a node's id"},
		"the 1,001st":                         {"phys", "[" + strings.Repeat(`{"name":"a"},`, 1000) + `{"name":"a"}]`, 413, "at most 1000"},
		"a body that is too large":            {"phys", "[" + strings.Repeat(" ", maxBody), 413, "larger than 1048576"},
		"a mistake behind what is no mistake": {"phys", `[{"name":"app01","age":1},{"name":""}]`, 400, "at byte 27: "},
	} {
		h, k := newMirrored()
		w := send(h, "POST", "/athena/mirror/"+tt.path, jsonKind, tt.body)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.has) {
			t.Errorf("%s: %d %q, want %d with %q", what, w.Code, w.Body, tt.status, tt.has)
		}
		if len(k.said) != 0 {
			t.Errorf("%s: something of it was taken", what)
		}
	}
	h, k := newMirrored()
	refuses(t, send(h, "POST", "/athena/mirror/phys", formKind, "name=app01"), 415, "send application/json")
	w := send(h, "GET", "/athena/mirror/phys?h=app01", "", "")
	if refuses(t, w, 405, "is no method of mirror/phys: send one of POST"); w.Header().Get("Allow") != "POST" {
		t.Errorf("it allows %q", w.Header().Get("Allow"))
	}
	k.err = errors.New(`physical "app01": state "x"`)
	refuses(t, send(h, "POST", "/athena/mirror/phys", jsonKind, saidPhys), 400, `physical "app01": state "x"`)
}

func TestMirrorIsForItsOwnNetworkAndNotForPages(t *testing.T) {
	k := &taker{}
	h := New(Config{Engine: newFake(), Mirror: k.take, Allow: func(p Part, a netip.Addr) bool { return p == PartMirror && a == addr("10.58.4.1") }})
	ask := func(from, site string) int {
		r := httptest.NewRequest(http.MethodPost, "/athena/mirror/phys", strings.NewReader(saidPhys))
		r.RemoteAddr = from + ":1234"
		r.Header.Set("Content-Type", jsonKind)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	if a, b, c := ask("10.58.4.1", ""), ask("10.58.4.2", ""), ask("10.58.4.1", "cross-site"); a != 200 || b != 403 || c != 403 {
		t.Errorf("who may is answered %d, who may not %d, a page of another site %d", a, b, c)
	}
}

// target is an engine over real HTTP, and what it was sent.
func target(t *testing.T, h http.Handler) (*Target, *[]*http.Request) {
	t.Helper()
	var sent []*http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r)
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL + "/athena")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Target{URL: u, Client: client, Token: "a-token-of-16-bytes"}, &sent
}

func TestTargetIsTold(t *testing.T) {
	k := &taker{listed: 2, differences: []string{"one"}}
	to, sent := target(t, New(Config{Engine: newFake(), Mirror: k.take}))
	var said []node.Said
	for range 1500 {
		said = append(said, node.Said{Name: "app01"}, node.Said{Farm: true, Name: "reports", Members: []string{"app01"}})
	}
	told, err := to.Tell(t.Context(), said)
	if err != nil || told.Listed != 8 || len(told.Differences) != 4 || told.Engine == "" {
		t.Errorf("%+v, %v", told, err)
	}
	var paths []string
	for _, r := range *sent {
		paths = append(paths, r.URL.Path)
		if got := r.Header.Get("Authorization"); got != "Bearer a-token-of-16-bytes" {
			t.Errorf("the token is sent as %q", got)
		}
	}
	farm, phys := "/athena/mirror/farm", "/athena/mirror/phys"
	if !slices.Equal(paths, []string{farm, farm, phys, phys}) || len(k.said) != 3000 || !k.said[0].Farm {
		t.Errorf("it was told %d by %v", len(k.said), paths)
	}
}

func TestTargetsThatDoNotTakeIt(t *testing.T) {
	reply := func(status int, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	off, _ := newHandler()
	for what, tt := range map[string]struct {
		h    http.Handler
		want string
	}{
		"one that is not enabled":      {off, "it answers 403: mirroring is not enabled: write mirror = true"},
		"one that refuses us":          {New(Config{Engine: newFake(), Allow: func(Part, netip.Addr) bool { return false }}), "127.0.0.1 may not use mirror"},
		"one that has another path":    {New(Config{Engine: newFake(), Path: "/ath"}), "it answers 404: there is nothing at"},
		"a web server":                 {reply(200, "<html>"), "its reply is not that of an engine"},
		"a web server with JSON":       {reply(200, "{}"), "its reply is not that of an engine"},
		"a web server that redirects":  {http.RedirectHandler("/elsewhere", http.StatusFound), "it answers 302, as an engine does not"},
		"one that says hostile things": {reply(400, `{"error":"\u001b[2J`+strings.Repeat("x", 10000)+`"}`), "it answers 400: \ufffd[2Jxxx"},
	} {
		to, _ := target(t, tt.h)
		_, err := to.Tell(t.Context(), []node.Said{{Name: "app01"}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 400 {
			t.Errorf("%s: %v, want %q", what, err, tt.want)
		}
	}
	to, _ := target(t, off)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := to.Tell(ctx, []node.Said{{Name: "app01"}}); !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "Post") {
		t.Errorf("when it is over: %v", err)
	}
}

// A reply may be as long as it likes; what is kept of it is bounded.
func TestRepliesOfTargetsAreBounded(t *testing.T) {
	many := `{"engine":"x","listed":1,"differences":[` + strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("d", 300)+`",`, 3000), ",") + `]}`
	var told Told
	for range 3 {
		if err := told.add(200, []byte(many)); err != nil {
			t.Fatal(err)
		}
	}
	if len(told.Differences) != maxSentences || len(told.Differences[0]) != maxSentence {
		t.Errorf("%d differences, the first of %d bytes", len(told.Differences), len(told.Differences[0]))
	}
}

// FuzzReply: whatever another engine replies, what is kept of it may be shown, and is bounded.
func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"engine":"00ff-1","listed":2,"differences":["physical \"app09\" is not listed here"]}`))
	f.Add(403, []byte(`{"error":"mirroring is not enabled"}`))
	f.Add(502, []byte("<html>bad gateway</html>"))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		var told Told
		err := told.add(status, text)
		if (err == nil) != (status == 200 && told.Engine != "") {
			t.Fatalf("%d is %v, %+v", status, err, told)
		}
		shown := append(slices.Clone(told.Differences), told.Engine)
		if err != nil {
			shown = append(shown, err.Error())
		}
		for _, s := range shown {
			if clean(s) != s || len(s) > 3*maxSentence+200 {
				t.Fatalf("%q is shown", s)
			}
		}
		if len(told.Differences) > maxSentences || told.Listed < 0 {
			t.Fatalf("%d differences, %d listed", len(told.Differences), told.Listed)
		}
	})
}
