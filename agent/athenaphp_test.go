//go:build linux

package agent

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// reports is model 1: Apaches with PHP that take orders for reports, and an archive.
type reports struct {
	*model
	balancer, app01, app02, archive, visitor *lab.Host
}

func TestAthenaModelOneProxyFollowsWhatPHPPagesPush(t *testing.T) {
	m := &reports{model: newModel(t, 5, "apache2", "php", "nginx")}
	m.balancer, m.app01, m.app02, m.archive, m.visitor = m.Host(1), m.Host(2), m.Host(3), m.Host(4), m.Host(5)
	m.run(m.balancer, "model1.toml")
	m.startApp(m.app01, "app01")
	m.startApp(m.app02, "app02")
	agenttest.StartNginx(t, m.archive, agenttest.Site{
		Addr:  netip.AddrPortFrom(m.archive.Addr, 8080),
		Pages: map[string]string{"app/reports/index.html": "old01: finished reports\n", "sorry.html": "sorry\n"},
	})
	t.Run("equals take turns", m.turns)
	t.Run("who has more waiting gets less", m.follows)
	t.Run("what servers say of their URLs is mapped back", m.mapsBack)
	t.Run("the outside has no part of the interface, and who may only look does not tell", m.outside)
	t.Run("what is off goes to another farm, what is down to a complete URL", m.forwards)
	t.Run("the commands of the page", func(t *testing.T) {
		m.order(m.app01, "app01", 0)
		m.order(m.app02, "app02", 3)
		m.page(m.balancer, "model1.md")
	})
}

// startApp starts an Apache as the example has it, and the timer of push.sh.
func (m *reports) startApp(h *lab.Host, name string) {
	m.t.Helper()
	spool := m.spool(name)
	if err := os.Mkdir(spool, 0o777); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Chmod(spool, 0o777); err != nil { // whatever umask says
		m.t.Fatal(err)
	}
	page := map[string]string{
		"app/reports/index.php": example(m.t, "report.php"), "app/reports/push.php": example(m.t, "push.php"),
	}
	agenttest.StartApache(m.t, h, agenttest.Site{
		Addr: netip.AddrPortFrom(h.Addr, 8080), Pages: page,
		Config: example(m.t, "model1-apache.conf", "10.58.4.2", h.Addr.String(), "app01", name, "/var/spool/reports", spool),
	})
	m.good(h, "sh push.sh waiting=0", "BACKHAND_NAME="+name) // from now on only pages tell how many wait
	timer := "cd %s; while :; do BACKHAND_NAME=%s sh push.sh; sleep 1 >/dev/null 2>&1; done"
	h.Start(m.t, "sh", "-c", fmt.Sprintf(timer, m.dir, name))
}

func (m *reports) spool(name string) string { return filepath.Join(m.dir, "spool-"+name) }

// order has just that many orders in a server's spool, and one of its own pages tell.
func (m *reports) order(h *lab.Host, name string, n int) {
	m.t.Helper()
	before, err := filepath.Glob(filepath.Join(m.spool(name), "*"))
	for _, file := range before {
		err = errors.Join(err, os.Remove(file))
	}
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range n {
		if err := os.WriteFile(filepath.Join(m.spool(name), fmt.Sprint(i)), nil, 0o644); err != nil {
			m.t.Fatal(err)
		}
	}
	want := fmt.Sprintf("%s: %d waiting\n", name, n)
	if r := m.fetch(m.visitor, http.MethodGet, "http://"+h.Addr.String()+":8080/app/reports/"); r.body != want {
		m.t.Fatalf("the page of %s says %q, want %q", name, r.body, want)
	}
}

// who asks the balancer for the page, and returns who answered.
func (m *reports) who() string {
	m.t.Helper()
	name, _, _ := strings.Cut(m.fetch(m.visitor, http.MethodGet, "http://10.58.4.1/reports/").body, ":")
	return name
}

// always waits until ten answers in a row come from the same.
func (m *reports) always(want string) {
	m.t.Helper()
	m.eventually(func() error {
		for range 10 {
			if got := m.who(); got != want {
				return fmt.Errorf("answered by %q, want %s", got, want)
			}
		}
		return nil
	})
}

func (m *reports) turns(*testing.T) {
	seen := map[string]bool{}
	m.eventually(func() error {
		if seen[m.who()] = true; !seen["app01"] || !seen["app02"] || len(seen) != 2 {
			return fmt.Errorf("answered by %v", seen)
		}
		return nil
	})
}

func (m *reports) follows(*testing.T) {
	m.order(m.app01, "app01", 20)
	m.always("app02")
	m.order(m.app02, "app02", 40)
	m.always("app01")
}

func (m *reports) mapsBack(t *testing.T) {
	r := m.fetch(m.visitor, http.MethodPost, "http://10.58.4.1/reports/", "Host", "www.example.com")
	location, cookie := r.header.Get("Location"), r.header.Get("Set-Cookie")
	_, order, _ := strings.Cut(location, "http://www.example.com/reports/?order=")
	if r.status != http.StatusSeeOther || len(order) != 16 {
		t.Errorf("an order is answered by %d, Location %q", r.status, location)
	}
	if !strings.HasPrefix(cookie, "order="+order+";") || !strings.Contains(cookie, "path=/reports/;") {
		t.Errorf("with the cookie %q", cookie)
	}
	// Apache's own redirect, to the name that its file gives it.
	r = m.fetch(m.visitor, http.MethodGet, "http://10.58.4.1/reports", "Host", "www.example.com")
	if r.status != http.StatusMovedPermanently || r.header.Get("Location") != "http://www.example.com/reports/" {
		t.Errorf("without the slash at its end the path is answered by %d, Location %q", r.status, r.header.Get("Location"))
	}
}

func (m *reports) outside(t *testing.T) {
	const update = "/update/farm?h=farm_one,state=off"
	r := m.fetch(m.visitor, http.MethodGet, "http://10.58.4.1/athena"+update)
	if r.status != http.StatusNotFound {
		t.Errorf("an update from outside is answered by %d %q", r.status, r.body)
	}
	r = m.fetch(m.visitor, http.MethodGet, m.engine+update)
	if r.status != http.StatusForbidden {
		t.Errorf("an update by one who may only look is answered by %d %q", r.status, r.body)
	}
	if got := m.ask(m.visitor, `/status/farm?Eh=farm_one,f="%{state}%20%{fit}"`); got != "on 2\n" {
		t.Errorf("the farm is %q", got)
	}
}

func (m *reports) forwards(*testing.T) {
	tell := func(args string) { m.ask(m.balancer, "/update/"+args) }
	for _, step := range []struct{ told, answers string }{
		{"farm?h=farm_one,state=off", "old01"},
		{"farm?h=farm_one,state=on,health=down", "sorry\n"},
		{"farm?h=farm_one,health=up", "app01"}, // which has less waiting
		{"phys?h=app01,h=app02,state=off", "old01"},
		{"phys?h=app01,h=app02,state=on,health=down", "sorry\n"},
		{"phys?h=app02,health=up", "app02"},
		{"phys?h=app01,health=up", "app01"},
	} {
		tell(step.told)
		m.always(step.answers)
	}
	tell("farm?h=farm_one,health=down")
	m.eventually(func() error {
		r := m.fetch(m.visitor, http.MethodGet, "http://10.58.4.1/reports/a/b?c=d")
		if r.status != http.StatusOK || r.body != "sorry\n" {
			return errors.New("of a farm that is down any page is answered by " + r.body)
		}
		return nil
	})
	tell("farm?h=farm_one,health=up")
	m.always("app01")
}
