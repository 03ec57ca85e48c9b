package config

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	texttemplate "text/template"

	"github.com/hashicorp/go-sockaddr"
	"github.com/hashicorp/go-sockaddr/template"
)

// isTemplate reports whether a text has go-sockaddr templates in it.
func isTemplate(s string) bool { return strings.Contains(s, "{{") }

// severalError is what a template ends in that asks for one address of several.
type severalError struct{ ifs sockaddr.IfAddrs }

func (e *severalError) Error() string { return "matches several addresses: " + pairs(e.ifs) }

// evaluate runs a go-sockaddr template over these interfaces. The library takes the first of several addresses where
// one is asked for, so that a host would change its address with the order of its interfaces; here it is an error.
func evaluate(text string, ifs sockaddr.IfAddrs) (string, error) {
	attr := func(name string, in any) (string, error) {
		if all, ok := in.(sockaddr.IfAddrs); ok && len(all) > 1 {
			return "", &severalError{all}
		}
		return template.Attr(name, in)
	}
	first := func(list func() (sockaddr.IfAddrs, error)) func() (string, error) {
		return func() (string, error) {
			all, err := list()
			if err != nil || len(all) == 0 {
				return "", err
			}
			return attr("address", all)
		}
	}
	t, err := texttemplate.New("template").Option("missingkey=error").
		Funcs(template.SourceFuncs).Funcs(template.SortFuncs).Funcs(template.FilterFuncs).Funcs(template.HelperFuncs).
		Funcs(texttemplate.FuncMap{
			"attr":             attr,
			"GetAllInterfaces": func() (sockaddr.IfAddrs, error) { return ifs, nil },
			"GetPrivateIP":     first(sockaddr.GetPrivateInterfaces),
			"GetPublicIP":      first(sockaddr.GetPublicInterfaces),
			"GetInterfaceIP": func(name string) (string, error) {
				all, _, err := sockaddr.IfByName(name, ifs)
				if err != nil {
					return "", err
				}
				return first(func() (sockaddr.IfAddrs, error) { return forwardable(all) })()
			},
		}).Parse(text)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, ifs); err != nil {
		return "", err
	}
	return out.String(), nil
}

// forwardable leaves link-local addresses and the like away, as the library's GetInterfaceIP does.
func forwardable(ifs sockaddr.IfAddrs) (sockaddr.IfAddrs, error) {
	out, _, err := sockaddr.IfByFlag("forwardable", ifs)
	return out, err
}

// evaluateAll returns the words that a template gives, at least one.
func (p *parser) evaluateAll(key string, line int, text string) []string {
	out, err := evaluate(text, p.env.Interfaces)
	var several *severalError
	words := strings.Fields(out)
	switch {
	case errors.As(err, &several):
		p.wrong(line, `%s: the template %v: narrow it with include, or join all with join "string" " " where a list will do`,
			key, several)
		return nil
	case err != nil:
		p.wrong(line, "%s: the template cannot be evaluated: %v: correct it as the manual of go-sockaddr says", key, err)
		return nil
	case len(words) == 0:
		p.wrong(line,
			"%s: the template matches nothing: choose among the addresses of this host, %s", key, pairs(p.env.Interfaces))
	}
	return words
}

// evaluateOne returns the address that a template gives.
func (p *parser) evaluateOne(key string, line int, text string) (netip.Addr, bool) {
	words := p.evaluateAll(key, line, text)
	if len(words) > 1 {
		p.wrong(line, "%s: the template matches several addresses, %s: narrow it with include until one of %s is left",
			key, strings.Join(words, " "), pairs(p.env.Interfaces))
	}
	if len(words) != 1 {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(words[0])
	if err != nil {
		p.wrong(line, `%s: the template gives %q, which is no address: end it with attr "address"`, key, words[0])
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// splitTemplate parts "{{ ... }}:80" behind the template, which is to be evaluated alone: one that matches nothing would
// otherwise leave ":80", which is every address.
func splitTemplate(s string) (template, port string, err error) {
	end := strings.LastIndex(s, "}}")
	if end < 0 {
		return "", "", fmt.Errorf("the template has no end: close it with }}")
	}
	template, rest := s[:end+2], s[end+2:]
	if t, ok := strings.CutPrefix(template, "["); ok {
		if r, ok := strings.CutPrefix(rest, "]"); ok {
			template, rest = t, r
		}
	}
	port, ok := strings.CutPrefix(rest, ":")
	if !ok {
		return "", "", fmt.Errorf("there is no port behind the template: write {{ ... }}:80")
	}
	return template, port, nil
}
