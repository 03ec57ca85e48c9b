package sampler

import (
	"strings"
	"testing"
)

func TestTally(t *testing.T) {
	// One letter a check: + good, - failed, ! a request could not connect; below it what the tally then says.
	for _, c := range []struct{ name, checks, want string }{
		{"one success suffices at the start", "+", "U"},
		{"however late it comes", "---+", "DDDU"},
		{"one failure is forgiven", "+-+-+", "UUUUU"},
		{"two in a row are not", "+--", "UUD"},
		{"back after two successes", "+--+-++", "UUDDDDU"},
		{"a request that cannot connect counts at once", "+!", "UD"},
		{"and then it takes two successes, too", "+!+-++", "UDDDDU"},
		{"the one before the request does not count", "+--+!++", "UUDDDDU"},
		{"nor does the failure before it", "+-!++-+", "UUDDUUU"},
		{"at the start it changes nothing", "!-!+", "DDDU"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ta := tally{fall: 2, rise: 2}
			var got strings.Builder
			for _, check := range c.checks {
				was := ta.up
				var turned bool
				if check == '!' {
					turned = ta.knock()
				} else {
					turned = ta.add(check == '+')
				}
				if turned != (was != ta.up) {
					t.Errorf("after %q: turned = %v", got.String(), turned)
				}
				got.WriteByte(map[bool]byte{true: 'U', false: 'D'}[ta.up])
			}
			if got.String() != c.want {
				t.Errorf("%s\ngot  %s\nwant %s", c.checks, got.String(), c.want)
			}
		})
	}
}
