package proxy

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"backhand/candidacy"
	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// Question is a request that nobody sends: where would it go?
type Question struct {
	Method string      `json:"method,omitempty"` // "" is GET
	Host   string      `json:"host"`             // as in the Host field
	Target string      `json:"target"`           // path and query, as in a request
	Client netip.Addr  `json:"client"`           // invalid: 0.0.0.0
	Header http.Header `json:"header,omitempty"` // all that chains may read, cookies too
	Seed   *uint64     `json:"seed,omitempty"`   // of the decision's chance, so that it can be repeated; nil: chance
	Node   string      `json:"node,omitempty"`   // name, address or id of a member whose way is to be told; "": nobody's
}

// Explanation is what would become of a request, and why.
type Explanation struct {
	Host string `json:"host"` // as it is compared
	Path string `json:"path"` // as it is compared

	// Status and Answer are what the client would read if no member were asked; else 0 and "".
	Status int    `json:"status,omitempty"`
	Answer string `json:"answer,omitempty"`

	Route     string   `json:"route,omitempty"` // its label; "" if none applies
	Farm      string   `json:"farm,omitempty"`  // of the route
	Chain     []string `json:"chain,omitempty"`
	WhenEmpty string   `json:"when_empty,omitempty"` // as the route has it
	To        string   `json:"to,omitempty"`         // path as the chosen member gets it; "" if it stays as it is

	Forwards []Forward `json:"forwards,omitempty"` // those that were followed; what stands below is of the farm at which they ended

	Unfit      []Mark  `json:"unfit,omitempty"`      // members that are no candidates of any chain, and why
	PutLast    []Mark  `json:"put_last,omitempty"`   // candidates to which a connection failed a moment ago
	Candidates []Mark  `json:"candidates,omitempty"` // from which the chain starts
	Steps      []Stage `json:"steps,omitempty"`

	Action   string `json:"action,omitempty"`   // what was done if the chain left nobody, see Outcome.Empty
	Chosen   *Mark  `json:"chosen,omitempty"`   // nil: nobody
	Redirect string `json:"redirect,omitempty"` // where the client itself would be sent
	Cookie   string `json:"cookie,omitempty"`   // what the client would be given with the response, for its session

	Orders []Ordered `json:"orders,omitempty"` // the cookies by which an application says where the request goes
	Bound  bool      `json:"bound,omitempty"`  // one of them names a member, and no chain chose

	// Traces are of the members that Question.Node names; none if nobody is named so.
	Traces []Trace `json:"traces,omitempty"`
}

// Forward is one that was followed, since nobody of the farm was chosen.
type Forward struct {
	Farm string `json:"farm"`
	Why  string `json:"why"` // a part of it may be what anybody gave as a reason, but what does not print is replaced by U+FFFD
	To   string `json:"to"`  // the name of a farm, or a complete URL
}

// Stage is what a step made of the candidates, see [candidacy.Stage].
type Stage struct {
	Step    string `json:"step"`
	Kept    []Mark `json:"kept"`
	Dropped []Mark `json:"dropped"`
}

// Mark is a member, and what is to be said of it.
type Mark struct {
	Name    string `json:"name"`    // from a node it is not trusted, but what does not print is replaced by U+FFFD
	Address string `json:"address"` // host:port
	Self    bool   `json:"self,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Explain decides as for a request, by the same code, and tells how.
func (h *Handler) Explain(q Question) Explanation {
	s, now := h.site.Load(), h.cfg.Now()
	e := Explanation{Host: hostName(q.Host)}
	raw, query, ok := target(q.Target)
	if !ok {
		return e.answered(badTarget)
	}
	e.Path = normalReading(raw)
	if s.isStatus(e.Path) {
		return e.answered(statusPage)
	}
	rt, err := s.findRoute(e.Host, raw, e.Path)
	switch {
	case err != nil:
		return e.answered(reasonOf(err))
	case rt == nil:
		e.Farm = s.fallback.Farm
		e.Chosen = &Mark{Name: "own origin", Address: node.HostPort(s.fallback.URL), Self: true, Note: s.fallback.ready()}
		return e
	}
	e.Route, e.Farm, e.Chain, e.WhenEmpty = rt.label, rt.Farm, rt.Chain.Text(), rt.WhenEmpty
	if rt.To != "" {
		to, ok := rt.appendTo(nil, raw)
		if !ok {
			return e.answered(badReadings)
		}
		e.To = string(to)
	}
	sc := h.scratch()
	defer h.release(sc)
	sc.ask(cmp.Or(q.Method, http.MethodGet), q.Host, e.Path, cmp.Or(q.Client, netip.IPv4Unspecified()))
	sc.fields, sc.orders = q.read(s, query, now)
	if q.Seed != nil {
		sc.pcg.Seed(*q.Seed, *q.Seed)
	}
	d := e.decide(s, rt, h.cfg.Snapshot(), now, sc, q.Node)
	e.Orders, e.Bound = sc.orders.told()
	return e.decided(&d, sc.orders.nobody(), raw, query)
}

// stages are what a chain has made of one farm.
type stages struct {
	candidates []Mark
	steps      []Stage
}

// decide decides, and notes how. Who is called as named is followed.
func (e *Explanation) decide(s *site, rt *route, snap *node.Snapshot, now time.Time, sc *scratch, named string) (d decision) {
	var all traces
	runs := map[*node.Farm]stages{}
	s.choose(&d, rt, snap, now, sc, func(c *candidacy.Chain, r *candidacy.Request, list, tried []*node.Member) []*node.Member {
		ts := follow(named, r, s.origin(r.Farm.Name))
		all = append(all, ts...)
		e.Candidates, e.Steps = nil, nil
		left := e.takeNotes(c, r, list, tried, ts)
		runs[r.Farm] = stages{e.Candidates, e.Steps}
		return left
	})
	run, is := runs[d.farm]
	e.Candidates, e.Steps = run.candidates, run.steps
	sc.req.Farm = d.farm
	if !is { // a farm that is off or down, or a cookie that names the member
		all = append(all, follow(named, &sc.req, s.origin(d.farm.Name))...)
	}
	e.describe(&sc.req, s.origin(d.farm.Name))
	for i := range d.way {
		l := &d.way[i]
		e.Forwards = append(e.Forwards, Forward{Farm: l.from.Name, Why: printable(l.why), To: printable(l.String())})
	}
	e.Traces = all.ended(&d)
	return d
}

// read returns what chains may read of the request, and the orders of its cookies.
func (q *Question) read(s *site, query string, now time.Time) (requestFields, *orders) {
	f := q.fields(query)
	if s.Cookie == nil {
		return f, nil
	}
	return f, s.Cookie.read(f.section, now)
}

// fields returns what chains may read of the request. What no request may have is left away, and what frames its body.
func (q *Question) fields(query string) requestFields {
	head, lines := []byte("GET / HTTP/1.0\r\n"), 0
	for name, values := range q.Header {
		switch h1.IDOf(name) {
		case h1.ContentLength, h1.TransferEncoding, h1.Connection, h1.Host:
			continue
		}
		for _, v := range values {
			if h1.ValidToken([]byte(name)) && h1.ValidValue([]byte(v)) {
				head = h1.AppendField(head, name, v)
				lines++
			}
		}
	}
	var req h1.Request
	_, _ = h1.ParseRequest(h1.AppendEnd(head), &h1.Limits{Head: len(head) + 2, Fields: lines + 1}, &req)
	return requestFields{section: &req.Section, query: query}
}

// describe notes who of the request's farm is no candidate, and who stands last.
func (e *Explanation) describe(req *candidacy.Request, own *Origin) {
	why := unfit(req, own)
	for _, m := range req.Farm.Members {
		if note, is := why[m]; is {
			e.Unfit = append(e.Unfit, mark(m, note))
		} else if m.Live.Unreachable(req.Now) {
			e.PutLast = append(e.PutLast, mark(m, noConnection))
		}
	}
}

const noConnection = "no connection a moment ago"

// unfit returns which members of the request's farm are no candidates of any chain here, and why. own is this host's origin of
// that farm, or nil.
func unfit(req *candidacy.Request, own *Origin) map[*node.Member]string {
	why := map[*node.Member]string{}
	if self := req.Farm.Self; self != nil {
		if own == nil {
			why[self] = "no origin of that farm here"
		} else if down := own.ready(); down != "" {
			why[self] = down
		}
	}
	for _, k := range candidacy.Unfit(req) {
		why[k.Member] = k.Note
	}
	return why
}

// takeNotes runs a chain, all of it: what was found out ahead of requests is found out once more.
func (e *Explanation) takeNotes(
	c *candidacy.Chain, req *candidacy.Request, list, tried []*node.Member, ts traces,
) []*node.Member {
	in := candidacy.AppendCandidates(list, req, tried)
	for _, m := range in {
		e.Candidates = append(e.Candidates, mark(m, ""))
	}
	ts.start(in)
	left := slices.Clone(in)
	for _, st := range c.Explain(req, in) {
		e.Steps = append(e.Steps, Stage{Step: st.Step, Kept: marks(st.Kept), Dropped: marks(st.Dropped)})
		ts.step(&st)
		left = left[:0]
		for _, k := range st.Kept {
			left = append(left, k.Member)
		}
	}
	return left
}

// decided notes the decision. nobody is why, if there is nobody.
func (e *Explanation) decided(d *decision, nobody reason, raw, query string) Explanation {
	e.Action, e.Cookie = string(d.action), printable(d.cookie)
	switch {
	case d.nobody():
		return e.answeredOf(nobody, d.farm.Name)
	case d.leadsAbove(cmp.Or(e.To, raw)):
		return e.answered(badReadings)
	case d.member == nil:
		e.Chosen = &Mark{Name: "own origin", Address: node.HostPort(d.origin.URL), Self: true}
	default:
		m := mark(d.member, "")
		e.Chosen = &m
	}
	if d.member != nil && d.member.Path() != "" {
		e.To = d.member.Path() + cmp.Or(e.To, raw)
	}
	if d.redirect != "" {
		if e.To != "" && d.member.Node == nil {
			raw = e.To
		}
		e.Status, e.Redirect = http.StatusFound, "http://"+d.redirect+raw
		if query != "" {
			e.Redirect += "?" + query
		}
	}
	return *e
}

func (e *Explanation) answered(r reason) Explanation { return e.answeredOf(r, e.Farm) }

func (e *Explanation) answeredOf(r reason, farm string) Explanation {
	a := answers[r]
	e.Status, e.Answer = a.status, strings.ReplaceAll(a.text, "{farm}", strconv.Quote(farm))
	if r == statusPage {
		e.Status, e.Answer = http.StatusOK, "The status page answers this."
	}
	return *e
}

func marks(in []candidacy.Mark) []Mark {
	out := make([]Mark, 0, len(in))
	for _, k := range in {
		out = append(out, mark(k.Member, k.Note))
	}
	return out
}

func mark(m *node.Member, note string) Mark {
	return Mark{Name: printable(m.Name), Address: printable(m.HostPort()), Self: m.Self, Note: printable(note)}
}

// printable returns a text, of which a part may come from a beat, with U+FFFD for what does not print: control
// characters, marks that turn the direction of writing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}
