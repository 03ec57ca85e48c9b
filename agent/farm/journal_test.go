package farm

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// logged is a store, and what it logs without times.
func logged(t *testing.T, self uint64, l Layout) (*Store, *bytes.Buffer) {
	t.Helper()
	out := new(bytes.Buffer)
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return newStoreOf(t, Config{Self: id(self), Layout: l, Start: start, Log: log}), out
}

func TestChangesAreLoggedOnce(t *testing.T) {
	s, out := logged(t, 1, twoFarms())
	other, third := newStore(t, 2, twoFarms()), newStore(t, 3, twoFarms())
	now := start
	fill := func(s *Store, now time.Time) {
		s.filled("reports", "app01", now)
		s.filled("reports", "app02", now)
		s.filled("jobs", "app01", now)
	}
	for _, tc := range []struct {
		name string
		do   func()
		want string
	}{
		{"nothing, at the start", func() { fill(s, now) }, ""},
		{
			"a state", func() { s.must(t, now, say("physical app01 off: disk")) },
			`level=INFO msg="a state was changed" physical=app01 from=on to=off by=10.58.4.9 why=disk`,
		},
		{"the same again", func() { s.must(t, now, say("physical app01 off: disk")) }, ""},
		{
			"another reason", func() { s.must(t, now, say("physical app01 off: fan")) },
			`level=INFO msg="a state was changed" physical=app01 from=off to=off by=10.58.4.9 why=fan`,
		},
		{
			"back, and why", func() { s.must(t, now, say("physical app01 on: repaired")) },
			`level=INFO msg="a state was changed" physical=app01 from=off to=on by=10.58.4.9 why=repaired`,
		},
		{
			"that it drains", func() { s.must(t, now, say("physical app01 drain: update")) },
			`level=INFO msg="a state was changed" physical=app01 from=on to=drain by=10.58.4.9 why=update`,
		},
		{"that it drains still", func() { s.must(t, now, say("physical app01 drain: update")) }, ""},
		{
			"that it is off then", func() { s.must(t, now, say("physical app01 off: update")) },
			`level=INFO msg="a state was changed" physical=app01 from=drain to=off by=10.58.4.9 why=update`,
		},
		{
			"that it is on again", func() { s.must(t, now, say("physical app01 on")) },
			`level=INFO msg="a state was changed" physical=app01 from=off to=on by=10.58.4.9 why=""`,
		},
		{"what already is", func() { s.must(t, now, say("physical app01 on")) }, ""},
		{"what nobody doubted", func() { s.must(t, now, say("physical app02 on, up")) }, ""},
		{"two of a farm, by somebody who forges lines", func() {
			_ = s.Update(now, "x\nlevel=INFO msg=forged", []node.Update{say("farm jobs off, down: a\nb")})
		}, `level=INFO msg="a state was changed" farm=jobs from=on to=off by="x level=INFO msg=forged" why="a b"` + "\n" +
			`level=INFO msg="a state was changed" farm=jobs from=up to=down by="x level=INFO msg=forged" why="a b"`},
		{"statistics", func() { s.must(t, now, push("app02", "load", 1.0)) }, ""},
		{"what is heard", func() {
			other.must(t, now.Add(time.Second), say("physical app02 down: swapping"))
			exchange(t, now.Add(time.Second), 20*time.Second, s, other)
		}, `level=INFO msg="a state was changed" physical=app02 from=up to=down by=10.58.4.9 why=swapping heard_from=00000000`},
		{"what another engine tells, whoever is said to have said it", func() {
			third.must(t, now.Add(2*time.Second), say("physical app02 up"))
			third.must(t, now.Add(3*time.Second), say("physical app02 down: on fire"))
			third.mirrorTo(t, s, now.Add(3*time.Second))
		}, `level=INFO msg="a state was changed" physical=app02 from=down to=down by=10.58.4.9 why="on fire" mirrored_by=10.58.4.2`},
		{
			"a check", func() { s.Check("jobs", "app01", errors.New("refused"), now) },
			`level=INFO msg="a state was changed" physical=app01 farm=jobs from=up to=down by=check why=refused`,
		},
		{"a check with another reason", func() { s.Check("jobs", "app01", errors.New("time-out"), now) }, ""},
		{
			"a check that is well", func() { s.Check("jobs", "app01", nil, now) },
			`level=INFO msg="a state was changed" physical=app01 farm=jobs from=down to=up by=check why=""`,
		},
		{
			"one that goes out, and its farm where nothing is expected", func() { fill(s, now.Add(15*time.Second)) },
			`level=INFO msg="states were changed" physicals=1 among_them=reports/app01 from=in to=out by=expect_update ` +
				`why="no statistics came within expect_update"`,
		},
		{"as long as it is out", func() { fill(s, now.Add(16*time.Second)) }, ""},
		{
			"one that is in again", func() { s.must(t, now.Add(17*time.Second), push("app01")); fill(s, now.Add(17*time.Second)) },
			`level=INFO msg="states were changed" physicals=1 among_them=reports/app01 from=out to=in by=expect_update ` +
				`why="statistics came"`,
		},
	} {
		out.Reset()
		tc.do()
		if diff := cmp.Diff(tc.want, strings.TrimSpace(out.String())); diff != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, diff)
		}
	}
}

func TestAThousandThatGoOutMakeOneLine(t *testing.T) {
	l := manyPhysicals(1000)
	l.Farms[0].ExpectUpdate = time.Second
	s, out := logged(t, 1, l)
	var all []node.Physical
	for _, m := range l.Farms[0].Members {
		all = append(all, node.Physical{Farm: "reports", Name: m.Name})
	}
	s.Fill(all, start.Add(time.Second))
	if n := strings.Count(out.String(), "\n"); n != 1 || !strings.Contains(out.String(), "physicals=1000") {
		t.Errorf("%d lines: %.200s", n, out)
	}
}

// Whoever may say things shall not fill the disk by saying them.
func TestTheLogIsBounded(t *testing.T) {
	s, out := logged(t, 1, twoFarms())
	now := start
	for i := range 5000 {
		now = now.Add(time.Millisecond)
		s.must(t, now, say(fmt.Sprintf("physical app01 off: %d", i)))
	}
	if n := strings.Count(out.String(), "\n"); n != journalLines {
		t.Errorf("%d lines in five seconds, want %d", n, journalLines)
	}
	out.Reset()
	s.must(t, start.Add(journalEvery+time.Second), say("physical app01 on"))
	if got := out.String(); !strings.Contains(got, "to=on") || !strings.Contains(got, "other_changes=4000") {
		t.Errorf("the next line does not say how many it stands for: %q", got)
	}
}
