package agenttest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

func TestModuleRoot(t *testing.T) {
	root, err := moduleRoot()
	want, _ := filepath.Abs("../..")
	if err != nil || root != want {
		t.Errorf("got %q, %v, want %q", root, err, want)
	}
}

func TestBuildAgent(t *testing.T) {
	path := BuildAgent(t)
	if out, err := exec.Command(path, "version").CombinedOutput(); err != nil {
		t.Errorf("%s version: %v: %s", path, err, out)
	}
	if again := BuildAgent(t); again != path {
		t.Errorf("built at %s, and then at %s", path, again)
	}
}
