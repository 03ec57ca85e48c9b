package sampler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// workers are the processes or threads of an origin, as its status page counts them. The one that makes the page is
// among the busy.
type workers struct {
	busy  int
	total int // 0 if the page does not tell
}

// maxWorkers bounds what a status page may claim; more is a mistake.
const maxWorkers = 1 << 20

// parseStatus reads a status page; which kind it is shows in what is in it:
//
//   - mod_status with "?auto" (Apache): BusyWorkers; total is the length of the scoreboard, with the slots not in use
//     (ServerLimit, for threads times ThreadsPerChild), or busy and idle ones without it;
//   - stub_status (nginx): Reading and Writing are busy; the page does not tell how many there may be;
//   - php-fpm, as text or JSON: active and total processes, of those that run now.
func parseStatus(page []byte) (workers, error) {
	page = bytes.TrimSpace(page)
	if bytes.HasPrefix(page, []byte("{")) {
		return parseFPMJSON(page)
	}
	if bytes.HasPrefix(page, []byte("<")) {
		return workers{}, errors.New(`status page: it is HTML or XML, want text or JSON (mod_status gives text with "?auto")`)
	}
	f := fieldsOf(string(page))
	switch {
	case f.has("Active connections"):
		return parseStubStatus(f)
	case f.has("active processes"):
		return f.workers("active processes", "total processes")
	case f.has("BusyWorkers"), f.has("Scoreboard"), f.has("BusyServers"):
		return parseModStatus(f)
	}
	return workers{}, errors.New("status page: it is none of mod_status (?auto), stub_status and php-fpm")
}

// fields are the lines "name: value" of a page.
type fields map[string]string

func fieldsOf(page string) fields {
	f := fields{}
	for line := range strings.Lines(page) {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && !f.has(name) { // the first counts: php-fpm's "full" repeats names
			f[name] = strings.TrimSpace(value)
		}
	}
	return f
}

func (f fields) has(name string) bool {
	_, ok := f[name]
	return ok
}

func (f fields) count(name string) (int, error) { return parseCount(name, f[name]) }

// workers returns those of two fields.
func (f fields) workers(busy, total string) (workers, error) {
	b, errB := f.count(busy)
	t, errT := f.count(total)
	if err := errors.Join(errB, errT); err != nil {
		return workers{}, err
	}
	return workers{busy: b, total: max(b, t)}, nil
}

// parseCount reads one number of workers.
func parseCount(name, s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxWorkers {
		return 0, fmt.Errorf("status page: %s is %.20q, want a number from 0 to %d", name, s, maxWorkers)
	}
	return n, nil
}

// parseModStatus reads what mod_status gives for ?auto. Apache 1.3 said servers where 2.0 and later say workers.
func parseModStatus(f fields) (workers, error) {
	board := f["Scoreboard"]
	kind := "Workers"
	switch {
	case f.has("BusyServers"):
		kind = "Servers"
	case !f.has("BusyWorkers"):
		return workers{busy: busyOnBoard(board), total: len(board)}, nil
	}
	busy, errB := f.count("Busy" + kind)
	idle, errI := f.count("Idle" + kind)
	if err := errors.Join(errB, errI); err != nil {
		return workers{}, err
	}
	return workers{busy: busy, total: max(busy+idle, len(board))}, nil
}

// busyOnBoard counts the busy workers of a scoreboard as mod_status does: all but those that wait (_), start (S), are
// about to end for lack of work (I), or are no more than a free slot (.).
func busyOnBoard(board string) int {
	busy := 0
	for i := range len(board) {
		if !strings.ContainsRune("_SI.", rune(board[i])) {
			busy++
		}
	}
	return busy
}

// parseStubStatus reads nginx's page, whose last line is "Reading: 6 Writing: 179 Waiting: 106".
func parseStubStatus(f fields) (workers, error) {
	words := strings.Fields("Reading: " + f["Reading"])
	busy := 0
	for i, name := range []string{"Reading:", "Writing:"} {
		if len(words) < 2*i+2 || words[2*i] != name {
			return workers{}, errors.New(`status page: stub_status without "Reading: N Writing: N"`)
		}
		n, err := parseCount(strings.TrimSuffix(name, ":"), words[2*i+1])
		if err != nil {
			return workers{}, err
		}
		busy += n
	}
	return workers{busy: busy}, nil
}

// parseFPMJSON reads php-fpm's page with "?json".
func parseFPMJSON(page []byte) (workers, error) {
	var p struct {
		Active json.Number `json:"active processes"`
		Total  json.Number `json:"total processes"`
	}
	if err := json.Unmarshal(page, &p); err != nil {
		// Cut, since some of these errors quote the page.
		return workers{}, errors.New("status page: JSON of php-fpm: " + cut(err.Error()))
	}
	f := fields{"active processes": p.Active.String(), "total processes": p.Total.String()}
	return f.workers("active processes", "total processes")
}
