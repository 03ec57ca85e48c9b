package proxy

import (
	"net/url"
	"slices"

	"backhand/gossip/node"
	"backhand/proxy/h1"
)

// A farm of which nobody was chosen may name where its requests go instead: another farm, or a complete URL (see
// node.Forwards). So may a physical, for the requests that belong to it and to nobody else.

// mostForwards is how many forwards a request follows.
const mostForwards = 8

// leg is one forward that was followed.
type leg struct {
	from *node.Farm
	why  string
	to   node.Forward
}

// elsewhere decides where d chose nobody, or one whom the request does not belong to: by forwards, and where they end by
// when_empty. Of another farm, the same chain chooses.
//
//go:noinline
func (s *site) elsewhere(d *decision, rt *route, snap *node.Snapshot, sc *scratch, run runChain) {
	first := *d
	var way []leg
	for {
		l, ok := sc.nextLeg(d, way)
		switch {
		case ok:
			way = append(way, l)
		case !d.nobody():
			if len(way) > 0 {
				d.action, d.way = followed, way
			}
			return
		case !first.nobody(): // others of its farm are better than nobody
			*d = first
			return
		default:
			*d = s.whenEmpty(d.farm, rt, sc)
			d.way = way
			return
		}
		if u := l.to.URL; u != nil {
			*d = decision{farm: d.farm, member: memberAt(u, d.farm.Name), complete: u, action: followed, way: way}
			return
		}
		s.chooseOf(d, farmOf(snap, l.to.Farm), rt, sc, run)
	}
}

// nextLeg returns the forward that leads on from a decision, and whether there is one: that of the member to which the request
// belongs, or, if nobody was chosen, that of the farm.
func (sc *scratch) nextLeg(d *decision, way []leg) (leg, bool) {
	l := leg{from: d.farm, why: "the member to which the request belongs is not fit", to: sc.req.Forward}
	if sc.mayFollow(&l, way) {
		return l, true
	}
	if !d.nobody() {
		return leg{}, false
	}
	l.to, l.why = d.farm.Forward()
	return l, sc.mayFollow(&l, way)
}

// mayFollow reports whether a forward leads on: to a farm at which the request was not yet, or to a URL that was not yet asked.
func (sc *scratch) mayFollow(l *leg, way []leg) bool {
	switch to := l.to; {
	case to.IsZero(), len(way) == mostForwards:
		return false
	case to.URL != nil:
		return isComplete(to.URL) && !slices.ContainsFunc(sc.tried, func(m *node.Member) bool { return m.Key == urlKey(to.URL) })
	default:
		return to.Farm != l.from.Name && !slices.ContainsFunc(way, func(l leg) bool { return l.from.Name == to.Farm })
	}
}

// isComplete reports whether requests can be sent to the URL.
func isComplete(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Opaque == "" && h1.ValidHost([]byte(u.Host))
}

// memberAt returns the only member that there is behind a URL. Nothing is known of it, and nothing remembered.
func memberAt(u *url.URL, farm string) *node.Member {
	return &node.Member{Key: urlKey(u), Name: u.Redacted(), Farm: farm, URL: u, Live: new(node.Live)}
}

// urlKey is the key of memberAt. Those of other members have no space in them.
func urlKey(u *url.URL) string { return "url " + u.String() }

// String returns the name of the farm, or the URL, to which a leg leads.
func (l *leg) String() string {
	if l.to.URL != nil {
		return l.to.URL.Redacted()
	}
	return l.to.Farm
}

// forward returns where the last forward led that was followed; "" if none was.
func (d *decision) forward() string {
	if len(d.way) == 0 {
		return ""
	}
	return d.way[len(d.way)-1].String()
}

// appendComplete appends the request line and Host for a URL that takes the place of the request's own.
func appendComplete(b, method []byte, u *url.URL) []byte {
	query := ""
	if u.RawQuery != "" {
		query = "?" + encodeOdd(u.RawQuery)
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	b = h1.AppendRequestLine(b, method, encodeOdd(path), query)
	return h1.AppendField(b, "Host", u.Host)
}

// encodeOdd encodes what would end a request line, or must not stand in one.
func encodeOdd(s string) string {
	var b []byte
	from := 0
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '#' {
			b = append(append(b, s[from:i]...), '%', upperHex[c>>4], upperHex[c&15])
			from = i + 1
		}
	}
	if from == 0 {
		return s
	}
	return string(append(b, s[from:]...))
}
