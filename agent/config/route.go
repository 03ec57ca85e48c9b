package config

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"backhand/candidacy"
)

func (p *parser) readRoute(s *section) {
	r := Route{}
	for _, it := range s.texts("host", `"www.example.com"`) {
		if h, err := hostName(it.text); err != nil {
			p.wrong(it.line, "route.host is %q: %v", it.text, err)
		} else {
			r.Host = append(r.Host, h)
		}
	}
	for _, key := range []string{"host", "files"} {
		if s.empty(key) {
			p.wrong(s.lineOf(key), "route.%s is an empty list, which no request matches: leave it away for all", key)
		}
	}
	text, ok := s.text("path", `"/"`)
	switch err := checkPath(text); {
	case !ok && !s.has("path"):
		s.missing("path", `"/"`)
	case ok && err != nil:
		p.wrong(s.lineOf("path"), "route.path is %q: %v", text, err)
	case ok:
		r.Path = text
		if len(text) > 1 {
			r.Path = strings.TrimSuffix(text, "/")
		}
	}
	for _, it := range s.texts("files", `"*.php"`) {
		if err := checkPattern(it.text); err != nil {
			p.wrong(it.line, "route.files is %q: %v", it.text, err)
		} else {
			r.Files = append(r.Files, it.text)
		}
	}
	g := p.readFarmOf(s, &r)
	r.Chain = p.readChain(s)
	if r.WhenEmpty, ok = s.text("when_empty", `"503"`); ok && !slices.Contains([]string{"self", "any", "503"}, r.WhenEmpty) {
		p.wrong(s.lineOf("when_empty"), `route.when_empty is %q: write "self", "any" or "503"`, r.WhenEmpty)
	}
	r.RetryOn = s.statuses("retry_on", nil, "only 502, 503, 504", func(n int64) bool { return 502 <= n && n <= 504 })
	r.ErrorOn = s.statuses("error_on", []int{500, 502, 503, 504}, "statuses from 500 to 599",
		func(n int64) bool { return 500 <= n && n <= 599 })
	p.cfg.Route, p.goals = append(p.cfg.Route, r), append(p.goals, g)
	s.close()
}

// readChain returns the chain of a route, or of a farm, the default one if it has none, or nil if it is wrong.
func (p *parser) readChain(s *section) *candidacy.Chain {
	items := s.texts("chain", `"byAge 6"`)
	if !s.has("chain") {
		return p.defaultChain(s)
	}
	if s.empty("chain") {
		p.wrong(s.lineOf("chain"),
			"%s has no step: leave it away for the default chain, or write [\"off\"] to balance nothing", s.full("chain"))
	}
	if len(items) == 0 {
		return nil
	}
	lines := make([]string, len(items))
	for i, it := range items {
		lines[i] = it.text
	}
	c, errs := p.reg.Parse(lines)
	for _, e := range errs {
		at := items[min(max(e.Step, 1), len(items))-1].line
		p.wrong(at, "%s: %v", s.full("chain"), e)
	}
	return c
}

// defaultChain returns the chain of those that have none of their own.
func (p *parser) defaultChain(s *section) *candidacy.Chain {
	c, errs := p.reg.Parse(candidacy.DefaultChain())
	for _, e := range errs {
		p.wrong(s.line(), "%s has no chain, and of the default one %v: write a chain", s.name, e)
	}
	return c
}

// hostName returns a name as it is compared with the Host of requests.
func hostName(s string) (string, error) {
	h := strings.TrimSuffix(strings.ToLower(s), ".")
	switch trimmed := strings.TrimSuffix(strings.TrimPrefix(h, "["), "]"); {
	case isHost(trimmed):
		return trimmed, nil
	case strings.Contains(h, "*"):
		return "", errors.New("patterns are not known here: write each name, or leave host away for all")
	case strings.Contains(h, "/"):
		return "", errors.New(`write the name alone, such as "www.example.com"`)
	case strings.Contains(h, ":"):
		return "", errors.New("leave the port away; a route is for all ports")
	}
	return "", errors.New(`write a host name, such as "www.example.com"`)
}

// checkPath says what is wrong with a path that requests are compared with.
func checkPath(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return errors.New("write a path that begins with /")
	case strings.ContainsAny(s, "?#"):
		return errors.New("leave ? and # and what is behind them away; only paths are compared")
	case strings.Contains(s, "//"):
		return errors.New("write one slash instead of two")
	}
	for seg := range strings.SplitSeq(s, "/") {
		if seg == "." || seg == ".." {
			return fmt.Errorf("leave the segment %q away; it is removed from requests before they are compared", seg)
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%':
			d, ok := hexByte(s[i+1:])
			if !ok {
				return errors.New("write two hexadecimal figures behind %, and % itself as %25")
			}
			if d < 0x80 && onlyOf(string(rune(d)), "-._~") {
				return fmt.Errorf("write %c for %s; it is decoded before it is compared", d, s[i:i+3])
			}
		case c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			return fmt.Errorf("write %%%02X for the byte %q, as requests have it", c, string(rune(c)))
		}
	}
	return nil
}

// hexByte reads the two hexadecimal figures that a text begins with.
func hexByte(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	var d byte
	for _, c := range []byte(strings.ToLower(s[:2])) {
		i := strings.IndexByte("0123456789abcdef", c)
		if i < 0 {
			return 0, false
		}
		d = d<<4 | byte(i)
	}
	return d, true
}

// checkPattern says what is wrong with a pattern of file names.
func checkPattern(s string) error {
	switch _, err := path.Match(s, ""); {
	case s == "":
		return errors.New(`write a pattern, such as "*.php"`)
	case strings.Contains(s, "/"):
		return errors.New("leave the slash away; a pattern is compared with the last segment alone")
	case err != nil:
		return errors.New(`it is malformed: close each [ with ], and write \ only before another character`)
	}
	return nil
}
