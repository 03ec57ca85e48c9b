package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is something in a file that is wrong, or odd, and what to do about it.
type Mistake struct {
	File    string
	Line    int // counted from 1
	Message string
}

// String returns one line in the form that editors jump to: "backhand.toml:12: message".
func (m Mistake) String() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Message) }

// Errors are all mistakes of a file, but no more than the first 500, by line. A pointer to it is the error that [Parse]
// and [Load] return about what a file says.
type Errors []Mistake

// Error returns a line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, m := range e {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// orNil returns the mistakes as an error, if there is one.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return &e
}

// findings gathers what is wrong and what is odd about a file.
type findings struct {
	file     string
	last     int // number of the file's last line
	mistakes []Mistake
	warnings []Mistake

	elsewhere []Mistake // mistakes in files that this one names, in their order
}

// maxMistakes is how many mistakes are reported of one file; nobody reads more.
const maxMistakes = 500

// enough reports whether no further mistakes are noted.
func (f *findings) enough() bool { return len(f.mistakes) >= maxMistakes }

// wrong notes a mistake.
func (f *findings) wrong(line int, format string, args ...any) {
	if f.enough() {
		return
	}
	f.mistakes = append(f.mistakes, f.finding(line, format, args))
}

// odd notes what works and is most likely not meant.
func (f *findings) odd(line int, format string, args ...any) {
	f.warnings = append(f.warnings, f.finding(line, format, args))
}

func (f *findings) finding(line int, format string, args []any) Mistake {
	// What users wrote may hold line breaks; a finding is one line.
	text := strings.NewReplacer("\r", " ", "\n", " ").Replace(fmt.Sprintf(format, args...))
	return Mistake{File: f.file, Line: min(max(line, 1), f.last), Message: text}
}

// byLine sorts findings by line, and those of one line as they were found; what was found twice is left away.
func byLine(found []Mistake) Errors {
	slices.SortStableFunc(found, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	return slices.Compact(found)
}
