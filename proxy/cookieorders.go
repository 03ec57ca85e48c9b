package proxy

import (
	"slices"
	"strings"
	"time"

	"backhand/proxy/h1"
)

// mostCookies is how many cookies of that name are looked at in a request. Each costs as many MACs as there are keys, and anybody
// can send as many as a head has room for.
const mostCookies = 8

// cookieResult is what became of a cookie with an instruction: a word for metrics, of which the sentence is the error.
type cookieResult string

// The results. The first three are the instructions themselves, which were followed.
const (
	stickCookie     cookieResult = Stick
	stayCookie      cookieResult = Stay
	moveCookie      cookieResult = Move
	movedCookie     cookieResult = "moved"
	noFarmCookie    cookieResult = "no_farm"
	noMemberCookie  cookieResult = "no_member"
	repeatedCookie  cookieResult = "repeated"
	malformedCookie cookieResult = "malformed"
	unsignedCookie  cookieResult = "unsigned"
	expiredCookie   cookieResult = "expired"
	farCookie       cookieResult = "too_far"
	manyCookie      cookieResult = "too_many"
)

// Error says what became of it.
func (r cookieResult) Error() string {
	switch r {
	case stickCookie:
		return "the member has the request, whatever befalls it"
	case stayCookie:
		return "the member keeps the request, as it is fit"
	case moveCookie:
		return "the request is one for that farm"
	case movedCookie:
		return "the member, or its farm, takes nothing now: the request goes where it would without the cookie"
	case noFarmCookie:
		return "it does not count: no farm of that name is known"
	case noMemberCookie:
		return "it does not count: the farm has no member of that name"
	case repeatedCookie:
		return "it does not count: an earlier cookie says something already"
	case malformedCookie:
		return "it does not count: it is not v1.DO.EXPIRES.TARGET.MAC"
	case unsignedCookie:
		return "it does not count: none of the keys has signed it"
	case expiredCookie:
		return "it does not count: it has expired"
	case farCookie:
		return "it does not count: it expires in more than 400 days"
	case manyCookie:
		return "it does not count, nor do those behind it: there are too many of them"
	}
	return "nothing was decided by it"
}

// order is a cookie with an instruction, as it stands in a request.
type order struct {
	Instruction
	value  string // as it stands there; it holds as long as the head does
	valid  bool   // we have signed it, and it counts now
	result cookieResult
}

// orders are those of one request, in their order. A request without any has none: nil.
type orders struct {
	list []order

	// What the last decision made of them.
	bound   bool // the member was chosen without a chain, or is waited for in vain
	refused bool // the member takes nothing, and nobody else may
}

// read returns the orders in the Cookie fields of a request; nil if there is no cookie of that name.
func (c *Cookie) read(s *h1.Section, now time.Time) *orders {
	var o *orders
	for i := range s.Fields {
		if s.Fields[i].ID != h1.Cookie {
			continue
		}
		for piece := range strings.SplitSeq(text(s.Fields[i].Value), ";") {
			value, is := c.in(piece)
			if !is {
				continue
			}
			if o == nil {
				o = new(orders)
			}
			o.add(c, value, now)
		}
	}
	return o
}

// in returns the value of the cookie that a piece of a Cookie field is, and whether that is this one.
func (c *Cookie) in(piece string) (value string, is bool) {
	name, value, _ := strings.Cut(piece, "=")
	return strings.Trim(value, " \t\""), strings.Trim(name, " \t") == c.name
}

func (o *orders) add(c *Cookie, value string, now time.Time) {
	switch n := len(o.list); {
	case n > mostCookies:
		return
	case n == mostCookies:
		o.list = append(o.list, order{result: manyCookie})
		return
	}
	in, result := c.verify(value, now)
	a := order{Instruction: in, value: value, valid: result == "", result: result}
	if a.valid && o.first(in.Do == Move) != nil {
		a.result = repeatedCookie
	}
	o.list = append(o.list, a)
}

// clone returns a copy.
func (o *orders) clone() *orders {
	if o == nil {
		return nil
	}
	c := *o
	c.list = slices.Clone(o.list)
	return &c
}

// first returns the order that counts: of those about a farm, or about a member, the first that is valid; nil if there is none.
func (o *orders) first(move bool) *order {
	for i := range o.list {
		if a := &o.list[i]; a.valid && (a.Do == Move) == move {
			return a
		}
	}
	return nil
}

// results returns what became of each of them, in a word.
//
//go:noinline
func (o *orders) results() []string {
	words := make([]string, 0, len(o.list))
	for i := range o.list {
		if r := o.list[i].result; r != "" {
			words = append(words, string(r))
		}
	}
	return words
}

// Ordered is a cookie with an instruction, and what becomes of it.
type Ordered struct {
	Do      string    `json:"do,omitempty"`     // Stick, Stay or Move; "" if it cannot be read, or was not signed
	Target  string    `json:"target,omitempty"` // what does not print is replaced by U+FFFD
	Expires time.Time `json:"expires,omitzero"`
	Result  string    `json:"result"` // a word, as Outcome.Cookies has it
	Why     string    `json:"why"`    // a sentence
}

// told returns what is to be told of them, and whether a member was bound by one so that no chain chose.
func (o *orders) told() (all []Ordered, bound bool) {
	if o == nil {
		return nil, false
	}
	for i := range o.list {
		a := &o.list[i]
		all = append(all, Ordered{
			Do: a.Do, Target: printable(a.Target), Expires: a.Expires, Result: string(a.result), Why: a.result.Error(),
		})
	}
	return all, o.bound
}

// nobody returns for which reason there is nobody to hand a request to.
func (o *orders) nobody() reason {
	if o != nil && o.refused {
		return memberBound
	}
	return nobodyLeft
}
