package config

import "strings"

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
