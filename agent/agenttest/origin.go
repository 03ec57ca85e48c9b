//go:build linux

package agenttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
)

// Site is what an origin serves. The zero value is a server at 127.0.0.1:8080 that answers /whoami.php.
type Site struct {
	// Addr is where it listens. Default: 127.0.0.1:8080 of its host, where only the agent on it can ask.
	Addr netip.AddrPort
	// Label is what it calls itself in its answers. Default: the name of the host in the lab.
	Label string
	// Pages are files by their path, such as "index.html" or "slow/page.php". Only Apache runs PHP.
	Pages map[string]string
	// Config is added to the server's configuration as it stands: Apache's at the top level, nginx's inside server { }. Where
	// Apache's has a line Listen, that is the only one.
	Config string
	// Workers is how many processes Apache runs at most, and how many connections nginx holds. Default: 32 and 512.
	Workers int
}

// Origin is a web server at a host of a lab. It ends with the test.
type Origin struct {
	host    *lab.Host
	addr    netip.AddrPort
	command []string
	finish  os.Signal // ends it once its requests are done
	process *lab.Process
}

// newOrigin writes the pages and the configuration, which conf makes of the site and the directory.
func newOrigin(t testing.TB, h *lab.Host, s Site, name string, conf func(Site, string) string) (o *Origin, dir string) {
	t.Helper()
	if !s.Addr.IsValid() {
		s.Addr = netip.MustParseAddrPort("127.0.0.1:8080")
	}
	if s.Label == "" {
		s.Label = h.Name
	}
	// Not t.TempDir: its parent is closed to the user that the workers run as.
	dir, err := os.MkdirTemp("", "backhand-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	err = os.Chmod(dir, 0o755)
	write := func(path, text string) {
		path = filepath.Join(dir, path)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644))
	}
	write(name+".conf", conf(s, dir))
	write("pages/whoami.php", whoamiPHP)
	for path, text := range s.Pages {
		write(filepath.Join("pages", path), text)
	}
	if err != nil {
		t.Fatalf("write the pages of %s: %v", name, err)
	}
	return &Origin{host: h, addr: s.Addr}, dir
}

// URL returns where it is, without a slash at the end, as seen from its own host.
func (o *Origin) URL() string { return "http://" + o.addr.String() }

// Start starts it again after Stop, and returns when it answers.
func (o *Origin) Start(t testing.TB) {
	t.Helper()
	p := o.host.Start(t, o.command[0], o.command[1:]...)
	o.process = p
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Second, errors.New("waited 20 s"))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	go func() {
		select {
		case <-p.Done():
			fail(errors.New("it ended"))
		case <-ctx.Done():
		}
	}()
	if err := lab.Until(ctx, o.answers); err != nil {
		t.Fatalf("%s does not answer: %v; it said:\n%s", o.command[0], err, p.Output())
	}
}

// Stop ends it, with the requests that it has under way, and returns when its port is closed.
func (o *Origin) Stop(t testing.TB) {
	t.Helper()
	o.process.Stop(t)
}

// Finish ends it as its service would be stopped (apachectl graceful-stop, nginx -s quit): the port is closed at once, and
// the requests under way are finished. It returns when the process has ended.
func (o *Origin) Finish(t testing.TB) {
	t.Helper()
	if err := o.process.Signal(o.finish); err != nil {
		t.Fatalf("stop %s: %v", o.command[0], err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := o.process.Wait(ctx); ctx.Err() != nil {
		t.Fatalf("%s does not stop: %v", o.command[0], err)
	}
}

// Output returns what it has logged since it was started: errors, and of Apache the requests too.
func (o *Origin) Output() string { return o.process.Output() }

// answers asks the origin, at its host, who it is.
func (o *Origin) answers() error {
	client := &http.Client{
		Transport: &http.Transport{DialContext: o.host.Dial, DisableKeepAlives: true},
		Timeout:   5 * time.Second,
	}
	resp, err := client.Get(o.URL() + "/whoami.php")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}
