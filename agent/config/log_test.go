package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLog(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want Log
	}{
		"none":                     {"", Log{Format: LogCombined}},
		"a file":                   {"[log]\naccess = '/var/log/a.log'", Log{Access: "/var/log/a.log", Format: LogCombined}},
		"combined, and said so":    {"[log]\naccess = '-'\nformat = 'combined'", Log{Access: "-", Format: LogCombined}},
		"JSON for whoever reads -": {"[log]\nformat = 'json'\naccess = '-'", Log{Access: "-", Format: LogJSON}},
	} {
		t.Run(name, func(t *testing.T) {
			c := good(t, "cluster = 'web'\n"+row.text, host())
			if d := cmp.Diff(row.want, c.Log); d != "" {
				t.Errorf("log (-want +got):\n%s", d)
			}
			if len(c.Warnings) > 0 {
				t.Errorf("warned: %q", c.Warnings)
			}
		})
	}
}

func TestMistakesOfLog(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"a format that there is not": {"access = '-'\nformat = 'JSON'", `4: log.format is "JSON": write "combined" or "json"`},
		"a format that is no string": {
			"access = '-'\nformat = ['json']", `4: log.format is a list: write a string, such as "json"`,
		},
		"a directory": {
			"access = '/var/log/'",
			`3: log.access is "/var/log/", a directory: write the file, too, such as "/var/log/access.log"`,
		},
		"a misspelt key": {"fromat = 'json'", "3: log.fromat is not known: did you mean format?"},
	} {
		t.Run(name, func(t *testing.T) {
			got := found(t, "cluster = 'web'\n[log]\n"+row.text, host())
			if d := cmp.Diff([]string{row.want}, got); d != "" {
				t.Errorf("mistakes (-want +got):\n%s", d)
			}
		})
	}
}

func TestAFormatOfNoLogIsOdd(t *testing.T) {
	c := good(t, "cluster = 'web'\nlog.format = 'json'", host())
	want := []string{`f:2: log.format is that of no log: write access = "/var/log/backhand/access.log", too`}
	if d := cmp.Diff(want, c.Warnings); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
}
