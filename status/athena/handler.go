package athena

import (
	"cmp"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultPath is where the interface is unless the file says otherwise, as in mod_athena.
const DefaultPath = "/athena"

// Part is a part of the interface to which access is given.
type Part uint8

// The parts, as mod_athena's directories had them.
const (
	PartBalance Part = iota
	PartStatus
	PartUpdate
	PartMirror
)

// String returns the word that stands in the path and in the file.
func (p Part) String() string {
	switch p {
	case PartBalance:
		return "balance"
	case PartStatus:
		return "status"
	case PartUpdate:
		return "update"
	}
	return "mirror"
}

// Config is what New needs.
type Config struct {
	// Path is below which everything is. Default: DefaultPath.
	Path string
	// Engine is asked and told. Required.
	Engine Engine
	// Allow says who may use a part. It is asked for the TCP peer and for every address that the request names in
	// X-Forwarded-For, X-Real-Ip or Forwarded. Default: loopback only, for all parts.
	Allow func(part Part, addr netip.Addr) bool
	// Tokens are what has to be sent besides, for the parts that they open. They are only read. Default: none, and nothing has to.
	Tokens []Token
	// Mirror takes in what other engines tell. Default: mirroring is not enabled.
	Mirror Mirror
	// Log hears of what the engine should not have done. Default: nobody does.
	Log *slog.Logger
	// Now is the time. Default: time.Now.
	Now func() time.Time
	// Counts is where it counts, so that a handler can go on where another one has stopped. Default: from 0.
	Counts *Counts
}

// Counts is what was done.
type Counts struct {
	Queries atomic.Uint64 // farms for which members were asked
	Updates atomic.Uint64 // of a farm or a physical, that were taken
	Refused atomic.Uint64 // requests over HTTP that were answered by an error

	Mirrored atomic.Uint64 // farms and physicals of which other engines told, and that are listed here
}

// New returns what answers below the path, as the package's documentation has it; everywhere else it answers 404.
func New(cfg Config) http.Handler {
	if cfg.Allow == nil {
		cfg.Allow = func(_ Part, a netip.Addr) bool { return a.IsLoopback() }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{
		cfg: cfg, root: "/", farms: farmTable(), physes: physTable(), engine: engineTable(),
		text: []string{"text/plain; charset=utf-8"}, json: []string{"application/json"},
		noStore: []string{"no-store"}, noSniff: []string{"nosniff"}, counts: cmp.Or(cfg.Counts, new(Counts)),
	}
	if path := strings.Trim(cmp.Or(cfg.Path, DefaultPath), "/"); path != "" {
		h.root = "/" + path + "/"
	}
	h.spare.New = func() any { return new(exchange) }
	for i := range cfg.Tokens {
		h.guarded |= setOf(cfg.Tokens[i].Parts...)
	}
	h.places = h.allPlaces()
	return h
}

type handler struct {
	cfg     Config
	root    string // path below which everything is, with a slash at either end
	farms   *table[Farm]
	physes  *table[Phys]
	engine  *table[Self]
	places  map[string]place
	guarded parts     // that need a token
	spare   sync.Pool // of *exchange

	text, json, noStore, noSniff []string // values of fields, shared by all replies and never written to

	counts *Counts

	mirroring sync.Mutex // held while what another engine tells is taken in
}

// place is a path of the interface.
type place struct {
	part   Part
	allow  string // methods
	serve  func(*exchange) error
	begins func(*arg) bool // begins the next embedded request of a form
}

const (
	mayRead  = "GET, HEAD"
	mayWrite = "GET, POST" // no HEAD: nobody expects that it changes something
	mayPost  = "POST"
)

func (h *handler) allPlaces() map[string]place {
	return map[string]place{
		"balance":       {PartBalance, mayWrite, h.balance, namesFarm},
		"status/farm":   {PartStatus, mayRead, h.statusFarm, nil},
		"status/phys":   {PartStatus, mayRead, h.statusPhys, nil},
		"status/engine": {PartStatus, mayRead, h.statusEngine, nil},
		"status/debug":  {PartStatus, mayRead, h.statusDebug, nil},
		"update/farm":   {PartUpdate, mayWrite, h.updateFarm, h.farms.namesEntity},
		"update/phys":   {PartUpdate, mayWrite, h.updatePhys, h.physes.namesEntity},
		"mirror/farm":   {PartMirror, mayPost, h.mirrorFarm, nil},
		"mirror/phys":   {PartMirror, mayPost, h.mirrorPhys, nil},
	}
}

// placeNames are the paths, in the order in which they are told.
const placeNames = "balance, status/farm, status/phys, status/engine, status/debug, update/farm, update/phys, mirror/farm and " +
	"mirror/phys"

// exchange is one request over HTTP and its reply. It is used again, so that a query for members takes no memory.
type exchange struct {
	query
	r       *http.Request
	asking  []netip.Addr // the TCP peer, and for whom it asks
	holder  string       // who has the token that was asked for; "": none was
	wishes  []wish
	answers []answer
	ended   []Ended
	came    time.Time // when the body of another engine began to come
	body    []byte    // of another engine

	status    int
	challenge string // WWW-Authenticate; "": none
	json      bool   // the reply is JSON
	out       []byte
}

// Exchanges that grew larger are not used again.
const (
	maxSpareOut  = 64 << 10
	maxSpareArgs = 1024
)

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, _ := h.spare.Get().(*exchange)
	*x = exchange{
		query: x.query, asking: x.asking[:0], wishes: x.wishes[:0], answers: x.answers[:0], ended: x.ended[:0],
		out: x.out[:0],
	}
	x.r, x.status = r, http.StatusOK
	x.reset("")
	x.json = strings.HasPrefix(r.Header.Get("Accept"), "application/json")
	if err := h.serve(x, w); err != nil {
		h.refuse(x, err)
	}
	head := w.Header()
	head["Cache-Control"], head["X-Content-Type-Options"] = h.noStore, h.noSniff
	head["Content-Type"] = h.text
	if x.json && len(x.out) > 0 {
		head["Content-Type"] = h.json
	}
	if x.challenge != "" {
		head.Set("WWW-Authenticate", x.challenge)
	}
	w.WriteHeader(x.status)
	_, _ = w.Write(x.out) // whether the client still waits for it is nobody's business
	if cap(x.out) <= maxSpareOut && cap(x.args) <= maxSpareArgs {
		clear(x.answers)
		clear(x.ended)
		x.reset("")
		x.r, x.body = nil, nil
		h.spare.Put(x)
	}
}

// serve finds out what is asked for, and whether this may be.
func (h *handler) serve(x *exchange, w http.ResponseWriter) error {
	name := h.below(x.r.URL.Path)
	p, there := h.places[name]
	if err := h.admit(x, p.part, there); err != nil {
		return err
	}
	if !there {
		return &failure{http.StatusNotFound, "there is nothing at " + quote(x.r.URL.Path) + ": below " + h.root + " are " + placeNames}
	}
	if p.part == PartMirror && h.cfg.Mirror == nil {
		return &failure{http.StatusForbidden, notEnabled}
	}
	if m := x.r.Method; (m != http.MethodGet || p.part == PartMirror) && !allows(p.allow, m) {
		w.Header().Set("Allow", p.allow)
		return &failure{http.StatusMethodNotAllowed, quote(m) + " is no method of " + name + ": send one of " + p.allow}
	}
	var err error
	switch {
	case p.part == PartMirror:
		err = h.readMirror(x, w)
	case x.r.Method == http.MethodPost:
		err = x.parseBody(w, x.r, p.begins)
	default:
		err = x.parseString(x.r.URL.RawQuery)
	}
	if err != nil {
		return err
	}
	return p.serve(x)
}

// below returns the part of a path that is below ours, without a slash at its end; "" if it is not.
func (h *handler) below(path string) string {
	name, ours := strings.CutPrefix(path, h.root)
	if !ours {
		return ""
	}
	return strings.TrimSuffix(name, "/")
}

// allows reports whether a list of methods has one.
func allows(list, method string) bool {
	for m := range strings.SplitSeq(list, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// refuse makes a reply of an error.
func (h *handler) refuse(x *exchange, err error) {
	h.counts.Refused.Add(1)
	x.status = statusOf(err)
	text := clean(strings.ReplaceAll(err.Error()+x.advice(err), "\n", "; "))
	x.out = x.out[:0]
	if x.json && x.writeJSON(map[string]string{"error": text}) == nil {
		return
	}
	x.json = false
	x.out = append(append(x.out, "error: "+text...), '\n')
}

// writeJSON appends a value to the reply as JSON.
func (x *exchange) writeJSON(v any) error {
	x.json = true
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.out = append(append(x.out, text...), '\n')
	return nil
}
