package agent

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A physical whose URL has a path is told so wherever somebody is told of it, and gets its requests below it; its check is asked
// for as it is written.
func TestMemberWithAPathInItsURL(t *testing.T) {
	var checked atomic.Pointer[string]
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "backhand-check" {
			checked.Store(&r.RequestURI)
			return
		}
		w.Header().Set("Location", "/app/next?page=2")
		w.Header().Set("Set-Cookie", "a=b; Path=/app/shop")
		w.WriteHeader(http.StatusFound)
		fmt.Fprint(w, r.RequestURI)
	}))
	t.Cleanup(app.Close)
	a := startAsked(t, fmt.Sprintf("[[farm]]\nname = \"web\"\ncheck = \"/health\"\ncheck_interval = \"100ms\"\n"+
		"member = [ { name = \"app01\", url = \"%s/app/\" } ]\n[[route]]\npath = \"/\"\nfarm = \"web\"\n", app.URL))

	for path, want := range map[string]string{"/shop/a%2Fb?c=d": "/app/shop/a%2Fb?c=d", "/": "/app/"} {
		host := strings.TrimPrefix(a.url, "http://")
		res, body, err := talk(t, dial(t, "tcp", host), "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if err != nil {
			t.Fatal(err)
		}
		location, cookie := res.Header.Get("Location"), res.Header.Get("Set-Cookie")
		if body != want || location != "/next?page=2" || cookie != "a=b; Path=/shop" {
			t.Errorf("%s is answered by %d %q, Location %q, cookie %q; want %q", path, res.StatusCode, body, location, cookie, want)
		}
	}
	if got := a.good("/athena/balance?web,f=url"); got != app.URL+"/app\n" {
		t.Errorf("chosen is %q", got)
	}
	a.says(phys(`h=app01,f="%a\n"`), app.URL+"/app\n")
	a.eventually(func() error {
		switch asked := checked.Load(); {
		case asked == nil:
			return errors.New("nobody checks")
		case *asked != "/health":
			return fmt.Errorf("the check asked for %s", *asked)
		}
		return nil
	})
}
