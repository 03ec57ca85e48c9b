package athena

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

// drawSaid makes something that an engine may tell, with times exact to a millisecond.
func drawSaid(rt *rapid.T, farm bool) node.Said {
	name := rapid.StringMatching(`[a-zA-Z0-9._-]{1,32}`)
	at := rapid.Map(rapid.Int64Range(0, int64(maxAge/time.Millisecond)), func(ms int64) time.Time {
		return fixed().Add(-time.Duration(ms) * time.Millisecond)
	})
	state := func() *node.SaidState {
		if rapid.Bool().Draw(rt, "unsaid") {
			return nil
		}
		v := &node.SaidState{
			State: rapid.SampledFrom([]string{"on", "off", "drain", "up", "down"}).Draw(rt, "state"),
			Why:   rapid.String().Draw(rt, "why"), By: rapid.String().Draw(rt, "by"), Since: at.Draw(rt, "since"),
			Counter: rapid.Uint64().Draw(rt, "counter"),
		}
		copy(v.Node[:], rapid.SliceOfN(rapid.Byte(), len(v.Node), len(v.Node)).Draw(rt, "node"))
		return v
	}
	v := node.Said{Farm: farm, Name: name.Draw(rt, "name"), OnOff: state(), UpDown: state()}
	if farm {
		if rapid.Bool().Draw(rt, "compare") {
			v.Members = append([]string{}, rapid.SliceOfN(name, 0, 5).Draw(rt, "members")...)
		}
		return v
	}
	if rapid.Bool().Draw(rt, "updated") {
		v.Updated = at.Draw(rt, "at")
	}
	for _, s := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9._-]{0,31}`), 0, 5, rapid.ID).Draw(rt, "stats") {
		v.Stats = append(v.Stats, node.Stat{Name: s, Value: rapid.Float64Min(0).Draw(rt, "value"), At: at.Draw(rt, "at")})
	}
	return v
}

func TestWhatIsToldIsReadAsItWasWritten(t *testing.T) {
	near := cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() <= time.Microsecond })
	rapid.Check(t, func(rt *rapid.T) {
		farms := rapid.Bool().Draw(rt, "farms")
		var want []node.Said
		for range rapid.IntRange(1, 5).Draw(rt, "how many") {
			want = append(want, drawSaid(rt, farms))
		}
		body, n, err := encodeSaid(want, fixed())
		if err != nil || n != len(want) {
			rt.Fatalf("%d of %d are written: %v", n, len(want), err)
		}
		got, err := parseSaid(body, farms, fixed())
		if err != nil {
			rt.Fatalf("%v: %s", err, body)
		}
		if diff := cmp.Diff(want, got, near); diff != "" {
			rt.Fatalf("(-want +got)\n%s", diff)
		}
	})
}

func TestBodiesFit(t *testing.T) {
	var all []node.Said
	for range 900 {
		v := node.Said{Name: "app01"}
		for range node.MaxStats {
			v.Stats = append(v.Stats, node.Stat{Name: strings.Repeat("a", 32), Value: 1.0 / 3, At: fixed()})
		}
		all = append(all, v)
	}
	all = append(all, node.Said{Farm: true, Name: "reports"})
	told := 0
	for left := all; len(left) > 0; {
		body, n, err := encodeSaid(left, fixed())
		if err != nil || n == 0 || len(body) > maxBody || !json.Valid(body) {
			t.Fatalf("%d bytes hold %d: %v", len(body), n, err)
		}
		left, told = left[n:], told+1
	}
	if told < 3 {
		t.Errorf("%d bodies hold all of it", told)
	}
	if body, n, err := encodeSaid(nil, fixed()); string(body) != "[]" || n != 0 || err != nil {
		t.Errorf("nothing is %s, %d, %v", body, n, err)
	}
}

// FuzzMirror: whatever comes, what is understood is within bounds, and is the same when it is told on.
func FuzzMirror(f *testing.F) {
	f.Add([]byte(saidPhys), false)
	f.Add([]byte(saidFarm), true)
	f.Fuzz(func(t *testing.T, body []byte, farms bool) {
		all, err := parseSaid(body, farms, fixed())
		if err != nil {
			if text := clean(err.Error()); len(text) > 4*len(body)+400 {
				t.Fatalf("a mistake of %d bytes in %d", len(text), len(body))
			}
			return
		}
		if len(all) > maxRequests {
			t.Fatalf("%d at once", len(all))
		}
		for i := range all {
			inBounds(t, &all[i], farms)
		}
		again, n, err := encodeSaid(all, fixed())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseSaid(again, farms, fixed()); err != nil {
			t.Fatalf("%d of it, told on, are not understood: %v: %s", n, err, again)
		}
	})
}

func inBounds(t *testing.T, v *node.Said, farms bool) {
	t.Helper()
	if v.Farm != farms || checkName(v.Name) != nil || v.Updated.After(fixed()) || len(v.Stats) > node.MaxStats ||
		farms && v.Stats != nil || !farms && v.Members != nil {
		t.Fatalf("%+v", v)
	}
	for _, s := range v.Stats {
		if !node.ValidStatName(s.Name) || !(s.Value >= 0) || !finite(s.Value) || s.At.After(fixed()) {
			t.Fatalf("%+v", s)
		}
	}
	for _, s := range []*node.SaidState{v.OnOff, v.UpDown} {
		if s != nil && (s.Since.After(fixed()) || s.State == "" || len(s.State) > maxState) {
			t.Fatalf("%+v", s)
		}
	}
}
