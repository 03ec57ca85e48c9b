package sampler

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStatusFixtures(t *testing.T) {
	for file, want := range map[string]workers{
		"mod_status.txt":   {busy: 4, total: 150},
		"stub_status.txt":  {busy: 185},
		"php-fpm.txt":      {busy: 5, total: 8},
		"php-fpm-full.txt": {busy: 5, total: 8},
		"php-fpm.json":     {busy: 5, total: 8},
	} {
		page, err := os.ReadFile(filepath.Join("testdata/status", file))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseStatus(page); err != nil || got != want {
			t.Errorf("%s: %+v, error %v, want %+v", file, got, err, want)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for _, c := range []struct {
		name, page string
		want       workers
		err        string
	}{
		{name: "a scoreboard alone", page: "Scoreboard: _W.SIKG_", want: workers{busy: 3, total: 8}},
		{name: "no scoreboard", page: "BusyWorkers: 3\nIdleWorkers: 7\n", want: workers{busy: 3, total: 10}},
		{name: "Apache 1.3", page: "BusyServers: 3\nIdleServers: 7\nScoreboard: WWW_______..", want: workers{busy: 3, total: 12}},
		{name: "line ends of Windows", page: "BusyWorkers: 3\r\nIdleWorkers: 7\r\n", want: workers{busy: 3, total: 10}},
		{name: "nothing runs", page: "BusyWorkers: 0\nIdleWorkers: 0\n", want: workers{}},
		{
			name: "Tengine, with a column more",
			page: "Active connections: 1 \nserver accepts handled requests request_time\n 2 2 2 3\nReading: 0 Writing: 1 Waiting: 0 \n",
			want: workers{busy: 1},
		},
		{name: "JSON with figures in quotes", page: ` {"active processes":"2","total processes":3}`, want: workers{busy: 2, total: 3}},
		{name: "nothing", page: "", err: "none of"},
		{name: "a page without ?auto", page: "<!DOCTYPE html><html>", err: "?auto"},
		{name: "some other page", page: "Welcome: to nginx!", err: "none of"},
		{name: "half of mod_status", page: "BusyWorkers: 3\n", err: "IdleWorkers is"},
		{name: "less than nothing", page: "BusyWorkers: -3\nIdleWorkers: 4", err: "BusyWorkers is \"-3\""},
		{name: "too many", page: "BusyWorkers: 1048577\nIdleWorkers: 4", err: "want a number from 0 to 1048576"},
		{name: "no number", page: "active processes: lots\ntotal processes: 4", err: "active processes is \"lots\""},
		{name: "stub_status cut off", page: "Active connections: 291 \nserver accepts", err: "stub_status without"},
		{name: "stub_status with other words", page: "Active connections: 1\nReading: 1 Waiting: 2", err: "stub_status without"},
		{name: "stub_status with no number", page: "Active connections: 1\nReading: 1 Writing: x", err: "Writing is"},
		{name: "JSON cut off", page: `{"active processes":2,"total`, err: "JSON of php-fpm"},
		{name: "JSON of something else", page: `{"ok":true}`, err: "active processes is"},
		{name: "JSON with a fraction", page: `{"active processes":2.5,"total processes":3}`, err: "active processes is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseStatus([]byte(c.page))
			switch {
			case c.err != "":
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one with %q", err, c.err)
				}
			case err != nil || got != c.want:
				t.Errorf("got %+v, error %v, want %+v", got, err, c.want)
			}
		})
	}
}

func FuzzParseStatus(f *testing.F) {
	files, err := filepath.Glob("testdata/status/*")
	if err != nil || len(files) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, name := range files {
		page, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page)
	}
	f.Add([]byte("Scoreboard: \xff\x00W"))
	f.Add([]byte("Reading: 1\nActive connections: :"))
	f.Fuzz(func(t *testing.T, page []byte) {
		if len(page) > maxStatus {
			return // never read
		}
		w, err := parseStatus(page)
		switch {
		case err != nil && w != (workers{}):
			t.Errorf("figures %+v beside the error %v", w, err)
		case w.busy < 0 || w.busy > 2*maxWorkers || w.total > 2*maxWorkers, w.total != 0 && w.busy > w.total:
			t.Errorf("out of bounds: %+v", w)
		case err != nil && len(err.Error()) > 500:
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
