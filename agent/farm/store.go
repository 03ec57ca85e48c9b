package farm

import (
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"backhand/gossip/node"
)

// Config is what a [Store] needs.
type Config struct {
	Self   node.ID // of this agent
	Layout Layout
	Dir    string       // where states are kept, which exists; "": nothing is kept
	Log    *slog.Logger // gets what was changed, and by whom; nil: slog.Default()
	Start  time.Time    // from when statistics are expected
}

// Store knows what is said of the farms and physicals of the file. Its methods may be called by any number of goroutines; time
// comes in.
type Store struct {
	self    node.ID
	file    string // "": nothing is kept
	write   func(file string, text []byte) error
	journal journal
	changed chan struct{}
	save    chan struct{} // something comes when the file should be written

	mu sync.Mutex
	layout
	news     []change // that the journal has not got yet
	unkept   bool     // the file does not hold what is known
	budget   budget   // of datagrams
	audience Audience
	told     time.Time // when there were some last
	scratch  []byte

	newStates, newStats []*entity // of which there is something that the others have not been told, the oldest first
	changes             uint64    // see Mark
	statesTurn          turn
	statsTurn           turn
}

// New makes a store, and reads what was kept. It starts nothing. A file that is broken is set aside; one that cannot be read is
// an error.
func New(cfg Config) (*Store, error) {
	s := &Store{
		self: cfg.Self, write: replaceFile, changed: make(chan struct{}, 1), save: make(chan struct{}, 1),
		layout: newLayout(cfg.Layout, &layout{}, cfg.Start),
	}
	s.journal.log = cfg.Log
	if s.journal.log == nil {
		s.journal.log = slog.Default()
	}
	if cfg.Dir != "" {
		s.file = filepath.Join(cfg.Dir, FileName)
		if err := s.load(cfg.Start); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Changed returns a channel on which something comes if anything was said since the last time: one value stands for any number
// of changes. It is for one reader. That a physical goes out by the clock is not among them.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// change lets the reader of Changed know.
func (s *Store) change() { wake(s.changed) }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Fill sets Standing, Forwards, Stats and Updated of each physical, as they are now. Those that the layout has not got stay as
// they are. Stats are shared: nobody may write to them, and they never change.
func (s *Store) Fill(p []node.Physical, now time.Time) {
	var in, out []place
	s.mu.Lock()
	for i := range p {
		m := s.members[place{p[i].Farm, p[i].Name}]
		if m == nil {
			continue
		}
		v := &p[i]
		v.Standing, v.Forwards, v.Stats, v.Updated = m.standing(now), m.forwards, m.show(), m.fresh
		switch {
		case m.out == v.Standing.Out:
		case m.out:
			in = append(in, m.at)
		default:
			out = append(out, m.at)
		}
		m.out = v.Standing.Out
	}
	s.mu.Unlock()
	s.journal.turned("out", out)
	s.journal.turned("in", in)
}

// Farms returns how the farms of the file stand, in its order.
func (s *Store) Farms(_ time.Time) []node.FarmInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]node.FarmInfo, len(s.farms))
	for i, f := range s.farms {
		all[i] = node.FarmInfo{Name: f.name, Standing: f.standing(), Forwards: f.forwards}
	}
	return all
}

// Check takes in what this agent's own check of a member found now: nil if it is well. It counts as down beside what was said,
// for that farm only, and is not told on. Whoever stops checking a member says nil last.
func (s *Store) Check(farm, name string, err error, now time.Time) {
	s.mu.Lock()
	m := s.members[place{farm, name}]
	if m == nil || err == nil && !m.check.failed {
		s.mu.Unlock()
		return
	}
	found := fault{failed: err != nil, since: now}
	if found.failed {
		found.why = clean(err.Error(), node.MaxWhy)
	}
	if found.failed == m.check.failed {
		found.since = m.check.since // only the reason is another
	} else {
		s.news = append(s.news, change{
			name: name, of: farm, from: upDown.word(m.check.failed), to: upDown.word(found.failed), by: "check", why: found.why,
		})
	}
	m.check = found
	s.change()
	s.unlock(now)
}

// say takes in a state, unless a newer one is known. It was heard from that node; zero: it was said here.
func (s *Store) say(e *entity, p pair, v state, heard node.ID) {
	old := &e.states[p]
	if !v.newer(old) {
		return
	}
	if v.agrees(old) && old.said() {
		v.since = old.since
	}
	if !v.same(old) {
		s.news = append(s.news, change{
			farm: e.farm, name: e.name, from: old.word(p), to: v.word(p), by: v.by, why: v.why, heard: heard,
		})
		s.change()
		wake(s.save)
	}
	*old = v
	s.touch(e)
	e.untold[p] = false // whoever told us of it tells the others
	s.unkept = true
}

// unsaved has the file written.
func (s *Store) unsaved() {
	s.unkept = true
	wake(s.save)
}

// unlock ends what has begun with s.mu.Lock, and logs what was changed in between: a log may be slow.
func (s *Store) unlock(now time.Time) {
	news := s.news
	s.news = nil
	s.mu.Unlock()
	s.journal.write(news, now)
}
