package memberlist

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestVoice(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       string // a part of what is logged; "" if it is nothing
	}{
		{"trouble", "[ERR] memberlist: Push/Pull with x failed: EOF\n", `level=WARN msg="memberlist has trouble" text="Push/Pull with x failed: EOF"`},
		{"a warning", "[WARN] memberlist: Refuting a suspect message\n", `level=WARN msg="memberlist has trouble" text="Refuting a suspect message"`},
		{"what happens", "[INFO] memberlist: Marking x as failed\n", `level=DEBUG msg="memberlist says" text="Marking x as failed"`},
		{"a start where we were before", "[WARN] memberlist: Refuting an alive message for 'x' (y)\n", "level=DEBUG"},
		{"details", "[DEBUG] memberlist: Stream connection from=x\n", "level=DEBUG"},
		{"a line without a level", "Err: Could not set the deadline\n", `level=WARN msg="memberlist has trouble" text="Err: Could not`},
		{"an empty line", "\n", "level=WARN"},
		{"what steers a terminal", "[ERR] memberlist: \x1b[2Jx\u202ey\xff\nmsg=forged\n", `text="?[2Jx?y??msg=forged"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l logged
			v := newVoice(l.logger())
			v.library().Print(c.line)
			if !strings.Contains(l.String(), c.want) {
				t.Errorf("got %s, want %s", l.String(), c.want)
			}
		})
	}
	t.Run("a line that is long", func(t *testing.T) {
		var l logged
		newVoice(l.logger()).library().Print("[ERR] memberlist: " + strings.Repeat("x", 10000))
		if n := len(l.String()); n > 2*maxLine {
			t.Errorf("%d bytes are logged", n)
		}
	})
}

func TestVoiceIsSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l logged
		v := newVoice(l.logger())
		for i := range 1000 {
			v.library().Printf("[ERR] memberlist: trouble %d", i)
		}
		if n := strings.Count(l.String(), "\n"); n != 1 {
			t.Errorf("%d lines at once", n)
		}
		time.Sleep(warnEvery)
		v.warn("another one")
		if !strings.Contains(l.String(), `msg="another one" other_warnings=999`) {
			t.Errorf("it does not tell of the others: %s", l.String())
		}
		time.Sleep(warnEvery)
		v.muted.Store(true)
		v.warn("too late")
		v.library().Print("[ERR] memberlist: too late")
		if strings.Contains(l.String(), "too late") {
			t.Error("it speaks after its end")
		}
	})
}
