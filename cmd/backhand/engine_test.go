package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"backhand/gossip/gossiptest/lab"
)

// runs runs a command in the test.
func runs(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), append([]string{"backhand"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// answering is an engine that always answers so, and keeps what it was asked last.
type answering struct {
	*httptest.Server
	asked, body, token string
}

func answers(t *testing.T, status int, kind, body string) *answering {
	t.Helper()
	a := &answering{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		a.asked, a.body, a.token = r.Method+" "+r.URL.String(), string(text), r.Header.Get("Authorization")
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(a.Close)
	return a
}

const jsonKind = "application/json"

// startEngine runs an agent with [athena] and returns its URL, and the file. more is the rest of that.
func startEngine(t *testing.T, more string) (at, file string) {
	t.Helper()
	dir := t.TempDir()
	address := "127.0.0.1:" + freePort(t)
	file = filepath.Join(dir, "backhand.toml")
	text := fmt.Sprintf("cluster = \"web\"\n[node]\nname = \"www1\"\nstate_dir = %q\n[athena]\nlisten = %q\n%s", filepath.Join(dir, "state"),
		address, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var log bytes.Buffer
	done := make(chan int, 1)
	go func() { done <- run(ctx, []string{"backhand", "run", "--config", file}, io.Discard, &log) }()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitOK {
			t.Errorf("the agent ended with %d:\n%s", code, log.String())
		}
	})
	at = "http://" + address + "/athena"
	lab.Eventually(t, 10*time.Second, func() error {
		_, err := newEngine(at, "", time.Second).get(t.Context(), "balance?jobs,explain")
		return err
	})
	return at, file
}

func TestWhereAnEngineIs(t *testing.T) {
	for text, want := range map[string]string{
		"http://10.58.4.1:4446/athena":   "http://10.58.4.1:4446/athena",
		"https://front.example/ath/":     "https://front.example/ath",
		"http://[fd00::1]:4446":          "http://[fd00::1]:4446/athena",
		"http://10.58.4.1/":              "http://10.58.4.1/athena",
		"10.58.4.1:4446":                 "",
		"ftp://10.58.4.1/athena":         "",
		"http:///athena":                 "",
		"http:athena":                    "",
		"http://u:p@10.58.4.1/athena":    "",
		"http://10.58.4.1/athena?x":      "",
		"http://10.58.4.1/athena#x":      "",
		"http://10.58.4.1:x/athena":      "",
		"http://10.58.4.1:0/athena":      "",
		"http://10.58.4.1:65536/athena":  "",
		"http://10.58.4.1/athena\x1b[2J": "",
	} {
		got, err := parseEngineURL(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestTheEngineOfTheFileIsTaken(t *testing.T) {
	a := answers(t, 200, jsonKind, `[{"farm":"jobs","members":[{"name":"app01","url":"http://app01"}]}]`)
	file := filepath.Join(t.TempDir(), "backhand.toml")
	text := fmt.Sprintf("nonsense = 1\n[athena]\nlisten = %q\npath = \"/ath\"\n", strings.TrimPrefix(a.URL, "http://"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runs(t, "balance", "jobs", "--config", file); code != 0 || out != "app01\n" || a.asked != "POST /ath/balance" {
		t.Errorf("%d %q %q, asked %q", code, out, errs, a.asked)
	}
	// What the command line says goes before it.
	if code, _, errs := runs(t, "balance", "jobs", "--config", file, "--engine", a.URL); code != 0 || a.asked != "POST /athena/balance" {
		t.Errorf("%d %q, asked %q", code, errs, a.asked)
	}
	code, _, errs := runs(t, "balance", "jobs", "--config", file+".not")
	if code != exitError || !strings.Contains(errs, "find the engine: stat ") || !strings.Contains(errs, "--engine names it") {
		t.Errorf("of a file that is not there: %d %q", code, errs)
	}
}

func TestWhatIsSaidOfAnEngineThatDoesNotAnswer(t *testing.T) {
	nobodyThere := "http://127.0.0.1:" + freePort(t)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // before, the server does not see that the client has gone
		<-r.Context().Done()
	}))
	defer hangs.Close()
	for _, tt := range []struct{ name, at, want string }{
		{"nobody is there", nobodyThere, "no engine answers at " + nobodyThere + "/athena: does an agent run there"},
		{"it takes too long", hangs.URL, "did not answer within 100ms"},
		{"a web server", answers(t, 200, "text/html", "<html>").URL, "is no engine: 200 OK; --engine names another URL"},
		{"a web server without that page", answers(t, 404, "text/html", "<html>").URL, "is no engine: 404 Not Found"},
		{"one that sends us elsewhere", answers(t, 302, "text/plain", "").URL, "is no engine: 302 Found"},
		{"an engine that refuses", answers(t, 404, jsonKind, `{"error":"there is no farm \"jobs\""}`).URL, `/athena: there is no farm "jobs"`},
		{"one that wants a token", answers(t, 401, jsonKind, `{"error":"this needs a token"}`).URL, "this needs a token (--token-file names"},
		{"one that paints the terminal", answers(t, 400, jsonKind, `{"error":"\u001b[31mred"}`).URL, "/athena: \ufffd[31mred"},
		{"one that says very much", answers(t, 400, jsonKind, `{"error":"`+strings.Repeat("x", 3000)+`"}`).URL, strings.Repeat("x", 2000) + "..."},
		{"one that never ends", answers(t, 200, jsonKind, strings.Repeat(" ", maxEngineReply+1)).URL, "answers with more than 17825792 bytes"},
		{"other JSON", answers(t, 200, jsonKind, `{"x":1}`).URL, "answers with other JSON than this program reads"},
		{"fewer farms", answers(t, 200, jsonKind, `[]`).URL, "answers for 0 farms, not for 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			timeout := "20s"
			if tt.at == hangs.URL {
				timeout = "100ms"
			}
			code, out, errs := runs(t, "balance", "jobs", "--engine", tt.at, "--timeout", timeout)
			if code != exitError || out != "" || !strings.Contains(errs, tt.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("%d %q %q, want %q", code, out, errs, tt.want)
			}
		})
	}
}

// paints is the address of somebody who answers with a head that is none, and would do something to a terminal.
func paints(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn)) // closing before would be a reset
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\x1b[2J\u009bno field\r\n\r\n")
			conn.Close()
		}
	}()
	return ln.Addr().String()
}

// named is a server over TLS whose certificate has that name.
func named(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that do not trust it
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

func TestNothingThatAnswersPaintsTheTerminal(t *testing.T) {
	_, file := startEngine(t, "[[farm]]\nname = \"jobs\"\nmember = [ { name = \"app01\", url = \"http://127.0.0.1:1\" } ]\n")
	for _, tt := range []struct{ name, at, says string }{
		{"a head that is none", "http://" + paints(t), "malformed MIME header"},
		{"a certificate of another name", named(t, "x\x1b[2J"), "certificate"},
	} {
		for _, command := range []string{"balance jobs --engine " + tt.at, "mirror --config " + file + " " + tt.at + "/athena"} {
			t.Run(tt.name+" to "+command[:7], func(t *testing.T) {
				code, out, errs := runs(t, strings.Fields(command)...)
				bad := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
				if code != exitError || !strings.Contains(out+errs, tt.says) || strings.ContainsFunc(out+errs, bad) {
					t.Errorf("%d %q %q", code, out, errs)
				}
			})
		}
	}
}

func TestTheTokenIsSentToTheEngineAlone(t *testing.T) {
	const secret = "0123456789abcdef0123"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	elsewhere := answers(t, 200, jsonKind, "[]")
	moved := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer moved.Close()
	if code, _, _ := runs(t, "balance", "jobs", "--engine", moved.URL, "--token-file", file); code != exitError || elsewhere.asked != "" {
		t.Errorf("%d, and where it was sent to was asked %q", code, elsewhere.asked)
	}
	a := answers(t, 200, "text/plain", "")
	if code, _, errs := runs(t, "balance", "jobs", "--done", "app01", "--engine", a.URL, "--token-file", file); code != 0 || a.token != "Bearer "+secret {
		t.Errorf("%d %q, sent %q", code, errs, a.token)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs := runs(t, "balance", "jobs", "--engine", a.URL, "--token-file", file)
	if code != exitError || !strings.Contains(errs, "lets others read it") || strings.Contains(errs, secret) {
		t.Errorf("of a file that is open: %d %q", code, errs)
	}
}

func TestMistakesInTheCommandsOfAnEngine(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"balance", "balance: want FARM...; see"},
		{"balance jobs -n 0", "balance: -n is 0, want a number from 1 to 64"},
		{"balance jobs --format text", `balance: --format is "text", want name, url or json`},
		{"balance jobs --client me", `balance: --client is "me", want an IP address`},
		{"balance a b --done x", "balance: want one farm beside --done"},
		{"balance a --done x -n 2", "balance: --members means nothing beside --done"},
		{"balance a --timeout 1ms", "balance: --timeout is 1ms, want a time from 100ms to 5m"},
		{"balance a --engine nonsense", `balance: --engine is "nonsense", want a URL such as http://127.0.0.1:4446/athena`},
		{"set app01", "set: want NAME on|off|drain|up|down; see"},
		{"set app01 of", `set: "of" is no state, want on, off, drain, up or down behind the name`},
		{"set jobs drain --farm", "set: a farm cannot drain"},
		{"set app01 off --reason " + strings.Repeat("x", 65), "set: --reason has 65 bytes, want at most 64"},
		{"set app01 off --reason \x1b", `set: --reason is "\x1b", want text without control characters`},
		{"send queue", `send: "queue": want a number from 0 up as the value, as in queue=17`},
		{"send queue=-1", `send: "queue=-1": want a number from 0 up`},
		{"send --every 1ms", "send: --every is 1ms, want a time from 1s to 1h"},
	} {
		code, out, errs := runs(t, strings.Split(tt.args, " ")...)
		if code != exitUsage || out != "" || !strings.HasPrefix(errs, "backhand: "+tt.want) {
			t.Errorf("%s: %d %q %q, want %q", tt.args, code, out, errs, tt.want)
		}
	}
}

// FuzzEngineURL: what is taken for the URL of an engine can be asked, holds no secret, is read again as it is written, and does
// nothing to a terminal.
func FuzzEngineURL(f *testing.F) {
	for _, text := range []string{
		defaultEngineURL, "https://front.example/ath/", "http://[fd00::1]:4446", "http://u:p@h/", "10.58.4.1:4446", "http:x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseEngineURL(text)
		if err != nil {
			if got != "" || !strings.Contains(err.Error(), defaultEngineURL) {
				t.Errorf("%q: %q, %v", text, got, err)
			}
			return
		}
		if again, err := parseEngineURL(got); err != nil || again != got {
			t.Errorf("%q is %q, and that %q, %v", text, got, again, err)
		}
		u, err := url.Parse(got + "/balance")
		unsafe := func(r rune) bool { return r <= ' ' || r > '~' }
		if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsFunc(got, unsafe) {
			t.Fatalf("%q is %q: %+v, %v", text, got, u, err)
		}
		if port := u.Port(); port != "" {
			if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
				t.Errorf("%q has the port %q", text, port)
			}
		}
		if !strings.HasSuffix(u.Path, "/balance") || strings.HasSuffix(u.Path, "//balance") {
			t.Errorf("%q: balance is asked at %q", text, u.Path)
		}
	})
}
