package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// Mirror is another engine that is told what programs and people say to this agent of farms and physicals.
type Mirror struct {
	To    *url.URL      // http:// or https://host:port/path, without slash at the end
	Every time.Duration // from one time to the next. Default 2 s, from 500 ms to 1 h
	// TokenFile has one token, which is sent along; it must not be open to others. Default: none.
	TokenFile string
	Token     string // what stands in it
	Identity  Identity
}

const (
	exampleMirror = "http://10.58.4.2:4446/athena"
	maxMirrors    = 8

	defaultMirrorEvery = 2 * time.Second
	minMirrorEvery     = 500 * time.Millisecond
	maxMirrorEvery     = time.Hour
)

func (p *parser) readMirrors(all []*section) {
	if len(all) > maxMirrors {
		p.wrong(all[maxMirrors].line(), "mirror is there %d times: write at most %d", len(all), maxMirrors)
		return
	}
	for _, s := range all {
		m := Mirror{Every: s.duration("every", defaultMirrorEvery, minMirrorEvery, maxMirrorEvery), Identity: p.readIdentity(s)}
		p.readMirrorToken(s, &m)
		text, ok := s.text("to", strconv.Quote(exampleMirror))
		s.close()
		switch {
		case !s.has("to"):
			s.missing("to", strconv.Quote(exampleMirror))
			continue
		case !ok:
			continue
		}
		var err error
		if m.To, err = ParseMirror(text); err != nil {
			p.wrong(s.lineOf("to"), "mirror.to: %v", err)
			continue
		}
		if p.checkMirror(s, &m) {
			p.cfg.Mirror = append(p.cfg.Mirror, m)
		}
	}
}

// ParseMirror reads the URL of another engine, its path included.
func ParseMirror(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	want := func(what string) (*url.URL, error) {
		return nil, fmt.Errorf("%.200q %s: write the URL of the other engine with its path, such as %q", text, what, exampleMirror)
	}
	switch {
	case err != nil, len(text) > maxMirrorURL, strings.ContainsFunc(text, isControl):
		return want("is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return want("is neither http:// nor https://")
	case u.User != nil:
		return want("has a password, which such a URL cannot: a token has a file of its own, token_file")
	case !isHost(u.Hostname()):
		return want("has no host")
	case u.Port() != "" && !isPort(u.Port()):
		return want("has no port from 1 to 65535")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return want("has more than a path")
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.TrimSuffix(u.Host, ":"), Path: strings.TrimRight(u.Path, "/")}, nil
}

const maxMirrorURL = 1024 // bytes

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// checkMirror reports whether an engine can be told, as far as the file knows. It reads the rest of the file for that.
func (p *parser) checkMirror(s *section, m *Mirror) bool {
	line := s.lineOf("to")
	for i := range p.cfg.Mirror {
		if p.cfg.Mirror[i].To.String() == m.To.String() {
			p.wrong(line, "mirror.to %s is there twice: leave one away", m.To)
			return false
		}
	}
	if by := p.mirrorsToItself(m.To); by != "" {
		p.wrong(line, "mirror.to %s is this agent itself, by athena.listen %q: write the URL of the other engine", m.To, by)
		return false
	}
	p.warnMirrorLag(s, m)
	if m.To.Scheme != "https" {
		for _, key := range []string{"ca", "server_name"} {
			if s.has(key) {
				p.odd(s.lineOf(key), "%s is not used, since mirror.to is not https://: leave it away, or write https://", s.full(key))
			}
		}
		if a, err := netip.ParseAddr(m.To.Hostname()); m.Token != "" && (err != nil || !a.IsLoopback()) {
			p.odd(s.lineOf("token_file"), "mirror.token_file: the token goes over http, where whoever is on the way can read it: write "+
				"https:// if the other engine has it behind a proxy that does, or keep others out of that network")
		}
	}
	return true
}

// warnMirrorLag is about figures that are too old when they come to the other engine.
func (p *parser) warnMirrorLag(s *section, m *Mirror) {
	for _, f := range p.cfg.Farm {
		for _, v := range f.Member {
			if v.ExpectUpdate > 0 && m.Every >= v.ExpectUpdate {
				p.odd(s.lineOf("every"), "mirror.every is %v, and statistics of %s are expected within %v: it would be out at the other "+
					"engine most of the time; write a shorter time, so that every and the time between two pushes are less together", m.Every,
					v.Name, v.ExpectUpdate)
				return
			}
		}
	}
}

// mirrorsToItself returns the athena.listen that a URL leads to, or "".
func (p *parser) mirrorsToItself(u *url.URL) string {
	addr, err := netip.ParseAddrPort(node.HostPort(u))
	if err != nil {
		return ""
	}
	for _, l := range p.athenaAt {
		anywhere := !l.host.IsValid() || l.host.IsUnspecified()
		if l.port == addr.Port() && (l.host == addr.Addr() || anywhere && p.env.local(addr.Addr())) {
			return l.text
		}
	}
	return ""
}

// readMirrorToken reads token_file with the file that it names. What stands there is never shown, as somebody may write the token
// itself where its file should be.
func (p *parser) readMirrorToken(s *section, m *Mirror) {
	file, ok := s.text("token_file", `"/etc/backhand/mirror.token"`)
	if !ok {
		return
	}
	line := s.lineOf("token_file")
	if !path.IsAbs(file) {
		p.wrong(line, `mirror.token_file is no path that begins with /: write that of the file, such as "/etc/backhand/mirror.token"; `+
			"a token itself never stands in this file")
		return
	}
	text, perm, err := p.env.ReadSecret(file)
	if err == nil {
		err = checkTokenPerm(file, perm)
	}
	if err == nil {
		m.Token, err = parseOneToken(file, text)
	}
	if e, isPath := errors.AsType[*fs.PathError](err); isPath {
		err = fmt.Errorf("it cannot be read: %w: correct the path, or let the user that the agent runs as read it", e.Err)
	}
	if err != nil {
		p.wrong(line, "mirror.token_file: %v", err)
		return
	}
	m.TokenFile = file
}
