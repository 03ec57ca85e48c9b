package proxy

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	"backhand/candidacy"
	"backhand/gossip/node"
)

// Route maps requests to a farm and to the chain that picks the member.
type Route struct {
	Host  []string // host names; none: all. Case, a port and a dot at the end do not count
	Path  string   // prefix, in whole segments: "/app" is not "/apple"; "" is "/"
	Files []string // patterns, as path.Match reads them, of a segment of the path: "*.php"; none: all
	Farm  string
	// To is what members get in place of Path, in whole segments, and with what comes behind it as it came: of Path "/reports"
	// and To "/app", "/reports/a%2Fb?c" is "/app/a%2Fb?c". A slash at the end of either does not count. What members say of
	// their URLs is mapped back (see mapback.go). "": the path stays as it is.
	To    string
	Chain *candidacy.Chain
	// WhenEmpty is what happens if the chain leaves nobody: "self", "any" or "503". "" is self if this host serves the
	// farm and its origin is up, else 503.
	WhenEmpty string
	// RetryOn are statuses, of 502, 503 and 504, upon which a request that may run twice is handed to another member.
	RetryOn []int
	// ErrorOn are statuses, from 500 to 599, with which a member fails a request, as far as it is judged by that (byError).
	// nil: 500, 502, 503 and 504.
	ErrorOn []int
}

var defaultErrorOn = []int{500, 502, 503, 504} // never written

// failsWith reports whether a member fails a request with that status. A nil route is one of which nothing is said.
func (r *route) failsWith(status int) bool {
	if r == nil || r.ErrorOn == nil {
		return slices.Contains(defaultErrorOn, status)
	}
	return slices.Contains(r.ErrorOn, status)
}

// Routes finds the route of a request. It does not change.
type Routes struct {
	all     []*route
	byHost  map[string][]*route // the most specific first
	anyHost []*route
}

// route is a Route made ready.
type route struct {
	Route
	label  string // what metrics and logs call it; unique
	prefix string // as normalReading has it, without slash at the end
	to     string // To, without slash at the end
}

// NewRoutes makes the routes ready, or returns all that is wrong with them. A route with a host goes before those
// without, then a longer path before a shorter one, then one with file patterns before one without, then the earlier.
func NewRoutes(list []Route) (*Routes, error) {
	rs := &Routes{byHost: map[string][]*route{}}
	seen := map[string]bool{}
	var errs []error
	for _, r := range list {
		rt := &route{Route: r, label: r.Label()}
		errs = append(errs, rt.check()...)
		for _, key := range rt.keys() {
			if seen[key] {
				errs = append(errs, fmt.Errorf("route %s: another route has the same %s", rt.label, key))
			}
			seen[key] = true
		}
		rs.add(rt)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, l := range rs.byHost {
		slices.SortStableFunc(l, moreSpecific)
	}
	slices.SortStableFunc(rs.anyHost, moreSpecific)
	return rs, nil
}

// Label returns what metrics, logs and pages call the route: its hosts, path and patterns.
func (r Route) Label() string {
	s := strings.Join(r.Host, ",") + cmp.Or(r.Path, "/")
	if len(r.Files) > 0 {
		s += " " + strings.Join(r.Files, ",")
	}
	return s
}

// check returns what is wrong with the route, and prepares its prefix.
func (r *route) check() (errs []error) {
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("route %s: %w", r.label, fmt.Errorf(format, args...)))
	}
	p := cmp.Or(r.Path, "/")
	if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "?#") {
		bad("the path is %q, want one that begins with a slash and has no ? or #", r.Path)
		p = "/"
	}
	r.prefix = strings.TrimRight(normalReading(p), "/")
	for _, f := range r.Files {
		if _, err := path.Match(f, ""); err != nil || f == "" || strings.Contains(f, "/") {
			bad("the file pattern is %q, want one such as *.php, without slash", f)
		}
	}
	if r.To != "" && !validTo(r.To) {
		bad("its path at the members is %q, want one that begins with a slash, encoded, and without dot segments", r.To)
	}
	r.to = strings.TrimRight(r.To, "/")
	if !validFarm(r.Farm) {
		bad("the farm is %q, want a name of 1 to %d visible ASCII characters", r.Farm, node.MaxFarm)
	}
	if r.Chain == nil {
		bad("it has no chain")
	}
	if !slices.Contains([]string{"", "self", "any", "503"}, r.WhenEmpty) {
		bad("when_empty is %q, want self, any or 503", r.WhenEmpty)
	}
	for _, status := range r.ErrorOn {
		if status < 500 || status > 599 {
			bad("error_on has %d, want statuses from 500 to 599", status)
		}
	}
	return errs
}

// keys returns what must be unique: one for each host and pattern.
func (r *route) keys() []string {
	files := r.Files
	if len(files) == 0 {
		files = []string{""}
	}
	var keys []string
	for _, h := range r.hosts() {
		for _, f := range files {
			keys = append(keys, fmt.Sprintf("host %q, path %q and file %q", h, r.prefix+"/", f))
		}
	}
	return keys
}

// hosts returns the host names of the route in the form in which they are compared; "" is any.
func (r *route) hosts() []string {
	if len(r.Host) == 0 {
		return []string{""}
	}
	var hosts []string
	for _, h := range r.Host {
		hosts = append(hosts, hostName(h))
	}
	return hosts
}

func (rs *Routes) add(r *route) {
	rs.all = append(rs.all, r)
	for _, h := range r.hosts() {
		if h == "" {
			rs.anyHost = append(rs.anyHost, r)
		} else {
			rs.byHost[h] = append(rs.byHost[h], r)
		}
	}
}

func moreSpecific(a, b *route) int {
	withFiles := func(r *route) int { return min(1, len(r.Files)) }
	return cmp.Or(cmp.Compare(len(b.prefix), len(a.prefix)), cmp.Compare(withFiles(b), withFiles(a)))
}

// find returns the route of a host and of one reading of a path, or nil.
func (rs *Routes) find(host, reading string) *route {
	if rs == nil {
		return nil
	}
	for _, r := range rs.byHost[host] {
		if r.matches(reading) {
			return r
		}
	}
	for _, r := range rs.anyHost {
		if r.matches(reading) {
			return r
		}
	}
	return nil
}

func (r *route) matches(reading string) bool {
	rest, ok := strings.CutPrefix(reading, r.prefix)
	if !ok || rest != "" && rest[0] != '/' {
		return false
	}
	return len(r.Files) == 0 || r.matchesFile(reading)
}

func (r *route) matchesFile(reading string) bool {
	for segment := range strings.SplitSeq(reading, "/") {
		for _, f := range r.Files {
			if ok, _ := path.Match(f, segment); ok { // the patterns were checked
				return true
			}
		}
	}
	return false
}

// hostName returns the name of a Host field in lower case, without port, brackets and a dot at its end.
func hostName(host string) string {
	if strings.IndexByte(host, ':') >= 0 {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		} else {
			host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		}
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
