package candidacytest

import (
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// Request returns a request for a page of the farm, decided at [Now] and by a source of chance that always begins alike.
func Request(f *node.Farm) *candidacy.Request {
	return &candidacy.Request{
		Method: "GET", Host: "www.example.com", Path: "/", Client: netip.MustParseAddr("192.0.2.1"),
		Now: Now(), Rand: Rand(1), Farm: f,
	}
}

// Rand returns a source of chance that gives the same numbers for the same seed.
func Rand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// Fields are the parts of a request that steps may ask for.
type Fields struct {
	Cookie []string    // Cookie fields, as they came
	Args   string      // the query, without ?
	Fields http.Header // all other fields
}

// AppendCookies appends the values of all cookies of that name.
func (f Fields) AppendCookies(dst []string, name string) []string {
	for _, line := range f.Cookie {
		cookies, _ := http.ParseCookie(line) // a line that cannot be read has no cookies
		for _, c := range cookies {
			if c.Name == name {
				dst = append(dst, c.Value)
			}
		}
	}
	return dst
}

// AppendQuery appends the values of all query arguments of that name.
func (f Fields) AppendQuery(dst []string, name string) []string {
	args, _ := url.ParseQuery(f.Args) // what can be read of it
	return append(dst, args[name]...)
}

// AppendHeader appends the values of all fields of that name.
func (f Fields) AppendHeader(dst []string, name string) []string {
	if http.CanonicalHeaderKey(name) == "Cookie" {
		return append(dst, f.Cookie...)
	}
	return append(dst, f.Fields.Values(name)...)
}

// Step returns the step that its text stands for, with the registry's functions. It panics if there is a mistake in it.
func Step(r *candidacy.Registry, text string) candidacy.Step {
	s, err := r.Step(text)
	if err != nil {
		panic("candidacytest: " + err.Error())
	}
	return s
}

// Chain returns a chain of these steps, of the registry's functions. It panics if there is a mistake in one.
func Chain(r *candidacy.Registry, steps ...string) *candidacy.Chain {
	c, errs := r.Parse(steps)
	if len(errs) > 0 {
		panic("candidacytest: " + errs[0].Error())
	}
	return c
}
