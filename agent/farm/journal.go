package farm

import (
	"log/slog"
	"strings"
	"sync"
	"time"

	"backhand/gossip/node"
)

// What is changed is logged, each change once; but whoever can change things shall not fill the disk by that.
const (
	journalLines = 1000
	journalEvery = 10 * time.Second // in which there are at most so many lines
	journalNames = 8                // of physicals that go out together
)

// change is a state that was changed.
type change struct {
	farm     bool
	name     string
	of       string // farm in which a check found it; "": it was said
	from, to string
	by, why  string
	heard    node.ID // from whom; zero: it was said, or found, here
	mirrored string  // by whom, of what another engine told; "": it was not mirrored
}

// journal tells the operator who changed what.
type journal struct {
	log *slog.Logger

	mu    sync.Mutex
	begun time.Time
	lines int
	held  int // that were too many
}

// write logs the changes.
func (j *journal) write(all []change, now time.Time) {
	for i := range all {
		if held, ok := j.admit(now); ok {
			j.line(&all[i], held)
		}
	}
}

// admit reports whether one more line may be written, and how many before it were not.
func (j *journal) admit(now time.Time) (held int, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if since := now.Sub(j.begun); since < 0 || since >= journalEvery {
		j.begun, j.lines = now, 0
	}
	if j.lines >= journalLines {
		j.held++
		return 0, false
	}
	j.lines++
	held, j.held = j.held, 0
	return held, true
}

func (j *journal) line(c *change, held int) {
	args := []any{kindName(c.farm), c.name}
	if c.of != "" {
		args = append(args, "farm", c.of)
	}
	args = append(args, "from", c.from, "to", c.to, "by", c.by, "why", c.why)
	if !c.heard.IsZero() {
		args = append(args, "heard_from", c.heard.Short())
	}
	if c.mirrored != "" {
		args = append(args, "mirrored_by", c.mirrored)
	}
	if held > 0 {
		args = append(args, "other_changes", held)
	}
	j.log.Info("a state was changed", args...)
}

// turned logs that physicals went out, or came in, by the clock: one line for all.
func (j *journal) turned(to string, all []place) {
	if len(all) == 0 {
		return
	}
	from, why := "in", "no statistics came within expect_update"
	if to == "in" {
		from, why = "out", "statistics came"
	}
	var names []string
	for _, p := range all[:min(len(all), journalNames)] {
		names = append(names, p.farm+"/"+p.name)
	}
	j.log.Info("states were changed", "physicals", len(all), "among_them", strings.Join(names, " "), "from", from, "to", to,
		"by", "expect_update", "why", why)
}
