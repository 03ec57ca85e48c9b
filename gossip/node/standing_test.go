package node

import "testing"

func TestStandingSaysWhoIsFitAndWhyNot(t *testing.T) {
	for _, row := range []struct {
		name     string
		standing Standing
		reason   string // "" is fit
	}{
		{"nobody says anything", Standing{}, ""},
		{"a reason alone is none", Standing{Why: "x"}, ""},
		{"off", Standing{Off: true, Why: "disks"}, "off: disks"},
		{"it drains", Standing{Drain: true}, "drain"},
		{"it drains, and why", Standing{Drain: true, Why: "update"}, "drain: update"},
		{"drain goes before down and out", Standing{Drain: true, Down: true, Out: true, Why: "update"}, "drain: update"},
		{"off goes before down", Standing{Off: true, Down: true}, "off"},
		{"down", Standing{Down: true, Out: true, Why: "fire"}, "down: fire"},
		{"out", Standing{Out: true}, "out"},
	} {
		if s := row.standing; s.Reason() != row.reason || s.Fit() != (row.reason == "") {
			t.Errorf("%s: reason %q, fit %v; want %q", row.name, s.Reason(), s.Fit(), row.reason)
		}
	}
}

func TestWhatAnUpdateSays(t *testing.T) {
	for _, row := range []struct {
		name             string
		update           Update
		off, drain, said bool
		state            bool // of either pair
	}{
		{name: "nothing"},
		{name: "nothing of on and off", update: Update{Down: new(false)}, state: true},
		{name: "off", update: Update{Off: new(true)}, off: true, said: true, state: true},
		{name: "on", update: Update{Off: new(false)}, said: true, state: true},
		{name: "drain", update: Update{Off: new(false), Drain: new(true)}, drain: true, said: true, state: true},
		{name: "drain alone", update: Update{Drain: new(true)}, drain: true, said: true, state: true},
		{name: "to drain no more is to be on", update: Update{Drain: new(false)}, said: true, state: true},
		{name: "off goes before drain", update: Update{Off: new(true), Drain: new(true)}, off: true, said: true, state: true},
	} {
		off, drain, said := row.update.OnOff()
		if off != row.off || drain != row.drain || said != row.said || row.update.SaysState() != row.state {
			t.Errorf("%s: off %v, drain %v, said %v, any state %v", row.name, off, drain, said, row.update.SaysState())
		}
	}
}
