//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"backhand/gossip/gossiptest/lab"
)

// pageRow is a row of the map as a browser shows it.
type pageRow struct {
	Name   string `json:"name"`
	Farm   string `json:"farm"`
	State  string `json:"state"`
	Colour []int  `json:"colour"` // of the background: red, green, blue
	Text   string `json:"text"`
}

const readRows = `[...document.querySelectorAll("tr[data-name]")].map(r => ({
	name: r.dataset.name, farm: r.dataset.farm, state: r.dataset.state, text: r.innerText,
	colour: getComputedStyle(r).backgroundColor.match(/\d+/g).slice(0, 3).map(Number),
}))`

// page looks at the map in real Chromium: it must show a row for each of the three members, and those named in want in that
// state, a stale one red.
func (c *seedCluster) page(t *testing.T, want map[string]string) {
	lab.Need(t, "chromium")
	url := "http://" + c.front.Forward(t, c.front.Addr.String()+":80") + "/backhand/"
	rows := browse(t, url)
	names := map[string]pageRow{}
	for _, r := range rows {
		if r.Farm == "web" {
			names[r.Name] = r
		}
	}
	if len(names) != len(c.members) {
		t.Errorf("the page shows %v, want the %d members", slices.Sorted(maps.Keys(names)), len(c.members))
	}
	for _, h := range c.members {
		r, state := names[h.Name], want[h.Name]
		if state == "" {
			state = "up"
		}
		if r.State != state {
			t.Errorf("the page shows %s as %q, want %q: %s", h.Name, r.State, state, r.Text)
		}
		if isRed := len(r.Colour) == 3 && r.Colour[0] > r.Colour[1]+30 && r.Colour[0] > r.Colour[2]+30; isRed != (state == "stale") {
			t.Errorf("%s is %s and its row has the colour %v", h.Name, state, r.Colour)
		}
	}
}

// browse opens the map and reads its rows.
func browse(t *testing.T, url string) (rows []pageRow) {
	t.Helper()
	look(t, url, chromedp.WaitVisible("table"), chromedp.Evaluate(readRows, &rows))
	return rows
}

// look opens a page in a Chromium of our own, which ends with it, and does something there.
func look(t *testing.T, url string, do ...chromedp.Action) {
	t.Helper()
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.NoSandbox, // the test is root
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-sync", true),
	)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	defer stop()
	ctx, end := chromedp.NewContext(ctx)
	defer end()
	ctx, cancel := context.WithTimeoutCause(ctx, 30*time.Second, fmt.Errorf("Chromium did not show %s within 30 s", url))
	defer cancel()
	if err := chromedp.Run(ctx, append([]chromedp.Action{chromedp.Navigate(url)}, do...)...); err != nil {
		t.Fatalf("look at %s: %v (%v)", url, err, context.Cause(ctx))
	}
}
