package doctor

import (
	"fmt"
	"strings"
)

// State is how a check went.
type State string

// The states.
const (
	OK      State = "ok"
	Fail    State = "FAIL"
	Note    State = "note"    // worth knowing, and no fault
	Skipped State = "skipped" // a check above it failed
)

// Result is what one check has found. Its texts are one line each of visible characters.
type Result struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Text  string `json:"text"`         // what there is
	Do    string `json:"do,omitempty"` // what to do about it
}

// Report is what [Judge] says.
type Report struct {
	Checks  []Result `json:"checks"`
	Failed  int      `json:"failed"` // how many checks did
	Verdict string   `json:"verdict"`
}

// finding is a Result before it has a name. The zero value says that the check does not apply.
type finding struct {
	state    State
	text, do string
	partly   bool // failed, and yet those below have something to judge
}

func ok(format string, args ...any) finding {
	return finding{state: OK, text: fmt.Sprintf(format, args...)}
}

// note says what there is and, unless that is "", what to do.
func note(do, format string, args ...any) finding {
	return finding{state: Note, text: fmt.Sprintf(format, args...), do: do}
}

func fail(do, format string, args ...any) finding {
	return finding{state: Fail, text: fmt.Sprintf(format, args...), do: do}
}

// orNote makes a failure a note if it harms nobody.
func (f finding) orNote(harmless bool) finding {
	if harmless && f.state == Fail {
		f.state = Note
	}
	return f
}

// within says that those below have something to judge although this failed.
func (f finding) within(some bool) finding {
	f.partly = some
	return f
}

// check is a node of the tree.
type check struct {
	name  string
	judge func() finding
	below []check
}

// chain puts each check below the one before.
func chain(checks ...check) check {
	for i := len(checks) - 1; i > 0; i-- {
		checks[i-1].below = append(checks[i-1].below, checks[i])
	}
	return checks[0]
}

// run judges checks in order, each before those below it. failed is the one above them that failed, or "".
func (r *Report) run(checks []check, failed string) {
	for _, c := range checks {
		f, because := c.judge(), failed
		switch {
		case f.state == "": // and yet those below it may apply
		case failed != "":
			r.add(c.name, finding{state: Skipped, text: "because " + failed + " failed"})
		default:
			r.add(c.name, f)
			if f.state == Fail && !f.partly {
				because = c.name
			}
		}
		r.run(c.below, because)
	}
}

func (r *Report) add(name string, f finding) {
	if f.state == Fail {
		r.Failed++
	}
	r.Checks = append(r.Checks, Result{Check: clean(name), State: f.state, Text: clean(f.text), Do: clean(f.do)})
}

// Judge runs the tree of checks over the facts. The same facts give the same report.
func Judge(f *Facts) *Report {
	r := &Report{Checks: []Result{}}
	r.run(f.tree(), "")
	r.Verdict = clean(r.verdict(f))
	return r
}

// verdict says in one sentence how it stands.
func (r *Report) verdict(f *Facts) string {
	var failed []Result
	for _, c := range r.Checks {
		if c.State == Fail {
			failed = append(failed, c)
		}
	}
	switch {
	case len(failed) == 1:
		return fmt.Sprintf("The broken leg is %s: %s.", failed[0].Check, failed[0].Text)
	case len(failed) > 1:
		var others []string
		for _, c := range failed[1:] {
			others = append(others, c.Check)
		}
		return fmt.Sprintf("The first of %d broken legs is %s: %s; next %s %s.", len(failed), failed[0].Check, failed[0].Text,
			is(len(others)), list(others))
	case f.alone():
		return "There is nothing to examine: this agent neither sends beats nor takes any."
	}
	if f.others() == 0 {
		return "Nothing is wrong as far as one sees without asking an agent on this host, which would know whom it hears."
	}
	return "All is well: " + f.wellness() + "."
}

// tree returns all checks that the facts call for.
func (f *Facts) tree() []check {
	top := check{name: "configuration", judge: f.configuration}
	if len(f.Mistakes) > 0 || f.alone() {
		return []check{top}
	}
	top.below = append(top.below, check{name: "agent", judge: f.agent})
	way := check{name: "interface", judge: f.way}
	way.below = append(way.below, check{name: "mtu", judge: f.mtu}, check{name: "buffer", judge: f.buffer})
	for i := range f.Links {
		way.below = append(way.below, f.link(&f.Links[i]))
	}
	top.below = append(top.below, way)
	top.below = append(top.below,
		chain(check{name: "names", judge: f.peerNames}, check{name: "answers", judge: f.peerAnswers}),
		chain(check{name: "seeds", judge: f.seedNames}, check{name: "doors", judge: f.seedAnswers},
			check{name: "members", judge: f.members}),
		check{name: "identity", judge: f.identity},
		check{name: "silent", judge: f.silent},
		check{name: "findings", judge: f.findings},
		check{name: "hears", judge: f.hears},
		check{name: "clocks", judge: f.clocks},
	)
	return []check{top}
}

// link returns the checks of one destination. Its name stands behind theirs where there are several.
func (f *Facts) link(l *Link) check {
	named := func(name string, judge func(*Link) finding) check {
		if len(f.Links) > 1 {
			name += " " + l.To
		}
		return check{name: name, judge: func() finding { return judge(l) }}
	}
	far := "ttl"
	if !l.multicast() {
		far = "broadcast"
	}
	return chain(
		named("port", f.port), named("sending", f.sending), named(far, f.reach), named("loopback", f.loopback),
		named("elsewhere", f.elsewhere), named("rp_filter", f.rpFilter), named("firewall", f.firewall),
		named("version", f.version), named("cluster", f.cluster), named("accept", f.accept), named("keys", f.keys),
		named("address", f.address), named("peers", f.peers),
	)
}

// list writes names as people do: "a, b and c". Of more than a handful, how many more there are.
func list(names []string) string {
	const most = 5
	if n := len(names); n > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

// each writes values as list does.
func each[T any](values []T, text func(T) string) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = text(v)
	}
	return list(names)
}

// count writes "1 peer", "2 peers".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
