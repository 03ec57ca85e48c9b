package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// today is when the files of these tests are read.
func today() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// newPair returns a certificate of its own for a name, valid from a day ago for that many days from now, and its key.
func newPair(t testing.TB, name string, days int) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: today().AddDate(0, 0, -1), NotAfter: today().AddDate(0, 0, days),
	}
	if days < 0 {
		template.NotBefore = today().AddDate(-1, 0, 0)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
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

// withFiles gives a host files with certificates.
func withFiles(t testing.TB, e Env) Env {
	good, goodKey := newPair(t, "www.example.com", 90)
	soon, soonKey := newPair(t, "soon.example.com", 13)
	old, oldKey := newPair(t, "old.example.com", -1)
	e.Now = today()
	files := map[string][]byte{
		"/c/good.pem": good, "/c/good.key": goodKey, "/c/soon.pem": soon, "/c/soon.key": soonKey,
		"/c/old.pem": old, "/c/old.key": oldKey, "/c/both.pem": append(good, goodKey...),
		"/c/bundle.pem": append(old, good...), "/c/text": []byte("no certificate"),
		"/c/broken.pem": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		"/c/secret.key": []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
	}
	e.ReadFile = func(file string) ([]byte, error) {
		if text, ok := files[file]; ok {
			return text, nil
		}
		return nil, &fs.PathError{Op: "open", Path: file, Err: syscall.ENOENT}
	}
	return e
}

// withAnyFile gives a host every file that could be named: a key if it is called so, else a certificate.
func withAnyFile(t testing.TB, e Env) Env {
	cert, key := newPair(t, "www.example.com", 90)
	e.Now = today()
	e.ReadFile = func(file string) ([]byte, error) {
		if strings.HasSuffix(file, ".key") {
			return key, nil
		}
		return cert, nil
	}
	e.ReadSecret = func(string) ([]byte, fs.FileMode, error) {
		return []byte("a-secret-of-more-than-16-bytes\n"), 0o600, nil
	}
	return e
}

func TestMistakesOfCertificates(t *testing.T) {
	listen := "[[listen]]\naddress = ':443'\ncertificates = [\n"
	for _, row := range []struct{ name, text, want string }{
		{"a good pair", listen + "{ cert = '/c/good.pem', key = '/c/good.key' } ]", ""},
		{"one file for both", listen + "{ cert = '/c/both.pem', key = '/c/both.pem' } ]", ""},
		{"no certificates", "[[listen]]\naddress = ':443'\ncertificates = []", "4: listen.certificates is empty: leave it away for a listener without TLS"},
		{"files instead of tables", listen + "'/c/good.pem' ]", "5: listen.certificates: element 1 is a string: write a table, { ... }"},
		{"a certificate without key", listen + "{ cert = '/c/good.pem' } ]", `5: listen.certificates.key is missing: write key = "/etc/backhand/www.key"`},
		{"a key without certificate", listen + "{ key = '/c/good.key' } ]", `5: listen.certificates.cert is missing: write cert = "/etc/backhand/www.pem"`},
		{"a relative path", listen + "{ cert = 'good.pem', key = '/c/good.key' } ]", `5: listen.certificates.cert is "good.pem": write a path that begins with /`},
		{
			"the second of two is not there", listen + "{ cert = '/c/good.pem', key = '/c/good.key' },\n{ cert = '/c/lost.pem', key = '/c/good.key' } ]",
			"6: listen.certificates.cert cannot be read: open /c/lost.pem: no such file or directory: correct the path, or let the user that the agent runs as read it",
		},
		{
			"a pair of which the halves are of two", listen + "{ cert = '/c/good.pem', key = '/c/soon.key' } ]",
			`5: listen.certificates "/c/good.pem": the certificate and its key do not go together: tls: private key does not match public key: write the key that it was made of`,
		},
		{
			"no certificate in the file", listen + "{ cert = '/c/text', key = '/c/good.key' } ]",
			`5: listen.certificates "/c/text": there is no certificate in PEM: write the file with the certificate, and behind it those that lead to its authority`,
		},
		{"a certificate that is none", listen + "{ cert = '/c/broken.pem', key = '/c/good.key' } ]", `5: listen.certificates "/c/broken.pem": certificate 1 cannot be read: `},
		{
			"a key with a passphrase", listen + "{ cert = '/c/good.pem', key = '/c/secret.key' } ]",
			`5: listen.certificates "/c/good.pem": its key file has no private key in PEM, without a passphrase: write the file that has`,
		},
		{"an unknown key of a certificate", listen + "{ cert = '/c/good.pem', key = '/c/good.key', ca = 'x' } ]", "5: listen.certificates.ca is not known: "},
		{"authorities that are not there", "[node]\nca = '/c/lost.pem'", "3: node.ca cannot be read: open /c/lost.pem: no such file or directory: correct the path, or let the user that the agent runs as read it"},
		{"a relative path of authorities", "[node]\nca = 'lost.pem'", `3: node.ca is "lost.pem": write a path that begins with /`},
		{"authorities that are none", "[node]\nca = '/c/text'", `3: node.ca "/c/text": there is no certificate in PEM: write the file of the authority that signed the servers' certificates`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := strings.Join(found(t, "cluster = 'web'\n"+row.text, withFiles(t, host("10.58.4.1/24"))), "\n")
			if row.want == "" && got != "" || !strings.HasPrefix(got, row.want) || strings.Contains(got, "\n") {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestWarningsOfCertificates(t *testing.T) {
	pair := func(name string) string {
		return fmt.Sprintf("{ cert = '/c/%s.pem', key = '/c/%[1]s.key' },\n", name)
	}
	text := "cluster = 'web'\n[[listen]]\naddress = ':443'\ncertificates = [\n" + pair("good") + pair("soon") + pair("old") + "]\n" +
		"[[farm]]\nname = 'a'\nca = '/c/old.pem'\nmember = [ { name = 'm', url = 'https://10.58.4.9' } ]\n" +
		"[[farm]]\nname = 'b'\nca = '/c/bundle.pem'\nserver_name = 'x'\nmember = [ { name = 'm', url = 'http://10.58.4.9' } ]\n"
	c := good(t, text, withFiles(t, host("10.58.4.1/24")))
	want := []string{
		"f:6: listen.certificates /c/soon.pem expires at 2026-12-04 12:00 UTC: renew it and reload",
		"f:7: listen.certificates /c/old.pem expired at 2026-11-20 12:00 UTC: renew it and reload",
		"f:11: farm.ca /c/old.pem expired at 2026-11-20 12:00 UTC: renew it and reload",
		"f:15: farm.ca is not used, since nothing there is reached by https: leave it away, or write https://",
		"f:16: farm.server_name is not used, since nothing there is reached by https: leave it away, or write https://",
	}
	if d := cmp.Diff(want, c.Warnings); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := len(c.Listen[0].Certificates); n != 3 || c.Listen[0].Certificates[1].Pair.Leaf.DNSNames[0] != "soon.example.com" {
		t.Errorf("%d certificates: %+v", n, c.Listen[0].Certificates)
	}
	early := withFiles(t, host())
	early.Now = today().AddDate(0, 0, -2)
	c = good(t, "cluster = 'web'\n[[listen]]\naddress = ':443'\ncertificates = [ "+pair("good")+" ]", early)
	want = []string{"f:4: listen.certificates /c/good.pem is not valid before 2026-11-20 12:00 UTC: correct the clock, or wait"}
	if d := cmp.Diff(want, c.Warnings); d != "" {
		t.Errorf("before it is valid (-want +got):\n%s", d)
	}
}

func TestFilesOfTheRealSystem(t *testing.T) {
	dir := t.TempDir()
	file, large, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "large"), filepath.Join(dir, "pipe")
	for name, n := range map[string]int{file: 3, large: maxFile + 1} {
		if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := readFile(file); err != nil || len(text) != 3 {
		t.Errorf("a file gives %q, %v", text, err)
	}
	for name, want := range map[string]string{large: "more than 1048576", pipe: "is no file", dir: "is no file"} {
		if _, err := readFile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", name, err, want)
		}
	}
}
