package config

import (
	"fmt"
	"strings"
)

// StatusSet is a set of HTTP statuses from 200 to 599. The zero value stands for the default: 200 to 399.
type StatusSet [7]uint64

// Bounds of a set, and of how long its list may be.
const (
	minStatus = 200
	maxStatus = 599
	maxGood   = 199
	maxRanges = 64
)

// Has reports whether a status is in the set.
func (s StatusSet) Has(status int) bool {
	at := status - minStatus
	switch {
	case s == StatusSet{}:
		return 0 <= at && at <= maxGood
	case at < 0 || status > maxStatus:
		return false
	}
	return s[at/64]&(1<<(at%64)) != 0
}

// add adds a range, both ends included.
func (s *StatusSet) add(from, to int) {
	for at := from - minStatus; at <= to-minStatus; at++ {
		s[at/64] |= 1 << (at % 64)
	}
}

// readCheckStatus reads which statuses are good answers to a check.
func (p *parser) readCheckStatus(s *section) (set StatusSet) {
	const key, example = "check_status", `["200-299", 401]`
	v := s.get(key)
	switch {
	case v == nil:
		return StatusSet{}
	case !v.isList:
		s.wrongType(key, v, "a list of statuses and ranges, such as "+example)
		return StatusSet{}
	case len(v.list) == 0:
		p.wrong(v.at(), "%s is empty, and no answer would be good: write such as %s, or leave it away for 200 to 399", s.full(key), example)
	case len(v.list) > maxRanges:
		p.wrong(v.at(), "%s has %d elements: write at most %d, ranges of statuses", s.full(key), len(v.list), maxRanges)
		return StatusSet{}
	}
	for _, e := range v.list {
		from, to, want := statusRange(e.raw)
		if want != "" {
			p.wrong(e.at(), "%s has %s: write %s", s.full(key), e.shown(), want)
			continue
		}
		set.add(from, to)
	}
	return set
}

// shown returns a value of a list as a message has it.
func (v *value) shown() string {
	switch r := v.raw.(type) {
	case string:
		return fmt.Sprintf("%.64q", r)
	case int64, float64:
		return fmt.Sprint(r)
	}
	return v.kind() + " in its list"
}

// statusRange reads a status, 401 or "401", or a range of them, "200-299"; both ends are in it. want says what to write
// instead, if it is none.
func statusRange(raw any) (from, to int, want string) {
	const some = `a status from 200 to 599, or a range of them such as "200-299"`
	switch v := raw.(type) {
	case int64:
		if v < minStatus || v > maxStatus {
			return 0, 0, some
		}
		return int(v), int(v), ""
	case string:
		first, last, isRange := strings.Cut(v, "-")
		if !isRange {
			last = first
		}
		from, to := statusOf(first), statusOf(last)
		switch {
		case from == 0 || to == 0:
			return 0, 0, some
		case from > to:
			return 0, 0, fmt.Sprintf(`"%d-%d", the lower one first`, to, from)
		}
		return from, to, ""
	}
	return 0, 0, some
}

// statusOf reads a status, or returns 0.
func statusOf(s string) (status int) {
	if len(s) != len("200") {
		return 0
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		status = 10*status + int(s[i]-'0')
	}
	if status < minStatus || status > maxStatus {
		return 0
	}
	return status
}
