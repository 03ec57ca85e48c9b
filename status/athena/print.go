package athena

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"backhand/gossip/node"
)

// unknown stands where there is no figure.
const unknown = "-"

// clean returns a text as one line of visible characters, as package status does on its page: what is not printable becomes
// U+FFFD. Names of nodes and reasons come from others.
func clean(s string) string {
	odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if strings.IndexFunc(s, odd) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if odd(r) {
			return utf8.RuneError
		}
		return r
	}, s)
}

// The values of codes are strings, bools, ints, uint64s, float64s, lists of strings, lists of statistics, or nil for what is
// not known.

// appendValue writes the value of a code as text, on one line.
func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		if v != "" {
			return append(dst, clean(v)...)
		}
	case bool:
		if v {
			return append(dst, "yes"...)
		}
		return append(dst, "no"...)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case uint64:
		return strconv.AppendUint(dst, v, 10)
	case float64:
		if finite(v) {
			return appendNumber(dst, v)
		}
	case []string:
		if len(v) > 0 {
			return append(dst, clean(strings.Join(v, ","))...)
		}
	case []node.Stat:
		if len(v) > 0 {
			return appendStats(dst, v, ',')
		}
	}
	return append(dst, unknown...)
}

// appendStats writes statistics as name=value, with a separator between them.
func appendStats(dst []byte, stats []node.Stat, separator byte) []byte {
	for i, s := range stats {
		if i > 0 {
			dst = append(dst, separator)
		}
		dst = append(append(dst, clean(s.Name)...), '=')
		dst = appendValue(dst, s.Value)
	}
	return dst
}

// appendNumber writes a number as JSON does: with an exponent only if it is very large or small.
func appendNumber(dst []byte, v float64) []byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

// appendPair writes name=value for people and scripts: a value with spaces or quotes is quoted as in Go.
func appendPair(dst []byte, name string, value any) []byte {
	dst = append(append(dst, name...), '=')
	text := string(appendValue(nil, value))
	if strings.ContainsAny(text, ` "`) {
		return strconv.AppendQuote(dst, text)
	}
	return append(dst, text...)
}

// jsonValue returns the value of a code as encoding/json is to write it.
func jsonValue(value any) any {
	switch v := value.(type) {
	case string:
		return clean(v)
	case float64:
		if !finite(v) {
			return nil
		}
	case []string:
		all := make([]string, 0, len(v)) // never nil: JSON has [] for none
		for _, s := range v {
			all = append(all, clean(s))
		}
		return all
	case []node.Stat:
		all := make(map[string]any, len(v))
		for _, s := range v {
			all[clean(s.Name)] = jsonValue(s.Value)
		}
		return all
	}
	return value
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// seconds returns a length of time in seconds, exact to a millisecond.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1000) / 1000 }

// since returns for how many seconds something has been so; nil if it is not known since when.
func since(t, now time.Time) any {
	if t.IsZero() {
		return nil
	}
	return seconds(max(0, now.Sub(t)))
}
