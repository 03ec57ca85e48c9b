package farm

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func id(n uint64) (id node.ID) {
	binary.BigEndian.PutUint64(id[:], n)
	return id
}

// twoFarms lists app01 and app02 in reports, where statistics are expected within ten seconds, of app02 within thirty; and
// app01 in jobs as well, where none are.
func twoFarms() Layout {
	return Layout{Farms: []FarmEntry{
		{Name: "reports", ExpectUpdate: 10 * time.Second, Members: []MemberEntry{
			{Name: "app01"}, {Name: "app02", ExpectUpdate: 30 * time.Second},
		}},
		{Name: "jobs", Members: []MemberEntry{{Name: "app01"}}},
	}}
}

// manyPhysicals lists that many in one farm, of which no statistics are expected.
func manyPhysicals(n int) Layout {
	f := FarmEntry{Name: "reports"}
	for i := range n {
		f.Members = append(f.Members, MemberEntry{Name: fmt.Sprintf("app%04d", i)})
	}
	return Layout{Farms: []FarmEntry{f}}
}

func newStore(t testing.TB, self uint64, l Layout) *Store {
	t.Helper()
	return newStoreOf(t, Config{Self: id(self), Layout: l, Start: start})
}

func newStoreOf(t testing.TB, cfg Config) *Store {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Store) must(t testing.TB, now time.Time, updates ...node.Update) {
	t.Helper()
	if err := s.Update(now, "10.58.4.9", updates); err != nil {
		t.Fatal(err)
	}
}

func stats(pairs ...any) (all []node.Stat) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, node.Stat{Name: pairs[i].(string), Value: pairs[i+1].(float64)})
	}
	return all
}

func push(name string, pairs ...any) node.Update {
	return node.Update{Name: name, Stats: stats(pairs...)}
}

// say is an update in words: "physical app01 off, up: on fire".
func say(text string) (u node.Update) {
	text, u.Why, _ = strings.Cut(text, ": ")
	words := strings.Fields(strings.ReplaceAll(text, ",", ""))
	u.Farm, u.Name = words[0] == "farm", words[1]
	for _, w := range words[2:] {
		switch w {
		case "on", "off":
			u.Off = new(w == "off")
		case "drain":
			u.Drain = new(true)
		case "up", "down":
			u.Down = new(w == "down")
		default:
			panic(w)
		}
	}
	return u
}

// filled returns what the store says of a physical in a farm.
func (s *Store) filled(farm, name string, now time.Time) node.Physical {
	p := []node.Physical{{Farm: farm, Name: name, URL: &url.URL{Scheme: "http", Host: name + ":80"}}}
	s.Fill(p, now)
	return p[0]
}

// stands returns how a physical stands, as "off up in: on fire".
func (s *Store) stands(farm, name string, now time.Time) string {
	return words(s.filled(farm, name, now).Standing)
}

func words(st node.Standing) string {
	first := state{set: st.Off, drain: st.Drain}
	text := first.word(onOff) + " " + upDown.word(st.Down) + " " + map[bool]string{true: "out", false: "in"}[st.Out]
	if st.Why != "" {
		text += ": " + st.Why
	}
	return text
}

// has returns the statistics of a physical, as "load=0.5 sessions=12".
func (s *Store) has(name string, now time.Time) string {
	var all []string
	for _, st := range s.filled("reports", name, now).Stats {
		all = append(all, fmt.Sprintf("%s=%v", st.Name, st.Value))
	}
	return strings.Join(all, " ")
}

// woken reports whether something came on the channel since.
func woken(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// exchange has the stores tell each other all that they want to, from then on and for that long. It returns when it ended.
func exchange(t testing.TB, now time.Time, long time.Duration, stores ...*Store) time.Time {
	t.Helper()
	for end := now.Add(long); now.Before(end); now = now.Add(tellEvery) {
		for _, from := range stores {
			notes, _ := from.Notes(now)
			for _, n := range notes {
				hearAll(t, from, n, now, stores)
			}
		}
	}
	return now
}

func hearAll(t testing.TB, from *Store, note []byte, now time.Time, stores []*Store) {
	t.Helper()
	if len(note) == 0 || len(note) > MaxNote {
		t.Fatalf("a note of %d bytes", len(note))
	}
	for _, to := range stores {
		if to == from {
			continue
		}
		if err := to.Hear(from.self, note, now); err != nil {
			t.Fatal(err)
		}
	}
}
