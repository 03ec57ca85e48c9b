package agent

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// moved is a web server that says who it is and what it was asked for, and sends its clients to another of its pages.
func moved(t *testing.T, name string) *httptest.Server {
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/app/next" {
			w.Header().Set("Location", s.URL+"/app/next?page=2")
			w.WriteHeader(http.StatusFound)
		}
		fmt.Fprintf(w, "%s %s", name, r.RequestURI)
	}))
	t.Cleanup(s.Close)
	return s
}

// mod_athena: a farm's host in a mapped URL is replaced, and the path kept; a host that is no farm is left alone.
func TestAthena11FarmInAMappedURLIsReplacedAndAnotherHostIsUntouched(t *testing.T) {
	app, other := moved(t, "app"), moved(t, "other")
	host := strings.TrimPrefix(other.URL, "http://")
	farms := fmt.Sprintf("[[farm]]\nname = \"farm_one\"\nmember = [ { name = \"app01\", url = %q } ]\n", app.URL)
	route := func(path, to string) string { return fmt.Sprintf("[[route]]\npath = %q\nto = %q\n", path, to) }
	farmRoute := route("/reports/", "http://farm_one/app/")
	a := startAsked(t, farms+farmRoute+route("/other/", "http://"+host+"/app/"))

	for _, row := range []struct{ path, body, location string }{
		{"/reports/a%2Fb?c=d", "app /app/a%2Fb?c=d", a.url + "/reports/next?page=2"},
		{"/other/a%2Fb?c=d", "other /app/a%2Fb?c=d", a.url + "/other/next?page=2"},
	} {
		res, body, err := talk(t, dial(t, "tcp", strings.TrimPrefix(a.url, "http://")),
			"GET "+row.path+" HTTP/1.1\r\nHost: "+strings.TrimPrefix(a.url, "http://")+"\r\nConnection: close\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusFound || body != row.body || got != row.location {
			t.Errorf("%s is answered by %d %q, Location %q; want %q, %q", row.path, res.StatusCode, body, got, row.body, row.location)
		}
	}

	// The host has states, and is chosen, as a farm with one member has and is.
	if got := a.good("/athena/balance?" + host + ",f=url"); got != other.URL+"\n" {
		t.Errorf("chosen is %q", got)
	}
	a.good("/athena/update/phys?h=" + host + ",o=off,r=disks")
	a.says(phys("h="+host+`,f="%g %h %o %r\n"`), host+" "+host+" off disks\n")
	a.eventually(func() error {
		if status, body := a.get("/other/"); status != http.StatusServiceUnavailable {
			return fmt.Errorf("while it is off: %d %q", status, body)
		}
		return nil
	})
	a.rewrite(farms + farmRoute)
	if status, body := a.ask("/athena/status/farm?" + host); status != http.StatusNotFound {
		t.Errorf("without a route that leads there: %d %q", status, body)
	}
}
