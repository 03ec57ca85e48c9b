package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// report is what the monitor says.
type report struct {
	worst int // exit code
	farms []farmReport
	lines []string // of what is sick
}

// farmReport counts the members of a farm.
type farmReport struct {
	name                     string
	members, fit, sick, away int // away are off, or drain
	off                      bool
	limit                    thresholds
}

// judge finds out what is sick in these farms, or in all if none is named.
func judge(s engineState, wanted []string, limit thresholds) (*report, error) {
	r := &report{}
	var known []string
	for i := range s.Farms {
		f := &s.Farms[i]
		known = append(known, f.Name)
		if len(wanted) == 0 || slices.Contains(wanted, f.Name) {
			r.judgeFarm(f, s.Members, limit)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no farm %q; known: %s", name, strings.Join(known, ", "))
		}
	}
	if len(known) == 0 {
		return nil, errors.New("the engine knows no farm: there is nothing to check")
	}
	return r, nil
}

// judgeFarm adds a farm and its members. Nothing of one that is off is sick: operators want it so.
func (r *report) judgeFarm(f *farmState, members []physState, limit thresholds) {
	of := farmReport{name: f.Name, off: f.State == "off", limit: limit}
	var sick []string
	for i := range members {
		m := &members[i]
		if m.Farm != f.Name {
			continue
		}
		of.members++
		if m.Fit {
			of.fit++
		}
		if m.State != "on" {
			of.away++
			continue
		}
		if what := m.sickness(f.Health == "down"); what != "" && !of.off {
			of.sick++
			sick = append(sick, fmt.Sprintf("%s of farm %s %s", m.Name, f.Name, what))
		}
	}
	level := of.level()
	for _, line := range sick {
		r.add(level, line)
	}
	switch {
	case of.off:
	case f.Health == "down":
		r.add(nagiosCritical, fmt.Sprintf("farm %s is down%s", f.Name, because(f.Why, "down")))
	case of.allAway():
		r.lines = append(r.lines, fmt.Sprintf("all off: farm %s, of which %s", f.Name, areAway(of.members)))
	case of.fit == 0:
		r.add(nagiosCritical, fmt.Sprintf("farm %s has nobody who can be chosen, of %s", f.Name, count(of.members, "member")))
	}
	r.farms = append(r.farms, of)
}

// allAway reports whether operators have taken all members of a farm out of service, which is as they want it.
func (of *farmReport) allAway() bool { return of.members > 0 && of.away == of.members }

func areAway(members int) string {
	if members == 1 {
		return "the only member is off or drains"
	}
	return fmt.Sprintf("all %d members are off or drain", members)
}

// sickness returns what ails a member that operators want to be there; "" if nothing does. While its farm is down nobody can be
// chosen, and that says nothing about it.
func (m *physState) sickness(farmDown bool) string {
	switch {
	case m.Health == "down":
		return "is down" + because(m.Why, "down")
	case m.Updates == "out":
		return "is out: " + cmp.Or(strings.TrimPrefix(because(m.Why, "out"), ": "), "no statistics come")
	case !m.Fit && !farmDown:
		return "cannot be chosen" + because(m.Why, "")
	}
	return ""
}

// because returns a reason behind a colon; "" if there is none but the word that was said already, as in "down: disk full".
func because(why, said string) string {
	if why = strings.TrimPrefix(why, said+": "); why == "" || why == said {
		return ""
	}
	return ": " + why
}

// level is how bad it is that so many members are sick.
func (of *farmReport) level() int {
	switch {
	case of.sick > of.limit.critical:
		return nagiosCritical
	case of.sick > of.limit.warning:
		return nagiosWarning
	}
	return nagiosOK
}

// add notes something that is sick; what the thresholds allow is told and changes nothing.
func (r *report) add(level int, line string) {
	r.worst = max(r.worst, level)
	word := "tolerated"
	if level != nagiosOK {
		word = levelWord(level)
	}
	r.lines = append(r.lines, word+": "+line)
}

func levelWord(level int) string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[level]
}

// write prints the report: the first line is what Nagios shows, with performance data behind a bar.
func (r *report) write(w io.Writer) {
	var members, fit, sick, away, off int
	var data []string
	for _, f := range r.farms {
		members, fit, sick, away = members+f.members, fit+f.fit, sick+f.sick, away+f.away
		if f.off {
			off++
		}
		data = append(data, f.data()...)
	}
	text := fmt.Sprintf("%s, %d of %s can be chosen", count(len(r.farms), "farm"), fit, count(members, "member"))
	if off > 0 {
		text += fmt.Sprintf(", %s off", count(off, "farm"))
	}
	if away > 0 {
		text += fmt.Sprintf(", %d off or draining", away)
	}
	if sick > 0 {
		text += fmt.Sprintf(", %d sick", sick)
	}
	fmt.Fprintf(w, "BACKHAND %s - %s", levelWord(r.worst), text)
	if len(data) > 0 {
		fmt.Fprintf(w, " | %s", strings.Join(data, " "))
	}
	fmt.Fprintln(w)
	for _, line := range r.lines {
		fmt.Fprintln(w, plain(line))
	}
}

// data returns the performance data of a farm: 'label'=value;warning;critical;least;most.
func (f *farmReport) data() []string {
	name := strings.NewReplacer("'", "_", "=", "_").Replace(plain(f.name))
	return []string{
		fmt.Sprintf("'%s fit'=%d;;;0;%d", name, f.fit, f.members),
		fmt.Sprintf("'%s sick'=%d;%d;%d;0;%d", name, f.sick, f.limit.warning, f.limit.critical, f.members),
	}
}

// count writes a number of things.
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}
