package demo

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The demo as a newcomer starts it, only shorter: real sockets on loopback, real multicast on lo.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	err := Run(context.Background(), Options{
		For: 3 * time.Second, Rate: 100, Out: &out, Log: slog.New(slog.DiscardHandler), Version: "test",
	})
	if err != nil {
		t.Fatalf("%v:\n%s", err, &out)
	}
	for _, want := range []string{
		`the map +http://127\.0\.0\.1:\d+/backhand/`, `the seed chain +http`, `no chain +http`, `curl http`, `a farm +http`, `served in 2s:.* app01 +\d+  app02 +\d+ `, `curl 'http://127\.0\.0\.1:\d+/athena/balance\?reports'`,
		`in all \d+ requests were served by [567] members, 0 failed`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("nothing like %q in:\n%s", want, &out)
		}
	}
}

func TestVerdictWantsThreeNodesAndBothServers(t *testing.T) {
	for _, row := range []struct {
		served   []string
		requests int
		bad      bool
	}{
		{[]string{"www1", "www2"}, enough, true},
		{nil, 0, false}, // stopped at once: nothing can be said
		{[]string{"www1", "www2"}, enough - 1, false},
		{[]string{"www1", "www2", "www3"}, enough, false},
		{nil, enough, true},                                        // all failed
		{[]string{"www1", "www2", "app01", "app02"}, enough, true}, // who runs no agent is no node
		{[]string{"www1", "www2", "www3", "app02"}, 4 * enough, true},
		{[]string{"www1", "www2", "www3", "app02"}, 4*enough - 4, false}, // it may be chance
		{[]string{"www1", "www2", "www3", "app01", "app02"}, 9 * enough, false},
	} {
		var out bytes.Buffer
		c := &cluster{opt: Options{Rate: 1, Out: &out}, load: newLoad(1)}
		for i := range row.requests {
			if len(row.served) == 0 {
				c.load.note(c.load.failed, "503")
				continue
			}
			c.load.note(c.load.served, row.served[i%len(row.served)])
		}
		if err := c.verdict(); (err != nil) != row.bad {
			t.Errorf("%d requests served by %v: %v", row.requests, row.served, err)
		}
	}
}

func TestDemoTakesAnotherPort(t *testing.T) {
	var out bytes.Buffer
	c := &cluster{opt: Options{Out: &out}}
	first, err := c.pickPort(firstPort)
	if err != nil {
		t.Fatal(err)
	}
	toy, err := newToy("squatter", 0, ip(2))
	if err != nil {
		t.Fatal(err)
	}
	toy.die()
	toy.addr = ip(2) + ":" + first
	if err := toy.live(); err != nil {
		t.Skipf("somebody else took port %s meanwhile: %v", first, err)
	}
	defer toy.die()
	second, err := c.pickPort(firstPort)
	if err != nil {
		t.Fatal(err)
	}
	if second == first {
		t.Errorf("port %s is taken and chosen", first)
	}
	if !strings.Contains(out.String(), "is taken: the demo uses "+second) {
		t.Errorf("it does not say so: %q", &out)
	}
}
