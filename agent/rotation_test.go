package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backhand/gossip"
	"backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// keyCluster is three agents on lo, each with its own file and key file: a front and two members. Requests go through it
// all the time, and somebody looks all the time whether everybody still knows everybody.
type keyCluster struct {
	t      *testing.T
	name   string
	agents []*fixture
	origin []string
	modes  []string

	stop   context.CancelFunc
	wg     sync.WaitGroup
	served atomic.Int64
	lost   atomic.Pointer[error]
}

// startKeyCluster starts it without keys.
func startKeyCluster(t *testing.T) *keyCluster {
	c := &keyCluster{t: t, name: "test-" + node.NewID().Short(), modes: make([]string, 3)}
	for i := range 3 {
		f := prepare(t, "")
		f.url = fmt.Sprintf("http://127.0.0.%d:%s", i+1, port(freePort(t)))
		c.agents, c.origin = append(c.agents, f), append(c.origin, origin(t, fmt.Sprint("o", i+1)).URL)
		c.write(i, "")
		if err := f.open(Options{}); err != nil {
			t.Fatal(err)
		}
		f.keys.look = 10 * time.Millisecond
		f.run()
	}
	c.eventually(c.together)
	c.eventually(func() error {
		if status, body, err := get(c.agents[0].url + "/"); status != http.StatusOK {
			return fmt.Errorf("got %d %q %v", status, body, err)
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	c.wg.Go(func() { c.watch(ctx) })
	c.wg.Go(func() { c.load(ctx) })
	t.Cleanup(c.end)
	return c
}

func (c *keyCluster) end() {
	c.stop()
	c.wg.Wait()
}

func (c *keyCluster) keyFile(i int) string {
	return filepath.Join(filepath.Dir(c.agents[i].file), "keys")
}

// write writes the file of one agent; without a mode it names no keys.
func (c *keyCluster) write(i int, mode string) {
	f, rest := c.agents[i], ""
	if mode != "" {
		rest = fmt.Sprintf("keys = %q\nkey_mode = %q\n", c.keyFile(i), mode)
	}
	if i == 0 {
		rest += "[[route]]\npath = \"/\"\nfarm = \"web\"\nchain = [\"byAge 6\", \"byRandom\"]\n"
	} else {
		rest += "[[serve]]\nfarm = \"web\"\norigin = \"" + c.origin[i] + "\"\n"
	}
	f.write(fmt.Sprintf(`cluster = %q
[[listen]]
address = "{listen}"
[status]
allow = ["127.0.0.0/8"]
[node]
name = "www%d"
address = "{listen}"
state_dir = %q
[gossip]
send = ["239.255.221.20:4445,0"]
accept = ["127.0.0.0/8"]
interval = "1s"
%s`, c.name, i+1, f.dir, rest))
}

// watch looks until the context ends whether each agent knows all, and none of them as silent.
func (c *keyCluster) watch(ctx context.Context) {
	for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; {
		if err := c.together(); err != nil {
			c.fail(err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// patience is more than a loaded machine makes a beat late, and far less than the hour for which a silent node is listed.
const patience = 8 * time.Second

func (c *keyCluster) together() error {
	for _, f := range c.agents {
		s := f.Snapshot()
		if len(s.Nodes) != len(c.agents) {
			return fmt.Errorf("%s knows %d nodes", f.url, len(s.Nodes))
		}
		for _, n := range s.Nodes {
			if age := n.Age(time.Now()); n.ID != s.Self && age > patience {
				return fmt.Errorf("%s has not heard %s for %v", f.url, n.Name, age)
			}
		}
	}
	return nil
}

// load sends requests until the context ends. None may fail.
func (c *keyCluster) load(ctx context.Context) {
	for ctx.Err() == nil {
		status, body, err := get(c.agents[0].url + "/x?y=1")
		if err != nil || status != http.StatusOK || !strings.HasPrefix(body, "o") {
			c.fail(fmt.Errorf("a request got %d %q, %v", status, body, err))
		}
		c.served.Add(1)
	}
}

// step runs a part of the test; after one that failed no other is run.
func (c *keyCluster) step(name string, f func()) {
	whole := c.t
	defer func() { c.t = whole }()
	ok := whole.Run(name, func(t *testing.T) {
		c.t = t
		f()
	})
	if !ok {
		whole.FailNow()
	}
}

func (c *keyCluster) fail(err error) { c.lost.CompareAndSwap(nil, &err) }

func (c *keyCluster) eventually(holds func() error) {
	c.t.Helper()
	lab.Eventually(c.t, 15*time.Second, holds)
}

// mode gives one agent another mode, or for "" no keys, and has it reload.
func (c *keyCluster) mode(i int, mode string) {
	c.t.Helper()
	c.write(i, mode)
	if err := c.agents[i].Reload(); err != nil {
		c.t.Fatal(err)
	}
}

// keys gives one agent another key file, which it must notice by itself.
func (c *keyCluster) keys(i int, keys ...wire.Key) {
	c.t.Helper()
	replaceFile(c.t, c.keyFile(i), keyText(keys...))
	c.eventually(func() error {
		if got := c.agents[i].config.Load().Gossip.Keys; !slices.Equal(got, keys) {
			return fmt.Errorf("www%d has %v, want %v", i+1, got, keys)
		}
		return nil
	})
}

// says waits until all of the given agents sum up the keys in that way, and some more requests were served.
func (c *keyCluster) says(want string, agents ...int) {
	c.t.Helper()
	c.eventually(func() error {
		for _, i := range agents {
			got := "nobody has keys"
			if v := c.agents[i].View(); v.Keys != nil {
				got = strings.Join(v.Keys.Summary, "; ")
			}
			if got != want {
				return fmt.Errorf("www%d says %q, want %q", i+1, got, want)
			}
		}
		return nil
	})
	before := c.served.Load()
	c.eventually(func() error {
		if err := c.lost.Load(); err == nil && c.served.Load() < before+20 {
			return errors.New("no requests are served")
		}
		return nil
	})
	if err := c.lost.Load(); err != nil {
		c.t.Fatalf("when it says %q: %v", want, *err)
	}
}

// page returns all that one agent tells: the page, the same as JSON, the metrics, and the log.
func (c *keyCluster) page(i int) string {
	c.t.Helper()
	text := c.agents[i].logged()
	for _, path := range []string{"", "view.json", "metrics"} {
		status, body := c.agents[i].get("/backhand/" + path)
		if status != http.StatusOK {
			c.t.Fatalf("%s: %d %s", path, status, body)
		}
		text += body
	}
	return text
}

func (c *keyCluster) metric(i int, line string) {
	c.t.Helper()
	c.eventually(func() error {
		if _, body := c.agents[i].get("/backhand/metrics"); !strings.Contains(body, "\n"+line+"\n") {
			return fmt.Errorf("www%d has no metric %s", i+1, line)
		}
		return nil
	})
}

// hop sends a member a request in the name of the front, from the front's address, with the fields given, and returns the
// status and how it refuses it.
func (c *keyCluster) hop(fields string) (int, string) {
	c.t.Helper()
	addr := func(i int) string { return strings.TrimPrefix(c.agents[i].url, "http://") }
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, Timeout: 5 * time.Second}
	conn, err := d.DialContext(c.t.Context(), "tcp", addr(1))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	id := c.agents[0].state.id.String()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: a\r\nBackhand-Hop: v1 %s web 192.0.2.7 http\r\n%s\r\n", id, fields)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode, res.Header.Get("Backhand-Refused")
}

// The first key of a cluster is rolled out, enforced, and replaced by a second one, without a beat that is dropped for its
// seal; then that goes too. All the while no member is lost, and no request fails.
func TestRotationOfKeys(t *testing.T) {
	c := startKeyCluster(t)
	one, two := wire.NewKey(1), wire.NewKey(2)
	c.rollOut(one)
	c.rotate(one, two)
	c.showNothing(one, two)
	c.droppedNothing(gossip.DropSeal, gossip.DropForged, gossip.DropUnsealed, gossip.DropMalformed)
	c.rollBack()
	c.end()
	// A node that stops sealing is believed once it has sent a few beats without: see gossip.Unsealed.
	c.droppedNothing(gossip.DropSeal, gossip.DropForged, gossip.DropMalformed)
}

// rollOut gives the cluster its first key.
func (c *keyCluster) rollOut(one wire.Key) {
	all := []int{0, 1, 2}
	c.step("nobody has keys, and anybody at the front's address is believed", func() {
		c.says("nobody has keys", all...)
		if status, _ := c.hop(""); status != http.StatusOK {
			c.t.Errorf("a hop without proof gets %d", status)
		}
	})
	c.step("the first key is given to one after the other", func() {
		for i := range all {
			replaceFile(c.t, c.keyFile(i), keyText(one))
			c.mode(i, "receive-only")
			switch i {
			case 0:
				c.says("2 of 3 nodes lack key 1: www2, www3", 0)
				c.says("1 of 3 nodes holds keys, and this agent has none: www1", 1, 2)
				c.metric(0, "backhand_nodes_lacking_key 2")
			case 1:
				c.says("1 of 3 nodes lacks key 1: www3", 0, 1)
			}
		}
		c.says(`all 3 nodes hold key 1: key_mode may become "permissive"`, all...)
		c.metric(0, "backhand_nodes_unsealed 3")
	})
	c.step("one after the other seals", func() {
		c.mode(1, "permissive")
		c.says("2 of 3 nodes still send unsealed: www1, www3", 0, 1)
		c.mode(0, "permissive")
		c.says("1 of 3 nodes still sends unsealed: www3", 0, 1)
		c.metric(0, "backhand_nodes_unsealed 1")
		c.mode(2, "permissive")
		c.says(`all 3 nodes seal: key_mode may become "enforce"`, all...)
		if status, _ := c.hop(""); status != http.StatusOK {
			c.t.Errorf("a hop without proof gets %d", status)
		}
	})
	c.step("one after the other enforces it, and no hop is believed without a proof", func() {
		for i := range all {
			c.mode(i, "enforce")
		}
		c.says("all 3 nodes seal with key 1", all...)
		for _, fields := range []string{"", "Backhand-Proof: v1 1 0 0 AAAAAAAAAAAAAAAAAAAAAA\r\n"} {
			if status, refused := c.hop(fields); status != http.StatusMisdirectedRequest || refused != "hop" {
				c.t.Errorf("a forged hop with %q gets %d %q", fields, status, refused)
			}
		}
		c.metric(1, `backhand_answered_total{reason="proof"} 2`)
	})
}

// rotate replaces the key by another.
func (c *keyCluster) rotate(one, two wire.Key) {
	all := []int{0, 1, 2}
	c.step("the second key is added", func() {
		coming := two
		coming.ReceiveOnly = true
		c.keys(0, one, coming)
		c.says("2 of 3 nodes lack key 2: www2, www3", 0)
		c.keys(1, one, coming)
		c.says("1 of 3 nodes lacks key 2: www3", 0, 1)
		c.keys(2, one, coming)
		c.says("all 3 nodes hold key 2: it may be made the sealing one", all...)
	})
	c.step("it seals", func() {
		c.keys(0, one, two)
		c.says("2 nodes still seal with key 1: www2, www3", all...)
		c.keys(1, one, two)
		c.says("1 node still seals with key 1: www3", all...)
		c.metric(0, "backhand_nodes_other_key 1")
		c.keys(2, one, two)
		c.says("all 3 nodes seal with key 2: key 1 may be removed", all...)
		c.metric(0, fmt.Sprintf("backhand_node_key{id=%q,node=\"www3\"} 2", c.agents[2].state.id))
	})
	c.step("the first one goes", func() {
		c.keys(0, two)
		c.says("2 of 3 nodes still hold key 1: www2, www3", 0)
		c.keys(1, two)
		c.says("1 of 3 nodes still holds key 1: www3", 0, 1)
		c.keys(2, two)
		c.says("all 3 nodes seal with key 2", all...)
	})
}

// rollBack takes the last key, which is the second, away.
func (c *keyCluster) rollBack() {
	all := []int{0, 1, 2}
	c.step("the last one goes the way that the first one came", func() {
		for _, mode := range []string{"permissive", "receive-only", ""} {
			for i := range all {
				c.mode(i, mode)
			}
			c.says(map[string]string{
				"permissive": `all 3 nodes seal: key_mode may become "enforce"`, "receive-only": `all 3 nodes hold key 2: key_mode may become "permissive"`,
				"": "nobody has keys",
			}[mode], all...)
		}
	})
}

// droppedNothing checks that no beat was dropped for one of those reasons, and no response disbelieved.
func (c *keyCluster) droppedNothing(reasons ...gossip.Reason) {
	c.t.Helper()
	for i, f := range c.agents {
		counted := f.gossip.Counters().Dropped
		for _, r := range reasons {
			if n := counted[r]; n > 0 {
				c.t.Errorf("www%d dropped %d beats: %v", i+1, n, r)
			}
		}
		if f.state.boot != f.state.bootNumber() || strings.Contains(f.logged(), "level=ERROR") {
			c.t.Errorf("www%d was started anew, or complained:\n%s", i+1, f.logged())
		}
	}
	c.metric(0, `backhand_unproved_total{route="/"} 0`)
}

// showNothing checks that no agent tells a secret to anybody.
func (c *keyCluster) showNothing(keys ...wire.Key) {
	c.t.Helper()
	for i := range c.agents {
		text := c.page(i)
		if !strings.Contains(text, "all 3 nodes seal with key 2") {
			c.t.Errorf("the page of www%d does not sum up the keys", i+1)
		}
		for _, k := range keys {
			inJSON, _ := json.Marshal(k.Secret)
			for _, secret := range []string{strings.Fields(k.Line())[1], fmt.Sprintf("%x", k.Secret), string(inJSON)} {
				if strings.Contains(text, secret[:16]) {
					c.t.Errorf("www%d shows the secret of key %d", i+1, k.ID)
				}
			}
		}
	}
}
