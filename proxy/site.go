package proxy

import (
	"cmp"
	"strings"
	"time"
)

// site is a Site made ready.
type site struct {
	Site
	fallback *Origin           // serves requests without route; may be nil
	reach    map[string]*Reach // of physicals, by farm
	other    Reach             // of those of which nothing is said
}

// The defaults of a Site.
const (
	defaultTries        = 3
	defaultConnect      = time.Second
	defaultResponseHead = time.Minute
	defaultResponseIdle = 10 * time.Minute
	defaultTunnelIdle   = time.Hour
	defaultClientHead   = 10 * time.Second
	defaultKeepAlive    = time.Minute
	defaultClientIdle   = time.Minute
)

func newSite(s *Site) *site {
	st := &site{Site: *s}
	st.Tries = cmp.Or(s.Tries, defaultTries)
	st.Connect = cmp.Or(s.Connect, defaultConnect)
	st.ResponseHead = cmp.Or(s.ResponseHead, defaultResponseHead)
	st.ResponseIdle = cmp.Or(s.ResponseIdle, defaultResponseIdle)
	st.TunnelIdle = cmp.Or(s.TunnelIdle, defaultTunnelIdle)
	st.ClientHead = cmp.Or(s.ClientHead, defaultClientHead)
	st.KeepAlive = cmp.Or(s.KeepAlive, defaultKeepAlive)
	st.ClientIdle = cmp.Or(s.ClientIdle, defaultClientIdle)
	if st.Protocols == nil {
		st.Protocols = []string{"websocket"}
	}
	st.reach = map[string]*Reach{}
	for farm, r := range s.Physicals {
		st.reach[farm] = &r
	}
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

// physicals returns how those of a farm are reached.
func (s *site) physicals(farm string) *Reach {
	if r := s.reach[farm]; r != nil {
		return r
	}
	return &s.other
}

// findRoute returns the route of a path, nil if our own origin serves it without one. The other readings must take the
// same: whoever serves the request may read it so.
func (s *site) findRoute(host, raw, normal string) (*route, error) {
	rt := s.Routes.find(host, normal)
	for _, other := range otherReadings(raw) {
		if other != normal && s.Routes.find(host, other) != rt {
			return nil, becausef(badReadings, "%q, which may be read as %q", raw, other)
		}
	}
	if rt == nil && s.fallback == nil {
		return nil, becausef(noRoute, "host %q, path %q", host, normal)
	}
	return rt, nil
}

// findStatus reports whether the path belongs to the status page, in all its readings.
func (s *site) findStatus(raw, normal string) (bool, error) {
	is := s.isStatus(normal)
	for _, other := range otherReadings(raw) {
		if s.isStatus(other) != is {
			return false, becausef(badReadings, "%q is, or is not, the status page", raw)
		}
	}
	return is, nil
}

// isStatus reports whether the path belongs to the status page, with or without the slash at its end.
func (s *site) isStatus(path string) bool {
	if s.Status == nil || s.StatusPath == "" {
		return false
	}
	return strings.HasPrefix(path, s.StatusPath) || len(path)+1 == len(s.StatusPath) && strings.HasPrefix(s.StatusPath, path)
}
