package agent

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
)

const (
	updatesPerSecond = 1000
	updatedMembers   = 1000
	updatingPrograms = 8
)

// A thousand updates a second for a thousand physicals, each a request of its own, over TCP, while queries are answered; and a second
// agent that hears of them by multicast on lo. The rate that came about, and how far the second was behind, hold for this machine at
// this moment, and are only logged; for longer than two seconds:
//
//	BACKHAND_TEST=all go test -run TestAthenaThousandUpdatesASecond -v ./agent
//
// That none is refused, and that the second comes to know the last figure of each, is tested.
func TestAthenaThousandUpdatesASecondReachASecondAgent(t *testing.T) {
	lasts := 2 * time.Second
	if os.Getenv("BACKHAND_TEST") == "all" {
		lasts = 10 * time.Second
	}
	names := make([]string, updatedMembers)
	for i := range names {
		names[i] = fmt.Sprintf("app%04d", i)
	}
	cluster, farms := "test-"+node.NewID().Short(), physes("jobs", "expect_update = \"1m\"", names...)
	one, two := startHearing(t, cluster, "www1", farms), startHearing(t, cluster, "www2", farms)
	one.knows("www2")
	two.knows("www1")
	var u updates
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() { u.watch(t, one, two, done) })
	start := time.Now()
	u.push(t, one.engine, names, int(lasts.Seconds()*updatesPerSecond))
	took := time.Since(start)
	close(done)
	watch.Wait()
	if t.Failed() {
		return
	}

	sent := int(lasts.Seconds() * updatesPerSecond)
	start = time.Now()
	lab.Eventually(t, 15*time.Second, func() error {
		missing, last := 0, figures(t, two)
		for i, name := range names {
			if last[name] != lastOf(i, sent) {
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("of %d members the second agent does not know the last figure", missing)
		}
		return nil
	})
	t.Logf("%d updates in %v, %.0f/s; the second agent was at most %d updates behind, and knew all %v after the last", sent,
		took.Round(time.Millisecond), float64(sent)/took.Seconds(), u.behind, time.Since(start).Round(time.Millisecond))
}

// lastOf is the last of so many updates that is of the i-th member.
func lastOf(i, sent int) int { return (sent-1-i)/updatedMembers*updatedMembers + i }

// updates counts what is told and known.
type updates struct {
	mu     sync.Mutex
	sent   int // the last update that was taken
	behind int // the most that the second agent was behind, in updates
}

// push makes that many updates, each the number of itself, at an even rate. Each program keeps its connection, as a busy one would.
func (u *updates) push(t *testing.T, engine string, names []string, n int) {
	t.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	for p := range updatingPrograms {
		wg.Go(func() {
			client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := p; i < n; i += updatingPrograms {
				<-time.After(time.Until(start.Add(time.Duration(i) * time.Second / updatesPerSecond)))
				url := fmt.Sprintf("%s/athena/update/phys?h=%s,jobs=%d", engine, names[i%len(names)], i)
				if err := pushOnce(&client, url); err != nil {
					t.Errorf("update %d: %v", i, err)
					return
				}
				u.mu.Lock()
				u.sent = max(u.sent, i)
				u.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// pushOnce makes one update. A good one is answered by nothing.
func pushOnce(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || len(body) > 0) {
		err = fmt.Errorf("%s is answered by %d %q", url, res.StatusCode, body)
	}
	return err
}

// watch asks the first agent for members, and looks how far the second is behind, until done is closed.
func (u *updates) watch(t *testing.T, one, two *asked, done <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if status, body, err := get(one.engine + "/athena/balance?jobs"); err != nil || status != http.StatusOK {
			t.Errorf("a query is answered by %d %q, %v", status, body, err)
			return
		}
		u.mu.Lock()
		sent := u.sent
		u.mu.Unlock()
		known := 0
		for _, n := range figures(t, two) {
			known = max(known, n)
		}
		u.mu.Lock()
		u.behind = max(u.behind, sent-known)
		u.mu.Unlock()
	}
}

// figures returns what an agent knows of each member, of whom it knows anything.
func figures(t *testing.T, a *asked) map[string]int {
	status, body, err := get(a.engine + phys(`f="%h %{jobs}\n"`))
	if err != nil || status != http.StatusOK {
		t.Errorf("the second agent answers %d %q, %v", status, body, err)
	}
	known := map[string]int{}
	for line := range strings.Lines(body) {
		name, figure, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.Atoi(figure); err == nil {
			known[name] = n
		}
	}
	return known
}
