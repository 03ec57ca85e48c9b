package agent

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backhand/gossip/node"
)

// asked is an agent that programs can ask.
type asked struct {
	*fixture
	engine string // URL of its interface's address
}

// startAsked runs an agent with [athena] at an address of its own. {engine} in the text stands for that.
func startAsked(t *testing.T, text string) *asked {
	t.Helper()
	addr := freePort(t)
	return &asked{start(t, withEngine(addr, text), Options{}), "http://" + addr}
}

func withEngine(addr, text string) string {
	return "{head}\n[athena]\nlisten = \"" + addr + "\"\n" + strings.ReplaceAll(text, "{engine}", addr)
}

// rewrite has another text taken over.
func (a *asked) rewrite(text string) {
	a.t.Helper()
	if err := a.reload(withEngine(strings.TrimPrefix(a.engine, "http://"), text)); err != nil {
		a.t.Fatal(err)
	}
}

// ask returns what the interface answers.
func (a *asked) ask(path string) (int, string) {
	a.t.Helper()
	status, body, err := get(a.engine + path)
	if err != nil {
		a.t.Fatal(err)
	}
	return status, body
}

// good returns what the interface answers, which must be 200.
func (a *asked) good(path string) string {
	a.t.Helper()
	status, body := a.ask(path)
	if status != http.StatusOK {
		a.t.Fatalf("%s is answered by %d %q", path, status, body)
	}
	return body
}

// says waits until the interface answers so.
func (a *asked) says(path, want string) {
	a.t.Helper()
	a.eventually(func() error {
		if _, body := a.ask(path); body != want {
			return fmt.Errorf("%s is answered by %q, want %q", path, body, want)
		}
		return nil
	})
}

// whileTelling repeats an update until the interface answers so.
func (a *asked) whileTelling(update, path, want string) {
	a.t.Helper()
	a.eventually(func() error {
		a.good(update)
		if _, body := a.ask(path); body != want {
			return fmt.Errorf("%s is answered by %q, want %q", path, body, want)
		}
		return nil
	})
}

// physes is a [[farm]] of physicals that nobody serves; more is behind its name.
func physes(farm, more string, names ...string) string {
	var list []string
	for _, n := range names {
		list = append(list, fmt.Sprintf("{ name = %q, url = \"http://127.0.0.1:1\" }", n))
	}
	return fmt.Sprintf("[[farm]]\nname = %q\n%s\nmember = [ %s ]\n", farm, more, strings.Join(list, ", "))
}

// standing is the format by which the tests look at a physical.
const standing = `f="%h %o %u %i\n"`

// phys is a question after physicals, with its arguments escaped.
func phys(args string) string { return "/athena/status/phys?E" + url.PathEscape(args) }

// farmsSay is one after farms.
func farmsSay(args string) string { return "/athena/status/farm?E" + url.PathEscape(args) }

func TestAthena01IsOffUnlessTheFileHasIt(t *testing.T) {
	o := origin(t, "o1")
	f := start(t, serving(o, ""), Options{})
	if len(f.athena.servers) != 0 || f.config.Load().Athena.On() {
		t.Error("something answers programs")
	}
	for _, path := range []string{"/athena/balance?web", "/athena/update/farm?h=web,o=off", "/athena/status/farm"} {
		if status, body := f.get(path); status != http.StatusOK || !strings.HasPrefix(body, "o1 ") {
			t.Errorf("%s is answered by %d %q, want the origin", path, status, body)
		}
	}
	if s := f.Snapshot().Farm("web").Standing; !s.Fit() {
		t.Errorf("the farm is %+v", s)
	}
}

func TestAthena02PathIsAthenaByDefaultAndCanBeChanged(t *testing.T) {
	a := startAsked(t, physes("jobs", "", "app01"))
	if got := a.good("/athena/balance/?jobs"); got != "app01\n" {
		t.Errorf("got %q", got)
	}
	a.rewrite("path = '/ath'\n" + physes("jobs", "", "app01"))
	if got := a.good("/ath/balance/?jobs"); got != "app01\n" {
		t.Errorf("got %q", got)
	}
	if status, _ := a.ask("/athena/balance/?jobs"); status != http.StatusNotFound {
		t.Errorf("the path before answers %d", status)
	}
}

func TestAthena08BalanceReturnsExactlyOneServerName(t *testing.T) {
	a := startAsked(t, physes("farm_one", "", "app01", "app02", "app03"))
	one := regexp.MustCompile(`^app0[123]\n$`)
	for range 10 {
		if got := a.good("/athena/balance/?farm_one"); !one.MatchString(got) {
			t.Fatalf("got %q, want one name and the end of a line", got)
		}
	}
}

func TestAthena09NeverChoosesWhoIsOffDownOrOut(t *testing.T) {
	a := startAsked(t, `[[farm]]
name = "jobs"
member = [
  { name = "off", url = "http://127.0.0.1:1" },
  { name = "down", url = "http://127.0.0.1:1" },
  { name = "out", url = "http://127.0.0.1:1", expect_update = "1s" },
  { name = "well", url = "http://127.0.0.1:1" } ]
`)
	a.good("/athena/update/phys?h=off,o=off,r=disks;h=down,u=down")
	a.says(phys("h=out,"+standing), "out on up out\n")
	a.eventually(func() error { // the snapshot is a moment behind
		if c := a.Snapshot().Farm("jobs").Candidates; len(c) != 1 {
			return fmt.Errorf("%d candidates", len(c))
		}
		return nil
	})
	for range 50 {
		if got := a.good("/athena/balance?jobs,n=4"); got != "well\n" {
			t.Fatalf("chose %q", got)
		}
	}
	a.good("/athena/update/phys?h=well,o=off")
	status, body := a.ask("/athena/balance?jobs")
	if status != http.StatusServiceUnavailable || !strings.HasPrefix(body, "error: nobody of farm \"jobs\" is eligible: ") ||
		!strings.Contains(body, `off (off, "disks"`) || !strings.Contains(body, "out (out: no statistics yet") {
		t.Errorf("with nobody left: %d %q", status, body)
	}
	a.good("/athena/update/phys?h=well,o=on;h=off,o=on")
	a.good("/athena/update/farm?h=jobs,u=down")
	if status, body := a.ask("/athena/balance?jobs"); status != http.StatusServiceUnavailable {
		t.Errorf("of a farm that is down: %d %q", status, body)
	}
}

func TestAthena10InAndOutFollowUpdatesAndNothingElseDoes(t *testing.T) {
	a := startAsked(t, physes("jobs", "expect_update = \"1s\"", "app01", "app02"))
	all := phys(standing)
	a.says(all, "app01 on up in\napp02 on up in\n")
	a.good("/athena/update/phys?h=app02,o=off,u=down") // which is no update of statistics
	a.says(all, "app01 on up out\napp02 off down out\n")
	// As long as updates come; the snapshot, of which balance chooses, is a moment behind.
	a.whileTelling("/athena/update/phys?h=app01,load1=0.5;h=app02,load1=0.5", all, "app01 on up in\napp02 off down in\n")
	a.whileTelling("/athena/update/phys?h=app01,load1=0.5", "/athena/balance?jobs", "app01\n")
	a.says(all, "app01 on up out\napp02 off down out\n")
	a.whileTelling("/athena/update/phys?h=app01", phys("h=app01,"+standing), "app01 on up in\n") // says that it is alive
}

func TestAthena14StateIsTheSameOnEveryListenerAndVirtualHost(t *testing.T) {
	x, y := origin(t, "x"), origin(t, "y")
	second := freePort(t)
	a := startAsked(t, fmt.Sprintf(`[[farm]]
name = "web"
member = [ { name = "x", url = %q }, { name = "y", url = %q } ]
[[route]]
host = ["one.test"]
path = "/"
farm = "web"
[[route]]
host = ["two.test"]
path = "/"
farm = "web"
[[listen]]
address = %q
`, x.URL, y.URL, second))
	other := freePort(t)
	listen := strings.TrimPrefix(a.engine, "http://")
	text, err := os.ReadFile(a.file)
	if err != nil {
		t.Fatal(err)
	}
	both := strings.Replace(string(text), fmt.Sprintf("listen = %q", listen), fmt.Sprintf("listen = [%q, %q]", listen, other), 1)
	if err := a.reload(both); err != nil {
		t.Fatal(err)
	}
	if status, body, err := get("http://" + other + "/athena/update/phys?h=x,o=off"); err != nil || status != 200 || body != "" {
		t.Fatalf("the update is answered by %d %q, %v", status, body, err)
	}
	for _, engine := range []string{a.engine, "http://" + other} {
		if _, body, err := get(engine + phys(standing)); err != nil || body != "x off up in\ny on up in\n" {
			t.Errorf("%s says %q, %v", engine, body, err)
		}
		if _, body, err := get(engine + "/athena/balance?web"); err != nil || body != "y\n" {
			t.Errorf("%s chooses %q, %v", engine, body, err)
		}
	}
	for _, url := range []string{a.url, "http://" + second} {
		for _, host := range []string{"one.test", "two.test"} {
			for range 5 {
				if body := getAs(t, url, host); !strings.HasPrefix(body, "y ") {
					t.Errorf("%s at %s is served by %q", host, url, body)
				}
			}
		}
	}
}

// getAs asks for a virtual host.
func getAs(t *testing.T, url, host string) string {
	t.Helper()
	conn := dial(t, "tcp", strings.TrimPrefix(url, "http://"))
	_, body, err := talk(t, conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestAthena17ProxyingAndBalanceWorkTogetherInOneInstance(t *testing.T) {
	x, y := origin(t, "x"), origin(t, "y")
	a := startAsked(t, fmt.Sprintf(`[[farm]]
name = "web"
member = [ { name = "x", url = %q }, { name = "y", url = %q } ]
[[route]]
path = "/"
farm = "web"
`, x.URL, y.URL))
	var mu sync.Mutex
	chosen, served := map[string]int{}, map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				status, body, err := get(a.engine + "/athena/balance?web")
				mu.Lock()
				chosen[fmt.Sprint(status, strings.TrimSpace(body), err)]++
				mu.Unlock()
			}
		})
		wg.Go(func() {
			for range 50 {
				status, body, err := get(a.url + "/")
				mu.Lock()
				served[fmt.Sprint(status, strings.Fields(body + " .")[0], err)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for what, by := range map[string]map[string]int{"chosen": chosen, "served": served} {
		var all []int
		for _, n := range by {
			all = append(all, n)
		}
		if len(all) != 2 || slices.Min(all) < 30 {
			t.Errorf("%s: %v, want both members to have their part, and nothing else", what, by)
		}
	}
	if n := a.Snapshot().Farm("web").Members[0].Live.Chosen() + a.Snapshot().Farm("web").Members[1].Live.Chosen(); n != 400 {
		t.Errorf("%d were chosen, requests and queries together, want 400", n)
	}
}

func TestAthenaFollowsForwards(t *testing.T) {
	a := startAsked(t, physes("jobs", "forward_off = \"archive\"\nforward_down = \"https://sorry.test/down?x=1\"", "app01")+
		physes("archive", "forward_off = \"http://sorry.test/off\"", "old"))
	a.good("/athena/update/farm?h=jobs,o=off")
	if got := a.good("/athena/balance?jobs"); got != "old\n" {
		t.Errorf("chose %q, want the member of the farm that it leads to", got)
	}
	a.good("/athena/balance?jobs,done=old")
	if status, body := a.ask("/athena/balance?jobs,done=app09"); status != http.StatusNotFound || !strings.Contains(body, "known: app01, old") {
		t.Errorf("an unknown member that is done: %d %q", status, body)
	}
	a.good("/athena/update/phys?h=old,o=off")
	if status, body := a.ask("/athena/balance?jobs"); status != 503 || !strings.HasSuffix(body, "\nhttp://sorry.test/off\n") {
		t.Errorf("got %d %q", status, body)
	}
	a.good("/athena/update/farm?h=jobs,o=on,u=down,r=fire")
	status, body := a.ask("/athena/balance?jobs,explain")
	if status != 503 || !strings.Contains(body, "\nhttps://sorry.test/down?x=1\n") || !strings.Contains(body, "it is down: fire") {
		t.Errorf("got %d %q", status, body)
	}
}

func TestAthenaUnknownFarmAndPhysicalNameWhatThereIs(t *testing.T) {
	a := startAsked(t, physes("jobs", "", "app01"))
	for path, want := range map[string]string{
		"/athena/balance?reports":             `error: there is no farm "reports"; known: jobs` + "\n",
		"/athena/update/phys?h=app02,load1=1": `error: there is no physical "app02"; known: app01` + "\n",
		"/athena/update/farm?h=web,o=off":     `error: there is no farm "web"; known: jobs` + "\n",
	} {
		if status, body := a.ask(path); status != http.StatusNotFound || body != want {
			t.Errorf("%s is answered by %d %q, want %q", path, status, body, want)
		}
	}
}

// A file that serves a farm, and the name of another node.
func TestAthenaLeavesNodesToTheirAgents(t *testing.T) {
	a := startAsked(t, "[[serve]]\nfarm = \"web\"\norigin = \""+origin(t, "o1").URL+"\"\n"+physes("jobs", "", "app01"))
	for _, path := range []string{"/athena/update/phys?h=www1,o=off", "/athena/update/phys?h=app01,o=off;h=www1,u=down,load1=1"} {
		status, body := a.ask(path)
		if status != http.StatusForbidden || !strings.Contains(body, "run 'backhand drain' or 'backhand undrain'") {
			t.Errorf("%s is answered by %d %q", path, status, body)
		}
	}
	if got := a.good(phys("h=app01," + standing)); got != "app01 on up in\n" {
		t.Errorf("half of an update was taken: %q", got)
	}
	a.says(phys("h=www1,"+standing), "www1 on up in\n")

	peer := &node.Node{
		ID: node.NewID(), Name: "www2", Addr: a.config.Load().Node.Address, State: node.Up, Heard: time.Now(), Interval: time.Second,
		Services: []node.Service{{Farm: "web", Ready: true}},
	}
	f := prepare(t, "{head}\n"+physes("jobs", "", "app01"))
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.snapshot.Store(node.NewSnapshot(node.Parts{Taken: time.Now(), Self: f.state.id, Nodes: []*node.Node{peer}, Live: node.NewLiveSet()}))
	err := f.athena.engine.Update("test", []node.Update{{Name: "www2", Stats: []node.Stat{{Name: "load1", Value: 1}}}})
	if err == nil || !strings.Contains(err.Error(), `"www2" is a node: it tells of itself; push to the agent on its host`) {
		t.Errorf("of another node: %v", err)
	}
	f.run() // and ends
}

func TestAthenaStatisticsOfThisNodeTravelInItsBeats(t *testing.T) {
	a := startAsked(t, "[[serve]]\nfarm = \"web\"\norigin = \""+origin(t, "o1").URL+"\"\n[gossip]\ninterval = \"100ms\"\n")
	a.good("/athena/update/phys?h=www1,queue=3,load_app=0.5")
	a.eventually(func() error {
		m := a.Snapshot().Farm("web").Self
		if v, ok := m.Pushed("queue"); !ok || v != 3 {
			return fmt.Errorf("queue is %v, %v", v, ok)
		}
		return nil
	})
	var many []string
	for i := range 15 {
		many = append(many, fmt.Sprintf("s%02d=1", i))
	}
	status, body := a.ask("/athena/update/phys?h=www1," + strings.Join(many, ","))
	if status != http.StatusBadRequest || !strings.Contains(body, "this node would have 17 statistics, and at most 16") {
		t.Errorf("the seventeenth statistic: %d %q", status, body)
	}
	if got := a.good(phys("h=www1,f=\"%{queue} %{s00}\"")); got != "3 -\n" {
		t.Errorf("after that: %q", got)
	}
}

// restart ends the agent and starts it anew with the same file.
func (a *asked) restart() {
	a.t.Helper()
	a.stop()
	if err := a.ended(); err != nil {
		a.t.Fatal(err)
	}
	a.done = make(chan error, 1)
	if err := a.open(Options{}); err != nil {
		a.t.Fatal(err)
	}
	a.run()
}

func TestAthenaRestartKeepsStates(t *testing.T) {
	a := startAsked(t, physes("jobs", "", "app01", "app02")+physes("more", "", "app03"))
	a.good("/athena/update/phys?h=app01,o=off,r=disks;h=app02,u=down,load1=3")
	a.good("/athena/update/farm?h=more,o=off")
	a.restart()
	if got := a.good(phys(`f="%h %o %u %r %l\n"`)); got != "app01 off up disks -\napp02 on down down -\napp03 on up its farm takes no requests -\n" {
		t.Errorf("got %q", got)
	}
	if got := a.good(farmsSay(`f="%h %o\n"`)); got != "jobs on\nmore off\n" {
		t.Errorf("got %q", got)
	}
	if status, body := a.ask("/athena/balance?jobs"); status != http.StatusServiceUnavailable {
		t.Errorf("it chose %d %q", status, body)
	}
}

func TestAthenaStateFileThatIsBrokenIsSetAside(t *testing.T) {
	a := startAsked(t, physes("jobs", "", "app01"))
	a.good("/athena/update/phys?h=app01,o=off")
	a.stop()
	if err := a.ended(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(a.dir, "states.json")
	if err := os.WriteFile(file, []byte(`{"physicals": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	a.restart()
	if got := a.good(phys(standing)); got != "app01 on up in\n" {
		t.Errorf("got %q", got)
	}
	if text, err := os.ReadFile(file + ".broken"); err != nil || string(text) != `{"physicals": [` {
		t.Errorf("what was set aside: %q, %v", text, err)
	}
	if !strings.Contains(a.logged(), "cannot be understood and was set aside") {
		t.Errorf("it has logged:\n%s", a.logged())
	}
}
