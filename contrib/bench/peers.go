package main

import (
	"embed"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed conf
var confFiles embed.FS

// peer is a proxy that backhand is measured beside.
type peer struct {
	key     string
	program string
	pkg     string // Debian's
	conf    string // in conf/
	args    []string
	version []string // arguments that make it say its version
	syslog  bool     // its log goes to a datagram socket, not to a file
}

// {conf} is the rendered file, {run} its folder.
func allPeers() []peer {
	haproxy := peer{"haproxy", "haproxy", "haproxy", "haproxy.cfg", []string{"-db", "-f", "{conf}"}, []string{"-v"}, true}
	splice := haproxy
	splice.key = "haproxy-splice" // the fair opponent where long bodies are spliced
	return []peer{
		haproxy, splice,
		{"nginx", "nginx", "nginx-light", "nginx.conf", []string{"-e", "{run}/error.log", "-c", "{conf}"}, []string{"-v"}, false},
		{"apache", "apache2", "apache2", "apache.conf", []string{"-DFOREGROUND", "-f", "{conf}"}, []string{"-v"}, false},
		{"caddy", "caddy", "caddy", "caddy.json", []string{"run", "--config", "{conf}"}, []string{"version"}, false},
	}
}

func (p peer) name() string { return p.key }

// find returns an error that says which package has the program, if it is not installed.
func (p peer) find() error {
	if _, err := exec.LookPath(p.program); err != nil {
		return fmt.Errorf("%s is not installed: Debian package %s", p.program, p.pkg)
	}
	return nil
}

// says returns the first line of what the program says its version is.
func (p peer) says() string {
	out, _ := exec.Command(p.program, p.version...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return strings.TrimSuffix(line, " - https://haproxy.org/")
}

// values are what the files in conf/ are filled in with.
type values struct {
	Run     string // a folder of its own
	Addr    string // where to listen
	Members []string
	Chain   []string
	Log     bool
	LogFile string
	Syslog  string
	AsRoot  bool
	Splice  bool

	Root, Body string   // origin
	Addrs      []string // origin

	Cluster, Group, MemberAddr string // two hops
}

// render writes a file of conf/ with the values to a folder, and returns its path.
func render(name string, v values) (string, error) {
	t, err := template.ParseFS(confFiles, "conf/"+name)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	if err := t.Execute(&text, v); err != nil {
		return "", err
	}
	path := filepath.Join(v.Run, name)
	return path, os.WriteFile(path, []byte(text.String()), 0o644)
}

// subject is a proxy in one row: what is started, and how its log lines are counted.
type subject struct {
	name     string
	addr     netip.AddrPort
	commands []command
	lines    func() int // log lines so far; nil without a log
	clear    func()     // forgets them
}

// folder makes a folder that servers which drop root can enter.
func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// fill returns what is the same for all proxies of a row.
func (b *bench) fill(r row, name string) (v values, addr netip.AddrPort, err error) {
	if v.Run, err = b.folder(r.key + "-" + name); err != nil {
		return v, addr, err
	}
	port, err := b.ports.free()
	if err != nil {
		return v, addr, err
	}
	addr = netip.AddrPortFrom(loopback(0, 1), uint16(port))
	v.Addr, v.Members, v.Chain, v.Log, v.AsRoot = addr.String(), b.four, r.chain, r.log, os.Getuid() == 0
	if r.many {
		v.Members = b.hundred
	}
	v.LogFile = filepath.Join(b.logs, r.key+"-"+name+".log")
	v.Syslog = b.syslog.path
	return v, addr, nil
}

func loopback(c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, c, d}) }

// peerSubject prepares another proxy.
func (b *bench) peerSubject(r row, p peer) (subject, error) {
	v, addr, err := b.fill(r, p.key)
	if err != nil {
		return subject{}, err
	}
	v.Splice = p.key == "haproxy-splice"
	conf, err := render(p.conf, v)
	if err != nil {
		return subject{}, err
	}
	c := command{argv: []string{p.program}}
	for _, a := range p.args {
		c.argv = append(c.argv, strings.NewReplacer("{conf}", conf, "{run}", v.Run).Replace(a))
	}
	for _, home := range []string{"HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		c.env = append(c.env, home+"="+v.Run)
	}
	s := subject{name: p.key, addr: addr, commands: []command{c}}
	if r.log {
		s.countIn(v.LogFile)
		if p.syslog {
			s.lines, s.clear = func() int { return int(b.syslog.lines.Load()) }, func() { b.syslog.lines.Store(0) }
		}
	}
	return s, nil
}

// countIn makes the subject's log a file.
func (s *subject) countIn(file string) {
	s.lines = func() int { return countLines(file) }
	s.clear = func() { os.Remove(file) }
}
