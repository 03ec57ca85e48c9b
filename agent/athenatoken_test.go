package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sends asks with a token, or with none, and returns the status.
func (a *asked) sends(path, token string) int {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, a.engine+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

func TestTokensCountFromTheReloadOn(t *testing.T) {
	const first, second = "first-0123456789abcdef", "second-0123456789abcdef"
	file := filepath.Join(t.TempDir(), "tokens")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("deploy " + first + " update\n")
	jobs := "token_file = \"" + file + "\"\n" + physes("jobs", "", "app01")
	a := startAsked(t, jobs)
	const off, on = "/athena/update/phys?h=app01,o=off,r=disks", "/athena/update/phys?h=app01,o=on"
	for _, row := range []struct {
		name, path, token string
		want              int
	}{
		{"a part that is open", "/athena/balance?jobs", "", 200},
		{"no token", off, "", 401},
		{"another one", off, second, 401},
		{"the token", off, first, 200},
	} {
		if got := a.sends(row.path, row.token); got != row.want {
			t.Errorf("%s: %d, want %d", row.name, got, row.want)
		}
	}
	if log := a.logged(); !strings.Contains(log, `by="deploy at 127.0.0.1"`) {
		t.Errorf("the log does not say who has the token:\n%s", log)
	}

	write("deploy " + second + " update,balance\n")
	if got := a.sends(on, second); got != 401 {
		t.Errorf("before the reload the new token is answered by %d", got)
	}
	a.rewrite(jobs)
	if got := [...]int{a.sends(on, first), a.sends(on, second), a.sends("/athena/balance?jobs", "")}; got != [...]int{401, 200, 401} {
		t.Errorf("after the reload the old token, the new one, and none for balance are answered by %v", got)
	}
	write("nonsense\n")
	if err := a.Reload(); err == nil || !strings.Contains(err.Error(), file+":1: want NAME TOKEN PART") {
		t.Errorf("a broken file of tokens is taken over: %v", err)
	}
	if got := a.sends(on, second); got != 200 {
		t.Errorf("after a reload that failed the token is answered by %d", got)
	}
	a.rewrite(physes("jobs", "", "app01"))
	if got := a.sends(on, ""); got != 200 {
		t.Errorf("without tokens an update is answered by %d", got)
	}
}
