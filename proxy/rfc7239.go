package proxy

import (
	"errors"
	"net/netip"
	"strings"

	"backhand/proxy/h1"
)

// forwardedElement is what one proxy said in the field Forwarded (RFC 7239).
type forwardedElement struct{ For, Host, Proto string }

var errForwarded = errors.New("the field Forwarded is malformed")

// parseForwarded reads all lines of the field. It is strict: a list of which a part cannot be read says nothing for
// sure of the rest.
func parseForwarded(lines []string) ([]forwardedElement, error) {
	var out []forwardedElement
	for _, text := range splitForwarded(strings.Join(lines, ",")) {
		e, err := parseElement(text)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// splitForwarded cuts at commas that are not within quotes, and leaves away empty elements (RFC 9110, section 5.6.1.2).
func splitForwarded(s string) []string {
	var out []string
	for _, e := range splitQuoted(s, ',') {
		if e = strings.Trim(e, " \t"); e != "" {
			out = append(out, e)
		}
	}
	return out
}

// splitQuoted cuts s at each sep that is not within a quoted string.
func splitQuoted(s string, sep byte) []string {
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == sep && !quoted:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

func parseElement(text string) (forwardedElement, error) {
	var e forwardedElement
	fields := map[string]*string{"for": &e.For, "host": &e.Host, "proto": &e.Proto, "by": new(string)}
	seen := map[string]bool{}
	for _, pair := range splitQuoted(text, ';') {
		if pair = strings.Trim(pair, " \t"); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.ToLower(name)
		if !ok || !isToken(name) || seen[name] {
			return e, errForwarded
		}
		seen[name] = true // each but once in an element (section 4)
		v, ok := unquote(value)
		if !ok {
			return e, errForwarded
		}
		if p := fields[name]; p != nil {
			*p = v
		}
	}
	return e, nil
}

// unquote reads a token or a quoted string (RFC 9110, section 5.6.4).
func unquote(s string) (string, bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, isToken(s)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return b.String(), i == len(s)-1
		}
		if c == '\\' && i+1 < len(s) {
			i++
			c = s[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}

// appendQuoted appends s as a token if it is one, else as a quoted string.
func appendQuoted[T h1.Text](b []byte, s T) []byte {
	if isToken(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendElement writes one element. Host and proto may be "".
func appendElement(b []byte, client netip.Addr, host, proto string) []byte {
	b = append(b, "for="...)
	if client.Is6() {
		b = append(client.AppendTo(append(b, `"[`...)), `]"`...)
	} else {
		b = client.AppendTo(b)
	}
	if host != "" {
		b = appendQuoted(append(b, ";host="...), host)
	}
	if proto != "" {
		b = append(append(b, ";proto="...), proto...)
	}
	return b
}

func element(client netip.Addr, host, proto string) string {
	return string(appendElement(nil, client, host, proto))
}

// isToken: RFC 9110, section 5.6.2.
func isToken[T h1.Text](s T) bool {
	if len(s) == 0 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return true
}
