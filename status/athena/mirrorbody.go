package athena

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"backhand/gossip/node"
)

// The bodies of mirror/farm and mirror/phys, as the package's documentation has them.
type saidJSON struct {
	Name    string     `json:"name"`
	Members []string   `json:"members,omitzero"`
	OnOff   *stateJSON `json:"on_off,omitempty"`
	UpDown  *stateJSON `json:"up_down,omitempty"`
	Age     *float64   `json:"age,omitempty"`
	Stats   []statJSON `json:"stats,omitempty"`
}

type stateJSON struct {
	State   string  `json:"state"`
	Why     string  `json:"why,omitempty"`
	By      string  `json:"by,omitempty"`
	Age     float64 `json:"age"`
	Counter uint64  `json:"counter"`
	Node    string  `json:"node"`
}

type statJSON struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Age   float64 `json:"age"`
}

const (
	maxAge   = 100 * 365 * 24 * time.Hour // of anything in a body
	maxState = 16                         // bytes of a state's word
)

// encodeSaid writes a body about the first of all, as many of them as fit: farms or physicals, whichever the first is. At least
// one is in it, if there is one.
func encodeSaid(all []node.Said, now time.Time) (body []byte, n int, err error) {
	body = append(body, '[')
	for ; n < min(len(all), maxRequests) && all[n].Farm == all[0].Farm; n++ {
		one, err := json.Marshal(wireOf(&all[n], now))
		if err != nil {
			return nil, 0, fmt.Errorf("%q cannot be told: %w", all[n].Name, err)
		}
		if n > 0 && len(body)+len(one)+len(",]") > maxBody {
			break
		}
		if n > 0 {
			body = append(body, ',')
		}
		body = append(body, one...)
	}
	return append(body, ']'), n, nil
}

func wireOf(v *node.Said, now time.Time) *saidJSON {
	w := &saidJSON{Name: v.Name, Members: v.Members, OnOff: wireState(v.OnOff, now), UpDown: wireState(v.UpDown, now)}
	if !v.Updated.IsZero() {
		w.Age = new(ageOf(v.Updated, now))
	}
	for _, s := range v.Stats {
		w.Stats = append(w.Stats, statJSON{s.Name, s.Value, ageOf(s.At, now)})
	}
	return w
}

func wireState(v *node.SaidState, now time.Time) *stateJSON {
	if v == nil {
		return nil
	}
	return &stateJSON{v.State, v.Why, v.By, ageOf(v.Since, now), v.Counter, v.Node.String()}
}

// ageOf returns how many seconds ago that was, exact to a millisecond.
func ageOf(at, now time.Time) float64 { return seconds(min(max(0, now.Sub(at)), maxAge)) }

// parseSaid reads a body that came at that time.
func parseSaid(body []byte, farms bool, now time.Time) (all []node.Said, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, badBody(body, 0, "want a JSON list of objects")
	}
	for dec.More() {
		if len(all) == maxRequests {
			return nil, tooMany()
		}
		at := int(dec.InputOffset())
		var w saidJSON
		if err := dec.Decode(&w); err != nil {
			return nil, badBody(body, at, wantJSON(err))
		}
		v, err := w.said(farms, now)
		if err != nil {
			return nil, badBody(body, at, fmt.Sprintf("%s: %v", quote(w.Name), err))
		}
		all = append(all, v)
	}
	at := int(dec.InputOffset())
	if _, err := dec.Token(); err != nil {
		return nil, badBody(body, at, "want a ] at the end of the list")
	}
	at = int(dec.InputOffset())
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, badBody(body, at, "want nothing behind the list")
	}
	return all, nil
}

// badBody is a mistake in the element that begins behind an offset.
func badBody(body []byte, at int, want string) error {
	for at < len(body) && bytes.IndexByte([]byte(" \t\r\n,"), body[at]) >= 0 {
		at++
	}
	return &syntaxError{position: at + 1, want: want}
}

func wantJSON(err error) string {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && e.Field == "":
		return "want an object, not a " + e.Value
	case ok:
		return fmt.Sprintf("%s cannot be a %s", quote(e.Field), e.Value)
	}
	return "want JSON: " + err.Error()
}

// said checks what can be checked here: whether versions and states can be, the engine knows.
func (w *saidJSON) said(farms bool, now time.Time) (v node.Said, err error) {
	v = node.Said{Farm: farms, Name: w.Name, Members: w.Members}
	if err := checkName(w.Name); err != nil {
		return v, err
	}
	switch {
	case farms && (w.Age != nil || w.Stats != nil):
		return v, errors.New("want no age and no stats: a farm has none")
	case !farms && w.Members != nil:
		return v, errors.New("want no members: they are of farms")
	case len(w.Stats) > node.MaxStats:
		return v, fmt.Errorf("want at most %d stats", node.MaxStats)
	}
	for _, m := range w.Members {
		if err := checkName(m); err != nil {
			return v, fmt.Errorf("member %s: %w", quote(m), err)
		}
	}
	if v.OnOff, err = w.OnOff.said(now); err != nil {
		return v, fmt.Errorf("on_off: %w", err)
	}
	if v.UpDown, err = w.UpDown.said(now); err != nil {
		return v, fmt.Errorf("up_down: %w", err)
	}
	if w.Age != nil {
		if v.Updated, err = before(now, *w.Age); err != nil {
			return v, err
		}
	}
	v.Stats, err = saidStats(w.Stats, now)
	return v, err
}

func (w *stateJSON) said(now time.Time) (v *node.SaidState, err error) {
	if w == nil {
		return nil, nil
	}
	if w.State == "" || len(w.State) > maxState {
		return nil, errors.New("want a state, such as on or up")
	}
	v = &node.SaidState{State: w.State, Why: w.Why, By: w.By, Counter: w.Counter}
	if v.Since, err = before(now, w.Age); err != nil {
		return nil, err
	}
	if v.Node, err = node.ParseID(w.Node); err != nil {
		return nil, fmt.Errorf("want a node's id, not %s", quote(w.Node))
	}
	return v, nil
}

// saidStats reads statistics, each name once.
func saidStats(all []statJSON, now time.Time) (stats []node.Stat, err error) {
	for _, w := range all {
		s := node.Stat{Name: w.Name, Value: w.Value}
		if s.At, err = before(now, w.Age); err != nil {
			return nil, fmt.Errorf("statistic %s: %w", quote(w.Name), err)
		}
		if !node.ValidStatName(w.Name) || w.Value < 0 {
			return nil, fmt.Errorf("statistic %s: want a name of 1 to %d letters, digits, dots, dashes and underscores, the first a "+
				"letter, and a value from 0", quote(w.Name), node.MaxStatName)
		}
		if slices.ContainsFunc(stats, func(o node.Stat) bool { return o.Name == s.Name }) {
			return nil, fmt.Errorf("statistic %s is there twice", quote(w.Name))
		}
		stats = append(stats, s)
	}
	return stats, nil
}

// before returns the time that many seconds ago.
func before(now time.Time, age float64) (time.Time, error) {
	if !(age >= 0 && age <= maxAge.Seconds()) {
		return time.Time{}, fmt.Errorf("want an age from 0 to %.0f seconds, not %v", maxAge.Seconds(), age)
	}
	return now.Add(-time.Duration(age * float64(time.Second))), nil
}

// checkName returns what is wrong with the name of a farm or physical.
func checkName(name string) error {
	if name == "" || len(name) > node.MaxFarm || badText(name) >= 0 {
		return fmt.Errorf("want a name of 1 to %d bytes, without control characters", node.MaxFarm)
	}
	return nil
}
