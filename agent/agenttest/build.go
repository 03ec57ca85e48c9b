package agenttest

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// BuildAgent returns the path of the program backhand, built from the tree that is tested, without the race detector. The
// file stays in the user's cache directory, where the next test finds it and only builds what has changed.
func BuildAgent(t testing.TB) string {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatalf("build the agent: %v", err)
	}
	path := filepath.Join(buildDir(t, root), "backhand")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/backhand")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v:\n%s", err, out)
	}
	return path
}

// moduleRoot returns the directory of go.mod, above the directory of the package that is tested.
func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	gomod := strings.TrimSpace(string(out))
	if err == nil && (gomod == "" || gomod == os.DevNull) {
		err = fmt.Errorf("no go.mod above the working directory")
	}
	return filepath.Dir(gomod), err
}

// buildDir returns a directory that is this user's and this tree's.
func buildDir(t testing.TB, root string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		return t.TempDir() // no home, as for some services: built anew for every test
	}
	h := fnv.New64a()
	h.Write([]byte(root))
	dir := filepath.Join(cache, "backhand-test", fmt.Sprintf("%x", h.Sum64()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t.TempDir()
	}
	return dir
}
