package config

import (
	"path"
	"strings"
)

// The formats of the access log.
const (
	LogCombined = "combined" // Apache's, with more fields behind it
	LogJSON     = "json"     // an object a line
)

func (p *parser) readLog(s *section) {
	l := &p.cfg.Log
	l.Access = p.readAccess(s)
	l.Format = LogCombined
	if text, ok := s.text("format", `"`+LogJSON+`"`); ok {
		switch text {
		case LogCombined, LogJSON:
			l.Format = text
			if !s.has("access") {
				p.odd(s.lineOf("format"), `log.format is that of no log: write access = "/var/log/backhand/access.log", too`)
			}
		default:
			p.wrong(s.lineOf("format"), "log.format is %q: write %q or %q", text, LogCombined, LogJSON)
		}
	}
	s.close()
}

func (p *parser) readAccess(s *section) string {
	text, ok := s.text("access", `"/var/log/backhand/access.log"`)
	switch {
	case !ok || text == "" || text == "-":
	case !path.IsAbs(text):
		p.wrong(s.lineOf("access"), `log.access is %q: write a path that begins with /, or "-" for standard output`, text)
	case strings.HasSuffix(text, "/"):
		p.wrong(s.lineOf("access"), `log.access is %q, a directory: write the file, too, such as "%saccess.log"`, text, text)
	default:
		if err := p.env.Writable(path.Dir(text)); err != nil {
			p.wrong(s.lineOf("access"), "log.access %q cannot be written: %v: give the directory to the user that the agent runs as",
				text, err)
		}
	}
	return text
}
