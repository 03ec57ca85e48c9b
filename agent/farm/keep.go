package farm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"backhand/gossip/node"
)

// FileName is where states are kept, in the state directory.
const FileName = "states.json"

// How often the file is written: at most, when something has changed, and for what was said again although it is so.
const (
	keepEvery  = time.Second
	keepAgains = time.Minute
)

// The file, as people may read it. Only what was ever said is in it.
type keptFile struct {
	Farms     []keptEntity `json:"farms"`
	Physicals []keptEntity `json:"physicals"`
}

type keptEntity struct {
	Name   string     `json:"name"`
	OnOff  *keptState `json:"on_off,omitempty"`
	UpDown *keptState `json:"up_down,omitempty"`
}

type keptState struct {
	State   string    `json:"state"`
	Why     string    `json:"why"`
	By      string    `json:"by"`
	Since   time.Time `json:"since"`
	Counter uint64    `json:"counter"`
	Node    string    `json:"node"`
}

// Run writes the file, at most once a second, and what is left when the context ends. If it cannot be written, the operator is
// told once, and it is tried again.
func (s *Store) Run(ctx context.Context) {
	if s.file == "" {
		<-ctx.Done()
		return
	}
	again := time.NewTicker(keepAgains)
	defer again.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			s.keep(&failing)
			return
		case <-s.save:
		case <-again.C:
		}
		s.keep(&failing)
		rest.Reset(keepEvery)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
	}
}

// keep writes the file, if it does not hold what is known. failing says whether it could not be written the last time.
func (s *Store) keep(failing *bool) {
	s.mu.Lock()
	unkept := s.unkept
	s.unkept = false
	var f keptFile
	if unkept {
		f = s.kept()
	}
	s.mu.Unlock()
	if !unkept {
		return
	}
	text, err := encodeFile(&f)
	if err == nil {
		err = s.write(s.file, text)
	}
	switch {
	case err != nil:
		s.mu.Lock()
		s.unkept = true
		s.mu.Unlock()
		if !*failing {
			s.journal.log.Warn("the states of farms and physicals cannot be kept: a restart would forget them", "err", err)
		}
	case *failing:
		s.journal.log.Info("the states of farms and physicals are kept again", "file", s.file)
	}
	*failing = err != nil
}

func replaceFile(file string, text []byte) error { return renameio.WriteFile(file, text, 0o640) }

func encodeFile(f *keptFile) ([]byte, error) {
	text, err := json.MarshalIndent(f, "", "  ")
	return append(text, '\n'), err
}

// kept returns what was ever said. It is called with mu held.
func (l *layout) kept() (f keptFile) {
	for _, e := range l.repeating {
		k := keptEntity{Name: e.name, OnOff: keptOf(e, onOff), UpDown: keptOf(e, upDown)}
		switch {
		case k.OnOff == nil && k.UpDown == nil:
		case e.farm:
			f.Farms = append(f.Farms, k)
		default:
			f.Physicals = append(f.Physicals, k)
		}
	}
	return f
}

func keptOf(e *entity, p pair) *keptState {
	v := &e.states[p]
	if !v.said() {
		return nil
	}
	return &keptState{
		State: v.word(p), Why: v.why, By: v.by, Since: v.since.UTC(), Counter: v.version.counter, Node: v.version.node.String(),
	}
}

// load reads what was kept. A file that cannot be understood is set aside, so that a person can look at it, and counts as
// absent.
func (s *Store) load(now time.Time) error {
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("node.state_dir: %w", err)
	}
	err = s.restore(text, now)
	if err == nil {
		return nil
	}
	aside := s.file + ".broken"
	s.journal.log.Warn("a file of state_dir cannot be understood and was set aside: all farms and physicals are on and up, unless "+
		"other agents know better", "file", s.file, "now", aside, "err", err)
	if err := os.Rename(s.file, aside); err != nil {
		return fmt.Errorf("node.state_dir: %w", err)
	}
	return nil
}

// restore takes over what is kept of what the layout lists: all of it, or on an error nothing.
func (s *Store) restore(text []byte, now time.Time) error {
	var f keptFile
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	restored := map[*entity][pairs]state{}
	for kind, all := range [][]keptEntity{f.Physicals, f.Farms} {
		for _, k := range all {
			states, err := k.states(now)
			if err == nil && kind == kindOf(true) && states[onOff].drain {
				err = errors.New("a farm cannot drain")
			}
			if err != nil {
				return fmt.Errorf("%s %q: %w", kindName(kind == kindOf(true)), k.Name, err)
			}
			if e := s.entities[kind][k.Name]; e != nil {
				restored[e] = states
			}
		}
	}
	for e, states := range restored {
		e.states = states
	}
	return nil
}

// states checks what is kept of one.
func (k *keptEntity) states(now time.Time) (all [pairs]state, err error) {
	for p, kept := range [pairs]*keptState{onOff: k.OnOff, upDown: k.UpDown} {
		if kept == nil {
			continue
		}
		if all[p], err = kept.state(pair(p), now); err != nil {
			return all, err
		}
	}
	return all, nil
}

func (k *keptState) state(p pair, now time.Time) (state, error) {
	words := []string{p.word(false), p.word(true)}
	if p == onOff {
		words = append(words, drainWord)
	}
	if !slices.Contains(words, k.State) {
		return state{}, fmt.Errorf("state %q: want one of %s", k.State, strings.Join(words, ", "))
	}
	id, err := node.ParseID(k.Node)
	if err != nil {
		return state{}, err
	}
	if id.IsZero() || !plausible(k.Counter, now) {
		return state{}, fmt.Errorf("version %d of node %s cannot be", k.Counter, id)
	}
	if k.Since.UTC().Year() < 1 { // it could not be written
		return state{}, fmt.Errorf("since %v cannot be", k.Since)
	}
	return state{
		set: k.State == p.word(true), drain: k.State == drainWord, why: clean(k.Why, node.MaxWhy), by: clean(k.By, MaxBy),
		since: when(k.Since, now), version: version{k.Counter, id},
	}, nil
}
