//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// mirrorLab is two engines on hosts of their own, the first of which mirrors to the second, and a host that asks both. They are
// clusters of their own: nothing goes from one to the other but HTTP.
type mirrorLab struct {
	t       *testing.T
	expect  string
	program string
	dir     string
	client  *http.Client
	hosts   [2]*lab.Host
	runs    [2]*lab.Process
	files   [2]string
}

const mirroredFarm = `
[[farm]]
name = "reports"
expect_update = %q
member = [
  { name = "app01", url = "http://10.58.4.21:8080" },
  { name = "app02", url = "http://10.58.4.22:8080" },
  { name = "app03", url = "http://10.58.4.23:8080" },
  { name = "app04", url = "http://10.58.4.24:8080" } ]
`

// newMirrorLab writes the files of both. expect is the expect_update of the farm.
func newMirrorLab(t *testing.T, expect string) *mirrorLab {
	l := lab.New(t, 3)
	m := &mirrorLab{
		t: t, expect: expect, program: agenttest.BuildAgent(t), dir: t.TempDir(), client: l.Host(3).HTTPClient(t), hosts: [2]*lab.Host{l.Host(1), l.Host(2)},
	}
	m.write(0, "", "[[mirror]]\nto = \"http://10.58.4.2:4446/athena\"\nevery = \"500ms\"\n")
	m.write(1, "", "")
	return m
}

// write writes the file of a host; athena are keys of [athena], and more are tables.
func (m *mirrorLab) write(i int, athena, more string) {
	m.t.Helper()
	h := m.hosts[i]
	m.files[i] = filepath.Join(m.dir, h.Name+".toml")
	text := fmt.Sprintf("cluster = %[1]q\n[node]\nname = %[1]q\nstate_dir = %q\n[athena]\nlisten = \"%s:4446\"\nallow = [\"10.58.4.0/24\"]\n%s%s%s",
		h.Name, filepath.Join(m.dir, h.Name), h.Addr, athena, fmt.Sprintf(mirroredFarm, m.expect), more)
	if err := os.WriteFile(m.files[i], []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mirrorLab) start(i int) {
	m.t.Helper()
	m.runs[i] = m.hosts[i].Start(m.t, m.program, "run", "--config", m.files[i])
	m.logs(i, "running")
}

// kill ends an agent without a word.
func (m *mirrorLab) kill(i int) {
	m.t.Helper()
	if err := m.runs[i].Signal(syscall.SIGKILL); err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(m.t.Context(), 10*time.Second)
	defer cancel()
	_ = m.runs[i].Wait(ctx) // it ended by the signal
}

func (m *mirrorLab) logs(i int, text string) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), 10*time.Second)
	defer cancel()
	if err := m.runs[i].WaitFor(ctx, text); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mirrorLab) ask(i int, path string) (int, string, error) {
	res, err := m.client.Get(fmt.Sprintf("http://%s:4446/athena/%s", m.hosts[i].Addr, path))
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

// tell tells an engine something.
func (m *mirrorLab) tell(i int, update string) {
	m.t.Helper()
	if status, body, err := m.ask(i, update); err != nil || status != http.StatusOK {
		m.t.Fatalf("%s is answered by %d %q, %v", update, status, body, err)
	}
}

// knows waits until an engine says so of all physicals.
func (m *mirrorLab) knows(i int, want string) {
	m.t.Helper()
	lab.Eventually(m.t, 10*time.Second, func() error {
		return m.says(i, want)
	})
}

// says returns an error unless an engine says so of all physicals.
func (m *mirrorLab) says(i int, want string) error {
	_, got, err := m.ask(i, "status/phys?E"+url.PathEscape(`f="%h %o %u %i %l\n"`))
	if err == nil && got != want {
		err = fmt.Errorf("%s knows\n%s, want\n%s", m.hosts[i].Name, got, want)
	}
	return err
}

// fed has the primary told so again and again, as programs do, until an engine says that of all physicals.
func (m *mirrorLab) fed(i int, update, want string) {
	m.t.Helper()
	lab.Eventually(m.t, 10*time.Second, func() error {
		m.tell(0, update)
		return m.says(i, want)
	})
}

// chooses waits until an engine chooses from exactly these.
func (m *mirrorLab) chooses(i int, want ...string) {
	m.t.Helper()
	lab.Eventually(m.t, 10*time.Second, func() error {
		status, got, err := m.ask(i, "balance?reports,n=8")
		if err != nil {
			return err
		}
		names := strings.Fields(got)
		slices.Sort(names)
		if status != http.StatusOK || !slices.Equal(names, want) {
			return fmt.Errorf("%s chooses from %d %q, want %q", m.hosts[i].Name, status, names, want)
		}
		return nil
	})
}

// Check 19 of what is documented of mod_athena, and what mirroring is there for. Nobody pushes to the secondary, and expect_update
// has passed there before anything is mirrored: that members are in there comes from the primary alone.
func TestAthena19MirrorFeedsASecondEngineOverHTTPOnly(t *testing.T) {
	m := newMirrorLab(t, "3s")
	m.start(0)
	m.logs(0, "connection refused") // the target is away
	m.start(1)
	const push = "update/phys?h=app01,load1=0.5;h=app02,load1=1.5;h=app03,load1=2.5;h=app04,load1=3.5"
	m.tell(0, push)
	m.tell(0, "update/phys?h=app02,o=off,r=disks;h=app03,u=down,r=net")

	lab.Eventually(t, 10*time.Second, func() error { // it refuses, since mirroring is not enabled
		_, got, err := m.ask(0, "status/engine?f=%M")
		if err == nil && !strings.Contains(got, "it answers 403: mirroring is not enabled") {
			err = fmt.Errorf("the primary says %q", got)
		}
		return err
	})
	m.fed(1, push, "app01 on up out -\napp02 on up out -\napp03 on up out -\napp04 on up out -\n")

	m.write(1, "mirror = true\n", "")
	if out, err := m.hosts[1].Command(t.Context(), m.program, "reload", "--config", m.files[1]).CombinedOutput(); err != nil {
		t.Fatalf("reload: %v: %s", err, out)
	}
	all := "app01 on up in 0.5\napp02 off up in 1.5\napp03 on down in 2.5\napp04 on up in 3.5\n"
	m.fed(1, push, all)
	m.logs(0, "is told again")
	m.chooses(0, "app01", "app04")
	m.fed(1, push, all) // a moment before the primary is killed

	m.kill(0)
	m.chooses(1, "app01", "app04")
	if err := m.says(1, all); err != nil {
		t.Error(err)
	}

	m.start(0) // it is back, with the states that it has kept, and learns nothing else from the target
	m.tell(0, "update/phys?h=app02,o=on")
	m.fed(1, strings.Replace(push, "3.5", "0", 1), "app01 on up in 0.5\napp02 on up in 1.5\napp03 on down in 2.5\napp04 on up in 0\n")
	m.chooses(1, "app01", "app02", "app04")
}

func TestAthena19MirrorSurvivesThatTheTargetIsAway(t *testing.T) {
	m := newMirrorLab(t, "30s")
	m.write(1, "mirror = true\n", "")
	m.start(1)
	m.start(0)
	m.tell(0, "update/phys?h=app01,o=off,load1=0.5")
	m.knows(1, "app01 off up in 0.5\napp02 on up in -\napp03 on up in -\napp04 on up in -\n")

	m.kill(1)
	m.tell(0, "update/phys?h=app01,o=on;h=app02,o=off,load1=1;h=app03,load1=2")
	m.logs(0, "cannot be told")
	m.start(1) // with the states that it has kept: it is told everything, also what it has forgotten
	m.knows(1, "app01 on up in 0.5\napp02 off up in 1\napp03 on up in 2\napp04 on up in -\n")
	m.logs(0, "is told again")
	if out := m.runs[0].Output(); strings.Count(out, "level=WARN") > 1 {
		t.Errorf("that it was away is logged more than once:\n%s", out)
	}
}
