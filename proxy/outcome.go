package proxy

import (
	"net/netip"
	"strings"
	"time"

	"backhand/gossip/node"
)

// Outcome is what became of one request. It and its texts hold until Config.Done returns; see Clone.
type Outcome struct {
	Start time.Time
	Wait  time.Duration // until the head of the response was there; 0 if none came
	Took  time.Duration // until the last byte was passed on, or it failed; of an upgraded connection, until it ended

	// Status as the client saw it. It is StatusClientGone if the client went away before it saw any.
	Status   int
	Bytes    int64 // of the response's body that were passed on; of an upgraded connection, those to the client
	Attempts int   // members that were asked, those that refused not counted
	Refusals int   // members that refused
	Unproved int   // responses of members of which the load, or the refusal, was not believed, since it was not proved

	Route string // its label; "" if no route applied
	Farm  string // that of the route or, if forwards led to another one, the one at which they ended
	// Member is to whom the request was handed last; nil if it was answered here, or by our own origin while we are no
	// member. Behind a complete URL it is one of that name.
	Member *node.Member
	Self   bool // it was handed to our own origin
	Hop    bool // it came from another agent, over a hop that was believed
	// Empty is what was done since the chain left nobody: "forward" if another farm's member was chosen, or a complete URL;
	// "self", "any", "503", or "none" if it was to be any and there was none. "" if the chain left somebody.
	Empty string
	// Cookies says what became of each cookie with an instruction (see Site.Cookie), in a word: "stick", "stay" or "farm" if it
	// was followed; "moved" if its member, or the farm, took nothing; and if it did not count "no_farm", "no_member", "repeated",
	// "malformed", "unsigned", "expired", "too_far" or "too_many". None if there was none.
	Cookies []string

	// Err is why the request did not go well; nil if it did. A status of 500 or more that a member gave is no such
	// error.
	Err error
	// Reason is a word for it, for metrics and logs, or for what we answered instead of a member ("status",
	// "redirect"); "" if a member answered.
	Reason string

	Client    netip.Addr // as the origin sees it
	Method    string
	Target    string // as it came
	Proto     string // "HTTP/1.1"
	Host      string
	Referer   string
	UserAgent string
	// Forward is where the last of the forwards led that were followed (see node.Forwards): the name of a farm, or a complete
	// URL. "" if none was.
	Forward string
}

// Clone returns a copy that may be kept.
func (o *Outcome) Clone() *Outcome {
	c := *o
	for _, s := range []*string{&c.Method, &c.Target, &c.Proto, &c.Host, &c.Referer, &c.UserAgent} {
		*s = strings.Clone(*s)
	}
	return &c
}
