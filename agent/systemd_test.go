package agent

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"backhand/agent/config"
)

func listenOn(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// at is a listener of which only the address counts.
type at struct {
	net.Listener
	addr net.Addr
}

func (a at) Addr() net.Addr { return a.addr }

func TestPassedSocketsFindTheirListener(t *testing.T) {
	tcp := func(ip string) net.Listener {
		return at{addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 80}}
	}
	unix := func(name string) net.Listener { return at{addr: &net.UnixAddr{Net: "unix", Name: name}} }
	for _, row := range []struct {
		name    string
		listens string
		passed  []net.Listener
		want    string // in the error; "": none
	}{
		{"all addresses as systemd opens them", ":80", []net.Listener{tcp("::")}, ""},
		{"all addresses of IPv4", ":80", []net.Listener{tcp("0.0.0.0")}, ""},
		{"all addresses, written out", "[::]:80", []net.Listener{tcp("::")}, ""},
		{"all addresses of IPv4, written out", "0.0.0.0:80", []net.Listener{tcp("0.0.0.0")}, ""},
		{"one address", "10.58.4.1:80", []net.Listener{tcp("10.58.4.1")}, ""},
		{"a Unix socket", "unix:/run/a", []net.Listener{unix("/run/a")}, ""},
		{"a passed one and one to be opened", ":80 unix:/run/a", []net.Listener{unix("/run/a")}, ""},
		{"none", ":80", nil, ""},
		{"IPv6 where IPv4 is wanted", "0.0.0.0:80", []net.Listener{tcp("::")}, "passed a socket of [::]:80, which no [[listen]] names"},
		{"another port", ":81", []net.Listener{tcp("::")}, "which no [[listen]] names"},
		{"one address where all are wanted", ":80", []net.Listener{tcp("10.58.4.1")}, "which no [[listen]] names"},
		{"another Unix socket", "unix:/run/a", []net.Listener{unix("/run/b")}, "a socket of /run/b, which no [[listen]] names"},
		{"two for one", ":80", []net.Listener{tcp("::"), tcp("0.0.0.0")}, "two sockets, [::]:80 and 0.0.0.0:80, for one [[listen]]"},
	} {
		var listens []config.Listen
		for addr := range strings.FieldsSeq(row.listens) {
			listens = append(listens, config.Listen{Address: addr})
		}
		got, err := assign(row.passed, listens)
		switch {
		case row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)):
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		case row.want == "" && (err != nil || len(got) != len(row.passed)):
			t.Errorf("%s: %d of %d found, %v", row.name, len(got), len(row.passed), err)
		}
	}
}

// notes keeps what the service manager was told.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) note(state string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	first, _, _ := strings.Cut(state, "\n")
	n.all = append(n.all, first)
	return nil
}

func (n *notes) is(t *testing.T, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.all, want) {
		t.Errorf("the service manager was told %q, want %q", n.all, want)
	}
}

func TestAgentWithPassedSockets(t *testing.T) {
	o := origin(t, "o1")
	tcp, path := listenOn(t, "tcp", "127.0.0.1:0"), filepath.Join(t.TempDir(), "s")
	unix := listenOn(t, "unix", path)
	unix.(*net.UnixListener).SetUnlinkOnClose(false) // systemd does not either
	listen := "[[listen]]\naddress = \"" + tcp.Addr().String() + "\"\n[[listen]]\naddress = \"unix:" + path + "\"\nmode = \"0600\"\n"
	f := prepare(t, serving(o, listen))
	var told notes
	if err := f.open(Options{Inherited: []net.Listener{tcp, unix}, Notify: told.note}); err != nil {
		t.Fatal(err)
	}
	f.run()
	f.eventually(func() error {
		if strings.Contains(f.logged(), "msg=running") {
			return nil
		}
		return errNoReload
	})
	for _, addr := range []net.Addr{tcp.Addr(), unix.Addr()} {
		if _, body, err := talk(t, dial(t, addr.Network(), addr.String()), asking()); err != nil || !strings.HasPrefix(body, "o1") {
			t.Errorf("%v: %q, %v", addr, body, err)
		}
	}
	f.eventually(func() error {
		told.mu.Lock()
		defer told.mu.Unlock()
		if len(told.all) == 0 {
			return errNoReload
		}
		return nil
	})
	told.is(t, "READY=1")
	if err := f.reload(serving(o, "[[listen]]\naddress = \""+tcp.Addr().String()+"\"\n")); err == nil || !strings.Contains(err.Error(), "the service manager holds that socket") {
		t.Errorf("a reload without a socket that was passed: %v", err)
	}
	told.is(t, "READY=1", "RELOADING=1", "READY=1")
	if err := f.reload(serving(o, listen)); err != nil {
		t.Error(err)
	}
	f.stop()
	if err := f.ended(); err != nil {
		t.Fatal(err)
	}
	told.is(t, "READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1")
}

func TestPassedSocketThatNobodyNames(t *testing.T) {
	f := prepare(t, serving(origin(t, "o1"), ""))
	ln := listenOn(t, "tcp", "127.0.0.1:0")
	err := f.open(Options{Inherited: []net.Listener{ln}})
	if err == nil || !strings.Contains(err.Error(), ln.Addr().String()+", which no [[listen]] names: write one, or stop the socket unit") {
		t.Errorf("got %v", err)
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("it was left open")
	}
	if err := f.open(Options{}); err != nil {
		t.Errorf("the port of the agent's own was left open: %v", err)
	}
	f.run()
}
