package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/gossip/node"
)

var quiet = slog.New(slog.DiscardHandler)

func openForTest(t *testing.T, dir string, now time.Time) *state {
	t.Helper()
	s, err := openState(dir, now, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func TestStateKeepsTheIDAndRaisesTheBootNumber(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for us")
	now := time.UnixMilli(1_800_000_000_000)
	first := openForTest(t, dir, now)
	first.close()
	second := openForTest(t, dir, now.Add(time.Hour))
	second.close()
	third := openForTest(t, dir, now.Add(-24*time.Hour)) // the clock was set back
	if second.id != first.id || third.id != first.id {
		t.Errorf("ids differ: %v, %v, %v", first.id, second.id, third.id)
	}
	if !(first.boot < second.boot && second.boot < third.boot) {
		t.Errorf("boot numbers do not rise: %d, %d, %d", first.boot, second.boot, third.boot)
	}
}

func TestStateIsHeldByOneAgent(t *testing.T) {
	dir := t.TempDir()
	openForTest(t, dir, time.Now())
	_, err := openState(dir, time.Now(), quiet)
	if err == nil || !strings.Contains(err.Error(), "is in use by another agent (pid ") {
		t.Errorf("a second agent got %v, want an error that names the first", err)
	}
}

func TestStateSetsBrokenFilesAside(t *testing.T) {
	for _, name := range []string{"id", "boot", "speed"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, name), []byte("\x00garbage"), 0o600); err != nil {
				t.Fatal(err)
			}
			s := openForTest(t, dir, time.Now())
			if s.id == (node.ID{}) || s.boot == 0 {
				t.Errorf("id %v, boot %d: want fresh ones", s.id, s.boot)
			}
			if _, ok := s.speed(quiet); ok {
				t.Error("a broken or absent speed counts as measured")
			}
			kept, err := os.ReadFile(filepath.Join(dir, name+".broken"))
			if err != nil || string(kept) != "\x00garbage" {
				t.Errorf("the broken file was not kept: %q, %v", kept, err)
			}
		})
	}
}

func TestStateWithoutDirectoryRemembersNothing(t *testing.T) {
	a, b := openForTest(t, "", time.Now()), openForTest(t, "", time.Now())
	if a.id == b.id || a.id.IsZero() {
		t.Errorf("ids %v and %v: want two fresh ones", a.id, b.id)
	}
	if a.controlSocket() != "" {
		t.Errorf("control socket %q without a directory", a.controlSocket())
	}
}

func TestStateKeepsTheSpeed(t *testing.T) {
	dir := t.TempDir()
	s := openForTest(t, dir, time.Now())
	if err := s.keepSpeed(1234.5); err != nil {
		t.Fatal(err)
	}
	if v, ok := s.speed(quiet); !ok || v != 1234.5 {
		t.Errorf("speed %v, %v: want 1234.5", v, ok)
	}
}
