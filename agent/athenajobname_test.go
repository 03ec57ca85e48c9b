//go:build linux

package agent

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"backhand/gossip/gossiptest/lab"
)

// A node's name is what it says of itself, and job.sh makes an argument of ssh of it.
func TestAthenaAJobIsRunAtNothingButAHost(t *testing.T) {
	lab.Need(t, "curl")
	dir := t.TempDir()
	const ssh = "#!/bin/sh\nprintf '<%s>' \"$@\"\n"
	for name, text := range map[string]string{"ssh": ssh, "job.sh": example(t, "job.sh")} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, answer string
		code         int
		out          string
	}{
		{"a host", "app-01.example_com", 0, "<--><app-01.example_com><true><-v>"},
		{"one that begins with a digit", "10.58.4.21", 0, "<--><10.58.4.21><true><-v>"},
		{"an option of ssh", "-oProxyCommand=reboot", 75, ""},
		{"an option of ssh without odd characters", "-v", 75, ""},
		{"a user", "root@app01", 75, ""},
		{"two words", "app01 app02", 75, ""},
		{"two lines", "app01\napp02", 75, ""},
		{"a command", "$(reboot)", 75, ""},
		{"a pattern", "*", 75, ""},
		{"a report of another", "app01,done=app02", 75, ""},
		{"nothing", "", 75, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery == "Ejobs" {
					_, _ = io.WriteString(w, tt.answer+"\n")
				}
			}))
			defer engine.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, "sh", filepath.Join(dir, "job.sh"), "jobs", "true", "-v")
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "BACKHAND_ENGINES="+engine.URL, "BACKHAND_RUN=")
			out, err := cmd.Output()
			if code := cmd.ProcessState.ExitCode(); code != tt.code || string(out) != tt.out {
				t.Errorf("%d %q, %v, want %d %q", code, out, err, tt.code, tt.out)
			}
		})
	}
}
