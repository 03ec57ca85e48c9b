//go:build linux

package agenttest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"backhand/gossip/gossiptest/lab"
)

func TestOrigins(t *testing.T) {
	l := lab.New(t, 2)
	everywhere := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv4Unspecified(), port) }
	apache := StartApache(t, l.Host(1), Site{
		Addr:   everywhere(80),
		Label:  "www1",
		Pages:  map[string]string{"sub/sum.php": "<?php echo 20 + 3;"},
		Config: "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 10.58.4.2",
	})
	nginx := StartNginx(t, l.Host(1), Site{
		Addr:   everywhere(81),
		Pages:  map[string]string{"file.txt": "plain"},
		Config: "set_real_ip_from 10.58.4.2; real_ip_header X-Forwarded-For;",
	})
	client := l.Host(2).HTTPClient(t)

	for _, c := range []struct {
		name, at, label, software string
	}{
		{"Apache", "10.58.4.1", "www1", "Apache/"},
		{"nginx", "10.58.4.1:81", "host1", "nginx/"},
	} {
		want := Answer{
			Label: c.label, Method: "POST", URI: "/whoami.php?a=b", Host: "www.example", RemoteAddr: "203.0.113.5",
			Proto: "https", Via: "1.1 front", BodyBytes: 9,
		}
		t.Run(c.name+" says who it is and whom it sees", func(t *testing.T) {
			got := post(t, client, "http://"+c.at+"/whoami.php?a=b")
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Answer{}, "Software", "ForwardedFor")); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(got.Software, c.software) {
				t.Errorf("software %q, want %s", got.Software, c.software)
			}
		})
	}
	t.Run("pages of the test are served, PHP is run by Apache", func(t *testing.T) {
		expect(t, client, "http://10.58.4.1/sub/sum.php", 200, "23")
		expect(t, client, "http://10.58.4.1:81/file.txt", 200, "plain")
	})
	t.Run("the status pages are for the host itself", func(t *testing.T) {
		expect(t, client, "http://10.58.4.1/server-status?auto", 403, "")
		expect(t, client, "http://10.58.4.1:81/stub_status", 403, "")
		at := l.Host(1).HTTPClient(t)
		expect(t, at, "http://127.0.0.1/server-status?auto", 200, "BusyWorkers: ")
		expect(t, at, "http://127.0.0.1:81/stub_status", 200, "Active connections: ")
	})
	for name, o := range map[string]*Origin{"apache": apache, "nginx": nginx} {
		t.Run(name+" stops and comes back", func(t *testing.T) {
			o.Stop(t)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if _, err := l.Host(1).Dial(ctx, "tcp", o.addr.String()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("after Stop a connect gives %v, want refused", err)
			}
			o.Start(t)
		})
	}
}

// post sends a form as a proxy at host 2 would.
func post(t *testing.T, client *http.Client, url string) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("nine byte"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "www.example"
	req.Header.Set("X-Forwarded-For", "203.0.113.5")
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("Via", "1.1 front")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ReadAnswer(resp)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func expect(t *testing.T, client *http.Client, url string, status int, part string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !strings.Contains(string(body), part) {
		t.Errorf("%s: %s %v, want %d with %q:\n%s", url, resp.Status, err, status, part, body)
	}
}

func TestParseAnswer(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a page that is something else", "<html>\n", "is no line of an answer"},
		{"an answer that says nothing of its origin", "method: GET\n", "without a label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseAnswer(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Both servers write the same lines, so that a test need not know which one answered.
func TestAnswersAreAlike(t *testing.T) {
	keys := func(text, start, end string) (found []string) {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if key, _, ok := strings.Cut(line, end); ok && strings.HasPrefix(line, start) {
				found = append(found, strings.TrimPrefix(key, start))
			}
		}
		return found
	}
	php, nginx := keys(whoamiPHP, `"`, `" => `), keys(whoamiNginx, "", ": ")
	if !slices.Equal(php, nginx) {
		t.Errorf("PHP writes %q, nginx %q", php, nginx)
	}
}
