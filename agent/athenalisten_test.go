package agent

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestAthenaReload(t *testing.T) {
	jobs := physes("jobs", "", "app01", "app02")
	a := startAsked(t, jobs)
	a.good("/athena/update/phys?h=app01,o=off,load1=2")
	first := a.engine

	t.Run("what remains keeps its states and statistics, what is new begins anew", func(t *testing.T) {
		a.rewrite(physes("jobs", "", "app01", "app03") + physes("more", "", "app01"))
		if got := a.good(phys(`f="%g %h %o %l\n"`)); got != "jobs app01 off 2\njobs app03 on -\nmore app01 off 2\n" {
			t.Errorf("got %q", got)
		}
		if status, _ := a.ask("/athena/balance?more"); status != http.StatusServiceUnavailable {
			t.Errorf("a farm whose only member is off answers %d", status)
		}
	})
	t.Run("another address", func(t *testing.T) {
		a.engine = "http://" + freePort(t)
		a.rewrite(jobs)
		if got := a.good("/athena/balance?jobs"); got != "app02\n" {
			t.Errorf("chose %q", got)
		}
		a.eventually(func() error {
			if _, _, err := get(first + "/athena/balance?jobs"); err == nil {
				return fmt.Errorf("the address before still answers")
			}
			return nil
		})
	})
	t.Run("all addresses in place of one, with the same port, and back", func(t *testing.T) {
		_, p, _ := strings.Cut(strings.TrimPrefix(a.engine, "http://"), ":")
		for _, addr := range []string{":" + p, "127.0.0.1:" + p} {
			if err := a.reload(withEngine(addr, jobs)); err != nil {
				t.Fatal(err)
			}
			if got := a.good("/athena/balance?jobs"); got != "app02\n" {
				t.Errorf("at %s: %q", addr, got)
			}
		}
	})
	t.Run("a port that is taken changes nothing", func(t *testing.T) {
		taken := listenOn(t, "tcp", "127.0.0.1:0")
		err := a.reload(withEngine(taken.Addr().String(), physes("jobs", "", "app09")))
		if err == nil || !strings.Contains(err.Error(), "athena: listen "+taken.Addr().String()+": the port is in use") {
			t.Errorf("got %v", err)
		}
		if got := a.good("/athena/balance?jobs"); got != "app02\n" {
			t.Errorf("chose %q", got)
		}
	})
	t.Run("who may ask", func(t *testing.T) {
		a.rewrite("allow_update = [\"10.0.0.0/8\"]\n" + jobs)
		if status, _ := a.ask("/athena/update/phys?h=app01,o=on"); status != http.StatusForbidden {
			t.Errorf("an update is answered by %d", status)
		}
		a.good("/athena/status/phys?h=app01")
	})
	t.Run("without [athena] nobody answers", func(t *testing.T) {
		if err := a.reload("{head}\n" + jobs); err != nil {
			t.Fatal(err)
		}
		a.eventually(func() error {
			if _, _, err := get(a.engine + "/athena/balance?jobs"); err == nil {
				return fmt.Errorf("it still answers")
			}
			return nil
		})
		a.rewrite(jobs)
		if got := a.good(phys("h=app01," + standing)); got != "app01 off up in\n" {
			t.Errorf("and afterwards app01 is %q", got)
		}
	})
}

// Updates that come while the file is replaced again and again are taken, and nobody is chosen who is off.
func TestAthenaReloadWhileUpdatesCome(t *testing.T) {
	both := []string{physes("jobs", "", "app01", "app02", "here"), physes("jobs", "", "app02", "gone", "here") + physes("more", "", "app02")}
	a := startAsked(t, both[0])
	a.good("/athena/update/phys?h=app02,o=off")
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				path := fmt.Sprintf("/athena/update/phys?h=here,s%d=%d;h=app02,load1=1", i, n)
				if status, body, err := get(a.engine + path); err != nil || status != 200 {
					t.Errorf("an update of those that stay: %d %q, %v", status, body, err)
				}
				path = fmt.Sprintf("/athena/update/phys?h=gone,load1=%d", n)
				if status, body, err := get(a.engine + path); err != nil || status != 200 && status != 404 {
					t.Errorf("an update of one that comes and goes: %d %q, %v", status, body, err)
				}
				if status, body, err := get(a.engine + "/athena/balance?jobs,n=9"); err != nil || status != 200 || slices.Contains(strings.Fields(body), "app02") {
					t.Errorf("a query: %d %q, %v", status, body, err)
				}
			}
		})
	}
	for i := range 10 {
		a.rewrite(both[(i+1)%2])
	}
	close(done)
	wg.Wait()
	if got := a.good(phys("h=app02,g=jobs," + standing)); got != "app02 off up in\n" {
		t.Errorf("got %q", got)
	}
	if got := a.good(phys(`h=here,f="%{s0}"`)); got == "" || got == "-\n" {
		t.Errorf("its statistics have gone: %q", got)
	}
}

// Who asks too much at once is refused, and the others are not.
func TestAthenaBoundsConnections(t *testing.T) {
	s := &athenaServer{}
	conns := make([]*closedConn, athenaConns+2)
	for i := range conns {
		conns[i] = &closedConn{}
		s.count(conns[i], http.StateNew)
	}
	if conns[athenaConns-1].closed || !conns[athenaConns].closed || !conns[athenaConns+1].closed {
		t.Error("want those closed that are more than may be")
	}
	for range 3 {
		s.count(nil, http.StateClosed)
	}
	next := &closedConn{}
	if s.count(next, http.StateNew); next.closed {
		t.Error("there is room again, and it was closed")
	}
}

type closedConn struct {
	net.Conn
	closed bool
}

func (c *closedConn) Close() error {
	c.closed = true
	return nil
}

// Many members and many updates, by bodies as large as there may be.
func TestAthenaThousandUpdatesForAThousandPhysicals(t *testing.T) {
	names := make([]string, 1000)
	var body strings.Builder
	for i := range names {
		names[i] = fmt.Sprintf("app%03d", i)
		fmt.Fprintf(&body, "h=%s&load1=%d&", names[i], i)
	}
	a := startAsked(t, physes("jobs", "expect_update = \"1m\"", names...))
	for range 3 {
		res, err := http.Post(a.engine+"/athena/update/phys", "application/x-www-form-urlencoded", strings.NewReader(strings.TrimSuffix(body.String(), "&")))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("answered by %s", res.Status)
		}
	}
	if got := a.good(phys(`h=app000,h=app999,f="%l %i"`)); got != "0 in\n999 in\n" {
		t.Errorf("got %q", got)
	}
	if got := a.good("/athena/balance?jobs,n=64"); len(strings.Fields(got)) != 64 {
		t.Errorf("chose %q", got)
	}
}
