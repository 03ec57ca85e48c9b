package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"backhand/agent/config"
)

// authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{key: newKey(t, "ecdsa")}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err == nil {
		a.cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pool is for those who believe the authority.
func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// sign returns a certificate for names, which may be addresses, and its key, both in PEM.
func (a *authority) sign(t testing.TB, kind string, serial int64, names ...string) (cert, key []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 6, 0),
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	private := newKey(t, kind)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// write puts a certificate and its key into dir, as name.pem and name.key.
func (a *authority) write(t testing.TB, dir, name string, serial int64, names ...string) {
	t.Helper()
	cert, key := a.sign(t, "ecdsa", serial, names...)
	for file, text := range map[string][]byte{name + ".pem": cert, name + ".key": key, "ca.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (a *authority) pair(t testing.TB, kind string, serial int64, names ...string) config.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(a.sign(t, kind, serial, names...))
	if err != nil {
		t.Fatal(err)
	}
	return config.Certificate{Pair: pair}
}

// shake lets a client shake hands with a server, and returns the serial number of the certificate that it got.
func shake(t testing.TB, server, client *tls.Config) (serial int64, resumed bool, err error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		s := tls.Server(conn, server)
		if s.Handshake() == nil {
			_, _ = s.Write([]byte("x")) // tickets come before it
			_, _ = io.Copy(io.Discard, s)
		}
	})
	c, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		return 0, false, err
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err != nil {
		return 0, false, err
	}
	state := c.ConnectionState()
	return state.PeerCertificates[0].SerialNumber.Int64(), state.DidResume, nil
}

func TestCertificateIsChosenByName(t *testing.T) {
	a := newAuthority(t)
	c := newCertificates([]config.Certificate{
		a.pair(t, "ecdsa", 1, "www.example.com"), a.pair(t, "ecdsa", 2, "*.example.com", "Example.org"),
		a.pair(t, "ecdsa", 3, "both.test"), a.pair(t, "rsa", 4, "both.test"), a.pair(t, "rsa", 5, "rsa.test"),
	})
	ecdsaOnly := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	rsaOnly := []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for _, row := range []struct {
		name   string
		server string
		suites []uint16 // with TLS 1.2; nil: any, with TLS 1.3
		want   int64
	}{
		{"a name", "www.example.com", nil, 1},
		{"a name in capitals", "WWW.Example.COM", nil, 1},
		{"a name that a pattern covers", "shop.example.com", nil, 2},
		{"a name below what a pattern covers", "a.shop.example.com", nil, 1},
		{"the domain of a pattern", "example.com", nil, 1},
		{"a name in capitals in the certificate", "example.org", nil, 2},
		{"an unknown name", "other.test", nil, 1},
		{"no name", "", nil, 1},
		{"of two kinds the first", "both.test", nil, 3},
		{"of two kinds the one that the client knows", "both.test", rsaOnly, 4},
		{"of two kinds the first, by TLS 1.2", "both.test", ecdsaOnly, 3},
	} {
		client := &tls.Config{ServerName: row.server, InsecureSkipVerify: true}
		if row.suites != nil {
			client.MaxVersion, client.CipherSuites = tls.VersionTLS12, row.suites
		}
		if got, _, err := shake(t, c.tls, client); err != nil || got != row.want {
			t.Errorf("%s: certificate %d, %v; want %d", row.name, got, err, row.want)
		}
	}
	if _, _, err := shake(t, c.tls, &tls.Config{ServerName: "rsa.test", InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: ecdsaOnly}); err == nil {
		t.Error("a client that knows ECDSA only took an RSA certificate")
	}
	if _, _, err := shake(t, c.tls, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}

func TestSessionsOutliveARenewal(t *testing.T) {
	a := newAuthority(t)
	c := newCertificates([]config.Certificate{a.pair(t, "ecdsa", 1, "www.test")})
	client := &tls.Config{ServerName: "www.test", RootCAs: a.pool(), ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	if got, resumed, err := shake(t, c.tls, client); got != 1 || resumed || err != nil {
		t.Fatalf("certificate %d, resumed %v, %v", got, resumed, err)
	}
	c.replace([]config.Certificate{a.pair(t, "ecdsa", 2, "www.test")})
	if _, resumed, err := shake(t, c.tls, client); !resumed || err != nil {
		t.Errorf("after the renewal resumed %v, %v", resumed, err)
	}
	client.ClientSessionCache = nil
	if got, _, err := shake(t, c.tls, client); got != 2 || err != nil {
		t.Errorf("a new client got certificate %d, %v; want the renewed one", got, err)
	}
}
