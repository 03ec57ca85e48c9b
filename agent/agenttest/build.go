package agenttest

import (
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// BuildAgent returns the path of the program backhand, built from the tree that is tested, without the race detector. The
// file stays in the user's cache directory, where the next test finds it and only builds what has changed.
func BuildAgent(t testing.TB) string {
	t.Helper()
	path, err := kept()
	if path == "" && err == nil {
		path, err = build(t.TempDir())
	}
	if err != nil {
		t.Fatalf("build the agent: %v", err)
	}
	return path
}

// kept builds the program in the user's cache directory, once in a process: even to find that nothing has changed takes a
// while. The path is empty if there is no such directory, as for services without a home; then it is built for every test.
var kept = sync.OnceValues(func() (path string, err error) {
	dir, err := buildDir()
	if err != nil {
		return "", nil
	}
	return build(dir)
})

// build builds the program in that directory.
func build(dir string) (path string, err error) {
	path = filepath.Join(dir, "backhand")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/backhand")
	if cmd.Dir, err = moduleRoot(); err != nil {
		return "", err
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w:\n%s", err, out)
	}
	return path, nil
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
func buildDir() (string, error) {
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	h := fnv.New64a()
	h.Write([]byte(root))
	dir := filepath.Join(cache, "backhand-test", fmt.Sprintf("%x", h.Sum64()))
	return dir, os.MkdirAll(dir, 0o700)
}
