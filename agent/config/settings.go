package config

import (
	"path"
	"strings"
	"time"
)

const defaultStatusPath = "/backhand/"

func (p *parser) readStatus(s *section) {
	st := &p.cfg.Status
	st.Path = defaultStatusPath
	if text, ok := s.text("path", `"`+defaultStatusPath+`"`); ok {
		st.Path = text
		switch {
		case !strings.HasPrefix(text, "/") || !strings.HasSuffix(text, "/") || len(text) < 3:
			p.wrong(s.lineOf("path"),
				`status.path is %q: write a path that begins and ends with /, such as %q`, text, defaultStatusPath)
		default:
			if err := checkPath(text); err != nil {
				p.wrong(s.lineOf("path"), "status.path is %q: %v", text, err)
			}
		}
	}
	st.Allow = s.prefixes("allow")
	if !s.has("allow") {
		st.Allow = loopback()
	}
	s.close()
}

func (p *parser) readLog(s *section) {
	text, ok := s.text("access", `"/var/log/backhand/access.log"`)
	switch {
	case !ok || text == "" || text == "-":
	case !path.IsAbs(text):
		p.wrong(s.lineOf("access"), `log.access is %q: write a path that begins with /, or "-" for standard output`, text)
	default:
		if err := p.env.Writable(path.Dir(text)); err != nil {
			p.wrong(s.lineOf("access"), "log.access %q cannot be written: %v: give the directory to the user that the agent runs as",
				text, err)
		}
	}
	p.cfg.Log.Access = text
	s.close()
}

func (p *parser) readProxy(s *section) {
	x := &p.cfg.Proxy
	x.TrustedProxies = s.prefixes("trusted_proxies")
	x.Tries = s.integer("tries", 3, 1, 16)
	x.Connect = s.duration("connect", time.Second, 10*time.Millisecond, time.Minute)
	x.ResponseHead = s.duration("response_head", time.Minute, 100*time.Millisecond, 24*time.Hour)
	x.Idle = s.duration("idle", time.Minute, time.Second, 24*time.Hour)
	x.Drain = s.duration("drain", 30*time.Second, 0, time.Hour)
	s.close()
}
