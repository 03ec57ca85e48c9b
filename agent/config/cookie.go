package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"backhand/gossip/wire"
	"backhand/proxy"
	"backhand/proxy/h1"
)

// The file with the keys by which applications sign the cookie of [cookie] has one key a line. Every one of them verifies, the
// first also signs. They are text, so that an application in any language reads them: the bytes of the line are the key.

const (
	defaultCookie    = "athena"
	exampleKeyFile   = `"/etc/backhand/cookie.keys"`
	maxCookieName    = 64  // bytes
	maxCookieKeys    = 16  // of a file
	minCookieKey     = 16  // bytes
	maxCookieKey     = 256 // bytes
	mostCookieFaults = 20  // of a file that are told; one that has more is something else
)

// readCookie reads by which cookie applications say where requests go.
func (p *parser) readCookie(s *section) {
	name := p.readCookieName(s)
	file, ok := s.text("key_file", exampleKeyFile)
	s.close()
	switch {
	case s.table == nil:
		return
	case !s.has("key_file"):
		s.missing("key_file", exampleKeyFile+", a file with one key a line")
		return
	case !ok:
		return
	case !path.IsAbs(file):
		p.wrong(s.lineOf("key_file"), `cookie.key_file is no path that begins with /: write one such as %s; a key itself never stands `+
			`in this file`, exampleKeyFile)
		return
	}
	if len(p.cfg.Route) == 0 && !p.broken {
		p.odd(s.line(), "[cookie] without a [[route]]: no request is there on which it could count")
	}
	line := s.lineOf("key_file")
	text, perm, err := p.env.ReadSecret(file)
	if err != nil {
		if e, isPath := errors.AsType[*fs.PathError](err); isPath {
			err = e.Err
		}
		p.wrong(line, "cookie.key_file cannot be read: %v: correct the path, or let the user that the agent runs as read it", err)
		return
	}
	if err := checkPerm(file, perm); err != nil {
		p.wrong(line, "cookie.key_file: %v", err)
	}
	keys, err := parseCookieKeys(file, text)
	if mistakes, isList := errors.AsType[*Errors](err); isList {
		p.elsewhere = append(p.elsewhere, *mistakes...)
		return
	}
	if err != nil {
		p.wrong(line, "cookie.key_file: %v", err)
		return
	}
	p.cfg.Cookie = proxy.NewCookie(name, keys...)
}

func (p *parser) readCookieName(s *section) string {
	name, ok := s.text("name", `"`+defaultCookie+`"`)
	if !ok {
		return defaultCookie
	}
	if !h1.ValidToken([]byte(name)) || len(name) > maxCookieName {
		p.wrong(s.lineOf("name"), "cookie.name is %q: write letters, digits, dashes and underscores, at most %d", name, maxCookieName)
	}
	return name
}

// parseCookieKeys reads the text of a file with such keys. No error shows one.
func parseCookieKeys(file string, text []byte) ([][]byte, error) {
	if len(text) > wire.MaxKeyFile {
		return nil, fmt.Errorf("%s is too large: a file of keys has at most %d bytes", file, wire.MaxKeyFile)
	}
	var keys [][]byte
	var faults Errors
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		key := strings.TrimSpace(line)
		if key == "" || key[0] == '#' {
			continue
		}
		fault := faultOfCookieKey(key)
		switch {
		case fault != "":
		case slices.ContainsFunc(keys, func(k []byte) bool { return string(k) == key }):
			fault = "the key stands here a second time: leave one away"
		case len(keys) == maxCookieKeys:
			fault = fmt.Sprintf("one key too many: keep those by which cookies that still count were signed, at most %d", maxCookieKeys)
		default:
			keys = append(keys, []byte(key))
			continue
		}
		if faults = append(faults, Mistake{File: file, Line: n, Message: fault}); len(faults) == mostCookieFaults {
			break
		}
	}
	if err := faults.orNil(); err != nil {
		return nil, err
	}
	if keys == nil {
		return nil, fmt.Errorf("there is no key in %s: write one a line, such as 'openssl rand -hex 32' prints", file)
	}
	return keys, nil
}

// faultOfCookieKey returns what is wrong with a key, or "".
func faultOfCookieKey(key string) string {
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c > '~' || c == '#' {
			return "a key is one word of visible ASCII characters, without #: write comments on lines of their own"
		}
	}
	if len(key) < minCookieKey || len(key) > maxCookieKey {
		return fmt.Sprintf("the key has %d characters: write %d to %d, such as 'openssl rand -hex 32' prints", len(key), minCookieKey,
			maxCookieKey)
	}
	return ""
}
