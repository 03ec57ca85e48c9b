package status

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns a text that came from somebody else as one line of visible characters. What is not printable becomes
// U+FFFD: control characters move a terminal's cursor, marks of writing direction make a name read as another one, and
// bytes that are no UTF-8 are refused by Prometheus.
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

// cleanAll returns the cleaned texts, never nil: JSON has [] for none.
func cleanAll(texts []string) []string {
	out := make([]string, 0, len(texts))
	for _, s := range texts {
		out = append(out, clean(s))
	}
	return out
}

// finite returns v, or 0 for what JSON cannot write.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
