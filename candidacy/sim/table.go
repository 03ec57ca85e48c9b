package sim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Mistakes are what is wrong with a scenario file, all of it. A pointer to it is the error that [Parse] returns.
type Mistakes []string

// Error returns a line for each.
func (m *Mistakes) Error() string { return strings.Join(*m, "\n") }

// wrong notes a mistake.
func (m *Mistakes) wrong(format string, args ...any) {
	if len(*m) < maxMistakes {
		*m = append(*m, strings.NewReplacer("\r", " ", "\n", " ").Replace(fmt.Sprintf(format, args...)))
	}
}

// maxMistakes is how many are noted; nobody reads more.
const maxMistakes = 100

// table reads the keys of a TOML table. Each key that is asked for becomes known; close notes the others.
type table struct {
	*Mistakes
	name   string // as mistakes have it, with the file's: "herd.toml: policy 2"
	values map[string]any
	known  []string
}

func (t *table) get(key string) (any, bool) {
	t.known = append(t.known, key)
	v, ok := t.values[key]
	return v, ok
}

func (t *table) has(key string) bool { _, ok := t.values[key]; return ok }

// bad notes what is wrong with the value of a key.
func (t *table) bad(key, format string, args ...any) {
	t.wrong("%s: %s: %s", t.name, key, fmt.Sprintf(format, args...))
}

// close notes the keys that nobody asked for.
func (t *table) close() {
	slices.Sort(t.known)
	for _, key := range slices.Sorted(maps.Keys(t.values)) {
		if !slices.Contains(t.known, key) {
			t.wrong("%s: %q is not known: leave it away; there are %s", t.name, key, strings.Join(slices.Compact(t.known), ", "))
		}
	}
}

// table returns the table of a key; an empty one if there is none.
func (t *table) table(key string) *table {
	sub := &table{Mistakes: t.Mistakes, name: t.name + ": " + key}
	v, ok := t.get(key)
	if !ok {
		return sub
	}
	if sub.values, ok = v.(map[string]any); !ok {
		t.bad(key, "want a table, [%s]", key)
	}
	return sub
}

// tables returns the tables of a key that may be there several times.
func (t *table) tables(key string) (out []*table) {
	v, ok := t.get(key)
	if !ok {
		return nil
	}
	list, ok := v.([]map[string]any)
	if inline, isList := v.([]any); isList { // [ { ... } ] is of another type than [[...]]
		ok = true
		for _, e := range inline {
			m, isTable := e.(map[string]any)
			ok = ok && isTable
			list = append(list, m)
		}
	}
	if !ok {
		t.bad(key, "want tables, [[%s]] or [ { ... } ]", key)
		return nil
	}
	if len(list) > maxTables {
		t.bad(key, "there are %d, want at most %d", len(list), maxTables)
		return nil
	}
	for i, m := range list {
		out = append(out, &table{Mistakes: t.Mistakes, name: fmt.Sprintf("%s: %s %d", t.name, key, i+1), values: m})
	}
	return out
}

// maxTables is how many tables, or values, a list may have.
const maxTables = 64

func (t *table) text(key string) string {
	v, ok := t.get(key)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		t.bad(key, "want a string")
	}
	return s
}

// choice returns the number of a word among those that may stand there; 0 if there is none.
func (t *table) choice(key string, words ...string) int {
	if !t.has(key) {
		t.known = append(t.known, key)
		return 0
	}
	w := t.text(key)
	i := slices.Index(words, w)
	if i < 0 {
		t.bad(key, "is %q, want one of %s", w, strings.Join(words, ", "))
		return 0
	}
	return i
}

func (t *table) flag(key string) bool {
	v, ok := t.get(key)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		t.bad(key, "want true or false")
	}
	return b
}

// texts returns a list of strings.
func (t *table) texts(key string) (out []string) {
	for _, v := range t.list(key) {
		s, ok := v.(string)
		if !ok {
			t.bad(key, "want strings, such as [\"byAge 6\"]")
			return nil
		}
		out = append(out, s)
	}
	return out
}

// list returns the elements of a list, or the only one if it is none.
func (t *table) list(key string) []any {
	v, ok := t.get(key)
	if !ok {
		return nil
	}
	list, isList := v.([]any)
	if !isList {
		return []any{v}
	}
	if len(list) > maxTables {
		t.bad(key, "there are %d values, want at most %d", len(list), maxTables)
		return nil
	}
	return list
}

// number returns a number from low to high, or def if there is none.
func (t *table) number(key string, def, low, high float64) float64 {
	return t.numbers(key, []float64{def}, low, high, 1)[0]
}

// numbers returns up to most numbers from low to high, or def if there are none.
func (t *table) numbers(key string, def []float64, low, high float64, most int) []float64 {
	return values(t, key, def, most, func(v any) (float64, bool) {
		f, ok := asFloat(v)
		if !ok || !(f >= low && f <= high) {
			t.bad(key, "is %v, want a number from %v to %v", v, low, high)
			return 0, false
		}
		return f, true
	})
}

// integer returns a whole number from low to high, or def if there is none.
func (t *table) integer(key string, def, low, high int) int {
	return t.integers(key, []int{def}, low, high, 1)[0]
}

func (t *table) integers(key string, def []int, low, high, most int) []int {
	return values(t, key, def, most, func(v any) (int, bool) {
		n, ok := v.(int64)
		if !ok || n < int64(low) || n > int64(high) {
			t.bad(key, "is %v, want a whole number from %d to %d", v, low, high)
			return 0, false
		}
		return int(n), true
	})
}

// duration returns a length of time from low to high, or def if there is none. It must have a unit.
func (t *table) duration(key string, def, low, high time.Duration) time.Duration {
	return t.durations(key, []time.Duration{def}, low, high, 1)[0]
}

func (t *table) durations(key string, def []time.Duration, low, high time.Duration, most int) []time.Duration {
	return values(t, key, def, most, func(v any) (time.Duration, bool) {
		s, _ := v.(string)
		d, err := time.ParseDuration(s)
		if err != nil || d < low || d > high {
			t.bad(key, "is %s, want a duration from %v to %v, with its unit and in quotes", shown(v), low, high)
			return 0, false
		}
		return d, true
	})
}

// values returns the values of a key, one or a list of up to most, or def if there are none that could be used.
func values[T any](t *table, key string, def []T, most int, read func(any) (T, bool)) []T {
	list := t.list(key)
	if list == nil {
		return def
	}
	if len(list) == 0 || len(list) > most {
		t.bad(key, "has %d values, want 1 to %d", len(list), most)
		return def
	}
	out := make([]T, 0, len(list))
	for _, v := range list {
		r, ok := read(v)
		if !ok {
			return def
		}
		out = append(out, r)
	}
	return out
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func shown(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}
