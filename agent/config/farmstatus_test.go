package config

import (
	"fmt"
	"testing"
)

// wrongStatuses are the mistakes of a list with each of them.
func wrongStatuses() (all []string) {
	const some = `a status from 200 to 599, or a range of them such as "200-299"`
	for _, e := range []struct{ line, shown string }{
		{"6", "199"},
		{"6", "600"},
		{"6", `"x"`},
		{"6", `"2xx"`},
		{"6", ""},
		{"7", `"200-"`},
		{"7", `"-299"`},
		{"7", `"200-299-399"`},
		{"7", `"+20"`},
		{"7", `"200-600"`},
		{"8", "2.5"},
		{"8", "true or false in its list"},
	} {
		text := e.line + ": farm.check_status has " + e.shown + ": write " + some
		if e.shown == "" {
			text = `6: farm.check_status has "299-200": write "200-299", the lower one first`
		}
		all = append(all, text)
	}
	return all
}

// Of whatever may stand in the list, both ends of the range are in the set, and what is next to them is not.
func FuzzStatusRange(f *testing.F) {
	for _, s := range []string{"200-299", "401", "599-600", "299-200", "200-200-200", "-", "２００", "0200", "+200", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from, to, want := statusRange(text)
		if want != "" {
			return
		}
		var set StatusSet
		set.add(from, to)
		if from < 200 || to > 599 || from > to || !set.Has(from) || !set.Has(to) || set.Has(from-1) || set.Has(to+1) {
			t.Errorf("%q is %d to %d", text, from, to)
		}
		if text != fmt.Sprint(from) && text != fmt.Sprintf("%d-%d", from, to) {
			t.Errorf("%q is read as %d to %d", text, from, to)
		}
	})
}
