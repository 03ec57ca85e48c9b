package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// WriteText writes a line for each check, and the verdict.
func (r *Report) WriteText(w io.Writer) error {
	wide := 0
	for _, c := range r.Checks {
		wide = max(wide, utf8.RuneCountInString(c.Check))
	}
	for _, c := range r.Checks {
		line := fmt.Sprintf("%-7s  %-*s  %s", c.State, wide, c.Check, c.Text)
		if c.Do != "" {
			line += ": " + c.Do
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.Verdict)
	return err
}

// clean returns a text that may hold what strangers wrote as one line of visible characters: control characters move a
// terminal's cursor, and marks of writing direction make a name read as another one. They become U+FFFD.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}
