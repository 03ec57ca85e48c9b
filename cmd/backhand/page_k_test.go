//go:build linux

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"backhand/agent"
	"backhand/agent/config"
	"backhand/candidacy"
	"backhand/gossip/gossiptest/lab"
)

// kCell is what a browser shows as the K of a route.
type kCell struct {
	Text   string `json:"text"`
	Class  string `json:"class"`  // of the mark; "" if there is none
	Colour []int  `json:"colour"` // of its background: red, green, blue
}

const readK = `(() => {
	const cell = document.querySelector('tr[data-route="/"] td[data-label="K"]');
	const mark = cell.querySelector("span.herd");
	return {text: cell.innerText, class: mark?.className ?? "",
		colour: mark ? getComputedStyle(mark).backgroundColor.match(/\d+/g).slice(0, 3).map(Number) : []};
})()`

// TestKInABrowser looks at a live agent in Chromium: the more a member gets from one beat to the next, the worse it is that
// the chain sorts by what beats say, and the page shows that in colour, with the remedy.
func TestKInABrowser(t *testing.T) {
	lab.Need(t, "chromium")
	origin := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer origin.Close()
	url := "http://127.0.0.1:" + freePort(t)
	a := liveAgent(t, fmt.Sprintf(`cluster = "test"
[node]
address   = %q
state_dir = %q
[[serve]]
farm   = "web"
origin = %q
[[farm]]
name   = "web"
member = [ { name = "app1", url = %[3]q } ]
[[route]]
path  = "/"
farm  = "web"
chain = ["byLoad"]
[[listen]]
address = %[1]q
`, strings.TrimPrefix(url, "http://"), filepath.Join(t.TempDir(), "state"), origin.URL))

	if got := showK(t, a, url, func(*float64) bool { return true }); got.Class != "" {
		t.Errorf("without requests, the page shows K as %+v", got)
	}
	load(t, url, 12*time.Millisecond)
	above := func(k *float64) bool { return k != nil && *k > 20 }
	got := showK(t, a, url, above)
	isRed := len(got.Colour) == 3 && got.Colour[0] > got.Colour[1]+30 && got.Colour[0] > got.Colour[2]+30
	if got.Class != "herd much" || !isRed || !strings.Contains(got.Text, "use auto") {
		t.Errorf("with a K above 20, the page shows it as %+v", got)
	}
	v := a.View()
	if !v.Routes[0].Herds || len(v.Warnings) == 0 || !strings.Contains(v.Warnings[len(v.Warnings)-1], `use "auto"`) {
		t.Errorf("the agent warns of %q", v.Warnings)
	}
}

// liveAgent runs an agent with that file until the test ends.
func liveAgent(t *testing.T, text string) *agent.Agent {
	t.Helper()
	file := filepath.Join(t.TempDir(), "backhand.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	opt := agent.Options{Log: slog.New(slog.DiscardHandler), Load: func() (*config.Config, error) {
		return config.Load(file, candidacy.Builtin(), config.ForRun())
	}}
	cfg, err := opt.Load()
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.New(cfg, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
	})
	return a
}

// load sends a request at each interval, until the test ends.
func load(t *testing.T, url string, every time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if resp, err := http.Get(url + "/x"); err == nil {
				resp.Body.Close()
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// showK waits until the agent's K is as wanted and returns what the page shows of it then.
func showK(t *testing.T, a *agent.Agent, url string, wanted func(k *float64) bool) (cell kCell) {
	t.Helper()
	lab.Eventually(t, 20*time.Second, func() error {
		if v := a.View(); len(v.Routes) != 1 || !wanted(v.Routes[0].K) || len(v.Rows) < 2 {
			return fmt.Errorf("the routes are %+v", v.Routes)
		}
		return nil
	})
	look(t, url+"/backhand/", chromedp.WaitVisible("table.routes"), chromedp.Evaluate(readK, &cell))
	return cell
}
