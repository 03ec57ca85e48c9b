package agent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "backhand"

// arrows says which packages of ours each package may import, tests left aside. A package that is not here fails
// TestArrows: whoever adds one decides where it stands. The reasons: a decision never touches a socket, proxy and gossip
// do not know each other, and only the command line knows the agent.
var arrows = map[string]string{
	"gossip/node":       "",
	"gossip/wire":       "gossip/node",
	"gossip/sampler":    "gossip/node",
	"gossip":            "gossip/node gossip/wire",
	"gossip/heartbeat":  "gossip gossip/node",
	"gossip/memberlist": "gossip gossip/node gossip/wire",
	"gossip/doctor":     "gossip gossip/node gossip/wire",

	"candidacy":     "gossip/node",
	"candidacy/sim": "candidacy gossip/node",

	"proxy":    "candidacy gossip/node proxy/h1",
	"proxy/h1": "",

	"status":        "candidacy gossip/node",
	"status/athena": "candidacy gossip/node",

	"agent/farm":   "gossip/node",
	"agent/config": "candidacy gossip gossip/node gossip/wire proxy proxy/h1",
	"agent": "agent/config agent/farm candidacy gossip gossip/heartbeat gossip/memberlist gossip/node gossip/sampler gossip/wire " +
		"proxy proxy/h1 status status/athena",
	"agent/demo": "agent agent/config agent/farm candidacy gossip gossip/memberlist gossip/node gossip/sampler gossip/wire " +
		"proxy status status/athena",

	"cmd/backhand": "agent agent/config agent/demo candidacy candidacy/sim gossip/doctor gossip/node gossip/sampler gossip/wire status",
}

// testArrows is the same for the packages that only tests may import.
var testArrows = map[string]string{
	"gossip/gossiptest":       "gossip gossip/node gossip/wire",
	"gossip/gossiptest/lab":   "",
	"candidacy/candidacytest": "candidacy gossip/node",
	"agent/agenttest":         "gossip/gossiptest/lab",
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Name, Doc, Dir string
	Imports, GoFiles           []string
}

// short returns the package's path within the module.
func (p listed) short() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// packages returns all packages of the module that have more than tests.
func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Doc,Dir,Imports,GoFiles", "./...")
	cmd.Dir = ".."
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, &complaints)
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != "" {
			all = append(all, p)
		}
	}
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		for _, complaint := range wrongArrows(p) {
			t.Error(complaint)
		}
	}
}

// wrongArrows says what is wrong with the imports of ours.
func wrongArrows(p listed) (complaints []string) {
	row, isProgram := arrows[p.short()]
	testRow, isTest := testArrows[p.short()]
	if !isProgram && !isTest {
		return []string{fmt.Sprintf("package %s is not in the table of arrows: say there what it may import", p.short())}
	}
	allowed := strings.Fields(row + " " + testRow)
	for _, i := range p.Imports {
		to, ours := strings.CutPrefix(i, module+"/")
		_, onlyForTests := testArrows[to]
		switch {
		case !ours:
		case onlyForTests && !isTest:
			complaints = append(complaints, fmt.Sprintf("%s imports %s, which is for tests only", p.short(), to))
		case !slices.Contains(allowed, to):
			complaints = append(complaints, fmt.Sprintf("%s imports %s; it may import %v", p.short(), to, allowed))
		}
	}
	return complaints
}

// pure are the packages that decide.
var pure = []string{"gossip/node", "candidacy", "candidacy/sim"}

// barred are imports from outside that only some packages may have, or some may not, with the reason.
var barred = []struct {
	what   string
	is     func(imported string) bool
	in     func(importer string) bool
	reason string
}{
	{
		"Prometheus", func(i string) bool {
			return strings.HasPrefix(i, "github.com/prometheus/") && !strings.HasPrefix(i, "github.com/prometheus/procfs")
		},
		func(p string) bool { return p != "status" && p != "status/athena" },
		"only status knows Prometheus",
	},
	{
		"procfs", func(i string) bool { return strings.HasPrefix(i, "github.com/prometheus/procfs") },
		func(p string) bool { return p != "gossip/sampler" },
		"only gossip/sampler reads /proc",
	},
	{
		"the network or the system", func(i string) bool { return slices.Contains([]string{"net/http", "os", "syscall"}, i) },
		func(p string) bool { return slices.Contains(pure, p) },
		"a decision never touches a socket",
	},
	{
		"expr", func(i string) bool { return strings.HasPrefix(i, "github.com/expr-lang/expr") },
		func(p string) bool { return p != "candidacy" },
		"only byExpr evaluates what a user writes",
	},
	{
		"a third party", func(i string) bool {
			return strings.Contains(strings.Split(i, "/")[0], ".") && !strings.HasPrefix(i, "github.com/expr-lang/expr")
		},
		func(p string) bool { return slices.Contains([]string{"gossip/node", "candidacy"}, p) },
		"everything imports these two, so they import only the standard library, and what byExpr needs",
	},
	{
		"testing", func(i string) bool { return i == "testing" || strings.HasPrefix(i, "testing/") },
		func(p string) bool { _, isTest := testArrows[p]; return !isTest },
		"the program does not test itself",
	},
}

func TestImportsFromOutside(t *testing.T) {
	for _, p := range packages(t) {
		for _, complaint := range wrongImports(p) {
			t.Error(complaint)
		}
	}
}

func wrongImports(p listed) (complaints []string) {
	for _, b := range barred {
		for _, i := range p.Imports {
			if b.is(i) && b.in(p.short()) {
				complaints = append(complaints, fmt.Sprintf("%s imports %s (%s): %s", p.short(), i, b.what, b.reason))
			}
		}
	}
	return complaints
}

// The packages that decide may take an address apart with package net, and do nothing else with it.
func TestDecisionsUseNoSockets(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.short()) {
			continue
		}
		for _, name := range p.GoFiles {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if used := usesOfNet(t, text); len(used) > 0 {
				t.Errorf("%s/%s uses net.%s: a decision never touches a socket", p.short(), name, strings.Join(used, ", net."))
			}
		}
	}
}

// usesOfNet returns what a file uses of package net beside pure functions.
func usesOfNet(t *testing.T, source []byte) (used []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for n := range ast.Preorder(f) {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		x, ok := sel.X.(*ast.Ident)
		if ok && x.Name == "net" && sel.Sel.Name != "JoinHostPort" && sel.Sel.Name != "SplitHostPort" {
			used = append(used, sel.Sel.Name)
		}
	}
	return used
}

func TestUsesOfNet(t *testing.T) {
	got := usesOfNet(t, []byte(`package p
import "net"
func f() { net.Dial("tcp", net.JoinHostPort("::1", "80")) }`))
	if !slices.Equal(got, []string{"Dial"}) {
		t.Errorf("found %q, want Dial", got)
	}
}

// The first two checks would be worth nothing if they let everything pass.
func TestArrowsAreHeld(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"gossip does not know proxy", "gossip", "backhand/proxy", "gossip imports proxy"},
		{"proxy does not know gossip", "proxy", "backhand/gossip", "proxy imports gossip"},
		{"a package without a place", "gossip/new", "fmt", "not in the table"},
		{"a helper of tests in the program", "agent", "backhand/gossip/gossiptest", "for tests only"},
		{"metrics outside status", "proxy", "github.com/prometheus/client_golang/prometheus", "only status"},
		{"a client in a decision", "candidacy", "net/http", "never touches a socket"},
		{"/proc outside the sampler", "agent", "github.com/prometheus/procfs", "only gossip/sampler"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := listed{ImportPath: module + "/" + c.from, Imports: []string{c.to}}
			got := strings.Join(append(wrongArrows(p), wrongImports(p)...), "; ")
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	for _, p := range packages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment begins %q, want %q", p.short(), p.Doc, want)
		}
	}
}

// The top level holds what the customer laid down, and dot-files; what .gitignore names is no part of it.
func TestTopLevel(t *testing.T) {
	layout := strings.Fields("cmd agent gossip candidacy proxy status contrib go.mod go.sum LICENSE README.md")
	ignored, err := os.ReadFile("../.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || slices.Contains(layout, e.Name()) || matches(string(ignored), e.Name()) {
			continue
		}
		t.Errorf("%s at the top level is outside the layout: %v", e.Name(), layout)
	}
}

func matches(gitignore, name string) bool {
	for line := range strings.Lines(gitignore) {
		pattern := strings.Trim(line, "/ \n")
		if ok, _ := filepath.Match(pattern, name); ok && !strings.HasPrefix(pattern, "#") {
			return true
		}
	}
	return false
}

// Each dependency of ours says in go.mod what it is for.
func TestDependenciesHaveAReason(t *testing.T) {
	text, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if bare := withoutReason(string(text)); len(bare) > 0 {
		t.Errorf("go.mod does not say what these are for, in a comment behind them or above:\n%s", strings.Join(bare, "\n"))
	}
}

func withoutReason(gomod string) (bare []string) {
	previous := ""
	for line := range strings.Lines(gomod) {
		line = strings.TrimSpace(line)
		words := strings.Fields(strings.TrimPrefix(line, "require "))
		dependency := len(words) >= 2 && strings.Contains(words[0], ".") && strings.HasPrefix(words[1], "v")
		if dependency && len(words) < 4 && !strings.HasPrefix(previous, "//") {
			bare = append(bare, line)
		}
		previous = line
	}
	return bare
}

func TestWithoutReason(t *testing.T) {
	got := withoutReason(`go 1.26.0
require example.org/bare v1.0.0
require (
	example.org/good v1.0.0 // for a good reason
	// for a reason above
	example.org/above v1.0.0
	example.org/second v1.0.0
	example.org/indirect v1.0.0 // indirect
)`)
	want := []string{"require example.org/bare v1.0.0", "example.org/second v1.0.0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
