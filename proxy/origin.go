package proxy

import (
	"cmp"
	"net/url"
	"time"

	"backhand/gossip/node"
)

// Origin is a web server that this agent stands in front of, for one farm.
type Origin struct {
	Farm    string
	URL     *url.URL    // http://host:port
	Meter   *node.Meter // never nil
	Default bool        // serves requests for which there is no route, where there are several origins

	// Ready says whether the origin is up, and if not, why. nil: it always is.
	Ready func() (ok bool, why string)
	// ConnectFailed is called when no connection to the origin could be made. It may be nil.
	ConnectFailed func()
}

// ready returns "" or why the origin is down.
func (o *Origin) ready() string {
	if o.Ready == nil {
		return ""
	}
	ok, why := o.Ready()
	if ok {
		return ""
	}
	return "origin down: " + cmp.Or(why, "no reason given")
}

// site is a Site made ready.
type site struct {
	Site
	fallback *Origin // serves requests without route; may be nil
	wire     *wire
}

// The defaults of a Site.
const (
	defaultTries        = 3
	defaultConnect      = time.Second
	defaultResponseHead = time.Minute
	defaultClientIdle   = time.Minute
)

func newSite(s *Site) *site {
	st := &site{Site: *s}
	st.Tries = cmp.Or(s.Tries, defaultTries)
	st.Connect = cmp.Or(s.Connect, defaultConnect)
	st.ResponseHead = cmp.Or(s.ResponseHead, defaultResponseHead)
	st.ClientIdle = cmp.Or(s.ClientIdle, defaultClientIdle)
	for _, o := range s.Origins {
		if o.Default || len(s.Origins) == 1 {
			st.fallback = o
		}
	}
	return st
}

// origin returns our own origin for a farm, or nil.
func (s *site) origin(farm string) *Origin {
	for _, o := range s.Origins {
		if o.Farm == farm {
			return o
		}
	}
	return nil
}
