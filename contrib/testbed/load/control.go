package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"backhand/contrib/testbed/trace"
)

// change carries out the events at their times.
func (r *run) change(ctx context.Context, events []trace.Event) error {
	for _, e := range events {
		if err := nap(ctx, time.Until(r.began.Add(e.At))); err != nil {
			return err
		}
		if err := r.tell(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// tell changes a member. The ideal front hears it, too.
func (r *run) tell(ctx context.Context, e trace.Event) error {
	to := []string{r.spec.Members[e.Member]}
	if r.spec.Ideal != "" {
		to = append(to, r.spec.Ideal)
	}
	values := url.Values{
		"member": {strconv.Itoa(e.Member)}, "slowness": {fmt.Sprint(e.Slowness)}, "fails": {fmt.Sprint(e.Fails)},
	}
	for _, addr := range to {
		if _, err := r.ask(ctx, http.MethodPut, addr, "/control?"+values.Encode()); err != nil {
			return err
		}
	}
	return nil
}

// ask returns the body of a 200.
func (r *run) ask(ctx context.Context, method, addr, target string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+target, nil)
	if err != nil {
		return "", err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s http://%s%s: %s: %.300q", method, addr, target, res.Status, body)
	}
	return string(body), err
}

func nap(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ready waits until every front hands a request on, and, if it is an agent, sees all the members.
func (r *run) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyFor)
	defer cancel()
	for _, addr := range append(append([]string(nil), r.spec.Members...), r.spec.Fronts...) {
		for {
			_, err := r.ask(ctx, http.MethodGet, addr, "/ready")
			if err == nil {
				break
			}
			if nap(ctx, 50*time.Millisecond) != nil {
				return fmt.Errorf("not ready within %v: %w", readyFor, err)
			}
		}
	}
	if r.spec.Agents == 0 {
		return nil
	}
	for _, addr := range r.spec.Fronts {
		for {
			up, err := r.sum(ctx, addr, "backhand_member_candidate{")
			if err == nil && int(up) >= r.spec.Agents {
				break
			}
			if nap(ctx, 200*time.Millisecond) != nil {
				return fmt.Errorf("within %v %s saw %v members of %d (%v)", readyFor, addr, up, r.spec.Agents, err)
			}
		}
	}
	return nil
}

// sum adds up the metrics of an agent whose lines begin so.
func (r *run) sum(ctx context.Context, addr, prefix string) (total float64, err error) {
	text, err := r.ask(ctx, http.MethodGet, addr, "/backhand/metrics")
	if err != nil {
		return 0, err
	}
	return Sum(text, prefix)
}

// Sum adds up the metrics whose lines begin so.
func Sum(text, prefix string) (total float64, err error) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			words := strings.Fields(line)
			v, err := strconv.ParseFloat(words[len(words)-1], 64)
			if err != nil {
				return 0, err
			}
			total += v
		}
	}
	return total, nil
}
