package agent

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"backhand/agent/config"
	"backhand/agent/farm"
	"backhand/gossip/node"
	"backhand/status/athena"
)

// hearer is another engine that notes what it is told.
type hearer struct {
	mu    sync.Mutex
	told  []string // names, of each time
	looks int      // how often it was only looked at
	reply athena.Told
	err   error
}

func (h *hearer) Tell(_ context.Context, said []node.Said) (athena.Told, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(said) == 0 {
		h.looks++
		return h.reply, h.err
	}
	var names []string
	for _, v := range said {
		names = append(names, v.Name)
	}
	h.told = append(h.told, strings.Join(names, " "))
	return h.reply, h.err
}

// heard returns what it was told since the last time, with bars between the times.
func (h *hearer) heard() string {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	all := strings.Join(h.told, " | ")
	h.told = nil
	return all
}

func (h *hearer) answers(reply athena.Told, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reply, h.err = reply, err
}

// startMirror runs a mirror to an engine that notes what it is told, every 2 s, until the test ends.
func startMirror(t *testing.T) (*mirror, *hearer, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{}
	store, err := farm.New(farm.Config{Self: node.NewID(), Log: slog.New(slog.DiscardHandler), Start: time.Now(), Layout: farm.Layout{
		Farms: []farm.FarmEntry{{Name: "jobs", Members: []farm.MemberEntry{{Name: "app01"}, {Name: "app02"}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := &hearer{reply: athena.Told{Engine: "first"}}
	m := &mirror{
		conf: config.Mirror{To: &url.URL{Scheme: "http", Host: "standby"}, Every: 2 * time.Second}, target: h, close: func() {},
		store: store, log: slog.New(slog.NewTextHandler(log, nil)),
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		m.run(ctx)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return m, h, log
}

// textOf returns what was logged until now.
func textOf(l *lockedBuffer) string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// push has a program push a statistic of a physical.
func (m *mirror) push(t *testing.T, name string) {
	t.Helper()
	u := node.Update{Name: name, Stats: []node.Stat{{Name: "load", Value: 1}}}
	if err := m.store.Update(time.Now(), "test", []node.Update{u}); err != nil {
		t.Fatal(err)
	}
}

const everything = "jobs app01 app02"

func TestMirrorTellsEverythingFirstAndThenWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h, _ := startMirror(t)
		if got := h.heard(); got != everything {
			t.Errorf("at first it tells %q", got)
		}
		m.push(t, "app02")
		time.Sleep(time.Second)
		if got := h.heard(); got != "" {
			t.Errorf("before it is time, it tells %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := h.heard(); got != "app02" {
			t.Errorf("of what is new it tells %q", got)
		}
		time.Sleep(4 * time.Minute)
		if got := h.heard(); got != "" {
			t.Errorf("while nobody says anything it tells %q", got)
		}
		time.Sleep(time.Minute)
		if got := h.heard(); got != everything {
			t.Errorf("after five minutes it tells %q", got)
		}
		m.wholeSoon() // as a reload does
		time.Sleep(2 * time.Second)
		if got := h.heard(); got != everything {
			t.Errorf("after a reload it tells %q", got)
		}
	})
}

func TestMirrorBearsThatTheEngineIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h, log := startMirror(t)
		_ = h.heard()
		h.answers(athena.Told{}, errors.New("connection refused"))
		m.push(t, "app01")
		time.Sleep(5 * time.Minute)
		times := strings.Split(h.heard(), " | ")
		if n := len(times); n < 58 || n > 63 || times[0] != "app01" || times[1] != everything {
			t.Errorf("it tries %d times in 5 minutes, and tells %q", n, times[:2])
		}
		if s := m.state(); s.err == nil || s.failures != uint64(len(times)) {
			t.Errorf("it says that %d went wrong: %v", s.failures, s.err)
		}
		h.answers(athena.Told{}, errors.New("403: mirroring is not enabled"))
		time.Sleep(2 * time.Minute)
		_ = h.heard()
		h.answers(athena.Told{Engine: "first"}, nil)
		time.Sleep(10 * time.Second)
		if got := h.heard(); got != everything {
			t.Errorf("when it is back, it is told %q", got)
		}
		m.push(t, "app01")
		time.Sleep(2 * time.Second)
		if got := h.heard(); got != "app01" || m.state().err != nil {
			t.Errorf("then it is told %q, %v", got, m.state().err)
		}
		text := textOf(log)
		if strings.Count(text, "cannot be told") != 2 || !strings.Contains(text, "connection refused") || !strings.Contains(text, "not enabled") || strings.Count(text, "level=WARN") != 2 || strings.Count(text, "is told again") != 1 {
			t.Errorf("of all that it logs\n%s", text)
		}
	})
}

func TestMirrorTellsAnEngineThatWasStartedAnewEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h, _ := startMirror(t)
		_ = h.heard()
		h.answers(athena.Told{Engine: "second"}, nil)
		m.push(t, "app01")
		time.Sleep(4 * time.Second)
		if got := h.heard(); got != "app01 | "+everything {
			t.Errorf("it is told %q", got)
		}
		time.Sleep(time.Minute)
		if got := h.heard(); got != "" {
			t.Errorf("and then %q", got)
		}
	})
}

func TestMirrorLooksAtAnEngineThatThereIsNothingToTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h, _ := startMirror(t)
		_ = h.heard()
		h.answers(athena.Told{Engine: "second"}, nil)
		time.Sleep(mirrorLook + 4*time.Second)
		if got := h.heard(); got != everything || h.looks != 1 {
			t.Errorf("started anew, it is told %q within %v, after %d looks", got, mirrorLook, h.looks)
		}
		h.answers(athena.Told{}, errors.New("connection refused"))
		time.Sleep(mirrorLook + 2*time.Second)
		if m.state().err == nil {
			t.Errorf("that it is gone is not seen after %v", mirrorLook)
		}
	})
}

func TestMirrorLogsDifferencesWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h, log := startMirror(t)
		_ = h.heard()
		h.answers(athena.Told{Engine: "first", Differences: []string{`physical "app01" is not listed here`}}, nil)
		m.push(t, "app01")
		time.Sleep(4 * time.Second)
		if got := h.heard(); got != "app01 | "+everything {
			t.Errorf("after a difference that is new it is told %q", got)
		}
		time.Sleep(100 * time.Second) // it is told everything every 30 s, so that it is soon known that somebody has mended it
		if got := h.heard(); got != strings.Join([]string{everything, everything, everything}, " | ") {
			t.Errorf("while they differ, it is told %q", got)
		}
		if n := strings.Count(textOf(log), "ours differ"); n != 1 || !strings.Contains(textOf(log), `physical \"app01\" is not listed here`) {
			t.Errorf("it is logged %d times:\n%s", n, textOf(log))
		}
		h.answers(athena.Told{Engine: "first"}, nil)
		time.Sleep(time.Minute)
		if n := strings.Count(textOf(log), "lists all farms and physicals of ours now"); n != 1 || len(m.state().differences) != 0 {
			t.Errorf("that it is over is logged %d times:\n%s", n, textOf(log))
		}
	})
}

// mirrorTo is a [[mirror]] to an agent of this test.
func mirrorTo(a *asked) string {
	return fmt.Sprintf("[[mirror]]\nto = %q\nevery = \"500ms\"\n", a.engine+"/athena")
}

func TestAthenaMirrorFollowsAnEngineThatIsEnabled(t *testing.T) {
	farms := physes("jobs", "expect_update = \"1m\"", "app01", "app02")
	standby := startAsked(t, farms)
	main := startAsked(t, farms+mirrorTo(standby))
	main.good("/athena/update/phys?h=app01,o=off,r=disks;h=app02,load1=2.5")
	main.good("/athena/update/farm?h=jobs,u=down,r=fire")

	main.logs("it answers 403: mirroring is not enabled")
	if got := standby.good(phys(`f="%h %o %l\n"`)); got != "app01 on -\napp02 on -\n" {
		t.Errorf("although it is not enabled, it knows %q", got)
	}
	if !strings.Contains(strings.Join(main.View().Warnings, "\n"), "cannot be told what is said here: it answers 403") {
		t.Errorf("the page warns of %q", main.View().Warnings)
	}

	standby.rewrite("mirror = true\n" + farms)
	standby.says(phys(`f="%h %o %l %r\n"`), "app01 off - disks\napp02 on 2.5 its farm takes no requests\n")
	standby.says(farmsSay(`f="%h %u %r\n"`), "jobs down fire\n")
	main.good("/athena/update/phys?h=app01,o=on,load1=1")
	main.good("/athena/update/farm?h=jobs,u=up")
	standby.says(phys(`f="%h %o %l\n"`), "app01 on 1\napp02 on 2.5\n")
	main.logs("is told again")
	main.eventually(func() error { // who asks first may ask before the last turn is over
		if got := main.good("/athena/status/engine?f=%M"); !strings.Contains(got, standby.engine+"/athena was told ") ||
			!strings.Contains(got, "with 0 differences") {
			return fmt.Errorf("the engine says %q", got)
		}
		return nil
	})
	_, metrics := main.get("/backhand/metrics")
	for _, line := range []string{
		`backhand_mirror_up{engine="` + standby.engine + `/athena"} 1`,
		`backhand_mirror_differences{engine="` + standby.engine + `/athena"} 0`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// logs waits until the agent has logged a text.
func (a *asked) logs(text string) {
	a.t.Helper()
	a.eventually(func() error {
		if !strings.Contains(a.logged(), text) {
			return fmt.Errorf("it has not logged %q", text)
		}
		return nil
	})
}

func TestAthenaMirrorNamesDifferencesAndAppliesTheRest(t *testing.T) {
	standby := startAsked(t, "mirror = true\n"+physes("jobs", "", "app01", "app02"))
	main := startAsked(t, physes("jobs", "", "app01", "app09")+physes("shop", "", "app03")+mirrorTo(standby))
	main.good("/athena/update/phys?h=app01,o=off;h=app09,o=off")
	standby.says(phys(standing), "app01 off up in\napp02 on up in\n")
	main.logs(`farm \"jobs\": its member \"app09\" is not listed here; farm \"jobs\": its member \"app02\" is listed here only; ` +
		`farm \"shop\" is not listed here`)

	done, err := main.client().MirrorNow(t.Context())
	if err != nil || len(done) != 1 || done[0].Farms != 2 || done[0].Physicals != 3 || done[0].Listed != 2 || done[0].Error != "" ||
		len(done[0].Differences) != 5 {
		t.Errorf("by hand: %+v, %v", done, err)
	}
	main.rewrite(physes("jobs", "", "app01", "app02") + mirrorTo(standby))
	main.logs("lists all farms and physicals of ours now")
}

// A reload ends mirrors that the file has not got any more, and begins others.
func TestMirrorsFollowTheFile(t *testing.T) {
	farms := physes("jobs", "", "app01")
	one, two := startAsked(t, "mirror = true\n"+farms), startAsked(t, "mirror = true\n"+farms)
	main := startAsked(t, farms+mirrorTo(one))
	main.good("/athena/update/phys?h=app01,load1=1")
	one.says(phys("f=%l"), "1\n")
	main.rewrite(farms + mirrorTo(two))
	main.good("/athena/update/phys?h=app01,load1=2")
	two.says(phys("f=%l"), "2\n")
	if got := one.good(phys("f=%l")); got != "1\n" {
		t.Errorf("the one before was told %q", got)
	}
	main.rewrite(farms)
	if n := len(main.listMirrors()); n != 0 {
		t.Errorf("%d are left", n)
	}
	main.good("/athena/update/phys?h=app01,load1=3")
	done, err := main.client().MirrorNow(t.Context(), one.engine+"/athena", "http://"+freePort(t))
	if err != nil || len(done) != 2 || done[0].Error != "" || !strings.Contains(done[1].Error, "connection refused") {
		t.Errorf("by hand: %+v, %v", done, err)
	}
	if got := one.good(phys("f=%l")); got != "3\n" {
		t.Errorf("by hand it was told %q", got)
	}
	for what, urls := range map[string][]string{
		"no [[mirror]]": nil, "neither http:// nor": {"ftp://x/"}, "too many": make([]string, maxMirrorNow+1),
	} {
		if _, err := main.client().MirrorNow(t.Context(), urls...); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The other engine may stand behind a proxy that speaks TLS, and want a token.
func TestAthenaMirrorGoesOverTLSWithAToken(t *testing.T) {
	dir, farms := t.TempDir(), physes("jobs", "", "app01")
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const token = "0123456789abcdef"
	standby := startAsked(t, fmt.Sprintf("mirror = true\ntoken_file = %q\n%s", file("tokens", "main "+token+" mirror\n"), farms))
	to, err := url.Parse(standby.engine)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(to))
	t.Cleanup(front.Close)
	ca := file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})))
	mirror := fmt.Sprintf("[[mirror]]\nto = %q\nevery = \"500ms\"\nserver_name = \"example.com\"\n", front.URL+"/athena")

	main := startAsked(t, farms+mirror)
	main.good("/athena/update/phys?h=app01,o=off")
	main.logs("certificate signed by unknown authority")
	main.rewrite(farms + mirror + fmt.Sprintf("ca = %q\n", ca))
	main.logs("it answers 401")
	main.rewrite(farms + mirror + fmt.Sprintf("ca = %q\ntoken_file = %q\n", ca, file("token", token+"\n")))
	standby.says(phys(standing), "app01 off up in\n")
}

// Engines may mirror to each other, and need not serve anything to do so.
func TestEnginesMirrorToEachOther(t *testing.T) {
	farms := physes("jobs", "", "app01", "app02")
	one := startAsked(t, "mirror = true\n"+farms)
	two := startAsked(t, "mirror = true\n"+farms+mirrorTo(one))
	one.rewrite("mirror = true\n" + farms + mirrorTo(two))
	one.good("/athena/update/phys?h=app01,o=off,load1=1")
	two.good("/athena/update/phys?h=app02,u=down,load1=2")
	for _, a := range []*asked{one, two} {
		a.says(phys(`f="%h %o %u %l\n"`), "app01 off up 1\napp02 on down 2\n")
	}
	one.good("/athena/update/phys?h=app02,u=up")
	two.good("/athena/update/phys?h=app01,o=on")
	for _, a := range []*asked{one, two} {
		a.says(phys(`f="%h %o %u %l\n"`), "app01 on up 1\napp02 on up 2\n")
	}
}

// A mirror without [athena] is one, too: a front that nobody asks still knows states of the cluster.
func TestMirrorWithoutAthena(t *testing.T) {
	farms := physes("jobs", "", "app01")
	standby := startAsked(t, "mirror = true\n"+farms)
	main := start(t, "{head}\n"+farms+mirrorTo(standby), Options{})
	u := node.Update{Name: "app01", Off: new(true), Why: "disks"}
	if err := main.store.Update(time.Now(), "test", []node.Update{u}); err != nil {
		t.Fatal(err)
	}
	standby.says(phys(`f="%h %o %r"`), "app01 off disks\n")
	if status, _, _ := get(standby.engine + "/athena/mirror/phys"); status != http.StatusMethodNotAllowed {
		t.Errorf("a GET is answered by %d", status)
	}
}
