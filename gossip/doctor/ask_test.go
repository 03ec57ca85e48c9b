package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

const (
	ours   = "01000000000000000000000000000000"
	others = "02000000000000000000000000000000"
)

func page(rows string) string {
	return `{"cluster": "web", "agent": {"name": "www2", "id": "` + others + `"}, "now": "2026-11-22T07:00:37Z", "warnings": ["a [ b"],
	"beats": {"sent": 1, "received": 2, "rejected": [{"name": "cidr", "n": 12}, {"name": "seal", "n": 0}]}, "rows": [` + rows + `], "rows_omitted": 0}`
}

func row(id, age string) string {
	return `{"entry": 0, "name": "x", "id": "` + id + `", "farm": "", "host": {"age_seconds": ` + age + `, "interval_seconds": 1}}`
}

func TestReadPage(t *testing.T) {
	at := time.Date(2026, 11, 22, 7, 0, 0, 0, time.UTC)
	known := Answer{Ahead: 37 * time.Second, Rejected: []Count{{"cidr", 12}, {"seal", 0}}}
	listed := known
	listed.Lists, listed.Age = true, 1500*time.Millisecond
	for _, c := range []struct {
		name, page string
		want       Answer
		err        bool
	}{
		{"it lists us, with two farms", page(row(others, "0.1") + "," + row(ours, "1.5") + "," + row(ours, "1.5")), listed, false},
		{"it lists others", page(row(others, "0.1")), known, false},
		{"it lists nobody", page(""), known, false},
		{"a physical has neither id nor host", page(`{"name": "app1", "physical": true}`), known, false},
		{"an id without a host says nothing", page(`{"id": "` + ours + `"}`), known, false},
		{"a page without rows is none", `{"now": "2026-11-22T07:00:37Z"}`, Answer{}, true},
		{"HTML is none", `<!DOCTYPE html>`, Answer{}, true},
		{"a list is none", `[]`, Answer{}, true},
		{"a page that was cut off is none", page(row(ours, "1.5"))[:200], Answer{}, true},
		{"an age below 0 is 0", page(row(ours, "-5")), func() Answer { a := listed; a.Age = 0; return a }(), false},
		{"an age without end is long", page(row(ours, "1e300")), func() Answer { a := listed; a.Age = 1e6 * time.Second; return a }(), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Answer
			err := readPage(strings.NewReader(c.page), []node.ID{{1}, {9}}, &got, at)
			if (err != nil) != c.err {
				t.Fatalf("error %v, want one: %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got, byValue); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A page may have as many counts as it likes; few are kept.
func TestReadPageIsBounded(t *testing.T) {
	counts := strings.Repeat(`{"name": "`+strings.Repeat("x", 1000)+`", "n": 1},`, 1000)
	var a Answer
	err := readPage(strings.NewReader(`{"beats": {"rejected": [`+strings.TrimSuffix(counts, ",")+`]}, "rows": []}`), []node.ID{{1}}, &a, time.Now())
	if err != nil || len(a.Rejected) != maxCounts || len(a.Rejected[0].Name) != maxReason {
		t.Errorf("%d counts, %v", len(a.Rejected), err)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add(page(row(ours, "1.5")))
	f.Add(page(row(others, "1e999")))
	f.Add(`{"rows": [[[[[[`)
	f.Add(`{"rows":[]`)
	f.Add(`{"rows": null, "beats": {"rejected": null}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var a Answer
		err := readPage(strings.NewReader(text), []node.ID{{1}}, &a, time.Unix(0, 0))
		if a.Age < 0 || len(a.Rejected) > maxCounts {
			t.Errorf("%+v", a)
		}
		if err == nil && json.NewDecoder(strings.NewReader(text)).Decode(new(json.RawMessage)) != nil {
			t.Errorf("no JSON, and no error: %q", text)
		}
	})
}

func TestShort(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("bare"), "bare"},
		{fmt.Errorf("Get \"http://x\": %w", errors.New("http: server gave HTTP response to HTTPS client")), "server gave HTTP response to HTTPS client"},
	} {
		if got := short(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
