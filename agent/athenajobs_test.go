//go:build linux

package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"backhand/gossip/gossiptest/lab"
)

// jobs is model 3: programs that ask.
type jobs struct {
	*model
	starter *lab.Host // where jobs are started
	runner  string    // in place of ssh
}

func TestAthenaModelThreeJobsRunWhereTheEngineSays(t *testing.T) {
	m := &jobs{model: newModel(t, 5)}
	m.starter = m.Host(5)
	p := m.run(m.Host(1), "model3.toml")
	m.runner = "BACKHAND_RUN=sh " + m.write("runner.sh", m.runnerScript())
	t.Run("a job runs at the least busy member, and counts while it does", m.one)
	t.Run("a farm has a chain of its own, and may have nobody for a job", m.render)
	t.Run("the commands of the page", func(*testing.T) { m.page(m.Host(1), "model3.md") })
	t.Run("a thousand that ask at once are spread", m.thousand)
	t.Run("mistakes, and engines that do not answer", m.mistakes)
	p.Stop(t)
	t.Run("the scripts send tokens", m.tokens)
}

// runnerScript enters the hosts as ssh would.
func (m *jobs) runnerScript() string {
	var b strings.Builder
	b.WriteString("host=$1; shift\ncase $host in\n")
	for i := 1; i <= 3; i++ {
		fmt.Fprintf(&b, "app0%d) exec ip netns exec %s \"$@\" ;;\n", i, m.Host(1+i).Namespace)
	}
	b.WriteString("esac\necho \"no host $host\" >&2; exit 255\n")
	return b.String()
}

// push has a member tell of itself by push.sh.
func (m *jobs) push(i int, stats string) {
	m.t.Helper()
	m.good(m.Host(1+i), "sh push.sh "+stats, fmt.Sprintf("BACKHAND_NAME=app0%d", i))
}

// chosen waits until that is the answer, whatever was asked before.
func (m *jobs) chosen(farm, want string) {
	m.t.Helper()
	m.eventually(func() error {
		out, _ := m.script(m.starter, "curl -gsS '"+m.engine+"/balance?"+farm+",explain' | grep -v '^#'")
		if !strings.HasPrefix(out, want) {
			return fmt.Errorf("%s would get %q, want %q", farm, out, want)
		}
		return nil
	})
}

func (m *jobs) one(t *testing.T) {
	m.push(1, "queue=7")
	m.push(2, "queue=2")
	m.push(3, "queue=9")
	m.chosen("jobs", "app02\n")
	const nothing = "app01 0\napp02 0\napp03 0\n"
	underWay := `curl -gsS '` + m.engine + `/status/phys?Eg=jobs,f="%h%20%q"'`
	job := `ip -4 -o addr show dev eth0; ` + strings.ReplaceAll(underWay, `"`, `\"`)
	out := m.good(m.starter, `sh job.sh jobs sh -c "`+job+`"`, m.runner)
	if !strings.Contains(out, "inet 10.58.4.3/24") {
		t.Errorf("the job was not at app02, 10.58.4.3:\n%s", out)
	}
	if !strings.Contains(out, "app01 0\napp02 1\napp03 0\n") {
		t.Errorf("while it ran, under way were:\n%s", out)
	}
	if out := m.good(m.starter, underWay); out != nothing {
		t.Errorf("when it had ended, under way were:\n%s", out)
	}
	if _, code := m.script(m.starter, "sh job.sh jobs sh -c 'exit 7'", m.runner); code != 7 {
		t.Errorf("a job that ends with 7 ends with %d", code)
	}
}

func (m *jobs) render(t *testing.T) {
	m.push(2, "gpu=0.95")
	m.push(3, "gpu=1")
	m.chosen("render", "error:")
	out, code := m.script(m.starter, "sh job.sh render true", m.runner)
	if code != 75 || !strings.Contains(out, `job.sh: `+m.engine+`: error: nobody of farm "render" is eligible`) {
		t.Errorf("with nobody left, job.sh ends with %d:\n%s", code, out)
	}
	m.push(3, "gpu=0.2")
	m.chosen("render", "app03\n")
	out = m.good(m.starter, "sh job.sh render ip -4 -o addr show dev eth0", m.runner)
	if !strings.Contains(out, "inet 10.58.4.4/24") {
		t.Errorf("the job was not at app03, 10.58.4.4:\n%s", out)
	}
	m.push(2, "gpu=0.1")
	m.chosen("render", "app02\n")
	out = m.good(m.starter, "curl -gsS '"+m.engine+"/balance?render;render;render'")
	if !strings.HasPrefix(out, "app02\napp03\nerror: nobody of farm \"render\" is eligible") {
		t.Errorf("three that ask at once for one of two cards get:\n%s", out)
	}
}

func (m *jobs) thousand(t *testing.T) {
	thousand := "for i in $(seq 1000); do echo 'url=" + m.engine + "/balance?jobs'; done | curl -sS --fail -K - | sort | uniq -c"
	ask := func() map[string]int {
		by, all := map[string]int{}, 0
		for line := range strings.Lines(m.good(m.starter, thousand)) {
			var n int
			var name string
			if _, err := fmt.Sscan(line, &n, &name); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			by[name] = n
			all += n
		}
		if all != 1000 {
			t.Fatalf("a thousand questions have %d answers: %v", all, by)
		}
		return by
	}
	for i := 1; i <= 3; i++ {
		m.push(i, fmt.Sprintf("queue=%d", 3*i)) // the shortest is not the shortest for long
	}
	m.eventually(func() error {
		by := ask()
		if by["app01"] < 300 || by["app02"] < 300 || by["app03"] < 300 || len(by) != 3 {
			return fmt.Errorf("of three that are nearly alike each got %v", by)
		}
		return nil
	})
	m.push(2, "queue=5000")
	m.eventually(func() error {
		by := ask()
		if by["app01"] < 450 || by["app03"] < 450 || len(by) != 2 {
			return fmt.Errorf("with app02 busy each got %v", by)
		}
		return nil
	})
}

func (m *jobs) mistakes(t *testing.T) {
	for _, c := range []struct {
		line, says string
		code       int
	}{
		{"sh job.sh jobs", "usage: job.sh FARM COMMAND...", 64},
		{"sh job.sh jbos true", "job.sh: " + m.engine + ": error: ", 75},
		{"BACKHAND_ENGINES='http://10.58.4.1:1/x " + m.engine + "' sh job.sh jobs true", "job.sh: http://10.58.4.1:1/x: no answer", 0},
		{"BACKHAND_NAME=app09 sh push.sh", "error: ", 1},
		{"BACKHAND_NAME=app01 sh push.sh queue=-1", "error: ", 1},
	} {
		if out, code := m.script(m.starter, c.line, m.runner); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit code %d:\n%s\nwant %d with %q", c.line, code, out, c.code, c.says)
		}
	}
}

func (m *jobs) tokens(t *testing.T) {
	secret := func(name, text string) string {
		path := m.write(name, text)
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := secret("tokens", "servers 0123456789abcdef-push update\nstarter 0123456789abcdef-jobs balance\n")
	const allow = `allow  = ["10.58.4.0/24"]`
	m.run(m.Host(1), "model3.toml", allow, fmt.Sprintf("%s\ntoken_file = %q", allow, file))
	server := secret("server.curl", "header = \"Authorization: Bearer 0123456789abcdef-push\"\n")
	starter := secret("starter.curl", "header = \"Authorization: Bearer 0123456789abcdef-jobs\"\n")
	for _, c := range []struct {
		line, curl string
		code       int
	}{
		{"BACKHAND_NAME=app01 sh push.sh queue=1", "", 1},
		{"BACKHAND_NAME=app01 sh push.sh queue=1", starter, 1},
		{"BACKHAND_NAME=app01 sh push.sh queue=1", server, 0},
		{"BACKHAND_RUN=echo sh job.sh jobs true", "", 75},
		{"BACKHAND_RUN=echo sh job.sh jobs true", server, 75},
		{"BACKHAND_RUN=echo sh job.sh jobs true", starter, 0},
	} {
		out, code := m.script(m.starter, c.line, "BACKHAND_CURL="+c.curl)
		if code != c.code || strings.Contains(out, "error:") != (code != 0) {
			t.Errorf("%s, with the token in %q: exit code %d, want %d:\n%s", c.line, c.curl, code, c.code, out)
		}
	}
}
