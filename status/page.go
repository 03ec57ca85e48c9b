package status

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strconv"
)

// assets are the files of the page. Nothing is loaded from anywhere else.
//
//go:embed page.html.tmpl style.css page.js icon.svg
var assets embed.FS

// page is what the template is given.
type page struct {
	View
	Refresh int // seconds after which a browser shows the page anew; 0 is never
}

// Bounds of ?refresh=, in seconds.
const (
	refreshLeast = 1
	refreshMost  = 3600
)

// refresh reads the query's refresh, for those whose browser runs no script. What is no whole number of seconds in
// bounds is taken for never.
func refresh(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < refreshLeast || n > refreshMost {
		return 0
	}
	return n
}

func parsePage() (*template.Template, error) {
	t, err := template.New("page.html.tmpl").Funcs(template.FuncMap{
		"age": Row.age, "bar": bar, "choice": Row.choice, "figures": Row.figures, "forHow": View.forHow, "forwardDown": FarmView.forwardDown, "forwardOff": FarmView.forwardOff,
		"headline": (*KeyView).headline, "herd": RouteView.herd, "highWater": highWater, "inFlight": Row.inFlight, "k": RouteView.k,
		"memory": memory, "number": number, "number64": func(n int) string { return number(uint64(n)) },
		"percent": percent, "place": Row.place, "plural": plural, "pushed": Row.pushed, "ratio": ratio, "sealNote": (*Seal).note,
		"serveTime": Row.serveTime, "span": span, "speed": Row.speed, "standing": Row.standing,
		"workers": Row.workers,
	}).ParseFS(assets, "page.html.tmpl")
	if err != nil {
		return nil, fmt.Errorf("page template: %w", err)
	}
	return t, nil
}

// renderPage returns the whole page, or an error and nothing of it.
func renderPage(t *template.Template, v View, refresh int) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, page{View: v, Refresh: refresh}); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// bar returns the length of a share's bar, of 100.
func bar(share float64) int { return int(100 * min(1, max(0, share))) }
