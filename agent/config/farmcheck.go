package config

import "time"

// Check says how this agent itself asks the members of a farm whether they are well, since they run no agent that could. What
// it finds is its own: another agent may see it otherwise.
type Check struct {
	Path     string        // must answer with a status of Status, asked for as it is, without the path of the member's URL; "" if TCP
	Status   StatusSet     // those that are good. Default: 200 to 399
	TCP      bool          // a connection is enough
	Interval time.Duration // from one check of a member to the next. Default 1 s, from 100 ms to 1 h
	Rise     int           // good checks in a row that bring a member back. Default 2, from 1 to 100
	Fall     int           // failed checks in a row after which it is down. Default 2, from 1 to 100
}

// On reports whether there is a check.
func (c Check) On() bool { return c.TCP || c.Path != "" }

// checkTCP is what the file has for a check by a connection.
const checkTCP = "tcp"

// maxRise is the most checks in a row that may be wanted.
const maxRise = 100

func (p *parser) readCheck(s *section) (c Check) {
	text, ok := s.text("check", `"/health" or "tcp"`)
	c.Interval = s.duration("check_interval", time.Second, 100*time.Millisecond, time.Hour)
	c.Status = p.readCheckStatus(s)
	c.Rise = s.integer("rise", 2, 1, maxRise)
	c.Fall = s.integer("fall", 2, 1, maxRise)
	switch {
	case !ok:
	case text == checkTCP:
		c.TCP = true
	case isTarget(text):
		c.Path = text
	default:
		p.wrong(s.lineOf("check"), `%s is %q: write a path that begins with /, such as "/health", or "tcp" for a connection`,
			s.full("check"), text)
	}
	if c.TCP && s.has("check_status") {
		p.odd(s.lineOf("check_status"), "%s is about the answer to a path, and %s is %q: leave it away, or write a path there",
			s.full("check_status"), s.full("check"), checkTCP)
	}
	for _, key := range []string{"check_interval", "check_status", "rise", "fall"} {
		if s.has(key) && !s.has("check") {
			p.odd(s.lineOf(key), `%s is about checks, and there is no %s: leave it away, or write check = "/health"`, s.full(key),
				s.full("check"))
		}
	}
	return c
}
