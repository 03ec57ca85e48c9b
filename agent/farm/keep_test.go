package farm

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kept is a store that has its states in a directory. save writes them as Run does.
func kept(t testing.TB, self uint64, dir string, log *slog.Logger) *Store {
	t.Helper()
	return newStoreOf(t, Config{Self: id(self), Layout: twoFarms(), Start: start, Dir: dir, Log: log})
}

func (s *Store) saveNow() {
	failing := false
	s.keep(&failing)
}

func TestStatesOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	s := kept(t, 1, dir, nil)
	s.must(t, start.Add(-time.Hour), say("physical app01 off: disk"), say("physical app02 down, drain: update"))
	s.must(t, start.Add(-time.Hour), say("farm jobs off: holiday"))
	s.must(t, start, push("app01", "load", 1.0))
	s.Check("reports", "app02", errors.New("refused"), start)
	s.saveNow()

	again := kept(t, 1, dir, nil)
	for name, want := range map[string]string{"app01": "off up in: disk", "app02": "drain down in: update"} {
		if got := again.stands("reports", name, start); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if diff := cmp.Diff(s.Farms(start), again.Farms(start)); diff != "" {
		t.Errorf("farms: -before +after\n%s", diff)
	}
	if got := again.has("app01", start); got != "" {
		t.Errorf("statistics %q were kept", got)
	}
	if got := again.stands("reports", "app01", start.Add(10*time.Second)); got != "off up out: disk" {
		t.Errorf("%s: after a start it is in for one expect_update, and no longer", got)
	}
}

// An agent that was down while others were told more has to believe them, and not those who know less than it did.
func TestVersionsOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	s, other := kept(t, 1, dir, nil), newStore(t, 2, twoFarms())
	other.must(t, start, say("physical app01 off: old"))
	old, _ := other.Notes(start)
	s.must(t, start.Add(-time.Hour), say("physical app01 off: older"))
	hearAll(t, other, old[0], start, []*Store{s})
	s.must(t, start.Add(-time.Hour), say("physical app01 on")) // its clock is an hour late
	s.saveNow()

	again := kept(t, 1, dir, nil)
	hearAll(t, other, old[0], start, []*Store{again})
	if got := again.stands("reports", "app01", start); got != "on up in" {
		t.Errorf("%s: what was said before the restart, and heard again, wins", got)
	}
	exchange(t, start, 10*time.Second, again, other)
	if got := other.stands("reports", "app01", start); got != "on up in" {
		t.Errorf("the other knows %s", got)
	}
}

func TestTheFileCanBeRead(t *testing.T) {
	dir := t.TempDir()
	s := kept(t, 1, dir, nil)
	s.must(t, start, say("physical app01 off: disk"))
	s.saveNow()
	text, err := os.ReadFile(filepath.Join(dir, "states.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "farms": null,
  "physicals": [
    {
      "name": "app01",
      "on_off": {
        "state": "off",
        "why": "disk",
        "by": "10.58.4.9",
        "since": "2026-11-22T12:00:00Z",
        "counter": 1795348800000,
        "node": "00000000000000010000000000000000"
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(dir, "states.json"))
	if err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("mode %v, %v: it is everybody's to read", info.Mode(), err)
	}
}

func TestABrokenFileIsSetAside(t *testing.T) {
	whole := `{"physicals":[{"name":"app01","on_off":{"state":"off","why":"","by":"","since":"2026-11-22T11:00:00Z","counter":7,` +
		`"node":"00000000000000010000000000000000"}}]}`
	if s := newStore(t, 1, twoFarms()); s.restore([]byte(whole), start) != nil || s.stands("reports", "app01", start) != "off up in" {
		t.Fatal("the one that all are made of is broken")
	}
	for name, text := range map[string]string{
		"that is empty":              "",
		"that is cut short":          whole[:len(whole)-1],
		"that is followed by more":   whole + "x",
		"of zeros":                   strings.Repeat("\x00", 100),
		"with a state of its own":    strings.Replace(whole, `"off"`, `"out"`, 1),
		"with a state of the other":  strings.Replace(whole, `"off"`, `"down"`, 1),
		"with up that drains":        strings.NewReplacer(`"off"`, `"drain"`, "on_off", "up_down").Replace(whole),
		"with a farm that drains":    strings.NewReplacer(`"off"`, `"drain"`, "physicals", "farms", "app01", "jobs").Replace(whole),
		"with a counter of zero":     strings.Replace(whole, `:7`, `:0`, 1),
		"with a negative counter":    strings.Replace(whole, `:7`, `:-1`, 1),
		"with a counter of far away": strings.Replace(whole, `:7`, `:18446744073709551615`, 1),
		"with half a node id":        strings.Replace(whole, `00000001`, ``, 1),
		"with no node id":            strings.Replace(whole, `00000001`, `00000000`, 1),
		"with no time":               strings.Replace(whole, `2026-11-22T11:00:00Z`, `yesterday`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, FileName)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			s := kept(t, 1, dir, slog.New(slog.NewTextHandler(&out, nil)))
			if got := s.stands("reports", "app01", start); got != "on up in" {
				t.Errorf("%s was taken from it", got)
			}
			if aside, err := os.ReadFile(file + ".broken"); err != nil || string(aside) != text {
				t.Errorf("it was not kept: %q, %v", aside, err)
			}
			if !strings.Contains(out.String(), "set aside") {
				t.Errorf("the operator is not told: %q", &out)
			}
			s.must(t, start, say("physical app01 off"))
			s.saveNow()
			if again := kept(t, 1, dir, nil); again.stands("reports", "app01", start) != "off up in" {
				t.Error("nothing is kept from then on")
			}
		})
	}
}

func TestAFileThatCannotBeReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{Self: id(1), Layout: twoFarms(), Dir: dir, Start: start})
	if err == nil || !strings.HasPrefix(err.Error(), "node.state_dir: ") {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheFileDoesNotListIsNotKept(t *testing.T) {
	dir := t.TempDir()
	s := kept(t, 1, dir, nil)
	s.must(t, start, say("physical app01 off"), say("physical app02 off"))
	s.saveNow()
	s.SetLayout(Layout{Farms: []FarmEntry{{Name: "reports", Members: []MemberEntry{{Name: "app02"}}}}}, start)
	if !woken(s.save) {
		t.Error("the file is not written anew")
	}
	s.saveNow()
	again := kept(t, 1, dir, nil)
	if a, b := again.stands("reports", "app01", start), again.stands("reports", "app02", start); a != "on up in" || b != "off up in" {
		t.Errorf("%s and %s", a, b)
	}
}

// runs has a store in a bubble, whose file is written to memory; log gets what it says.
func runs(t *testing.T, log *bytes.Buffer) (s *Store, writes *[]time.Duration, full *atomic.Bool, stop func()) {
	begun := time.Now()
	writes, full = new([]time.Duration), new(atomic.Bool)
	s = newStoreOf(t, Config{
		Self: id(1), Layout: twoFarms(), Start: begun, Dir: t.TempDir(),
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	s.write = func(string, []byte) error {
		*writes = append(*writes, time.Since(begun))
		if full.Load() {
			return errors.New("no space left on device")
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	return s, writes, full, func() {
		cancel()
		<-done
	}
}

func TestRunWritesAtMostOnceASecondAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, writes, _, stop := runs(t, new(bytes.Buffer))
		for i := range 30 { // changes for three seconds
			s.must(t, time.Now(), say([]string{"physical app01 off", "physical app01 on"}[i%2]))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		s.must(t, time.Now(), say("physical app01 off"))
		time.Sleep(100 * time.Millisecond)
		s.must(t, time.Now(), say("physical app01 on"))
		time.Sleep(100 * time.Millisecond)
		stop()
		want := []time.Duration{0, 1e9, 2e9, 3e9, 13e9, 13.2e9}
		if diff := cmp.Diff(want, *writes); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestRunWritesWhatWasSaidAgainOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, writes, _, stop := runs(t, new(bytes.Buffer))
		time.Sleep(time.Millisecond)
		s.must(t, time.Now(), say("physical app01 off"))
		for range 90 {
			time.Sleep(time.Second)
			s.must(t, time.Now(), say("physical app01 off"))
		}
		stop()
		want := []time.Duration{1e6, 60e9, 90e9 + 1e6}
		if diff := cmp.Diff(want, *writes); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

func TestRunWritesNothingOfStatistics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, writes, _, stop := runs(t, new(bytes.Buffer))
		s.must(t, time.Now(), push("app01", "load", 1.0))
		time.Sleep(time.Hour)
		stop()
		if len(*writes) > 0 {
			t.Errorf("written after %v", *writes)
		}
	})
}

func TestRunSaysOnceThatItCannotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		s, writes, full, stop := runs(t, &out)
		full.Store(true)
		s.must(t, time.Now(), say("physical app01 off"))
		time.Sleep(2*keepAgains + time.Second)
		full.Store(false)
		time.Sleep(2 * keepAgains)
		stop()
		if len(*writes) != 4 {
			t.Errorf("written %d times, want at once, twice in vain, and then for good", len(*writes))
		}
		for _, line := range []string{"no space left on device", "are kept again"} {
			if n := strings.Count(out.String(), line); n != 1 {
				t.Errorf("%q is said %d times", line, n)
			}
		}
	})
}

func TestRunWithoutADirectoryWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, 1, twoFarms())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx)
		}()
		s.must(t, time.Now(), say("physical app01 off"))
		synctest.Wait()
		select {
		case <-done:
			t.Error("it ends before its time")
		default:
		}
		cancel()
		<-done
	})
}

// FuzzRestore: whatever stands in the file, it is taken whole or not at all, and what is taken is kept the same.
func FuzzRestore(f *testing.F) {
	s := newStore(f, 1, twoFarms())
	s.must(f, start, say("physical app01 off, down: disk"), say("physical app02 drain: update"), say("farm jobs down: holiday"))
	file := s.kept()
	text, err := encodeFile(&file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newStore(t, 1, twoFarms())
		before := s.kept()
		err := s.restore(text, start)
		taken := s.kept()
		if err != nil {
			if diff := cmp.Diff(before, taken); diff != "" {
				t.Fatalf("something was taken of a broken file: %s", diff)
			}
			return
		}
		text, err = encodeFile(&taken)
		if err != nil {
			t.Fatal(err)
		}
		again := newStore(t, 1, twoFarms())
		if err := again.restore(text, start); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(taken, again.kept()); diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	})
}
