package athena

import (
	"fmt"
	"strings"
	"testing"

	"backhand/gossip/node"
)

// words writes updates as people would say them.
func words(updates []node.Update) string {
	var b strings.Builder
	for i, u := range updates {
		if i > 0 {
			b.WriteString("; ")
		}
		if u.Farm {
			b.WriteString("farm ")
		}
		b.WriteString(u.Name)
		if off, drain, said := u.OnOff(); said {
			b.WriteString(" " + onOff(&node.Standing{Off: off, Drain: drain}))
		}
		if u.Down != nil {
			b.WriteString(" " + upDown(*u.Down))
		}
		if u.Why != "" {
			fmt.Fprintf(&b, " (%s)", u.Why)
		}
		for _, s := range u.Stats {
			fmt.Fprintf(&b, " %s=%v", s.Name, s.Value)
			if !s.At.Equal(fixed()) {
				fmt.Fprintf(&b, "@%v", s.At)
			}
		}
	}
	return b.String()
}

func TestUpdates(t *testing.T) {
	for _, tt := range []struct{ name, target, want string }{
		{"it is alive", "phys?h=app01", "app01"},
		{"a statistic", "phys?h=app01,load1=0.4", "app01 load1=0.4"},
		{"letters of statistics", "phys?h=app01,c=0.5,l=2,d=17", "app01 cpu=0.5 load1=2 db=17"},
		{"any statistic", "phys?h=app01,jobs.waiting-now_2=1e3", "app01 jobs.waiting-now_2=1000"},
		{"a large number", "phys?h=app01,load1=1e+3", "app01 load1=1000"},
		{"zero has no sign", "phys?h=app01,load1=-0", "app01 load1=0"},
		{"off, and why", `phys?Eh=app01,state=off,why="new%20disk"`, "app01 off (new disk)"},
		{"it drains, and why", "phys?h=app01,state=drain,why=update", "app01 drain (update)"},
		{"all of a farm drain", "phys?g=farm_two,h=*,o=drain", "app01 drain"},
		{"down by letters", "phys?h=app01,u=down,r=x", "app01 down (x)"},
		{"back on and up", "phys?h=app01,state=on,health=up", "app01 on up"},
		{"several at once", "phys?h=app01,h=db01,state=off", "app01 off; db01 off"},
		{"several requests", "phys?app01,load1=1;app02,load1=2", "app01 load1=1; app02 load1=2"},
		{"a pattern, each once though it is in two farms", "phys?h=app*,state=off", "app01 off; app02 off"},
		{"a pattern stands for no node", "phys?g=farm_two,h=*,state=off", "app01 off"},
		{"a node by its name", "phys?h=www1,load1=1", "www1 load1=1"},
		{"a name within a farm", "phys?g=farm_two,h=app01,state=off", "app01 off"},
		{"a farm", "farm?h=farm_one,state=off,why=x", "farm farm_one off (x)"},
		{"farms", "farm?farm_one,g=farm_two,health=down", "farm farm_one down; farm farm_two down"},
		{"all farms", "farm?*,state=on", "farm farm_one on; farm farm_two on; farm East on; farm empty on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newHandler()
			says(t, get(h, "/athena/update/"+tt.target), 200, "")
			if got := words(f.told); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if f.by != "127.0.0.1" {
				t.Errorf("by %q", f.by)
			}
		})
	}
}

func TestUpdatesAreRefused(t *testing.T) {
	many := "phys?h=app01"
	for i := range node.MaxStats + 1 {
		many += fmt.Sprintf(",s%d=1", i)
	}
	for _, tt := range []struct {
		name, target string
		status       int
		has          string
	}{
		{"nothing", "phys", 400, "at byte 1: want the name of a physical, as in h=NAME"},
		{"no name", "phys?load1=1", 400, "at byte 1: want the name of a physical in each request"},
		{"no name in the second request", "phys?app01;load1=1", 400, "at byte 7: want the name"},
		{"somebody unknown", "phys?app09,load1=1", 404, `there is no physical "app09"; known: app01`},
		{"somebody unknown beside others", "phys?app01,load1=1;app09", 404, `there is no physical "app09"`},
		{"a farm that is unknown", "farm?nobody,state=off", 404, `there is no farm "nobody"`},
		{"a pattern that fits nothing", "phys?x*,state=off", 404, `there is no physical "x*"`},
		{"one that is not in the farm", "phys?g=farm_two,h=app02", 404, `known: app01, www1`},
		{"no number", "phys?h=app01,load1=high", 400, `at byte 15: want a number from 0 up, as 0.4, for "load1", not "high"`},
		{"NaN", "phys?h=app01,load1=NaN", 400, "at byte 15: want a number"},
		{"infinity", "phys?h=app01,load1=+Inf", 400, "at byte 15: want a number"},
		{"more than a number holds", "phys?h=app01,load1=1e999", 400, "at byte 15: want a number"},
		{"less than nothing", "phys?h=app01,load1=-0.1", 400, "at byte 15: want a number"},
		{"hexadecimal", "phys?h=app01,load1=0x10", 400, "at byte 15: want a number"},
		{"no value", `phys?h=app01,load1=""`, 400, "at byte 16: want a number"},
		{"a newline in a name", "phys?Eh=app01%0a,load1=1", 400, "at byte 9: want text"},
		{"a newline in a reason", `phys?Eh=app01,state=off,why="a%0Ab"`, 400, "want text in UTF-8 without control characters"},
		{"a statistic's name that cannot be", "phys?h=app01,1load=1", 400, `at byte 9: "1load" is no code of a physical: want one`},
		{"a letter that is none", "phys?h=app01,z=1", 400, `"z" is no code`},
		{"in and out are not written", "phys?h=app01,updates=in", 400, `at byte 9: "updates" can only be read`},
		{"nor is the weight", "phys?h=app01,weight=2", 400, "can only be read"},
		{"nor a format", "phys?h=app01,f=%h", 400, "can only be read"},
		{"neither on nor off", "phys?h=app01,state=down", 400, `at byte 15: want on, off or drain for "state", not "down"`},
		{"a farm that is neither", "farm?farm_one,state=down", 400, `want on or off for "state", not "down"`},
		{"a farm that drains", "farm?farm_one,state=drain", 400, "a farm cannot drain: drain its physicals, by update/phys?g=FARM,h=*,state=drain"},
		{"both on and drain", "phys?h=app01,state=on,o=drain", 400, `at byte 18: "o" is given twice`},
		{"both drain and off", "phys?h=app01,state=drain,o=off", 400, `"o" is given twice`},
		{"neither up nor down", "phys?h=app01,health=1", 400, "want up or down"},
		{"both on and off", "phys?h=app01,state=on,o=off", 400, `at byte 18: "o" is given twice`},
		{"a statistic twice", "phys?h=app01,l=1,load1=2", 400, `at byte 13: "load1" is given twice`},
		{"a reason for nothing", "phys?h=app01,why=x", 400, "at byte 9: want state or health beside why"},
		{"a long reason", "phys?h=app01,state=off,why=" + strings.Repeat("x", 65), 400, "want at most 64 bytes"},
		{"too many statistics", many, 400, "want at most 64 statistics of one physical"},
		{"statistics of a farm", "farm?farm_one,load1=1", 400, `"load1" is no code of a farm`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newHandler()
			refuses(t, get(h, "/athena/update/"+tt.target), tt.status, tt.has)
			if len(f.told) != 0 {
				t.Errorf("told: %s", words(f.told))
			}
		})
	}
}

func TestAtMostAThousandAreUpdatedAtOnce(t *testing.T) {
	h, f := newHandler()
	for i := range 1000 {
		f.physes = append(f.physes, Phys{Name: fmt.Sprintf("p%04d", i), Farm: "big"})
	}
	says(t, get(h, "/athena/update/phys?g=big,h=*,state=off"), 200, "")
	if len(f.told) != 1000 {
		t.Errorf("%d were told", len(f.told))
	}
	refuses(t, get(h, "/athena/update/phys?g=big,h=*,state=on;h=app01"), 413, "at most 1000 requests or updates")
	patterns := strings.TrimSuffix(strings.Repeat(strings.Repeat("h=app01*&", 100)+"load1=1&", 11), "&")
	refuses(t, send(h, "POST", "/athena/update/phys", formKind, patterns), 413, "at most 1000 requests or updates")
	if len(f.told) != 1000 {
		t.Errorf("%d were told", len(f.told))
	}
}

func TestWhatTheEngineRefusesIsSaid(t *testing.T) {
	h, f := newHandler()
	f.failWith = errBroken
	refuses(t, get(h, "/athena/update/phys?h=www1,state=off"), 400, "the engine is broken; badly")
	f.failWith = fmt.Errorf("update 2: %w", &RefusedError{Why: "\"www1\" is a node"})
	refuses(t, get(h, "/athena/update/phys?h=www1,state=off"), 403, `update 2: "www1" is a node`)
}
