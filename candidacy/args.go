package candidacy

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Args are the words behind a function's name in a step. A Spec's Make takes them one by one; the first mistake
// sticks, so that it need not check after each.
type Args struct {
	text string // what is left, with white space neither before nor behind it
	err  error
}

// newArgs returns the arguments in what stands behind a function's name.
func newArgs(text string) *Args { return &Args{text: strings.TrimSpace(text)} }

// Word returns the next word, or def if there is none.
func (a *Args) Word(def string) string {
	if a.text == "" {
		return def
	}
	end := strings.IndexFunc(a.text, unicode.IsSpace)
	if end < 0 {
		end = len(a.text)
	}
	w := a.text[:end]
	a.text = strings.TrimSpace(a.text[end:])
	return w
}

// Rest returns all words that are left as they stand in the file, with the white space between them; "" if there is none.
func (a *Args) Rest() string {
	rest := a.text
	a.text = ""
	return rest
}

// Need returns the next word, which must be there.
func (a *Args) Need(name string) string {
	if a.text == "" {
		a.Fail("%s is missing", name)
	}
	return a.Word("")
}

// Float returns the next word as a finite number of at least low, or def if there is none.
func (a *Args) Float(name string, def, low float64) float64 {
	w := a.Word("")
	if w == "" {
		return def
	}
	v, err := strconv.ParseFloat(w, 64)
	if err != nil || !(v >= low) || v > 1e9 {
		a.Fail("%s is %q, want a number from %v to 1e9", name, w, low)
		return def
	}
	return v
}

// Int returns the next word as a whole number of at least low, or def if there is none.
func (a *Args) Int(name string, def, low int) int {
	w := a.Word("")
	if w == "" {
		return def
	}
	v, err := strconv.Atoi(w)
	if err != nil || v < low || v > 1e9 {
		a.Fail("%s is %q, want a whole number from %d to 1000000000", name, w, low)
		return def
	}
	return v
}

// Age is a length of time, or a number of a member's own beats.
type Age struct {
	Time  time.Duration
	Beats float64 // if not 0, Time is not used
}

// String returns the form that [Args.Age] reads: "6s", "6b".
func (l Age) String() string {
	if l.Beats > 0 {
		return strconv.FormatFloat(l.Beats, 'f', -1, 64) + "b"
	}
	return l.Time.String()
}

// What a user may write; more is a slip of the pen.
const (
	maxAge   = 24 * time.Hour
	maxBeats = 10000
)

// Age returns the next word as an Age: a bare number is in seconds, as mod_backhand's was, "6s" and "500ms" are what
// they say, "6b" is as long as six of the member's beats take at most.
func (a *Args) Age(name string, def Age) Age {
	w := a.Word("")
	if w == "" {
		return def
	}
	if n, isBeats := strings.CutSuffix(w, "b"); isBeats {
		if v, err := strconv.ParseFloat(n, 64); err == nil && v > 0 && v <= maxBeats {
			return Age{Beats: v}
		}
	}
	if d, err := parseSeconds(w); err == nil && d > 0 && d <= maxAge {
		return Age{Time: d}
	}
	a.Fail("%s is %q, want seconds (6), a duration (500ms) or beats (6b), above 0, at most 24h or %db", name, w, maxBeats)
	return def
}

// Seconds returns the next word as a length of time above 0 and at most that long: a bare number is in seconds.
func (a *Args) Seconds(name string, def, most time.Duration) time.Duration {
	w := a.Word("")
	if w == "" {
		return def
	}
	d, err := parseSeconds(w)
	if err != nil || d <= 0 || d > most {
		a.Fail("%s is %q, want seconds (5) or a duration (500ms), above 0, at most %v", name, w, most)
		return def
	}
	return d
}

// parseSeconds reads a bare number as seconds, and anything else as a duration with its unit.
func parseSeconds(w string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(w, 64); err == nil {
		w += "s" // ParseDuration is exact, where a product of floats is not
	}
	return time.ParseDuration(w)
}

// Fail notes a mistake. Only the first is reported.
func (a *Args) Fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf(format, args...)
	}
}

// done returns the first mistake; words that nobody asked for are one.
func (a *Args) done() error {
	if a.err == nil && a.text != "" {
		a.Fail("%q is one argument too many", a.Word(""))
	}
	return a.err
}
