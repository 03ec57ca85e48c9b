package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/gossiptest/lab"
)

// member is one of the farm jobs that is well, unless these words say otherwise.
func member(name string, words ...string) physState {
	m := physState{Name: name, Farm: "jobs", State: "on", Health: "up", Updates: "in", Fit: true}
	for _, w := range words {
		m.Fit = false
		switch w {
		case "off", "drain":
			m.State = w
		case "down":
			m.Health = w
		case "out":
			m.Updates = w
		default:
			m.Why = w
		}
	}
	return m
}

func TestWhatTheMonitorSays(t *testing.T) {
	well := farmState{Name: "jobs", State: "on", Health: "up"}
	for _, tt := range []struct {
		name    string
		farm    farmState
		members []physState
		limit   thresholds
		code    int
		says    string
	}{
		{"all is well", well, []physState{member("a"), member("b")}, thresholds{}, nagiosOK, `BACKHAND OK - 1 farm, 2 of 2 members can be chosen | 'jobs fit'=2;;;0;2 'jobs sick'=0;0;0;0;2
`},
		{"down alarms", well, []physState{member("a"), member("b", "down", "disk full")}, thresholds{}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 1 of 2 members can be chosen, 1 sick | 'jobs fit'=1;;;0;2 'jobs sick'=1;0;0;0;2
CRITICAL: b of farm jobs is down: disk full
`},
		{"out alarms", well, []physState{member("a"), member("b", "out", "out: no statistics for 30 s")}, thresholds{}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 1 of 2 members can be chosen, 1 sick | 'jobs fit'=1;;;0;2 'jobs sick'=1;0;0;0;2
CRITICAL: b of farm jobs is out: no statistics for 30 s
`},
		{"off does not, nor does drain, whatever else befalls them", well, []physState{member("a"), member("b", "off", "down"), member("c", "drain", "out")}, thresholds{}, nagiosOK, `BACKHAND OK - 1 farm, 1 of 3 members can be chosen, 2 off or draining | 'jobs fit'=1;;;0;3 'jobs sick'=0;0;0;0;3
`},
		{"a member that cannot be chosen for another reason", well, []physState{member("a"), member("b", "its clock is wrong")}, thresholds{}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 1 of 2 members can be chosen, 1 sick | 'jobs fit'=1;;;0;2 'jobs sick'=1;0;0;0;2
CRITICAL: b of farm jobs cannot be chosen: its clock is wrong
`},
		{"nobody is left, as operators want it", well, []physState{member("a", "off")}, thresholds{}, nagiosOK, `BACKHAND OK - 1 farm, 0 of 1 member can be chosen, 1 off or draining | 'jobs fit'=0;;;0;1 'jobs sick'=0;0;0;0;1
all off: farm jobs, of which the only member is off or drains
`},
		{"the same of several, whatever else befalls them", well, []physState{member("a", "off", "down"), member("b", "drain", "out")}, thresholds{}, nagiosOK, `BACKHAND OK - 1 farm, 0 of 2 members can be chosen, 2 off or draining | 'jobs fit'=0;;;0;2 'jobs sick'=0;0;0;0;2
all off: farm jobs, of which all 2 members are off or drain
`},
		{"all but one are off, and that is tolerated to be sick", well, []physState{member("a", "off"), member("b", "down")}, thresholds{1, 1}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 0 of 2 members can be chosen, 1 off or draining, 1 sick | 'jobs fit'=0;;;0;2 'jobs sick'=1;1;1;0;2
tolerated: b of farm jobs is down
CRITICAL: farm jobs has nobody who can be chosen, of 2 members
`},
		{"all are off, and the farm was said to be down", farmState{Name: "jobs", State: "on", Health: "down", Why: "fire"}, []physState{member("a", "off")}, thresholds{}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 0 of 1 member can be chosen, 1 off or draining | 'jobs fit'=0;;;0;1 'jobs sick'=0;0;0;0;1
CRITICAL: farm jobs is down: fire
`},
		{"a farm without members", well, nil, thresholds{}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 0 of 0 members can be chosen | 'jobs fit'=0;;;0;0 'jobs sick'=0;0;0;0;0
CRITICAL: farm jobs has nobody who can be chosen, of 0 members
`},
		{"a farm that is down; its members are not blamed for it", farmState{Name: "jobs", State: "on", Health: "down", Why: "no database"}, []physState{member("a", "its farm takes no requests")}, thresholds{}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 0 of 1 member can be chosen | 'jobs fit'=0;;;0;1 'jobs sick'=0;0;0;0;1
CRITICAL: farm jobs is down: no database
`},
		{"a farm that is off", farmState{Name: "jobs", State: "off", Health: "up"}, []physState{member("a", "down"), member("b", "its farm takes no requests")}, thresholds{}, nagiosOK, `BACKHAND OK - 1 farm, 0 of 2 members can be chosen, 1 farm off | 'jobs fit'=0;;;0;2 'jobs sick'=0;0;0;0;2
`},
		{"as many as are tolerated", well, []physState{member("a"), member("b", "down")}, thresholds{1, 2}, nagiosOK, `BACKHAND OK - 1 farm, 1 of 2 members can be chosen, 1 sick | 'jobs fit'=1;;;0;2 'jobs sick'=1;1;2;0;2
tolerated: b of farm jobs is down
`},
		{"more than that", well, []physState{member("a"), member("b", "down"), member("c", "out")}, thresholds{1, 2}, nagiosWarning, `BACKHAND WARNING - 1 farm, 1 of 3 members can be chosen, 2 sick | 'jobs fit'=1;;;0;3 'jobs sick'=2;1;2;0;3
WARNING: b of farm jobs is down
WARNING: c of farm jobs is out: no statistics come
`},
		{"far more", well, []physState{member("a"), member("b", "down"), member("c", "out"), member("d", "down")}, thresholds{1, 2}, nagiosCritical, `BACKHAND CRITICAL - 1 farm, 1 of 4 members can be chosen, 3 sick | 'jobs fit'=1;;;0;4 'jobs sick'=3;1;2;0;4
CRITICAL: b of farm jobs is down
CRITICAL: c of farm jobs is out: no statistics come
CRITICAL: d of farm jobs is down
`},
		{"names and reasons that would be data, or paint the terminal", well, []physState{member("a"), member("b|\x1b[2J", "down", "x | 'y'=1\n")}, thresholds{}, nagiosCritical, "BACKHAND CRITICAL - 1 farm, 1 of 2 members can be chosen, 1 sick | 'jobs fit'=1;;;0;2 'jobs sick'=1;0;0;0;2\n" +
			"CRITICAL: b/\ufffd[2J of farm jobs is down: x / 'y'=1\ufffd\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			others := append([]physState{{Name: "x", Farm: "other", State: "on", Health: "down"}}, tt.members...)
			r, err := judge(engineState{Farms: []farmState{{Name: "other", State: "on"}, tt.farm}, Members: others}, []string{"jobs"}, tt.limit)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			r.write(&out)
			if d := cmp.Diff(tt.says, out.String()); d != "" || r.worst != tt.code {
				t.Errorf("code %d, want %d (-want +got):\n%s", r.worst, tt.code, d)
			}
		})
	}
}

func TestTheMonitorLooksAtAllFarmsIfNoneIsNamed(t *testing.T) {
	s := engineState{Farms: []farmState{{Name: "jobs", State: "on", Health: "up"}, {Name: "a='b'|c", State: "off"}}, Members: []physState{member("a")}}
	r, err := judge(s, nil, thresholds{})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r.write(&out)
	want := "BACKHAND OK - 2 farms, 1 of 1 member can be chosen, 1 farm off | 'jobs fit'=1;;;0;1 'jobs sick'=0;0;0;0;1 " +
		"'a__b_/c fit'=0;;;0;0 'a__b_/c sick'=0;0;0;0;0\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := judge(s, []string{"jobs", "job"}, thresholds{}); err == nil || err.Error() != `there is no farm "job"; known: jobs, a='b'|c` {
		t.Errorf("of a farm that there is not: %v", err)
	}
	if _, err := judge(engineState{Farms: []farmState{}}, nil, thresholds{}); err == nil {
		t.Error("of no farms at all it says that all is well")
	}
}

func TestWhereNothingIsKnownTheMonitorSaysSo(t *testing.T) {
	refusing := answers(t, 403, jsonKind, `{"error":"10.0.0.7 may not use status"}`).URL
	other := answers(t, 200, jsonKind, `{}`).URL
	for _, tt := range []struct{ name, args, says string }{
		{"no engine answers", "--engine http://127.0.0.1:" + freePort(t), "no engine answers at "},
		{"it refuses", "--engine " + refusing, "the engine at " + refusing + "/athena: 10.0.0.7 may not use status"},
		{"it is another one", "--engine " + other, "the engine at " + other + "/athena tells of no farms"},
		{"a flag that there is not", "--nonsense", "monitor: flag provided but not defined: -nonsense"},
		{"a threshold that is no number", "--warning few", "monitor: invalid value"},
		{"thresholds in the wrong order", "-w 2 -c 1", "monitor: --warning is 2 and --critical 1"},
		{"a threshold that is a file", "-c /etc/backhand/backhand.toml", "monitor: invalid value"},
		{"a threshold below nothing", "--critical -1", "monitor: --critical is -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := runs(t, append([]string{"monitor"}, strings.Fields(tt.args)...)...)
			if code != nagiosUnknown || !strings.HasPrefix(out, "BACKHAND UNKNOWN - "+tt.says) || strings.Count(out, "\n") != 1 || errs != "" {
				t.Errorf("%d %q %q, want %q", code, out, errs, tt.says)
			}
		})
	}
}

func TestTheThresholdsOfTheMonitor(t *testing.T) {
	const sick = `{"engine":{},"farms":[{"name":"jobs","state":"on","health":"up"}],"physicals":[` +
		`{"name":"a","farm":"jobs","state":"on","health":"up","updates":"in","fit":true},` +
		`{"name":"b","farm":"jobs","state":"on","health":"down"},{"name":"c","farm":"jobs","state":"on","health":"down"}]}`
	engine := answers(t, 200, jsonKind, sick).URL
	for _, tt := range []struct {
		name, args string
		code       int
	}{
		{"none: one that is sick is critical", "", nagiosCritical},
		{"as many as are sick warn, and more would be critical", "-w 2", nagiosOK},
		{"more are sick than warn, and as many as are critical without another word", "-w 1", nagiosCritical},
		{"more are sick than warn, and not more than are critical", "-w 1 -c 2", nagiosWarning},
		{"long names, in the other order", "--critical 2 --warning 1", nagiosWarning},
		{"only that of critical: one that is sick warns", "-c 2", nagiosWarning},
		{"both are reached", "-w 0 -c 1", nagiosCritical},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := runs(t, append([]string{"monitor", "--engine", engine}, strings.Fields(tt.args)...)...)
			if code != tt.code || !strings.HasPrefix(out, "BACKHAND ") || errs != "" {
				t.Errorf("%d %q %q, want %d", code, out, errs, tt.code)
			}
		})
	}
}

// Check 20 of what is documented of mod_athena, with an agent.
func TestAthena20TheMonitorAlarmsOnDownAndOnOut(t *testing.T) {
	at, file := startEngine(t, `[[farm]]
name   = "jobs"
member = [
  { name = "well", url = "http://127.0.0.1:1" },
  { name = "app01", url = "http://127.0.0.1:1" } ]
[[farm]]
name   = "pushing"
member = [ { name = "silent", url = "http://127.0.0.1:1", expect_update = "1s" } ]
`)
	sees := func(farm string, code int, has string) error {
		got, out, errs := runs(t, "monitor", farm, "--config", file)
		if got != code || !strings.Contains(out, has) {
			return fmt.Errorf("%d %q %q, want %d with %q", got, out, errs, code, has)
		}
		return nil
	}
	says := func(code int, has string) {
		t.Helper()
		lab.Eventually(t, 10*time.Second, func() error { return sees("jobs", code, has) })
	}
	tell := func(args ...string) {
		t.Helper()
		if code, out, errs := runs(t, append([]string{"set", "--config", file}, args...)...); code != 0 {
			t.Fatalf("set %v: %d %q %q", args, code, out, errs)
		}
	}
	lab.Eventually(t, 10*time.Second, func() error {
		return sees("pushing", nagiosCritical, "CRITICAL: silent of farm pushing is out: ")
	})
	lab.Eventually(t, 10*time.Second, func() error { // as long as it pushes
		if code, out, errs := runs(t, "send", "--config", file, "--name", "silent", "--only", "queue=3"); code != 0 {
			return fmt.Errorf("send: %d %q %q", code, out, errs)
		}
		return sees("pushing", nagiosOK, "BACKHAND OK - 1 farm, 1 of 1 member can be chosen |")
	})
	says(nagiosOK, "BACKHAND OK - 1 farm, 2 of 2 members can be chosen |")
	tell("app01", "down", "--reason", "disk full")
	says(nagiosCritical, "CRITICAL: app01 of farm jobs is down: disk full\n")
	tell("app01", "off")
	says(nagiosOK, "1 of 2 members can be chosen, 1 off or draining |")
	tell("app01", "drain")
	says(nagiosOK, "1 of 2 members can be chosen, 1 off or draining |")
	tell("app01", "on")
	says(nagiosCritical, "CRITICAL: app01 of farm jobs is down: ")
	tell("app01", "up")
	says(nagiosOK, "2 of 2 members")
	tell("jobs", "down", "--farm")
	says(nagiosCritical, "CRITICAL: farm jobs is down")
	tell("jobs", "off", "--farm")
	says(nagiosOK, "1 farm off")

	r, err := newEngine(at, "", time.Second).get(t.Context(), "status/phys?E"+url.PathEscape(`h=silent,f=json`))
	if err = errors.Join(err); err != nil || !strings.Contains(string(r.body), `"queue":3`) {
		t.Errorf("the statistic that was sent: %s, %v", r.body, err)
	}
}
