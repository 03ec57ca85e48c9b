package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// allToOne hands on all that a front is asked for.
const allToOne = `[[farm]]
name = "web"
member = [ { name = "app01", url = %q } ]
[[route]]
path = "/"
farm = "web"
`

// A front that hands on all, and an origin that remembers what it was asked for: nothing that is asked of the engine, as
// nonsensical as may be, gets there. Nor does what is asked beside its path: its listener is the engine's alone.
func TestAthena03NothingUnderThePathIsProxied(t *testing.T) {
	var mu sync.Mutex
	var served []string
	o := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		served = append(served, r.RequestURI)
	}))
	defer o.Close()
	a := startAsked(t, "path = '/ath'\n"+fmt.Sprintf(allToOne, o.URL))
	engine, front := strings.TrimPrefix(a.engine, "http://"), strings.TrimPrefix(a.url, "http://")

	for _, row := range []struct {
		name, line string
		status     int
	}{
		{"a query", "GET /ath/balance?web", 200},
		{"the path alone", "GET /ath", 404},
		{"and with a slash", "GET /ath/", 404},
		{"nonsense below it", "GET /ath/nonsense?x=y", 404},
		{"a part that there is not", "GET /ath/update/engine?h=web", 404},
		{"a file of another's", "GET /ath/../etc/passwd", 404},
		{"a path that is escaped", "GET /%61th/balance?web", 200},
		{"a method that nobody knows", "BREW /ath/balance?web", 405},
		{"a method for files", "PUT /ath/update/phys", 405},
		{"the default path, where the file has another", "GET /athena/balance?web", 404},
		{"a page of the front's", "GET /index.html", 404},
		{"a URL of another host, as proxies are asked", "GET http://" + front + "/ath/balance?web", 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			res, body, err := talk(t, dial(t, "tcp", engine), row.line+" HTTP/1.1\r\nHost: "+front+"\r\nConnection: close\r\n\r\n")
			if err != nil || res.StatusCode != row.status {
				t.Fatalf("%s is answered by %v, %q, %v; want %d", row.line, res, body, err, row.status)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if len(served) > 0 {
		t.Errorf("the origin was asked for %q", served)
	}
}

// What the test above relies on: that the front does hand on what it is asked for, and that path, too, which is nothing of its own.
func TestAthenaPathIsNobodysAtOtherListeners(t *testing.T) {
	o := origin(t, "o1")
	a := startAsked(t, fmt.Sprintf(allToOne, o.URL))
	for _, path := range []string{"/index.html", "/athena/update/farm?h=web,o=off"} {
		if status, body := a.get(path); status != http.StatusOK || !strings.HasPrefix(body, "o1 ") {
			t.Errorf("%s is answered by %d %q, want the origin", path, status, body)
		}
	}
	if got := a.good(farmsSay(`h=web,f="%o"`)); got != "on\n" {
		t.Errorf("the farm is %q", got)
	}
}

// mod_athena's default, AthEngine Off, made farms inert with the engine's path. Here routes lead to them without [athena], too: that
// is a difference that we mean.
func TestAthena01RoutesLeadToFarmsWithoutIt(t *testing.T) {
	app := moved(t, "app")
	f := start(t, fmt.Sprintf("{head}\n[[farm]]\nname = \"farm_one\"\nmember = [ { name = \"app01\", url = %q } ]\n"+
		"[[route]]\npath = \"/reports/\"\nto = \"http://farm_one/app/\"\n", app.URL), Options{})
	if len(f.athena.servers) != 0 || f.config.Load().Athena.On() {
		t.Error("something answers programs")
	}
	if status, body := f.get("/reports/next"); status != http.StatusOK || body != "app /app/next" {
		t.Errorf("answered by %d %q, want the farm's member", status, body)
	}
}
