package config

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// section reads the keys of one table. Each key that is asked for becomes known; close reports the others.
type section struct {
	*findings
	name  string // "gossip"; "" for the top of the file
	table *table // nil if the file has none
	known []string
}

// item is an element of a list of strings.
type item struct {
	text string
	line int
}

// line returns that of the header.
func (s *section) line() int {
	if s.table == nil {
		return 1
	}
	return s.table.at()
}

// full returns the name of a key as messages have it.
func (s *section) full(key string) string {
	if s.name == "" {
		return key
	}
	return s.name + "." + key
}

// get makes the key known and returns what stands behind it, or nil.
func (s *section) get(key string) *value {
	s.known = append(s.known, key)
	if s.table == nil {
		return nil
	}
	return s.table.keys[key]
}

// lineOf returns the line of a key, or that of the header if it is not there.
func (s *section) lineOf(key string) int {
	if s.table != nil && s.table.keys[key] != nil {
		return s.table.keys[key].at()
	}
	return s.line()
}

// has reports whether the key is there.
func (s *section) has(key string) bool { return s.table != nil && s.table.keys[key] != nil }

// empty reports whether the key has a list without elements.
func (s *section) empty(key string) bool {
	return s.has(key) && s.table.keys[key].isList && len(s.table.keys[key].list) == 0
}

// missing notes that a key must be there. If it is there and misspelt, close says so, and one mistake is enough.
func (s *section) missing(key, example string) {
	for typed := range s.table.keys {
		if nearest(typed, []string{key}) != "" {
			return
		}
	}
	s.wrong(s.line(), "%s is missing: write %s = %s", s.full(key), key, example)
}

// wrongType notes that a value is of the wrong type.
func (s *section) wrongType(key string, v *value, want string) {
	s.wrong(v.at(), "%s is %s: write %s", s.full(key), v.kind(), want)
}

// text returns a string, and false if there is none that could be used.
func (s *section) text(key, example string) (string, bool) {
	v := s.get(key)
	if v == nil {
		return "", false
	}
	t, ok := v.raw.(string)
	if !ok {
		s.wrongType(key, v, "a string, such as "+example)
	}
	return t, ok
}

// texts returns the elements of a list of strings.
func (s *section) texts(key, example string) []item {
	v := s.get(key)
	if v == nil {
		return nil
	}
	if t, isText := v.raw.(string); isText {
		s.wrong(v.at(), "%s is a string: write a list, [%q]", s.full(key), t)
		return nil
	}
	if !v.isList {
		s.wrongType(key, v, "a list of strings, such as ["+example+"]")
		return nil
	}
	out := make([]item, 0, len(v.list))
	for i, e := range v.list {
		t, ok := e.raw.(string)
		if !ok {
			s.wrong(e.at(), "%s: element %d is %s: write a string, such as %s", s.full(key), i+1, e.kind(), example)
			continue
		}
		out = append(out, item{text: t, line: e.at()})
	}
	return out
}

// flag returns a boolean; false if there is none.
func (s *section) flag(key string) bool { return s.flagOr(key, false) }

// flagOr returns a boolean, or def if there is none.
func (s *section) flagOr(key string, def bool) bool {
	v := s.get(key)
	if v == nil {
		return def
	}
	b, ok := v.raw.(bool)
	if !ok {
		s.wrongType(key, v, "true or false, without quotes")
		return def
	}
	return b
}

// integer returns a whole number from low to high, or def if there is none.
func (s *section) integer(key string, def, low, high int) int {
	v := s.get(key)
	if v == nil {
		return def
	}
	n, ok := v.raw.(int64)
	switch {
	case !ok:
		s.wrongType(key, v, fmt.Sprintf("a whole number from %d to %d, without quotes", low, high))
	case n < int64(low) || n > int64(high):
		s.wrong(v.at(), "%s is %d: write a number from %d to %d", s.full(key), n, low, high)
	default:
		return int(n)
	}
	return def
}

// statuses returns the elements of a list of numbers, each of which must be right, and there once, or def if there is no
// list. want says which are right.
func (s *section) statuses(key string, def []int, want string, right func(int64) bool) []int {
	v := s.get(key)
	if v == nil {
		return def
	}
	if !v.isList {
		s.wrongType(key, v, fmt.Sprintf("a list with %s in it, such as [502]", want))
		return def
	}
	out := []int{}
	for _, e := range v.list {
		switch n, ok := e.raw.(int64); {
		case !ok:
			s.wrong(e.at(), "%s has %s in its list: write %s, without quotes", s.full(key), e.kind(), want)
		case !right(n):
			s.wrong(e.at(), "%s has %d: write %s", s.full(key), n, want)
		case slices.Contains(out, int(n)):
			s.wrong(e.at(), "%s has %d twice: leave one away", s.full(key), n)
		default:
			out = append(out, int(n))
		}
	}
	return out
}

// number returns a finite number above 0 and up to high, or def if there is none.
func (s *section) number(key string, def, high float64) float64 {
	v := s.get(key)
	if v == nil {
		return def
	}
	var f float64
	switch n := v.raw.(type) {
	case int64:
		f = float64(n)
	case float64:
		f = n
	default:
		s.wrongType(key, v, fmt.Sprintf("a number above 0 and up to %v, without quotes", high))
		return def
	}
	if !(f > 0 && f <= high) || math.IsInf(f, 0) {
		s.wrong(v.at(), "%s is %v: write a number above 0 and up to %v", s.full(key), f, high)
		return def
	}
	return f
}

// duration returns a length of time from low to high, or def if there is none. A number without a unit is a mistake.
func (s *section) duration(key string, def, low, high time.Duration) time.Duration {
	v := s.get(key)
	if v == nil {
		return def
	}
	example := strconv.Quote(short(cmp.Or(def, time.Minute)))
	switch n := v.raw.(type) {
	case int64, float64:
		s.noUnit(key, v, fmt.Sprint(n), low, high)
		return def
	case string:
		d, err := time.ParseDuration(n)
		_, bare := strconv.ParseFloat(n, 64)
		switch {
		case bare == nil:
			s.noUnit(key, v, n, low, high)
		case err != nil:
			s.wrong(v.at(), "%s is %q, which is no duration: write one such as %s", s.full(key), n, example)
		case d < low || d > high:
			s.wrong(v.at(), "%s is %s: write a duration from %s to %s", s.full(key), n, short(low), short(high))
		default:
			return d
		}
		return def
	}
	s.wrongType(key, v, "a duration, such as "+example)
	return def
}

// noUnit notes a duration that is a mere number. What it is told to be must be right: many a 500 is meant as milliseconds.
func (s *section) noUnit(key string, v *value, number string, low, high time.Duration) {
	shown := number
	if _, isText := v.raw.(string); isText {
		shown = strconv.Quote(number)
	}
	if d, err := time.ParseDuration(number + "s"); err != nil || d < low || d > high {
		s.wrong(v.at(), `%s is %s without a unit: write a duration from %s to %s, such as "%s"`,
			s.full(key), shown, short(low), short(high), short(max(low, min(high, time.Second))))
		return
	}
	s.wrong(v.at(), `%s is %s without a unit: write "%ss" for seconds`, s.full(key), shown, number)
}

// short writes a duration as a person would: "1m", not "1m0s".
func short(d time.Duration) string {
	t := d.String()
	if strings.HasSuffix(t, "m0s") {
		t = strings.TrimSuffix(t, "0s")
	}
	if strings.HasSuffix(t, "h0m") {
		t = strings.TrimSuffix(t, "0m")
	}
	return t
}

// section returns the table behind a key; it has no keys if there is none.
func (s *section) section(key string) *section {
	out := &section{findings: s.findings, name: s.full(key)}
	switch v := s.get(key); {
	case v == nil:
	case v.table != nil:
		out.table = v.table
	case v.isList:
		s.wrong(v.at(), "%s is there once only: write [%s]", s.full(key), s.full(key))
	default:
		s.wrongType(key, v, "a table, ["+s.full(key)+"]")
	}
	return out
}

// sections returns the tables behind a key that may be there any number of times.
func (s *section) sections(key string) []*section {
	v := s.get(key)
	if v == nil {
		return nil
	}
	if v.table != nil {
		s.wrong(v.at(), "%s may be there several times: write [[%s]], or [ { ... } ] in one line", s.full(key), s.full(key))
		return []*section{{findings: s.findings, name: s.full(key), table: v.table}}
	}
	if !v.isList {
		s.wrongType(key, v, "tables, [["+s.full(key)+"]]")
		return nil
	}
	var out []*section
	for i, e := range v.list {
		if e.table == nil {
			s.wrong(e.at(), "%s: element %d is %s: write a table, { ... }", s.full(key), i+1, e.kind())
			continue
		}
		out = append(out, &section{findings: s.findings, name: s.full(key), table: e.table})
	}
	return out
}

// close reports the keys that nobody asked for.
func (s *section) close() {
	if s.table == nil {
		return
	}
	slices.Sort(s.known)
	for _, key := range slices.Sorted(maps.Keys(s.table.keys)) {
		if slices.Contains(s.known, key) || s.enough() {
			continue
		}
		v := s.table.keys[key]
		if like := nearest(key, s.known); like != "" {
			s.wrong(v.at(), "%s is not known: did you mean %s?", quoted(s.full(key)), like)
			continue
		}
		where := "the top of the file"
		if s.name != "" {
			where = s.name
		}
		s.wrong(v.at(), "%s is not known: leave it away; %s has %s", quoted(s.full(key)), where, strings.Join(s.known, ", "))
	}
}

// quoted returns a key as it is, or in quotes if it needs them to be read.
func quoted(key string) string {
	if q := strconv.Quote(key); q[1:len(q)-1] != key || strings.ContainsAny(key, " ") || key == "" {
		return q
	}
	return key
}

// kind returns what a value is, in words.
func (v *value) kind() string {
	switch v.raw.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "true or false"
	case time.Time:
		return "a date"
	}
	if v.isList {
		return "a list"
	}
	return "a table"
}
