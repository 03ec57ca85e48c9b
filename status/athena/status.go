package athena

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxReply is about the most bytes of a reply.
const maxReply = 16 << 20

// view is what one embedded request wants to see.
type view[T any] struct {
	names  []string // with * for any characters; none: all
	within string   // farm; "": any
	format format[T]
	given  bool // there is a format; without one it is all fields
	json   bool
	at     int
}

func (h *handler) statusFarm(x *exchange) error {
	now := h.cfg.Now()
	return report(x, h.farms, h.cfg.Engine.Farms(now), now)
}

func (h *handler) statusPhys(x *exchange) error {
	now := h.cfg.Now()
	return report(x, h.physes, h.cfg.Engine.Physes(now), now)
}

// statusEngine tells of the engine itself. help tells of all codes; true stands for nothing, as something has to.
func (h *handler) statusEngine(x *exchange) error {
	if len(x.args) == 1 && x.args[0].key == "" {
		switch x.args[0].value {
		case "help":
			x.json = false
			x.out = append(x.out, h.help()...)
			return nil
		case "true":
			x.reset("")
		}
	}
	now := h.cfg.Now()
	return report(x, h.engine, []Self{h.self(now)}, now)
}

// self returns what the engine says of itself, with what was counted here.
func (h *handler) self(now time.Time) Self {
	s := h.cfg.Engine.Self(now)
	s.Queries, s.Updates, s.Refused = h.counts.Queries.Load(), h.counts.Updates.Load(), h.counts.Refused.Load()
	s.Mirrored = h.counts.Mirrored.Load()
	return s
}

func (h *handler) help() string {
	return "physicals (status/phys, update/phys)\n" + h.physes.help() +
		"\nfarms (status/farm, update/farm)\n" + h.farms.help() +
		"\nengine (status/engine)\n" + h.engine.help()
}

// statusDebug shows all there is. Its arguments do not matter: mod_athena wanted some, and did not look at them.
func (h *handler) statusDebug(x *exchange) error {
	now := h.cfg.Now()
	self := []Self{h.self(now)}
	farms, physes := h.cfg.Engine.Farms(now), h.cfg.Engine.Physes(now)
	var err error
	if x.json {
		err = errors.Join(appendObjects(x, `{"engine":`, h.engine, self, now), appendObjects(x, `,"farms":[`, h.farms, farms, now),
			appendObjects(x, `],"physicals":[`, h.physes, physes, now))
		x.out = append(x.out, "]}\n"...)
	} else {
		appendLines(x, "engine ", h.engine, self, now)
		appendLines(x, "farm ", h.farms, farms, now)
		appendLines(x, "phys ", h.physes, physes, now)
	}
	if len(x.out) > maxReply {
		return tooLong("status/farm, and for one farm after the other status/phys?g=FARM")
	}
	return err
}

// appendLines writes a line for each entity, behind a word. The line with which the reply grows too long is the last one.
func appendLines[T any](x *exchange, word string, t *table[T], all []T, now time.Time) {
	for i := 0; i < len(all) && len(x.out) <= maxReply; i++ {
		x.out = t.appendLine(append(x.out, word...), &all[i], now)
	}
}

// appendObjects writes entities as JSON, behind what opens them. That with which the reply grows too long is the last one.
func appendObjects[T any](x *exchange, open string, t *table[T], all []T, now time.Time) error {
	x.out = append(x.out, open...)
	for i := 0; i < len(all) && len(x.out) <= maxReply; i++ {
		if err := x.appendObject(t.object(&all[i], now)); err != nil {
			return err
		}
	}
	return nil
}

// report shows entities as the embedded requests want them, one after the other. Without any it shows all.
func report[T any](x *exchange, t *table[T], all []T, now time.Time) error {
	views, err := t.readViews(&x.query)
	if err != nil {
		return err
	}
	asJSON := slices.ContainsFunc(views, func(v view[T]) bool { return v.json })
	formats := slices.IndexFunc(views, func(v view[T]) bool { return v.given })
	if asJSON && formats >= 0 {
		return x.wrong(views[formats].at, "want no format beside f=json: a reply is either text or JSON")
	}
	if x.json = asJSON || x.json && formats < 0; x.json {
		return reportJSON(x, t, views, all, now)
	}
	for i := range views {
		v := &views[i]
		chosen, err := t.choose(all, v.names, v.within, false)
		if err != nil {
			return err
		}
		for _, e := range chosen {
			if v.given {
				x.out = v.format.append(x.out, e, now)
			} else {
				x.out = t.appendLine(x.out, e, now)
			}
			if len(x.out) > maxReply {
				return tooLong("less at once")
			}
		}
	}
	return nil
}

func tooLong(ask string) error {
	return &failure{statusTooLarge, fmt.Sprintf("the reply would have more than %d bytes: ask for %s", maxReply, ask)}
}

// reportJSON writes a list of objects.
func reportJSON[T any](x *exchange, t *table[T], views []view[T], all []T, now time.Time) error {
	x.out = append(x.out, '[')
	for i := range views {
		chosen, err := t.choose(all, views[i].names, views[i].within, false)
		if err != nil {
			return err
		}
		for _, e := range chosen {
			if err := x.appendObject(t.object(e, now)); err != nil {
				return err
			}
			if len(x.out) > maxReply {
				return tooLong("less at once")
			}
		}
	}
	x.out = append(x.out, "]\n"...)
	return nil
}

// appendObject writes an object, with a comma if there is one before it.
func (x *exchange) appendObject(o map[string]any) error {
	one, err := json.Marshal(o)
	if err != nil {
		return &failure{http.StatusInternalServerError, "this cannot be written as JSON: " + err.Error()}
	}
	if x.out[len(x.out)-1] == '}' {
		x.out = append(x.out, ',')
	}
	x.out = append(x.out, one...)
	return nil
}

// readViews reads all embedded requests; none is one without arguments.
func (t *table[T]) readViews(q *query) ([]view[T], error) {
	if len(q.ends) == 0 {
		return make([]view[T], 1), nil
	}
	views := make([]view[T], 0, len(q.ends))
	for i := range q.ends {
		v, err := t.readView(q, q.request(i))
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

func (t *table[T]) readView(q *query, args []arg) (v view[T], err error) {
	for i := range args {
		a := &args[i]
		c := t.codeOf(a)
		switch {
		case c == nil:
			return v, q.wrong(a.at, "%s", t.noCode(a.key))
		case c.role == formats && (v.given || v.json):
			return v, q.wrong(a.at, "the format is given twice in one request")
		case c.role == formats:
			err = v.readFormat(q, t, a)
		case c.role == selects:
			err = t.readName(q, a, &v.names)
		case c.role == within && v.within != "":
			return v, q.wrong(a.at, "the farm is given twice in one request")
		case c.role == within:
			v.within, err = q.plain(a)
		default:
			return v, q.wrong(a.at, `%s selects nothing: want names, and f="%%h ..." for what to show`, quote(a.key))
		}
		if err != nil {
			return v, err
		}
	}
	return v, nil
}

// codeOf returns the code that an argument gives a value; a word alone is a name. Nil: there is no such code.
func (t *table[T]) codeOf(a *arg) *code[T] {
	if a.key == "" {
		return t.find("h")
	}
	c := t.find(a.key)
	if c != nil && c.role == also {
		return t.find("h")
	}
	return c
}

func (t *table[T]) namesEntity(a *arg) bool {
	c := t.codeOf(a)
	return c != nil && c.role == selects
}

// readName appends a name.
func (t *table[T]) readName(q *query, a *arg, names *[]string) error {
	name, err := q.plain(a)
	if err != nil {
		return err
	}
	if name == "" {
		return q.wrong(a.valueAt, "want the name of a %s", t.what)
	}
	*names = append(*names, name)
	return nil
}

// readFormat reads a format. The words text and json are none: all fields, as text or as JSON.
func (v *view[T]) readFormat(q *query, t *table[T], a *arg) error {
	v.at = a.at
	switch a.value {
	case "json":
		v.json = true
		return nil
	case "text":
		return nil
	}
	f, m := parseFormat(t, a.value)
	if m != nil {
		return q.wrong(a.valueAt+m.at, "%s", m.want)
	}
	v.format, v.given = f, true
	return nil
}

// choose returns the entities of these names, each once, in the order of the names; for no names all. updating leaves out
// those that an update concerns only if it names them.
func (t *table[T]) choose(all []T, names []string, farm string, updating bool) ([]*T, error) {
	if farm != "" && !slices.ContainsFunc(all, func(e T) bool { return t.farm(&e) == farm }) {
		return nil, t.unknownFarm(all, farm)
	}
	if len(names) == 0 {
		names = []string{"*"}
	}
	var chosen []*T
	taken := make([]bool, len(all))
	for _, name := range names {
		found, wild := name == "*", strings.Contains(name, "*")
		for i := range all {
			e := &all[i]
			if farm != "" && t.farm(e) != farm || !matches(name, t.name(e)) || updating && wild && t.wild != nil && !t.wild(e) {
				continue
			}
			if found = true; !taken[i] {
				chosen, taken[i] = append(chosen, e), true
			}
		}
		if !found {
			return nil, &UnknownError{What: t.what, Name: name, Known: t.known(all, farm)}
		}
	}
	return chosen, nil
}

// known returns the names of what there is in a farm, or anywhere, each once.
func (t *table[T]) known(all []T, farm string) (names []string) {
	seen := make(map[string]bool, len(all))
	for i := range all {
		if n := t.name(&all[i]); !seen[n] && (farm == "" || t.farm(&all[i]) == farm) {
			names, seen[n] = append(names, n), true
		}
	}
	return names
}

func (t *table[T]) unknownFarm(all []T, farm string) error {
	e := &UnknownError{What: "farm", Name: farm}
	seen := make(map[string]bool)
	for i := range all {
		if n := t.farm(&all[i]); !seen[n] {
			e.Known, seen[n] = append(e.Known, n), true
		}
	}
	return e
}

// matches reports whether a name fits a pattern, in which * stands for any characters.
func matches(pattern, name string) bool {
	star, mark := -1, 0 // where the last * stands, and up to where it has been tried to reach
	p, n := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0: // it reaches one further
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
