package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"backhand/agent/config"
	"backhand/gossip/wire"
	"backhand/status"
)

// keyLook is how often the key file is looked at. One that has changed is read once it has stayed the same from one look to
// the next: before, somebody may be writing it.
const keyLook = 2 * time.Second

// keysFinding is the kind of finding that the key file makes.
const keysFinding = "keys"

// keys are those of the running agent.
type keys struct {
	look  time.Duration                  // as keyLook; 0 is that
	ring  atomic.Pointer[wire.Keyring]   // nil: none
	fault atomic.Pointer[status.Finding] // why the key file as it is now is not used; nil: it is
}

// setKeys goes on with the keys of a file that was just read, in beats and in what is said over hops. Called with reloading
// held.
func (a *Agent) setKeys(ring *wire.Keyring) {
	a.keys.ring.Store(ring)
	a.keys.fault.Store(nil)
	a.stale.Store(true)
	a.gossip.SetKeys(ring)
	a.setMemberlistKeys(ring)
}

// watchKeys takes over key files that change, until the context ends.
func (a *Agent) watchKeys(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(a.keys.look, keyLook))
	defer tick.Stop()
	var w keyWatch
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		file := a.config.Load().Gossip.KeyFile
		if w.rests(file, stampOf(file)) {
			a.rereadKeys(file)
		}
	}
}

// rereadKeys takes over what stands in the key file now. What cannot be used changes nothing.
func (a *Agent) rereadKeys(file string) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	old := a.config.Load()
	if old.Gossip.KeyFile != file {
		return // it was reloaded meanwhile
	}
	cfg := *old
	var ring *wire.Keyring
	var err error
	if cfg.Gossip.Keys, err = config.ReadKeys(file); err == nil {
		ring, err = cfg.Keyring()
	}
	switch {
	case err != nil:
		a.keysBroken(file, err, time.Now())
	case slices.Equal(cfg.Gossip.Keys, old.Gossip.Keys):
		if a.keys.fault.Swap(nil) != nil {
			a.log.Info("the key file can be used again; it has the keys that are in use", "file", file)
		}
	default:
		a.config.Store(&cfg)
		a.setKeys(ring)
		a.log.Info("the key file has changed and was taken over", "file", file, "keys", fmt.Sprint(ring))
	}
}

// keysBroken says, in the log and on the page, that a key file which has changed cannot be used.
func (a *Agent) keysBroken(file string, err error, now time.Time) {
	f := &status.Finding{
		Kind: keysFinding, Since: now,
		Text: "the key file " + file + " has changed and cannot be used, so that the keys from before stay; correct it: " +
			inShort(err),
	}
	if old := a.keys.fault.Load(); old != nil {
		f.Since = old.Since
	}
	a.keys.fault.Store(f)
	a.log.Warn("the key file has changed and cannot be used; the keys from before stay until it is corrected",
		"file", file, "err", inShort(err))
}

// inShort returns the first mistake of a file, and how many more there are; of any other error its text.
func inShort(err error) string {
	all, ok := errors.AsType[*config.Errors](err)
	if !ok || len(*all) == 0 {
		return err.Error()
	}
	text := (*all)[0].String()
	if more := len(*all) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// findings are what has turned out to be wrong.
func (a *Agent) findings(now time.Time) []status.Finding {
	var out []status.Finding
	for _, f := range a.gossip.Findings(now) {
		out = append(out, status.Finding{Kind: f.Kind, Text: f.Text, Since: f.Since})
	}
	if f := a.keys.fault.Load(); f != nil {
		out = append(out, *f)
	}
	return out
}

// unauthenticated reports whether beats without proof of origin are taken from beyond this host.
func unauthenticated(cfg *config.Config, ring *wire.Keyring) bool {
	return cfg.Exposed() && ring.Mode() != wire.Enforce
}

// shownKeys is what the page tells of our keys; nil if there are none.
func (a *Agent) shownKeys() *status.Keys {
	ring := a.keys.ring.Load()
	if ring == nil {
		return nil
	}
	return &status.Keys{Mode: ring.Mode().String(), Sealing: ring.Sealing(), Held: ring.Held()}
}

// keyWatch tells when a file is to be read.
type keyWatch struct {
	file string
	seen stamp // at the last look
	read stamp // as it was when it was last told to read it
}

// stamp changes with the content of a file, its permissions, and the file that has its name.
type stamp struct {
	device, inode uint64
	size          int64
	sec, nsec     int64  // of the last change of content or permissions
	fault         string // why there is nothing of all that
}

// stampOf returns the stamp of the file as it is now.
func stampOf(file string) stamp {
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return stamp{fault: err.Error()}
	}
	return stamp{device: uint64(st.Dev), inode: st.Ino, size: st.Size, sec: int64(st.Ctim.Sec), nsec: int64(st.Ctim.Nsec)}
}

// rests reports whether the file is not as it was when it was last read, but as it was at the last look. The first time
// it is read, whatever it is like.
func (w *keyWatch) rests(file string, now stamp) bool {
	if file != w.file {
		*w = keyWatch{file: file, seen: now}
		return false
	}
	same := now == w.seen
	w.seen = now
	if !same || now == w.read {
		return false
	}
	w.read = now
	return w.file != ""
}
