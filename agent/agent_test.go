package agent

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"backhand/agent/config"
	"backhand/gossip/node"
)

func TestLoneAgentServesItsOrigin(t *testing.T) {
	o := origin(t, "o1")
	f := start(t, "{head}\n[[serve]]\nfarm = \"web\"\norigin = \""+o.URL+"\"\n", Options{})
	if status, body := f.get("/any"); status != 200 || body != "o1 127.0.0.1" {
		t.Errorf("got %d %q", status, body)
	}
	status, body := f.get("/backhand/")
	if status != 200 || !strings.Contains(body, "www1") {
		t.Errorf("the page: %d, without www1: %.200s", status, body)
	}
}

func TestStatusPageThatCannotBeReadIsSaidOnce(t *testing.T) {
	o := origin(t, "o1") // answers, but not with a status page
	f := prepare(t, "{head}\n[[serve]]\nfarm = \"web\"\norigin = \""+o.URL+"\"\nstatus_url = \""+o.URL+"/server-status?auto\"\n"+
		"[gossip]\ninterval = \"100ms\"\n")
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.run()
	said := func() int { return strings.Count(f.logged(), "status_url cannot be read") }
	f.eventually(func() error {
		if said() == 0 {
			return fmt.Errorf("it has logged:\n%s", f.logged())
		}
		return nil
	})
	for range 5 {
		f.waitForMerge(t.Context())
	}
	if n := said(); n != 1 {
		t.Errorf("said %d times", n)
	}
}

func TestLoneBalancerInFrontOfPhysicals(t *testing.T) {
	a, b := origin(t, "a"), origin(t, "b")
	f := start(t, fmt.Sprintf(`{head}
[[farm]]
name = "reports"
member = [ { name = "a", url = %q }, { name = "b", url = %q }, { name = "dead", url = "http://%s" } ]
[[route]]
path = "/"
farm = "reports"
chain = ["byAge 6", "byRandom"]
`, a.URL, b.URL, freePort(t)), Options{})
	by := map[string]int{}
	for range 60 {
		status, body := f.get("/x")
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		by[strings.Fields(body)[0]]++
	}
	if by["a"] < 10 || by["b"] < 10 {
		t.Errorf("served %v, want both to have their part", by)
	}
	f.eventually(func() error { // a request is counted when its last byte is out, which the client may have seen before
		v, err := f.client().View(t.Context())
		if err == nil && (len(v.Rows) != 4 || v.Requests < 60) { // two, the dead one, and this node, which serves nothing
			err = fmt.Errorf("%d rows, %d requests", len(v.Rows), v.Requests)
		}
		return err
	})
}

func TestReload(t *testing.T) {
	o := origin(t, "old")
	serve := "{head}\n[[serve]]\nfarm = \"web\"\norigin = \"%s\"\n"
	f := start(t, fmt.Sprintf(serve, o.URL), Options{})
	id, boot := f.state.id, f.state.boot
	reload := func(text string) error {
		f.write(text)
		return f.client().Do(t.Context(), "reload")
	}

	t.Run("a file with a mistake changes nothing", func(t *testing.T) {
		err := reload(fmt.Sprintf(serve, o.URL) + "[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"byLod\"]\n")
		if err == nil || !strings.Contains(err.Error(), `no function is named "byLod"`) {
			t.Errorf("got %v", err)
		}
		if _, body := f.get("/"); !strings.HasPrefix(body, "old ") {
			t.Errorf("served by %q", body)
		}
	})
	t.Run("a port that is taken changes nothing, not even what could be changed", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		err = reload(fmt.Sprintf(serve, origin(t, "new").URL) + "[[listen]]\naddress = \"" + taken.Addr().String() + "\"\n")
		if err == nil || !strings.Contains(err.Error(), "the port is in use") {
			t.Errorf("got %v", err)
		}
		if _, body := f.get("/"); !strings.HasPrefix(body, "old ") {
			t.Errorf("served by %q", body)
		}
	})
	t.Run("a new cluster needs a restart, and says so", func(t *testing.T) {
		err := reload(strings.Replace(fmt.Sprintf(serve, o.URL), "{head}",
			fmt.Sprintf("cluster = \"other\"\n[node]\naddress = \"{listen}\"\nstate_dir = %q\n[[listen]]\naddress = \"{listen}\"\n", f.dir), 1))
		if err == nil || !strings.Contains(err.Error(), "cluster has changed: that needs a restart") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("another origin, route and listener are taken over, and the node stays who it is", func(t *testing.T) {
		second := freePort(t)
		err := reload(fmt.Sprintf(serve, origin(t, "new").URL) + "[[listen]]\naddress = \"" + second + "\"\n" +
			"[[route]]\npath = \"/gone\"\nfarm = \"nobody\"\nchain = [\"byAge\"]\nwhen_empty = \"503\"\n")
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range []string{f.url, "http://" + second} {
			if _, body, err := get(url + "/"); err != nil || !strings.HasPrefix(body, "new ") {
				t.Errorf("%s served %q, %v", url, body, err)
			}
		}
		if status, _ := f.get("/gone/x"); status != http.StatusServiceUnavailable {
			t.Errorf("the new route answers %d", status)
		}
		if f.state.id != id || f.state.boot != boot {
			t.Error("the node is another one")
		}
		v, err := f.client().View(t.Context())
		if err != nil || v.Requests < 3 {
			t.Errorf("the counters began anew: %d requests, %v", v.Requests, err)
		}
	})
	t.Run("a listener that is gone closes, the one that stays does not", func(t *testing.T) {
		if err := reload(fmt.Sprintf(serve, o.URL)); err != nil {
			t.Fatal(err)
		}
		if len(f.servers) != 1 {
			t.Errorf("listeners: %v", f.servers)
		}
		if _, body := f.get("/"); !strings.HasPrefix(body, "old ") {
			t.Errorf("served by %q", body)
		}
	})
}

func TestRequestUnderWayKeepsItsRouteOverAReload(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(entered) })
		<-release
		fmt.Fprint(w, "slow")
	}))
	defer slow.Close()
	route := "{head}\n[[farm]]\nname = \"web\"\nmember = [ { name = \"a\", url = \"%s\" } ]\n[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"byAge\"]\n"
	f := start(t, fmt.Sprintf(route, slow.URL), Options{})
	answer := make(chan string)
	go func() {
		_, body, err := get(f.url + "/")
		answer <- fmt.Sprint(body, err)
	}()
	<-entered
	f.write(fmt.Sprintf(route, origin(t, "fast").URL))
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, body := f.get("/"); !strings.HasPrefix(body, "fast") {
		t.Errorf("served by %q after the reload", body)
	}
	close(release)
	if got := <-answer; got != "slow<nil>" {
		t.Errorf("the request that was under way got %q", got)
	}
}

func TestTwoAgentsOfOneHost(t *testing.T) {
	o := origin(t, "o1")
	f := start(t, "{head}\n[[serve]]\nfarm = \"web\"\norigin = \""+o.URL+"\"\n", Options{})
	t.Run("cannot share a state directory", func(t *testing.T) {
		second := prepare(t, "")
		second.dir = f.dir
		second.write("{head}\n[[serve]]\nfarm = \"web\"\norigin = \"" + o.URL + "\"\n")
		err := second.open(Options{})
		if err == nil || !strings.Contains(err.Error(), "in use by another agent (pid "+strconv.Itoa(os.Getpid())+")") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cannot share a port, and the second leaves nothing behind", func(t *testing.T) {
		second := prepare(t, "")
		second.url = f.url
		second.write("{head}\n[[serve]]\nfarm = \"web\"\norigin = \"" + o.URL + "\"\n")
		err := second.open(Options{})
		if err == nil || !strings.Contains(err.Error(), "the port is in use") {
			t.Fatalf("got %v", err)
		}
		second.url = "http://" + freePort(t)
		second.write("{head}\n[[serve]]\nfarm = \"web\"\norigin = \"" + o.URL + "\"\n")
		if err := second.open(Options{}); err != nil {
			t.Errorf("its state directory is still held: %v", err)
		}
		second.run()
	})
}

func TestStopFinishesTheRequestsUnderWay(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(entered)
			<-release
		}
		fmt.Fprint(w, "done")
	}))
	defer slow.Close()
	f := start(t, "{head}\n[[serve]]\nfarm = \"web\"\norigin = \""+slow.URL+"\"\n", Options{})
	answer := make(chan string)
	go func() {
		status, body, err := get(f.url + "/slow")
		answer <- fmt.Sprint(status, body, err)
	}()
	<-entered
	f.stop()
	f.eventually(func() error { // no new connection is accepted
		c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
		if err != nil {
			return nil
		}
		c.Close()
		return fmt.Errorf("it still accepts")
	})
	select {
	case err := <-f.done:
		t.Fatalf("it ended with %v before its request did", err)
	default:
	}
	close(release)
	if got := <-answer; got != "200 done <nil>" && got != "200done<nil>" {
		t.Errorf("the request got %q", got)
	}
	if err := f.ended(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(f.dir, ControlSocket)); err == nil {
		if _, err := f.client().View(t.Context()); err == nil {
			t.Error("the control socket still answers")
		}
	}
}

// An upgraded connection may live on for ever; a stopping agent waits for it no longer than for any request, and leaves no
// goroutine of it behind.
func TestStopCutsOffUpgradedConnections(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		rw.Flush()
		_, _ = io.Copy(rw, rw)
	}))
	defer echo.Close()
	f := start(t, "{head}\n[proxy]\ndrain = \"200ms\"\n[[serve]]\nfarm = \"web\"\norigin = \""+echo.URL+"\"\n", Options{})
	c, err := net.Dial("tcp", strings.TrimPrefix(f.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	head := make([]byte, 12)
	if _, err := io.ReadFull(c, head); err != nil || string(head) != "HTTP/1.1 101" {
		t.Fatalf("got %q, %v", head, err)
	}
	f.stop()
	if err := f.ended(); err != nil {
		t.Error(err)
	}
	if n := f.handler.InFlight(); n != 0 {
		t.Errorf("%d requests are under way after the end", n)
	}
}

func TestOfTwoReloadsTheLaterOneWins(t *testing.T) {
	f := prepare(t, "{head}\n[[farm]]\nname = \"web\"\nmember = [ { name = \"a\", url = \"http://127.0.0.1:1\" } ]\n")
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	read, goOn := make(chan struct{}), make(chan struct{})
	load, first := f.opt.Load, true
	f.opt.Load = func() (*config.Config, error) {
		cfg, err := load()
		if first {
			first = false
			close(read)
			<-goOn
		}
		return cfg, err
	}
	f.run()
	done := make(chan error, 2)
	go func() { done <- f.Reload() }()
	<-read // the first has read the file as it is now
	f.write("{head}\n[proxy]\ntries = 7\n[[farm]]\nname = \"web\"\nmember = [ { name = \"a\", url = \"http://127.0.0.1:1\" } ]\n")
	go func() { done <- f.Reload() }()
	close(goOn)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := f.config.Load().Proxy.Tries; n != 7 {
		t.Errorf("tries is %d, want that of the file as it is", n)
	}
}

func TestControlSocket(t *testing.T) {
	o := origin(t, "o1")
	f := start(t, "{head}\n[[serve]]\nfarm = \"web\"\norigin = \""+o.URL+"\"\n"+
		"[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"byAge 6\", \"byLoad\"]\n", Options{})
	c := f.client()
	info, err := os.Stat(filepath.Join(f.dir, ControlSocket))
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v, %v; want 0660", info.Mode(), err)
	}
	f.eventually(func() error {
		e, err := c.Explain(t.Context(), Question{Target: "/x"})
		if err != nil {
			return err
		}
		if len(e.Steps) != 2 || e.Chosen == nil || !e.Chosen.Self {
			return fmt.Errorf("explained %+v", e)
		}
		return nil
	})
	for _, do := range []struct {
		what string
		want node.State
	}{{"drain", node.Draining}, {"undrain", node.Up}} {
		if err := c.Do(t.Context(), do.what); err != nil {
			t.Fatal(err)
		}
		f.eventually(func() error {
			v, err := c.View(t.Context())
			if err == nil && string(v.Rows[0].State) != do.want.String() {
				err = fmt.Errorf("after %s it is %s", do.what, v.Rows[0].State)
			}
			return err
		})
	}
	if err := NewClient(t.TempDir()).Do(t.Context(), "drain"); err == nil || !strings.Contains(err.Error(), "no agent answers at ") {
		t.Errorf("without an agent: %v", err)
	}
}

// Two agents over real multicast on lo, with TTL 0: nothing leaves the machine.
func TestTwoAgentsHearEachOther(t *testing.T) {
	cluster := "test-" + node.NewID().Short()
	dirs := map[string]string{"www1": filepath.Join(t.TempDir(), "1"), "www2": filepath.Join(t.TempDir(), "2")}
	text := func(name, address, rest string) string {
		return fmt.Sprintf(`cluster = %q
[node]
name = "%s"
address = "%s"
state_dir = %q
[gossip]
send = ["239.255.221.20:4445,0"]
accept = ["127.0.0.0/8"]
interval = "100ms"
[[listen]]
address = "{listen}"
%s`, cluster, name, address, dirs[name], rest)
	}
	o := origin(t, "o2")
	member := prepare(t, "")
	member.url = "http://127.0.0.2:" + port(freePort(t))
	member.write(text("www2", strings.TrimPrefix(member.url, "http://"), "[[serve]]\nfarm = \"web\"\norigin = \""+o.URL+"\"\n"))
	member.dir = stateDir(t, member.file)
	if err := member.open(Options{}); err != nil {
		t.Fatal(err)
	}
	member.run()
	front := prepare(t, "")
	front.write(text("www1", strings.TrimPrefix(front.url, "http://"),
		"[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"removeSelf\", \"byAge 6\"]\n"))
	front.dir = stateDir(t, front.file)
	if err := front.open(Options{}); err != nil {
		t.Fatal(err)
	}
	front.run()
	served := func(want int) {
		t.Helper()
		front.eventually(func() error {
			if status, body := front.get("/"); status != want {
				return fmt.Errorf("got %d %q, want %d", status, body, want)
			}
			return nil
		})
	}
	served(200)
	if _, body := front.get("/"); body != "o2 127.0.0.1" {
		t.Errorf("the origin saw %q, want the client and nobody else", body)
	}
	if err := member.Drain(); err != nil {
		t.Fatal(err)
	}
	served(503)
	if err := member.Undrain(); err != nil {
		t.Fatal(err)
	}
	served(200)
	// A front that moves is believed from its new address, as soon as that was announced.
	front.url = "http://127.0.0.3:" + port(freePort(t))
	front.write(text("www1", strings.TrimPrefix(front.url, "http://"),
		"[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"removeSelf\", \"byAge 6\"]\n"))
	if err := front.Reload(); err != nil {
		t.Fatal(err)
	}
	served(200)
	member.stop()
	served(503)
}
