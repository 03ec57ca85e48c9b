//go:build linux

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backhand/agent/agenttest"
	"backhand/gossip/gossiptest/lab"
)

// model is one of mod_athena's models on hosts of its own, with the files of contrib/examples/athena as they stand there.
type model struct {
	*lab.Lab
	t        *testing.T
	dir      string // with links to the examples, to the program, and with all that the agents write
	programs string // PATH with the program in it
	engine   string // URL of the interface
	clients  map[*lab.Host]*http.Client
}

// The hosts of an example are those of a lab with that many.
func newModel(t *testing.T, hosts int, needs ...string) *model {
	t.Helper()
	lab.Need(t, append(needs, "root", "ip", "nft", "curl")...)
	program := agenttest.BuildAgent(t) // before the lock: it may take a while
	m := &model{
		Lab: lab.New(t, hosts), t: t, dir: openDir(t), engine: "http://10.58.4.1:4446/athena", clients: map[*lab.Host]*http.Client{},
	}
	for _, h := range m.Hosts() {
		m.clients[h] = h.HTTPClient(t)
	}
	if err := os.Symlink(program, filepath.Join(m.dir, "backhand")); err != nil {
		t.Fatal(err)
	}
	m.programs = m.dir + ":" + os.Getenv("PATH")
	for _, name := range []string{"push.sh", "job.sh"} {
		m.write(name, example(t, name))
	}
	return m
}

// openDir returns a directory that the users of web servers may read and write, too. That of t.TempDir is closed to them.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "backhand-model-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// example returns a file of contrib/examples/athena. Old and new are what is replaced in it.
func example(t *testing.T, name string, oldnew ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../contrib/examples/athena", name))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(oldnew); i += 2 {
		if !bytes.Contains(text, []byte(oldnew[i])) {
			t.Fatalf("%s has no %q", name, oldnew[i])
		}
	}
	return strings.NewReplacer(oldnew...).Replace(string(text))
}

func (m *model) write(name, text string) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// run has an example checked, and starts an agent with it. Where its state is kept is added.
func (m *model) run(h *lab.Host, name string, oldnew ...string) *lab.Process {
	m.t.Helper()
	text := example(m.t, name, oldnew...) + fmt.Sprintf("\n[node]\nname = %q\nstate_dir = %q\n", h.Name, filepath.Join(m.dir, h.Name))
	file := m.write(h.Name+".toml", text)
	if out := m.good(h, "backhand check "+file); strings.Contains(out, "warning") {
		m.t.Errorf("%s: %s", name, out)
	}
	p := h.Start(m.t, filepath.Join(m.dir, "backhand"), "run", "--config", file)
	ctx, cancel := context.WithTimeout(m.t.Context(), 10*time.Second)
	defer cancel()
	if err := p.WaitFor(ctx, "running"); err != nil {
		m.t.Fatal(err)
	}
	return p
}

// script runs a line of a shell at a host. env are variables for it, NAME=value each.
func (m *model) script(h *lab.Host, line string, env ...string) (out string, code int) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := h.Command(ctx, "sh", "-c", line)
	cmd.Dir = m.dir
	cmd.Env = append(append(os.Environ(), "PATH="+m.programs), env...)
	text, err := cmd.CombinedOutput()
	if _, ended := errors.AsType[*exec.ExitError](err); err != nil && !ended {
		m.t.Fatalf("%s: %v", line, err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// good runs one that must end well.
func (m *model) good(h *lab.Host, line string, env ...string) string {
	m.t.Helper()
	out, code := m.script(h, line, env...)
	if code != 0 || strings.HasPrefix(out, "error:") {
		m.t.Fatalf("%s, at %s: exit code %d:\n%s", line, h.Name, code, out)
	}
	return out
}

// ask asks the interface by curl, from a host, and returns what it says.
func (m *model) ask(h *lab.Host, path string) string {
	m.t.Helper()
	return m.good(h, "curl -gsS --fail-with-body '"+m.engine+path+"'")
}

// arrow stands on the pages before what a command answers. Lines of that have semicolons between them.
const arrow = "# -> "

// page runs the commands that a page of the examples tells to try, at a host. Each must end well, and those of which the page says
// what they answer must answer that, within a few seconds.
func (m *model) page(h *lab.Host, name string) {
	m.t.Helper()
	_, rest, code := strings.Cut(example(m.t, name), "\n```sh\n")
	lines, _, end := strings.Cut(rest, "```\n")
	if !code || !end || !strings.Contains(lines, arrow) {
		m.t.Fatalf("%s has no commands, or does not say what they answer", name)
	}
	for line := range strings.Lines(lines) {
		command, want, answers := strings.Cut(strings.TrimSuffix(line, "\n"), arrow)
		if !answers {
			m.t.Logf("%s\n%s", command, m.good(h, command, "BACKHAND_ENGINE="+m.engine))
			continue
		}
		m.eventually(func() error {
			out, code := m.script(h, command, "BACKHAND_ENGINE="+m.engine)
			if got := strings.ReplaceAll(strings.TrimSpace(out), "\n", "; "); code != 0 || got != want {
				return fmt.Errorf("%s: %s, at %s: exit code %d: %q, want %q", name, command, h.Name, code, got, want)
			}
			return nil
		})
	}
}

// reply is what a web server has answered.
type reply struct {
	status int
	header http.Header
	body   string
}

// fetch sends a request from a host. fields are names and values in turn; that of Host is the host that is asked for.
func (m *model) fetch(h *lab.Host, method, url string, fields ...string) (r reply) {
	m.t.Helper()
	req, err := http.NewRequestWithContext(m.t.Context(), method, url, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	req.Host = req.Header.Get("Host")
	res, err := m.clients[h].Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(body)}
}

// eventually waits until it holds: what is told reaches the choice a moment later.
func (m *model) eventually(holds func() error) {
	m.t.Helper()
	lab.Eventually(m.t, 10*time.Second, holds)
}

// Two engines over HTTP alone, as model4-*.toml have them. Who pushes and who asks goes to the one that answers.
func TestAthenaModelFourSecondEngineTakesOver(t *testing.T) {
	m := newModel(t, 4)
	primary, secondary, app01 := m.Host(1), m.Host(2), m.Host(3)
	oftener := []string{`every = "2s"`, `every = "500ms"`}
	p := m.run(primary, "model4-primary.toml", oftener...)
	m.run(secondary, "model4-secondary.toml", oftener...)
	m.page(primary, "model4.md")
	engines := "BACKHAND_ENGINES=" + m.engine + " http://10.58.4.2:4446/athena"
	m.good(app01, "sh push.sh queue=3", engines, "BACKHAND_NAME=app01")
	m.good(app01, "sh push.sh queue=0", engines, "BACKHAND_NAME=app02")
	m.ask(app01, "/update/phys?h=app02,state=off,why=disks")
	both := func(want string) {
		t.Helper()
		m.eventually(func() error {
			out, _ := m.script(app01, `curl -gsS 'http://10.58.4.2:4446/athena/status/phys?Ef="%h%20%{state}%20%{updates}%20%{queue}"'`)
			if out != want {
				return fmt.Errorf("the secondary has %q, want %q", out, want)
			}
			return nil
		})
	}
	both("app01 on in 3\napp02 off in 0\n")

	_ = p.Signal(os.Kill)
	<-p.Done()
	m.good(app01, "sh push.sh queue=5 2>/dev/null", engines, "BACKHAND_NAME=app01")
	both("app01 on in 5\napp02 off in 0\n")
	m.eventually(func() error {
		out, _ := m.script(primary, "sh job.sh jobs make-report 2>/dev/null", engines, "BACKHAND_RUN=echo")
		if out != "app01 make-report\n" {
			return fmt.Errorf("the job was %q", out)
		}
		return nil
	})
	m.good(app01, `curl -gsS 'http://10.58.4.2:4446/athena/update/phys?h=app02,state=on'`)

	m.run(primary, "model4-primary.toml", oftener...)                   // with the state that it has kept, in which app02 is off
	m.good(app01, "sh push.sh queue=2", engines, "BACKHAND_NAME=app02") // whose last push was to the primary before
	m.eventually(func() error {
		if out := m.ask(app01, `/status/phys?Ef="%h%20%{state}%20%{updates}%20%{queue}"`); out != "app01 on in 5\napp02 on in 2\n" {
			return fmt.Errorf("the primary is back, and has %q", out)
		}
		return nil
	})
	both("app01 on in 5\napp02 on in 2\n")
}
