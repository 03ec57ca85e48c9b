package sampler

// tally makes up or down of single checks: so many in a row against what it holds turn it over. Its zero value is down,
// and until a first check has succeeded, one success suffices: whoever starts has waited long enough.
type tally struct {
	fall, rise int // failures that make it down, successes that make it up

	up   bool
	seen bool // up at least once
	run  int  // checks in a row that speak against up
}

// add counts a check and reports whether it turned the tally over.
func (t *tally) add(good bool) (turned bool) {
	if good == t.up {
		t.run = 0
		return false
	}
	t.run++
	if t.run < t.need() {
		return false
	}
	t.up, t.seen, t.run = good, t.seen || good, 0
	return true
}

// need returns how many checks in a row turn the tally over.
func (t *tally) need() int {
	switch {
	case t.up:
		return t.fall
	case t.seen:
		return t.rise
	}
	return 1
}

// knock makes it down at once, and reports whether it was up.
func (t *tally) knock() (turned bool) {
	turned = t.up
	t.up, t.run = false, 0
	return turned
}
