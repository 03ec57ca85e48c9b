package agent

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/agent/config"
	"backhand/gossip/node"
)

// shop is an application with a server of its own and a key: whoever logs in gets a cookie that leads back to that server.
type shop struct {
	name string
	sign *config.Cookie
	do   string // that it asks for
	to   string // whom it names; "": itself
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/login" {
		now, to := time.Now(), s.to
		if to == "" {
			to = s.name
		}
		v, err := s.sign.Sign(config.Instruction{Do: s.do, Target: to, Expires: now.Add(time.Hour)}, now)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "athena", Value: v, Path: "/", HttpOnly: true})
		http.SetCookie(w, &http.Cookie{Name: "user", Value: "7", Path: "/"})
	}
	_, err := r.Cookie("athena")
	fmt.Fprintf(w, "%s user=%v sees=%v", s.name, hasCookie(r, "user"), err == nil)
}

func hasCookie(r *http.Request, name string) bool {
	_, err := r.Cookie(name)
	return err == nil
}

// shopper is a browser, as far as cookies go.
type shopper struct {
	t      *testing.T
	url    string
	client http.Client
}

func newShopper(t *testing.T, url string) *shopper {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &shopper{t, url, http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

func (s *shopper) get(path string) string {
	s.t.Helper()
	res, err := s.client.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// comesTo waits until that is the answer: what is said of members is known to requests a moment later. Then it stays so.
func (s *shopper) comesTo(f *fixture, path, want string) {
	s.t.Helper()
	f.eventually(func() error {
		if got := s.get(path); got != want {
			return fmt.Errorf("%s answers %q, want %q", path, got, want)
		}
		return nil
	})
	for range 5 {
		if got := s.get(path); got != want {
			s.t.Errorf("%s answers %q after a while, want %q", path, got, want)
		}
	}
}

// The whole way: an application sets the cookie, a browser brings it back, members come and go, the keys change.
func TestCookieOfAnApplication(t *testing.T) {
	const key, newKey = "correct-horse-battery-staple", "0123456789abcdef0123456789abcdef"
	keys := filepath.Join(t.TempDir(), "cookie.keys")
	use := func(text string) *config.Cookie {
		t.Helper()
		if err := os.WriteFile(keys, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.ReadCookie(keys)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	sign := use(key + "\n")
	apps := map[string]*shop{
		"app1":  {name: "app1", sign: sign, do: "stay"},
		"app2":  {name: "app2", sign: sign, do: "stick"},
		"app3":  {name: "app3", sign: sign, do: "farm", to: "gold"},
		"gold1": {name: "gold1", sign: sign, do: "stay"},
	}
	urls := map[string]string{}
	for name, app := range apps {
		srv := httptest.NewServer(app)
		t.Cleanup(srv.Close)
		urls[name] = srv.URL
	}
	engine := freePort(t)
	route := func(path, chain string) string {
		return fmt.Sprintf("[[route]]\npath = %q\nfarm = \"web\"\nchain = [%q]\n", path, chain)
	}
	f := start(t, fmt.Sprintf("{head}\n[athena]\nlisten = %q\n[cookie]\nkey_file = %q\n", engine, keys)+
		route("/", "byHostname app[12]|gold")+route("/login", "byHostname app1")+
		"[[farm]]\nname = \"web\"\nmember = [ { name = \"app2\", url = \""+urls["app2"]+"\" }, { name = \"app1\", url = \""+urls["app1"]+
		"\" }, { name = \"app3\", url = \""+urls["app3"]+"\" } ]\n"+
		"[[farm]]\nname = \"gold\"\nmember = [ { name = \"gold1\", url = \""+urls["gold1"]+"\" } ]\n", Options{})
	is := func(query string) {
		t.Helper()
		if status, body, err := get("http://" + engine + "/athena/update/phys?" + query); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d %q %v", query, status, body, err)
		}
	}

	who := newShopper(t, f.url)
	if got := who.get("/login"); got != "app1 user=false sees=false" {
		t.Fatalf("logging in answers %q", got)
	}
	who.comesTo(f, "/x", "app1 user=true sees=true")
	newShopper(t, f.url).comesTo(f, "/login", "app1 user=true sees=true") // another one, each time with the cookie it was given

	is("h=app1,u=down") // stay: somebody else has it then, and does not see the cookie
	who.comesTo(f, "/x", "app2 user=true sees=false")
	is("h=app1,u=up")
	who.comesTo(f, "/x", "app1 user=true sees=true")

	apps["app1"].do = "stick"
	who = newShopper(t, f.url)
	who.get("/login")
	is("h=app1,u=down")
	who.comesTo(f, "/x", `The member of the farm "web" to which a cookie binds this request takes none now.`)
	is("h=app1,u=up")
	who.comesTo(f, "/x", "app1 user=true sees=true")

	apps["app1"].do, apps["app1"].to = "farm", "gold"
	rich := newShopper(t, f.url)
	rich.get("/login")
	rich.comesTo(f, "/x", "gold1 user=true sees=true")

	// A new key beside the old one: both count. Without the old one, what it has signed does not.
	use(newKey + "\n" + key + "\n")
	reload(t, f)
	who.comesTo(f, "/x", "app1 user=true sees=true")
	apps["app1"].sign = use(newKey + "\n")
	reload(t, f)
	who.comesTo(f, "/x", "app2 user=true sees=false")
	rich.comesTo(f, "/x", "app2 user=true sees=false")
	rich.get("/login")
	rich.comesTo(f, "/x", "gold1 user=true sees=true")

	if err := os.Chmod(keys, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); err == nil || !strings.Contains(err.Error(), "cookie.key_file: the mode of "+keys+" is 0644") {
		t.Errorf("with keys that are open to others, reloading says %v", err)
	}
	rich.comesTo(f, "/x", "gold1 user=true sees=true") // as before

	_, page := f.get("/backhand/metrics")
	for _, result := range []string{"stick", "stay", "farm", "moved", "unsigned"} {
		if !strings.Contains(page, fmt.Sprintf("backhand_cookies_total{result=%q} ", result)) {
			t.Errorf("the figures do not have the result %s", result)
		}
	}
}

func reload(t *testing.T, f *fixture) {
	t.Helper()
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
}

// A cookie may name any node, so that all must be known one by one.
func TestCookieMayNameAnyNode(t *testing.T) {
	s := node.NewSnapshot(node.Parts{Live: node.NewLiveSet()})
	for _, cookie := range []*config.Cookie{nil, new(config.Cookie)} {
		if got := focus(&config.Config{Cookie: cookie}, s, node.ID{}).All; got != (cookie != nil) {
			t.Errorf("with the cookie %p, all nodes are known one by one: %v", cookie, got)
		}
	}
}
