package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
)

// running is a demo that sends no requests of its own, until the test ends.
func running(t *testing.T) *cluster {
	c := &cluster{opt: Options{Out: io.Discard, Log: slog.New(slog.DiscardHandler), Version: "test"}, dir: t.TempDir()}
	t.Cleanup(c.bury)
	if err := c.build(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

// fetch returns the body of a page, which must be there.
func fetch(url string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", url, res.StatusCode, body)
	}
	return string(body), err
}

// chosen returns who serves ten requests, and whom the last agent names ten times to those who ask, sorted by who it is.
func (c *cluster) chosen() (servers, asked map[string]int, err error) {
	servers, asked = map[string]int{}, map[string]int{}
	balance := c.engine(len(cast)-1) + "/balance?" + reportsFarm
	for range 10 {
		body, err := fetch(c.url(reportsPath + "today"))
		if err != nil {
			return nil, nil, err
		}
		who, what, _ := strings.Cut(body, " ")
		if !strings.HasPrefix(what, "served /app/today for 127.0.0.1") {
			return nil, nil, fmt.Errorf("the page says %q", body)
		}
		servers[who]++
		if body, err = fetch(balance); err != nil {
			return nil, nil, err
		}
		name := strings.TrimSpace(body)
		asked[name]++
		if _, err = fetch(balance + ",done=" + name); err != nil {
			return nil, nil, err
		}
	}
	return servers, asked, nil
}

// goesTo waits until requests and programs are sent to these servers alone, and to all of them.
func (c *cluster) goesTo(t *testing.T, want ...string) {
	t.Helper()
	lab.Eventually(t, 10*time.Second, func() error {
		servers, asked, err := c.chosen()
		if err == nil && (len(servers) != len(want) || len(asked) != len(want)) {
			err = fmt.Errorf("served by %v, programs are told %v; want %v", servers, asked, want)
		}
		for _, name := range want {
			if err == nil && (servers[name] == 0 || asked[name] == 0) {
				err = fmt.Errorf("served by %v, programs are told %v; want %v", servers, asked, want)
			}
		}
		return err
	})
}

func TestDemoFollowsWhatServersPushAndWhatIsSaidOfThem(t *testing.T) {
	c := running(t)
	c.goesTo(t, "app01", "app02")

	job, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.servers[0].chore(job, choreSlots)
	}()
	c.goesTo(t, "app02")
	end()
	<-ended
	c.goesTo(t, "app01", "app02")

	if _, err := fetch(c.engine(2) + "/update/phys?h=app02,state=off"); err != nil {
		t.Fatal(err)
	}
	c.goesTo(t, "app01")
}

// Between two pushes all are the same to who asks but for what was given away.
func TestDemoSpreadsABurstOfQueries(t *testing.T) {
	c := running(t)
	c.goesTo(t, "app01", "app02")
	asked := map[string]int{}
	for range 100 {
		body, err := fetch(c.engine(1) + "/balance?" + reportsFarm)
		if err != nil {
			t.Fatal(err)
		}
		asked[strings.TrimSpace(body)]++
	}
	if asked["app01"] < 40 || asked["app02"] < 40 {
		t.Errorf("of a hundred programs that ask at once they are told %v", asked)
	}
}

func TestDemoSaysOnceThatItCannotPush(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var asked []string
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.RequestURI)
		switch len(asked) {
		case 1, 2:
			http.Error(w, "error: not you", http.StatusForbidden)
		case 4:
			stop()
		}
	}))
	defer engine.Close()
	var out bytes.Buffer
	c := &cluster{opt: Options{Out: &out}}
	c.push(ctx, &toy{name: "app01", inFlight: 3, at: time.Now()}, engine.URL)
	if len(asked) != 4 || !strings.HasPrefix(asked[0], "/update/phys?h=app01,jobs=3,load1=0.") {
		t.Errorf("it has pushed %q", asked)
	}
	want := "app01 tells how busy it is at " + engine.URL + ": "
	if want = want + "error: not you\n" + want + "that works again\n"; out.String() != want {
		t.Errorf("it says %q, want %q", &out, want)
	}
}
