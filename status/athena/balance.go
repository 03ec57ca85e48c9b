package athena

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
)

// Limits of one query for members.
const (
	maxFarms   = 64 // farms of all embedded requests together
	maxMembers = 64 // members of one farm
)

// output is how the answer to a query is written.
type output uint8

const (
	asNames output = iota
	asURLs
	asJSON
)

// wish is what one embedded request asks of its farms.
type wish struct {
	members int
	output  output
	explain bool
	client  netip.Addr
	reports bool // it asks for nobody, and says whose work has ended
}

// answer is what the engine chose of a farm.
type answer struct {
	farm string
	wish wish
	Choice
}

// keyOf returns which argument of a query for members a key stands for: 'g' a farm, 'n' how many members, 'f' the format, 'x'
// explain, 'd' done, 'c' client; 0: none.
func keyOf(a *arg) byte {
	switch a.key {
	case "":
		if a.value == "explain" && !a.quoted {
			return 'x'
		}
		return 'g'
	case "h", "g", "name", "farm":
		return 'g'
	case "n", "members":
		return 'n'
	case "f", "format":
		return 'f'
	case "explain":
		return 'x'
	case "done":
		return 'd'
	case "client":
		return 'c'
	}
	return 0
}

func namesFarm(a *arg) bool { return keyOf(a) == 'g' }

// balance answers a query for members: all that it asks is understood before anybody is chosen.
func (h *handler) balance(x *exchange) error {
	if len(x.args) == 0 {
		return x.wrong(0, "want the name of a farm, as in balance?farm_one")
	}
	farms := 0
	for i := range x.ends {
		w, n, err := x.readWish(x.request(i))
		if err != nil {
			return err
		}
		if farms += n; farms > maxFarms {
			return x.wrong(x.request(i)[0].at, "want at most %d farms at once", maxFarms)
		}
		x.wishes = append(x.wishes, w)
		x.json = x.json || w.output == asJSON
	}
	if err := h.carryOut(x); err != nil {
		h.takeBack(x)
		return err
	}
	h.counts.Queries.Add(uint64(len(x.answers)))
	return x.writeAnswers()
}

// readWish reads what one embedded request asks, and how many farms it names.
func (x *exchange) readWish(args []arg) (w wish, farms int, err error) {
	w = wish{members: 1, client: x.asking[0]}
	at, seen := 0, uint32(0)
	for i := range args {
		a := &args[i]
		key := keyOf(a)
		if key == 0 {
			return w, 0, x.wrong(a.at, "%s is no argument of balance: want the name of a farm, n=3, f=url, f=json, explain, "+
				"client=ADDRESS or done=MEMBER", quote(a.key))
		}
		value, err := x.plain(a)
		if err != nil {
			return w, 0, err
		}
		switch key {
		case 'g':
			farms++
			continue
		case 'd':
			w.reports = true
			continue
		}
		if seen&(1<<(key-'a')) != 0 {
			return w, 0, x.wrong(a.at, "%s is given twice in one request", quote(cmp.Or(a.key, a.value)))
		}
		seen |= 1 << (key - 'a')
		if want := w.set(key, value); want != "" {
			return w, 0, x.wrong(a.valueAt, "want %s, not %s", want, quote(value))
		}
	}
	if len(args) > 0 {
		at = args[0].at
	}
	switch {
	case farms == 0:
		return w, 0, x.wrong(at, "want the name of a farm in each request")
	case w.reports && farms > 1:
		return w, 0, x.wrong(at, "want one farm beside done=MEMBER: the one whose member it is")
	}
	return w, farms, nil
}

// set takes an option, or returns what it could have been.
func (w *wish) set(key byte, value string) (want string) {
	switch key {
	case 'n':
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxMembers {
			return "a number of members from 1 to " + strconv.Itoa(maxMembers)
		}
		w.members = n
	case 'f':
		switch value {
		case "name":
		case "url":
			w.output = asURLs
		case "json":
			w.output = asJSON
		default:
			return "name, url or json as the format"
		}
	case 'x':
		if value != "explain" && value != "true" && value != "false" {
			return "true or false for explain"
		}
		w.explain = value != "false"
	case 'c':
		a, err := netip.ParseAddr(value)
		if err != nil {
			return "an IP address as the client"
		}
		w.client = a.Unmap().WithZone("")
	}
	return ""
}

// carryOut has the engine do all that is asked. What has ended it is told last: that cannot be taken back.
func (h *handler) carryOut(x *exchange) error {
	for i, w := range x.wishes {
		var err error
		if w.reports {
			err = x.addEnded(x.request(i))
		} else {
			err = h.grant(x, x.request(i), w)
		}
		if err != nil {
			return err
		}
	}
	if len(x.ended) == 0 {
		return nil
	}
	return h.cfg.Engine.Done(x.ended)
}

// grant has the engine choose for one embedded request.
func (h *handler) grant(x *exchange, args []arg, w wish) error {
	for i := range args {
		if !namesFarm(&args[i]) {
			continue
		}
		farm, err := x.plain(&args[i])
		if err != nil {
			return err
		}
		c, err := h.cfg.Engine.Balance(Question{Farm: farm, Members: w.members, Client: w.client, Explain: w.explain})
		if err != nil {
			return h.unexpected(err)
		}
		x.answers = append(x.answers, answer{farm: farm, wish: w, Choice: c})
	}
	return nil
}

// addEnded notes what one embedded request reports.
func (x *exchange) addEnded(args []arg) error {
	farm, begin := "", len(x.ended)
	for i := range args {
		a := &args[i]
		value, err := x.plain(a)
		if err != nil {
			return err
		}
		switch keyOf(a) {
		case 'g':
			farm = value
		case 'd':
			x.ended = append(x.ended, Ended{Member: value})
		}
	}
	for i := begin; i < len(x.ended); i++ { // the farm may stand behind its members
		x.ended[i].Farm = farm
	}
	return nil
}

// unexpected makes a reply of an error of the engine: only of what it does not know is it the client's fault.
func (h *handler) unexpected(err error) error {
	if _, ok := errors.AsType[*UnknownError](err); ok {
		return err
	}
	h.cfg.Log.Error("a query for members could not be answered", "err", err)
	return &failure{http.StatusInternalServerError, "the query could not be answered: see the agent's log"}
}

// takeBack says of those who were chosen for a query that could not be answered as a whole that they have nothing to do.
func (h *handler) takeBack(x *exchange) {
	for i := range x.answers {
		if x.answers[i].wish.explain {
			continue // it was not counted
		}
		for _, m := range x.answers[i].Members {
			_ = h.cfg.Engine.Done([]Ended{{x.answers[i].farm, m.Name}}) // gone meanwhile: nothing is left to take back
		}
	}
}

// writeAnswers writes a line for each farm, in the order asked: the members, with blanks between them.
func (x *exchange) writeAnswers() error {
	for i := range x.answers {
		if len(x.answers[i].Members) == 0 {
			x.status = http.StatusServiceUnavailable
		}
	}
	if x.json {
		return x.writeAnswersJSON()
	}
	for i := range x.answers {
		x.writeAnswer(&x.answers[i])
	}
	return nil
}

func (x *exchange) writeAnswer(a *answer) {
	for i := range a.Members {
		if i > 0 {
			x.out = append(x.out, ' ')
		}
		text := a.Members[i].Name
		if a.wish.output == asURLs {
			text = a.Members[i].URL
		}
		x.out = append(x.out, clean(text)...)
	}
	if len(a.Members) == 0 {
		x.out = append(x.out, "error: nobody of farm "+quote(a.farm)+" is eligible"...)
		if a.Why != "" {
			x.out = append(x.out, ": "+clean(a.Why)...)
		}
		if a.Forward != "" {
			x.out = append(x.out, "\n"+clean(a.Forward)...)
		}
	}
	x.out = append(x.out, '\n')
	for _, line := range a.Explain {
		x.out = append(x.out, "# "+clean(line)+"\n"...)
	}
}

// answerJSON is an answer in JSON.
type answerJSON struct {
	Farm    string       `json:"farm"`
	Members []memberJSON `json:"members"`
	Forward string       `json:"forward,omitempty"`
	Why     string       `json:"why,omitempty"`
	Explain []string     `json:"explain,omitempty"`
}

type memberJSON struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

func (x *exchange) writeAnswersJSON() error {
	all := make([]answerJSON, 0, len(x.answers))
	for i := range x.answers {
		a := &x.answers[i]
		one := answerJSON{Farm: a.farm, Members: make([]memberJSON, 0, len(a.Members)), Forward: clean(a.Forward), Why: clean(a.Why)}
		for _, m := range a.Members {
			one.Members = append(one.Members, memberJSON{clean(m.Name), clean(m.URL)})
		}
		for _, line := range a.Explain {
			one.Explain = append(one.Explain, clean(line))
		}
		all = append(all, one)
	}
	return x.writeJSON(all)
}
