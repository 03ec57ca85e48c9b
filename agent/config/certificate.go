package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"time"
)

// Certificate is a server's certificate with its key, read together with the file that names them.
type Certificate struct {
	Cert, Key string // files, in PEM; Cert has the chain behind the certificate itself
	Pair      tls.Certificate
}

// warnBefore is how long before its end a certificate is warned of. Let's Encrypt's are renewed 30 days before.
const warnBefore = 14 * 24 * time.Hour

// maxCertificates is how many a listener may have.
const maxCertificates = 1000

func (p *parser) readCertificates(s *section) (out []Certificate) {
	all := s.sections("certificates")
	if s.empty("certificates") {
		p.wrong(s.lineOf("certificates"), "listen.certificates is empty: leave it away for a listener without TLS")
	}
	if len(all) > maxCertificates {
		p.wrong(s.lineOf("certificates"), "listen.certificates has %d: write at most %d", len(all), maxCertificates)
		return nil
	}
	for _, c := range all {
		certFile, cert := p.readPart(c, "cert", "/etc/backhand/www.pem")
		keyFile, key := p.readPart(c, "key", "/etc/backhand/www.key")
		c.close()
		if cert == nil || key == nil {
			continue
		}
		pair, err := pairOf(cert, key)
		if err != nil {
			p.wrong(c.lineOf("cert"), "listen.certificates %q: %v", certFile, err)
			continue
		}
		p.warnExpiry(c.lineOf("cert"), "listen.certificates "+certFile, pair.Leaf)
		out = append(out, Certificate{Cert: certFile, Key: keyFile, Pair: pair})
	}
	return out
}

// readPart reads one of the two files of a certificate; nil if it cannot be read.
func (p *parser) readPart(s *section, key, example string) (file string, text []byte) {
	file, ok := s.text(key, `"`+example+`"`)
	switch {
	case !ok && !s.has(key):
		s.missing(key, `"`+example+`"`)
		return "", nil
	case !ok:
		return "", nil
	case !path.IsAbs(file):
		p.wrong(s.lineOf(key), "%s is %q: write a path that begins with /", s.full(key), file)
		return "", nil
	}
	text, err := p.env.ReadFile(file)
	if err != nil {
		p.wrong(s.lineOf(key), "%s cannot be read: %v: correct the path, or let the user that the agent runs as read it",
			s.full(key), err)
		return "", nil
	}
	return file, text
}

// pairOf makes one of the two files. The library's errors name neither the file nor what to do.
func pairOf(cert, key []byte) (tls.Certificate, error) {
	if _, err := pemCertificates(cert); err != nil {
		return tls.Certificate{}, fmt.Errorf("%w: write the file with the certificate, and behind it those that lead to its authority", err)
	}
	if !hasKey(key) {
		return tls.Certificate{}, errors.New("its key file has no private key in PEM, without a passphrase: write the file that has")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return pair, fmt.Errorf("the certificate and its key do not go together: %w: write the key that it was made of", err)
	}
	return pair, nil
}

// hasKey reports whether a PEM file has a private key that can be read without a passphrase.
func hasKey(text []byte) bool {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		isKey := block.Type == "PRIVATE KEY" || bytes.HasSuffix([]byte(block.Type), []byte(" PRIVATE KEY"))
		if isKey && block.Type != "ENCRYPTED PRIVATE KEY" && block.Headers["Proc-Type"] == "" {
			return true
		}
	}
	return false
}

// pemCertificates returns the certificates of a PEM file; what else is in it does not count.
func pemCertificates(text []byte) (out []*x509.Certificate, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	if out == nil {
		return nil, errors.New("there is no certificate in PEM")
	}
	return out, nil
}

// warnExpiry notes a certificate that is not valid now, or not for long.
func (p *parser) warnExpiry(line int, what string, c *x509.Certificate) {
	const day = "2006-01-02 15:04"
	now := p.env.Now
	switch left := c.NotAfter.Sub(now); {
	case now.Before(c.NotBefore):
		p.odd(line, "%s is not valid before %s UTC: correct the clock, or wait", what, c.NotBefore.UTC().Format(day))
	case left <= 0:
		p.odd(line, "%s expired at %s UTC: renew it and reload", what, c.NotAfter.UTC().Format(day))
	case left < warnBefore:
		p.odd(line, "%s expires at %s UTC: renew it and reload", what, c.NotAfter.UTC().Format(day))
	}
}
