package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func TestFiguresOfACommand(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]float64
		err        string
	}{
		{"nothing", "", map[string]float64{}, ""},
		{"both forms, comments and empty lines", "# ours\n\nqueue=17\r\n  db\t 4.5  \njobs.new = 1e3\n", map[string]float64{"queue": 17, "db": 4.5, "jobs.new": 1000}, ""},
		{"a minus before nothing", "queue -0", map[string]float64{"queue": 0}, ""},
		{"no value", "queue", nil, `line 1, "queue": want a number from 0 up as the value`},
		{"a letter, which may be a code", "\nq 3", nil, `line 2, "q 3": want name=value, the name of 2 to 32 letters`},
		{"a name that is none", "2x=3", nil, `line 1, "2x=3": want name=value`},
		{"below nothing", "queue=-1", nil, "want a number from 0 up"},
		{"without end", "queue=inf", nil, "want a number from 0 up"},
		{"no number", "queue=NaN", nil, "want a number from 0 up"},
		{"too large", "queue=1e999", nil, "want a number from 0 up"},
		{"in the manner of C", "queue=0x10", nil, "want a number from 0 up"},
		{"a comma", "queue 0,5", nil, "want a number from 0 up"},
		{"two values", "load 1 2 3", nil, "want a number from 0 up"},
		{"twice", "queue 1\nqueue 2", nil, "line 2: queue is given twice"},
		{"too many", many(65), nil, "line 65: want at most 64 figures"},
		{"an error paints nothing", "\x1b[2J=1", nil, `line 1, "\x1b[2J=1": want`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseFigures(tt.text)
			if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q (-want +got):\n%s", err, tt.err, d)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "figure%d %d\n", i, i)
	}
	return b.String()
}

// FuzzFigures reads any output: what is taken, an engine takes, too, and can be printed and read again.
func FuzzFigures(f *testing.F) {
	for _, s := range []string{"", "queue=17", "db 4.5\n# x\n\nload\t1e-3", "a=b=c", "q", "x 1\nx 2", "\xff\xfe=1", "aa=+1", "aa=1e400", "aa==1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseFigures(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%q", err)
			}
			return
		}
		var again strings.Builder
		for name, v := range all {
			if !node.ValidStatName(name) || len(name) < 2 || !(v >= 0) || math.IsInf(v, 0) || math.Signbit(v) {
				t.Errorf("%q is %v", name, v)
			}
			fmt.Fprintf(&again, "%s=%v\n", name, v)
		}
		if got, err := parseFigures(again.String()); err != nil || !maps.Equal(got, all) {
			t.Errorf("%v, read again %v, %v", all, got, err)
		}
	})
}

func TestTheCommandOfAUser(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, command string
		timeout       time.Duration
		want          map[string]float64
		err           string
	}{
		{"it prints figures, and says something else to people", "echo queue 3; echo hello >&2; echo 'db=4'", 20 * time.Second, map[string]float64{"queue": 3, "db": 4}, ""},
		{"it fails", "echo queue 3; exit 3", 20 * time.Second, nil, "exit status 3"},
		{"it is not there", "/nowhere/figures", 20 * time.Second, nil, "exit status 127"},
		{"it prints something else", "echo hello world", 20 * time.Second, nil, `line 1, "hello world": want a number`},
		{"it prints without end", "yes queue", 20 * time.Second, nil, "it prints more than 65536 bytes"},
		{"it takes too long, and so does what it has started", "sleep 60 | sleep 60", 200 * time.Millisecond, nil, "it was not done within 200ms, and was ended"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var warned bytes.Buffer
			began := time.Now()
			got, err := commandFigures(t.Context(), "cd "+dir+"; "+tt.command, tt.timeout, &warned)
			if d := cmp.Diff(tt.want, got); d != "" || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q (-want +got):\n%s", err, tt.err, d)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			if strings.Contains(tt.command, "hello >&2") && warned.String() != "hello\n" {
				t.Errorf("people are told %q", warned.String())
			}
		})
	}
}

// steady is a host that is always the same, and counts how often it was looked at.
type steady struct{ looks int }

func (s *steady) Sample(time.Time) (node.Stats, error) {
	s.looks++
	return node.Stats{CPUs: 2, Load1: 0.42, CPUIdle: 0.7511119, MemTotal: 1000, MemAvailable: 250}, nil
}

func TestSendGoesOnAndSaysATroubleOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var warned, told bytes.Buffer
		var at []time.Duration
		began := time.Now()
		trouble := errors.New("no engine answers")
		host := &steady{}
		s := &sender{
			name: "app01", given: map[string]float64{"load1": 7, "queue": 3}, host: host, warn: &warned, tell: &told,
			push: func(_ context.Context, name string, stats map[string]float64) error {
				at = append(at, time.Since(began))
				want := map[string]float64{"cpu": 0.2489, "load1": 7, "mem_used": 0.75, "queue": 3}
				if d := cmp.Diff(want, stats); d != "" || name != "app01" {
					t.Errorf("pushed for %q (-want +got):\n%s", name, d)
				}
				switch len(at) {
				case 2, 3:
					return trouble
				case 4:
					return errors.New("another one")
				case 6:
					cancel()
				}
				return nil
			},
		}
		if err := s.begin(ctx); err != nil {
			t.Fatal(err)
		}
		s.run(ctx, 10*time.Second)
		want := []time.Duration{500 * time.Millisecond}
		for i := 1; i < 6; i++ {
			want = append(want, want[0]+time.Duration(i)*10*time.Second)
		}
		if d := cmp.Diff(want, at); d != "" {
			t.Errorf("pushed at (-want +got):\n%s", d)
		}
		if host.looks != 7 {
			t.Errorf("%d looks at the host, want one at the beginning and one each time", host.looks)
		}
		const said = "backhand: no engine answers; goes on trying\nbackhand: another one; goes on trying\nbackhand: figures are pushed again\n"
		if warned.String() != said {
			t.Errorf("said %q, want %q", warned.String(), said)
		}
		if line, _, _ := strings.Cut(told.String(), "\n"); line != "app01: cpu=0.2489 load1=7 mem_used=0.75 queue=3" {
			t.Errorf("told %q", line)
		}
	})
}

func TestSendPushesNothingIfTheCommandFails(t *testing.T) {
	a := answers(t, 200, "text/plain", "")
	code, out, errs := runs(t, "send", "--engine", a.URL, "--command", "exit 1")
	if code != exitError || out != "" || a.asked != "" || errs != "backhand: the command \"exit 1\": exit status 1\n" {
		t.Errorf("%d %q %q, asked %q", code, out, errs, a.asked)
	}
}

func TestSendMeasuresThisHost(t *testing.T) {
	a := answers(t, 200, "text/plain", "")
	script := filepath.Join(t.TempDir(), "figures")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho queue 3\necho db 4\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runs(t, "send", "--engine", a.URL, "--command", script, "--name", "app01", "db=5", "-v")
	if code != 0 || errs != "" || a.asked != "POST /athena/update/phys" {
		t.Fatalf("%d %q, asked %q", code, errs, a.asked)
	}
	for _, has := range []string{`{"h":"app01","stats":{"cpu":`, `"db":5,"load1":`, `"mem_used":0.`, `"queue":3}}`} {
		if !strings.Contains(a.body, has) {
			t.Errorf("sent %s, want %s in it", a.body, has)
		}
	}
	if !strings.HasPrefix(out, "app01: cpu=") {
		t.Errorf("printed %q", out)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	code, _, errs = runs(t, "send", "--engine", a.URL, "--only")
	if want := `{"h":"` + host + `","stats":{}}`; code != 0 || a.body != want {
		t.Errorf("%d %q, sent %s, want %s: it is alive", code, errs, a.body, want)
	}
}

// What the unit of systemd runs pushes until it is ended, which is no failure.
func TestTheUnitThatSends(t *testing.T) {
	text, err := os.ReadFile("../../contrib/systemd/backhand-send.service")
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef0123"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(token+"\n"), 0o400); err != nil { // as systemd does
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, begins, sends string }{
		{"as it is", "\nExecStart=", ""},
		{"with a token", "\n#ExecStart=", "Bearer " + token},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, line, _ := strings.Cut(string(text), tt.begins)
			line, _, _ = strings.Cut(line, "\n")
			pushesUntilItIsEnded(t, strings.ReplaceAll(line, "${CREDENTIALS_DIRECTORY}", dir), tt.sends)
		})
	}
	if !strings.Contains(string(text), "\n#LoadCredential=token:/") {
		t.Error("nobody writes the token into the directory of credentials")
	}
}

func pushesUntilItIsEnded(t *testing.T, line, authorization string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	asked := make(chan string, 1)
	engine := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.Header.Get("Authorization")
		cancel()
	}))
	defer engine.Close()
	var out, errs bytes.Buffer
	code := run(ctx, append(strings.Fields(line), "--engine", engine.URL), &out, &errs)
	if code != exitOK || out.Len()+errs.Len() > 0 {
		t.Errorf("%q ends with %d %q %q", line, code, out.String(), errs.String())
	}
	select {
	case got := <-asked:
		if want := "/athena/update/phys " + authorization; got != want {
			t.Errorf("%q asks for %q, want %q", line, got, want)
		}
	default:
		t.Errorf("%q pushes nothing", line)
	}
}
