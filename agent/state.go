package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/renameio/v2"

	"backhand/gossip/node"
)

// state is what an agent remembers from one start to the next. Without a directory it remembers nothing: the id is then
// a new one at every start.
type state struct {
	dir  string
	lock *os.File // holds the directory against a second agent; nil without a directory
	id   node.ID

	mu   sync.Mutex
	boot uint64
}

// openState takes the directory for this agent alone, and reads or makes what is kept in it. The new boot number is on
// the disk before it returns, so that no two starts ever announce the same one.
func openState(dir string, now time.Time, log *slog.Logger) (*state, error) {
	s := &state{dir: dir, boot: uint64(now.UnixMilli())}
	if dir == "" {
		s.id = node.NewID()
		return s, nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("node.state_dir: %w", err)
	}
	if err := s.flock(); err != nil {
		return nil, err
	}
	if err := s.load(log); err != nil {
		s.close()
		return nil, fmt.Errorf("node.state_dir: %w", err)
	}
	return s, nil
}

// raise remembers and returns a boot number that is greater than one heard of a clone.
func (s *state) raise(heard uint64, now time.Time, log *slog.Logger) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boot = max(s.boot, heard+1, uint64(now.UnixMilli()))
	if s.dir != "" {
		if err := s.write("boot", strconv.FormatUint(s.boot, 10)); err != nil {
			log.Warn("the boot number cannot be kept", "err", err)
		}
	}
	return s.boot
}

// bootNumber returns the one that this start, or a clone, has made.
func (s *state) bootNumber() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.boot
}

// flock holds the directory. The lock is the kernel's: it ends with the process, however that ends.
func (s *state) flock() error {
	f, err := os.OpenFile(s.path("lock"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return fmt.Errorf("node.state_dir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid := make([]byte, 16)
		n, _ := f.Read(pid)
		f.Close()
		return fmt.Errorf("node.state_dir: %s is in use by another agent (pid %s); give each agent of a host a directory "+
			"of its own", s.dir, strings.TrimSpace(string(pid[:n])))
	}
	if err := errors.Join(f.Truncate(0), writePid(f)); err != nil {
		f.Close()
		return fmt.Errorf("node.state_dir: %w", err)
	}
	s.lock = f
	return nil
}

func writePid(f *os.File) error {
	_, err := fmt.Fprintln(f, os.Getpid())
	return err
}

// load reads the id and the boot number, and writes the next one.
func (s *state) load(log *slog.Logger) error {
	id, ok, err := readState(s, "id", node.ParseID, log)
	if err != nil {
		return err
	}
	if !ok {
		id = node.NewID()
		if err := s.write("id", id.String()); err != nil {
			return err
		}
	}
	s.id = id
	last, _, err := readState(s, "boot", parseBoot, log)
	if err != nil {
		return err
	}
	// A clock that was set back must not make this start look older than the one before.
	s.boot = max(s.boot, last+1)
	return s.write("boot", strconv.FormatUint(s.boot, 10))
}

func parseBoot(text string) (uint64, error) { return strconv.ParseUint(text, 10, 48) }

// speed returns the speed of one CPU that was measured at an earlier start.
func (s *state) speed(log *slog.Logger) (float64, bool) {
	v, ok, _ := readState(s, "speed", func(t string) (float64, error) { return strconv.ParseFloat(t, 64) }, log)
	return v, ok && v > 0
}

// keepSpeed keeps it for the next start. Without a directory it is measured anew each time.
func (s *state) keepSpeed(v float64) error {
	if s.dir == "" {
		return nil
	}
	return s.write("speed", strconv.FormatFloat(v, 'f', 1, 64))
}

// readState reads one small file. One that cannot be understood is set aside, so that a person can look at it, and counts
// as absent.
func readState[T any](s *state, name string, parse func(string) (T, error), log *slog.Logger) (v T, ok bool, err error) {
	if s.dir == "" {
		return v, false, nil
	}
	text, err := os.ReadFile(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return v, false, nil
	}
	if err != nil {
		return v, false, err
	}
	v, err = parse(strings.TrimSpace(string(text)))
	if err == nil {
		return v, true, nil
	}
	aside := s.path(name + ".broken")
	log.Warn("a file of state_dir cannot be understood and was set aside", "file", s.path(name), "now", aside, "err", err)
	return v, false, os.Rename(s.path(name), aside)
}

// write replaces one small file whole, or not at all.
func (s *state) write(name, text string) error {
	return renameio.WriteFile(s.path(name), []byte(text+"\n"), 0o640)
}

// controlSocket returns the path of the socket that commands use, or "" if there is no directory for it.
func (s *state) controlSocket() string {
	if s.dir == "" {
		return ""
	}
	return s.path(ControlSocket)
}

func (s *state) path(name string) string { return filepath.Join(s.dir, name) }

// close lets another agent have the directory.
func (s *state) close() {
	if s.lock != nil {
		s.lock.Close()
	}
}
