package proxy_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
	"backhand/proxy"
)

const appKey = "correct-horse-battery-staple"

func appCookie() *proxy.Cookie { return proxy.NewCookie("athena", []byte(appKey)) }

// documented returns the line by which a program of that language makes a cookie, as the example tells people to.
func documented(t *testing.T, language string) string {
	t.Helper()
	file, err := os.ReadFile("../contrib/examples/cookie.toml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(file), "\n") {
		if code, ok := strings.CutPrefix(line, "# "+language+":"); ok {
			return strings.TrimSpace(code)
		}
	}
	t.Fatalf("the example has no line for %s", language)
	return ""
}

// Programs make the cookie as the example tells them, and it is what we take.
func TestCookiesOfApplications(t *testing.T) {
	for _, tc := range []struct {
		language string
		needs    []string
		run      func(code, do, target string) *exec.Cmd
	}{
		{"PHP", []string{"php"}, func(code, do, target string) *exec.Cmd {
			return exec.Command("php", "-r", "[, $do, $target, $key] = $argv; "+code+" echo $v;", "--", do, target, appKey)
		}},
		{"Python", []string{"python3"}, func(code, do, target string) *exec.Cmd {
			return exec.Command("python3", "-c", "import base64, hmac, sys, time, urllib.parse; _, do, target, key = sys.argv; key = key.encode(); "+
				code+"; print(v, end='')", do, target, appKey)
		}},
	} {
		t.Run(tc.language, func(t *testing.T) {
			lab.Need(t, tc.needs...)
			code := documented(t, tc.language)
			for _, in := range []proxy.Instruction{{Do: proxy.Stick, Target: "app1"}, {Do: proxy.Stay, Target: "www-1_a~b.example.com"}, {Do: proxy.Move, Target: "a b/ü+%"}} {
				out, err := tc.run(code, in.Do, in.Target).Output()
				if err != nil {
					t.Fatalf("%s: %v", code, err)
				}
				got, err := appCookie().Verify(string(out), time.Now())
				left := time.Until(got.Expires)
				if got.Expires = in.Expires; got != in || err != nil || left < time.Hour-time.Minute || left > time.Hour {
					t.Errorf("%s says %q, which is read as %+v, %v", tc.language, out, got, err)
				}
			}
		})
	}
}

// The line for Go is this one.
func TestCookieOfAnApplicationInGo(t *testing.T) {
	own, err := os.ReadFile("cookieapps_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for code := range strings.SplitSeq(documented(t, "Go"), "; ") {
		if !strings.Contains(string(own), "\n\t"+code+"\n") {
			t.Errorf("this test does not run %s", code)
		}
	}
	do, target, key := proxy.Stick, "a b.c/ü+%", []byte(appKey)
	sum := func(key []byte, v string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(v))
		return mac.Sum(nil)
	}
	v := fmt.Sprintf("v1.%s.%d.%s", do, time.Now().Unix()+3600, strings.ReplaceAll(url.QueryEscape(target), "+", "%20"))
	v += "." + base64.RawURLEncoding.EncodeToString(sum(key, v))
	if got, err := appCookie().Verify(v, time.Now()); got.Do != do || got.Target != target || err != nil {
		t.Errorf("%q is read as %+v, %v", v, got, err)
	}
}
