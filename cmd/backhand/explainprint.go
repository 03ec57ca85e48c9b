package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"backhand/agent"
)

// How much of a large farm is shown, unless all of it is asked for.
const (
	shownKept    = 8 // members of those who were left
	shownDropped = 4 // of those who were dropped
)

// Bounds of a line, in characters.
const (
	explainLine = 110 // in which those who were left stand side by side
	explainStep = 30  // of a step that stands on the line with them
)

// explainPrinter writes an explanation for people.
type explainPrinter struct {
	w     io.Writer
	all   bool
	width int // of the column with the steps
}

// explanation writes those who were left by each step, and below them why others were not.
func (p *explainPrinter) explanation(e agent.Explanation) {
	p.begin(e, "")
	if e.Route != "" {
		if !e.Bound {
			p.kept("candidates", e.Candidates)
		}
		p.dropped("never a candidate:", e.Unfit)
		p.dropped("put last:", e.PutLast)
	}
	for _, s := range e.Steps {
		p.kept(printable(s.Step), s.Kept)
		p.dropped("dropped:", s.Dropped)
	}
	fmt.Fprintln(p.w)
	p.verdict(e)
}

func (p *explainPrinter) begin(e agent.Explanation, of string) {
	if e.Route != "" {
		fmt.Fprintf(p.w, "route %s, farm %s%s\n", printable(e.Route), printable(e.Farm), of)
		if e.To != "" {
			fmt.Fprintf(p.w, "the path becomes %s\n", printable(e.To))
		}
		for _, f := range e.Forwards {
			fmt.Fprintf(p.w, "farm %s takes nothing (%s): goes on to %s\n", printable(f.Farm), printable(f.Why), printable(f.To))
		}
		p.orders(e)
		fmt.Fprintln(p.w)
	}
	p.width = len("candidates")
	for _, s := range e.Steps {
		if n := utf8.RuneCountInString(s.Step); n <= explainStep {
			p.width = max(p.width, n)
		}
	}
}

// step writes what stands in the column with the steps; one that is too long has a line of its own.
func (p *explainPrinter) step(what string) {
	if utf8.RuneCountInString(what) > p.width {
		fmt.Fprintln(p.w, what)
		what = ""
	}
	fmt.Fprintf(p.w, "%-*s  ", p.width, what)
}

// kept writes members in their order, each with what the step saw of it: side by side, or one below the other if that would
// be too long.
func (p *explainPrinter) kept(what string, marks []agent.Mark) {
	all := make([]string, 0, len(marks))
	for _, m := range marks {
		all = append(all, noted(m))
	}
	if n := len(all) - shownKept; n > 1 && !p.all {
		all = append(all[:shownKept], fmt.Sprintf("... and %d more", n))
	}
	if len(all) == 0 {
		all = []string{"nobody"}
	}
	p.step(what)
	between := "  "
	if utf8.RuneCountInString(strings.Join(all, between)) > explainLine {
		between = "\n" + strings.Repeat(" ", p.width+2)
	}
	fmt.Fprintln(p.w, strings.Join(all, between))
}

// dropped writes a line for each, with the reason.
func (p *explainPrinter) dropped(sign string, marks []agent.Mark) {
	more := len(marks) - shownDropped
	if more > 1 && !p.all { // the last one takes no more room than to say that it is there
		marks = marks[:shownDropped]
	} else {
		more = 0
	}
	for _, m := range marks {
		fmt.Fprintf(p.w, "%*s    %s %s\n", p.width, "", sign, noted(m))
	}
	if more > 0 {
		fmt.Fprintf(p.w, "%*s    %s ... and %d more\n", p.width, "", sign, more)
	}
}

// traces writes what became of the members that were asked for.
func (p *explainPrinter) traces(e agent.Explanation) {
	for i, t := range e.Traces {
		if i > 0 {
			fmt.Fprintln(p.w)
		}
		m := t.Member
		m.Note = ""
		p.begin(e, fmt.Sprintf(": %s at %s", noted(m), printable(t.Member.Address)))
		p.step("candidates")
		switch note := printable(t.Member.Note); {
		case t.Start == 0 && note == "":
			fmt.Fprintln(p.w, "are not asked for: the chain did not run")
		case t.Start == 0:
			fmt.Fprintf(p.w, "is none: %s\n", note)
		case note != "":
			fmt.Fprintf(p.w, "place %d of %d, put last: %s\n", t.Start, t.Of, note)
		default:
			fmt.Fprintf(p.w, "place %d of %d\n", t.Start, t.Of)
		}
		for _, s := range t.Steps {
			p.step(printable(s.Step))
			fmt.Fprintln(p.w, place(s))
		}
		fmt.Fprintln(p.w)
		if !t.Chosen {
			fmt.Fprintf(p.w, "%s is not chosen\n", noted(m))
		}
		p.verdict(e)
	}
}

// place says where a step left a member.
func place(s agent.Place) string {
	note := printable(s.Note)
	switch {
	case s.Place == 0 && note == "":
		return fmt.Sprintf("dropped, %d left", s.Of)
	case s.Place == 0:
		return fmt.Sprintf("dropped, %d left: %s", s.Of, note)
	}
	text := fmt.Sprintf("place %d of %d", s.Place, s.Of)
	if s.Back {
		text = "brought back, " + text
	}
	if note != "" {
		text += " [" + note + "]"
	}
	return text
}

func (p *explainPrinter) verdict(e agent.Explanation) {
	switch {
	case e.Redirect != "":
		fmt.Fprintf(p.w, "the client is sent to %s\n", printable(e.Redirect))
	case e.Chosen != nil:
		fmt.Fprintf(p.w, "goes to %s at %s\n", noted(*e.Chosen), printable(e.Chosen.Address))
	case e.Status != 0:
		fmt.Fprintf(p.w, "answered here with %d: %s\n", e.Status, e.Answer)
	}
	if e.Cookie != "" {
		fmt.Fprintf(p.w, "the client is given the cookie %s\n", printable(e.Cookie))
	}
	if e.Action != "" && e.Action != "forward" {
		fmt.Fprintf(p.w, "(the chain left nobody; when_empty decided: %s)\n", e.Action)
	}
}

// noSuchMember says who there is.
func noSuchMember(name string, e agent.Explanation) error {
	var known []string
	for _, marks := range [][]agent.Mark{e.Candidates, e.Unfit} {
		for _, m := range marks {
			known = append(known, printable(m.Name))
		}
	}
	if n := len(known) - shownKept; n > 0 {
		known = append(known[:shownKept], fmt.Sprintf("... and %d more", n))
	}
	if len(known) == 0 {
		known = []string{"nobody"}
	}
	return fmt.Errorf("no member of the farm %q has the name, the address or the id %q; its members are %s",
		e.Farm, name, strings.Join(known, ", "))
}

func noted(m agent.Mark) string {
	s := printable(m.Name)
	if m.Self {
		s += " (this node)"
	}
	if m.Note != "" {
		s += " [" + printable(m.Note) + "]"
	}
	return s
}

// printable replaces what would do something to a terminal: names come in beats, from whoever sends them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
