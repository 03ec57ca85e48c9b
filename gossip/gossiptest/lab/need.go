package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// requirement is something that a test may need of the machine.
type requirement struct {
	name    string // as given to Need
	find    func() error
	install string // Debian packages that bring it, as named in .ci/run
}

func requirements() []requirement {
	return []requirement{
		{"root", asRoot, ""},
		{"ip", program("ip"), "iproute2"},
		{"nft", program("nft"), "nftables"},
		{"nginx", program("nginx"), "nginx"},
		{"apache2", program("apache2"), "apache2"},
		{"haproxy", program("haproxy"), "haproxy"},
		{"php", file("/usr/lib/apache2/modules/libphp*.so"), "libapache2-mod-php"},
		{"chromium", program("chromium"), "chromium"},
		{"curl", program("curl"), "curl"},
		{"nghttp", program("nghttp"), "nghttp2-client"},
		{"h2load", program("h2load"), "nghttp2-client"},
		{"python3", program("python3"), "python3"},
		{"systemd-analyze", program("systemd-analyze"), "systemd"},
		{"systemd-socket-activate", program("systemd-socket-activate"), "systemd"},
	}
}

// Need skips the test, with the reason, unless the machine has all that the test needs: "root", "ip", "nft", "nginx",
// "apache2", "haproxy", "php" (Apache's module, and the program), "chromium", "curl", "nghttp", "h2load", "python3",
// "systemd-analyze", "systemd-socket-activate". If the environment says BACKHAND_TEST=all, as .ci/run does, the test fails instead;
// so nothing is left out there unseen. With go test -short it is skipped without a look.
func Need(t testing.TB, what ...string) {
	t.Helper()
	need(t, requirements(), what...)
}

func need(t testing.TB, known []requirement, what ...string) {
	t.Helper()
	if testing.Short() && !wantAll() {
		t.Skip("a test with real parts, left out by -short")
	}
	for _, name := range what {
		if err := find(known, name); err != nil {
			missing(t, err)
		}
	}
}

func find(known []requirement, name string) error {
	for _, r := range known {
		if r.name != name {
			continue
		}
		err := r.find()
		if err != nil && r.install != "" {
			return fmt.Errorf("needs %s: %w (Debian package %s)", name, err, r.install)
		}
		return err
	}
	return fmt.Errorf("needs %q, which package lab does not know how to look for", name)
}

// missing ends the test: skipped, or failed where nothing may be missing.
func missing(t testing.TB, why error) {
	t.Helper()
	if wantAll() {
		t.Fatalf("BACKHAND_TEST=all, but the test %v", why)
	}
	t.Skip(why)
}

func wantAll() bool { return os.Getenv("BACKHAND_TEST") == "all" }

func asRoot() error {
	if uid := os.Geteuid(); uid != 0 {
		return fmt.Errorf("needs root, runs as user %d", uid)
	}
	return nil
}

func program(name string) func() error {
	return func() error {
		_, err := exec.LookPath(name)
		return err
	}
}

func file(pattern string) func() error {
	return func() error {
		found, err := filepath.Glob(pattern)
		if err == nil && len(found) == 0 {
			err = fmt.Errorf("no %s", pattern)
		}
		return err
	}
}
