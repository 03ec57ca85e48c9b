package demo

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mostWaiting bounds the requests under way at once: a demo whose cluster stands still must not pile them up.
const mostWaiting = 256

// load sends requests at a steady rate, whatever becomes of those before, and counts who served them.
type load struct {
	urls []string
	rate int
	http http.Client

	mu     sync.Mutex
	served map[string]int // by member
	failed map[string]int // by reason
}

func newLoad(rate int, urls ...string) *load {
	return &load{
		urls: urls, rate: rate, served: map[string]int{}, failed: map[string]int{},
		http: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: mostWaiting}},
	}
}

// run sends until the context ends, and returns when every request has ended.
func (l *load) run(ctx context.Context) {
	defer l.http.CloseIdleConnections()
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, mostWaiting)
	tick := time.NewTicker(time.Second / time.Duration(l.rate))
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case slots <- struct{}{}:
		default:
			l.note(l.failed, "not sent: too many wait")
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			l.one(ctx, l.urls[i%len(l.urls)])
		})
	}
}

// one sends a request. Those under way at the end are finished: cut off they would look like failures.
func (l *load) one(ctx context.Context, url string) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, url, nil)
	if err != nil {
		l.note(l.failed, err.Error())
		return
	}
	res, err := l.http.Do(req)
	if err != nil {
		l.note(l.failed, err.Error())
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	switch {
	case err != nil:
		l.note(l.failed, err.Error())
	case res.StatusCode != http.StatusOK:
		l.note(l.failed, fmt.Sprintf("%d %s", res.StatusCode, strings.TrimSpace(string(body))))
	default:
		l.note(l.served, res.Header.Get("X-Served-By"))
	}
}

func (l *load) note(where map[string]int, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	where[what]++
}

// counts returns copies of what was counted.
func (l *load) counts() (served, failed map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	served, failed = map[string]int{}, map[string]int{}
	maps.Copy(served, l.served)
	maps.Copy(failed, l.failed)
	return served, failed
}
