package agent

import (
	"crypto/tls"
	"strings"
	"sync/atomic"

	"backhand/agent/config"
)

// certificates are those of a listener. A reload replaces them; connections that are there keep theirs.
type certificates struct {
	set atomic.Pointer[certificateSet]
	// tls is kept over reloads: its tickets are, so that clients can resume their sessions.
	tls *tls.Config
}

// certificateSet does not change.
type certificateSet struct {
	first  *tls.Certificate
	byName map[string][]*tls.Certificate // by lower-case name, or pattern such as *.example.com, as they stand in the file
}

func newCertificates(list []config.Certificate) *certificates {
	c := &certificates{}
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	c.replace(list)
	return c
}

// replace takes others, of which there must be one.
func (c *certificates) replace(list []config.Certificate) {
	set := &certificateSet{byName: map[string][]*tls.Certificate{}}
	for i := range list {
		pair := &list[i].Pair
		if set.first == nil {
			set.first = pair
		}
		for _, name := range pair.Leaf.DNSNames {
			name = strings.ToLower(name)
			set.byName[name] = append(set.byName[name], pair)
		}
	}
	c.set.Store(set)
}

// get chooses by the name that the client asks for: the whole name before a pattern. Of several certificates for it (of
// an RSA and an ECDSA key, say) the first that the client can check is taken.
func (c *certificates) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	set := c.set.Load()
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	found := set.byName[name]
	if _, domain, ok := strings.Cut(name, "."); ok && found == nil {
		found = set.byName["*."+domain]
	}
	for _, pair := range found {
		if hello.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	if len(found) > 0 {
		return found[0], nil // the handshake will say what is wrong
	}
	return set.first, nil
}
