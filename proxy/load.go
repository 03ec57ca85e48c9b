package proxy

import (
	"strconv"
	"strings"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// How busy a member is, agents tell one another in fields: the one that answers says it with each response (n=7 c=4
// mu=18.3), also with one that it makes itself, and the one that asks may say from how many requests under way on the
// other is to send this one back.
const (
	fieldLoad  = "Backhand-Load"  // response: requests under way, slots, service rate; see node.Load
	fieldLimit = "Backhand-Limit" // request: how many may be under way for it to be taken
)

const (
	mostNumber = 1e9 // that is believed
	mostDigits = 24  // of a number, its point included
	mostLoad   = 3*mostDigits + len("n= c= mu=")
)

// appendLoad writes the value of Backhand-Load.
func appendLoad(b []byte, l node.Load) []byte {
	b = appendNumber(append(b, "n="...), l.InFlight)
	b = appendNumber(append(b, " c="...), l.Slots)
	return appendNumber(append(b, " mu="...), l.Mu)
}

// appendNumber writes a number, brought within the bounds of those that are read.
func appendNumber(b []byte, v float64) []byte {
	if !(v >= 1/mostNumber) { // nor if it is none
		return append(b, '0')
	}
	return strconv.AppendFloat(b, min(v, mostNumber), 'f', -1, 32)
}

// parseLoad reads the value of Backhand-Load. Only what appendLoad writes is taken, and no member without slots: one
// divides by them.
func parseLoad(line string) (l node.Load, ok bool) {
	if len(line) > mostLoad {
		return node.Load{}, false
	}
	n, rest, _ := strings.Cut(line, " ")
	c, mu, _ := strings.Cut(rest, " ")
	var okN, okC, okMu bool
	l.InFlight, okN = parseNumber(n, "n=")
	l.Slots, okC = parseNumber(c, "c=")
	l.Mu, okMu = parseNumber(mu, "mu=")
	if !okN || !okC || !okMu || l.Slots == 0 {
		return node.Load{}, false
	}
	return l, true
}

// parseNumber reads a number from 0 to mostNumber behind its name: digits, and perhaps more of them behind a point.
func parseNumber(s, name string) (float64, bool) {
	s, ok := strings.CutPrefix(s, name)
	if !ok || len(s) > mostDigits {
		return 0, false
	}
	whole, fraction, point := strings.Cut(s, ".")
	if !digits(whole) || point && !digits(fraction) {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil && v <= mostNumber
}

// digits reports whether there are digits and nothing else.
func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// loadName is the name of the field that tellLoad adds.
var loadName = []byte(fieldLoad)

// tellLoad adds to a response that goes back over a hop how busy our origin is now. The request counts itself, as long as
// its last byte was not passed on.
func (x *exchange) tellLoad() {
	x.load = x.load[:0]
	if x.hop == nil {
		return
	}
	o := x.site.origin(x.hop.Farm)
	if o == nil {
		return
	}
	x.load = appendLoad(x.load, x.ownLoad(o))
	x.res.Fields = append(x.res.Fields, h1.Field{Name: loadName, Value: x.load}) // without ID, as all that we add ourselves
}

// ownLoad returns how busy our own origin is now. Chains of our own hear it, as they hear what other members say.
func (x *exchange) ownLoad(o *Origin) node.Load {
	l := o.Meter.Load(x.now)
	if m := x.ho.member; m != nil && m.Self {
		m.Live.Heard(l, x.now)
	}
	return l
}

// heardLoad returns what an agent says of its load with its response. What is malformed says nothing.
func (ho *handover) heardLoad() (l node.Load, ok bool) {
	res := ho.x.res
	if !ho.believed || !res.Has(h1.BackhandLoad) {
		return node.Load{}, false
	}
	line, one := only(&res.Section, h1.BackhandLoad)
	if !one {
		return node.Load{}, false
	}
	return parseLoad(text(line))
}

// hear notes what the member says of its load, while the request still counts as under way on both sides.
func (ho *handover) hear() {
	if ho.origin != nil && ho.x.hop == nil {
		ho.x.ownLoad(ho.origin)
		return
	}
	if l, ok := ho.heardLoad(); ok {
		ho.live.Heard(l, ho.x.now)
	}
}
