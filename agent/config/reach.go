package config

import (
	"crypto/x509"
	"net/url"
	"path"
	"strings"
	"time"
)

// Identity says how a server that speaks TLS proves who it is.
type Identity struct {
	CA    string         // file of PEM certificates, one of which must have signed the server's. Default: the system's
	Roots *x509.CertPool // of that file, as it was when it was read; nil: the system's
	// ServerName is the name that the server's certificate must have, and is asked for (SNI): a host name or an IP
	// address. Default: the host of the server's URL.
	ServerName string
}

// Reach says how connections to the members of a farm are made and kept.
type Reach struct {
	Identity  Identity
	SendProxy int // version of the PROXY header that connections begin with: 1 or 2. Default 0: none
	// Connections is how many there are to one member at once at most. Default 1024, from 1 to 1,000,000.
	Connections int
	Queue       time.Duration // for which a request waits for a connection. Default 1 s, from 1 ms to 10 min
	Idle        time.Duration // for which an unused connection is kept. Default 4 s, from 100 ms to 1 h
}

const (
	defaultReachConnections = 1024
	maxReachConnections     = 1000000
)

// readReach reads the keys that [[serve]] and [[farm]] have in common. urls are the members.
func (p *parser) readReach(s *section, urls ...*url.URL) Reach {
	r := Reach{
		Identity:    p.readIdentity(s),
		Connections: s.integer("connections", defaultReachConnections, 1, maxReachConnections),
		Queue:       s.duration("queue", time.Second, time.Millisecond, 10*time.Minute),
		Idle:        s.duration("idle", 4*time.Second, 100*time.Millisecond, time.Hour),
	}
	switch v, ok := s.text("send_proxy", `"v2"`); {
	case !ok:
	case v == "v1":
		r.SendProxy = 1
	case v == "v2":
		r.SendProxy = 2
	default:
		p.wrong(s.lineOf("send_proxy"), `%s is %q: write "v1" or "v2"`, s.full("send_proxy"), v)
	}
	for _, u := range urls {
		if u == nil || u.Scheme == "https" {
			return r
		}
	}
	for _, key := range []string{"ca", "server_name"} {
		if s.has(key) {
			p.odd(s.lineOf(key), "%s is not used, since nothing there is reached by https: leave it away, or write https://", s.full(key))
		}
	}
	return r
}

// readIdentity reads ca and server_name.
func (p *parser) readIdentity(s *section) (id Identity) {
	if file, ok := s.text("ca", `"/etc/backhand/ca.pem"`); ok {
		id.CA, id.Roots = file, p.readRoots(s, file)
	}
	name, ok := s.text("server_name", `"app.internal"`)
	if ok && !isHost(name) {
		p.wrong(s.lineOf("server_name"), `%s is %q: write a host name or an IP address, such as "app.internal"`,
			s.full("server_name"), name)
	}
	id.ServerName = strings.TrimSuffix(name, ".")
	return id
}

// readRoots returns the certificates of a file, or nil if it has a mistake.
func (p *parser) readRoots(s *section, file string) *x509.CertPool {
	line, key := s.lineOf("ca"), s.full("ca")
	if !path.IsAbs(file) {
		p.wrong(line, "%s is %q: write a path that begins with /", key, file)
		return nil
	}
	text, err := p.env.ReadFile(file)
	if err != nil {
		p.wrong(line, "%s cannot be read: %v: correct the path, or let the user that the agent runs as read it", key, err)
		return nil
	}
	certs, err := pemCertificates(text)
	if err != nil {
		p.wrong(line, "%s %q: %v: write the file of the authority that signed the servers' certificates", key, file, err)
		return nil
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
		if len(certs) == 1 { // a bundle has old ones, and nobody minds
			p.warnExpiry(line, key+" "+file, c)
		}
	}
	return pool
}
