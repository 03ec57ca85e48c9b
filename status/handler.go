package status

import (
	"encoding/json"
	"html/template"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// DefaultPrefix is where the page is unless the file says otherwise; mod_backhand's users put it there.
const DefaultPrefix = "/backhand/"

// Config is what NewHandler needs.
type Config struct {
	// Prefix is the path of the page, with a slash at either end. Default: DefaultPrefix.
	Prefix string
	// Source is asked at every request. Required.
	Source Source
	// Allow says who may see the page and everything below it. Default: loopback only.
	Allow func(netip.Addr) bool
	// Metrics answers below "metrics". Without it there are none.
	Metrics http.Handler
	// Now is the time. Default: time.Now.
	Now func() time.Time
}

// NewHandler returns what answers at the prefix, with or without its last slash, and everywhere below it:
//
//	(nothing)   the page, ?refresh=5 for one that shows itself anew every five seconds
//	view.json   the same as JSON
//	metrics     figures for Prometheus
//	live        200 as long as the process runs
//	ready       200 if the agent takes requests, 503 while it is draining or leaving
//
// A request is answered only if its TCP peer and every address that it names in X-Forwarded-For, X-Real-Ip or
// Forwarded are allowed. Anybody else gets 403, whatever is asked for.
func NewHandler(cfg Config) http.Handler {
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if cfg.Allow == nil {
		cfg.Allow = netip.Addr.IsLoopback
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &handler{cfg: cfg}
	h.page, h.broken = parsePage()
	h.below = map[string]http.HandlerFunc{
		"": h.showPage, "view.json": h.showJSON, "live": h.live, "ready": h.ready,
		"style.css": asset("style.css", "text/css; charset=utf-8"),
		"page.js":   asset("page.js", "text/javascript; charset=utf-8"),
		"icon.svg":  asset("icon.svg", "image/svg+xml"),
	}
	if cfg.Metrics != nil {
		h.below["metrics"] = cfg.Metrics.ServeHTTP
	}
	return h
}

type handler struct {
	cfg    Config
	page   *template.Template
	broken error // why there is no page: a mistake in the template, which tests would have found
	below  map[string]http.HandlerFunc
}

// ServeHTTP implements [http.Handler].
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	if why := h.refuse(r); why != "" {
		say(w, http.StatusForbidden, why)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, h.cfg.Prefix)
	show := h.below[name]
	if r.URL.Path+"/" == h.cfg.Prefix {
		show, ok = h.addSlash, true
	}
	switch {
	case !ok || show == nil:
		say(w, http.StatusNotFound, "There is nothing here. The page is at "+h.cfg.Prefix)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		head.Set("Allow", "GET, HEAD")
		say(w, http.StatusMethodNotAllowed, "This can only be read.")
	default:
		show(w, r)
	}
}

// refuse returns why the request is not answered, or "".
func (h *handler) refuse(r *http.Request) string {
	all, err := asking(r)
	if err != nil {
		return "It is not clear who asks: " + clean(err.Error()) + "."
	}
	for _, a := range all {
		if !h.cfg.Allow(a) {
			return a.String() + " may not see this. The addresses that may are in status.allow of the agent's file."
		}
	}
	return ""
}

// addSlash leads from the prefix without its last slash to the page: links on it are relative.
func (h *handler) addSlash(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: h.cfg.Prefix, RawQuery: r.URL.RawQuery}
	http.Redirect(w, r, to.String(), http.StatusFound)
}

func (h *handler) view(r *http.Request) View {
	s, info := h.cfg.Source()
	info.Viewer = viewer(r)
	return NewView(s, info, h.cfg.Now())
}

// viewer is who asks, as the ancestor's REMOTE_ADDR, and for whom.
func viewer(r *http.Request) string {
	all, err := asking(r)
	if err != nil {
		return ""
	}
	var text strings.Builder
	text.WriteString(all[0].String())
	for i, a := range all[1:] {
		if i == 0 {
			text.WriteString(" for " + a.String())
		} else {
			text.WriteString(", " + a.String())
		}
	}
	return text.String()
}

func (h *handler) showPage(w http.ResponseWriter, r *http.Request) {
	err := h.broken
	var body []byte
	if err == nil {
		body, err = renderPage(h.page, h.view(r), refresh(r.URL.Query().Get("refresh")))
	}
	if err != nil {
		say(w, http.StatusInternalServerError, "The page cannot be shown: "+clean(err.Error())+".")
		return
	}
	send(w, "text/html; charset=utf-8", http.StatusOK, body)
}

func (h *handler) showJSON(w http.ResponseWriter, r *http.Request) {
	body, err := json.MarshalIndent(h.view(r), "", "  ")
	if err != nil {
		say(w, http.StatusInternalServerError, "The view cannot be written as JSON: "+clean(err.Error())+".")
		return
	}
	send(w, "application/json", http.StatusOK, append(body, '\n'))
}

func (h *handler) live(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "live") }

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	_, info := h.cfg.Source()
	if s := ownState(info.State); s != Up {
		say(w, http.StatusServiceUnavailable, string(s)+": takes no new requests")
		return
	}
	say(w, http.StatusOK, "ready")
}

func asset(name, kind string) http.HandlerFunc {
	body, err := assets.ReadFile(name)
	return func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			say(w, http.StatusInternalServerError, clean(err.Error()))
			return
		}
		send(w, kind, http.StatusOK, body)
	}
}

// say answers with one plain sentence.
func say(w http.ResponseWriter, status int, sentence string) {
	send(w, "text/plain; charset=utf-8", status, []byte(sentence+"\n"))
}

// send answers with the whole body at once. Whether the viewer still waits for it is nobody's business.
func send(w http.ResponseWriter, kind string, status int, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
