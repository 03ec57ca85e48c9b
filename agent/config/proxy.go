package config

import (
	"errors"
	"slices"
	"strings"
	"time"

	"backhand/proxy/h1"
)

const maxHead = 1 << 20 // bytes, the most that proxy.max_head may be: each connection may make us hold as much

func (p *parser) readProxy(s *section) {
	const day = 24 * time.Hour
	x := &p.cfg.Proxy
	x.TrustedProxies = s.prefixes("trusted_proxies")
	x.ClientIP = s.flag("client_ip")
	x.Tries = s.integer("tries", 3, 1, 16)
	x.Upgrade = p.readUpgrade(s)

	x.Connect = s.duration("connect", time.Second, 10*time.Millisecond, time.Minute)
	x.ResponseHead = s.duration("response_head", time.Minute, 100*time.Millisecond, day)
	x.ResponseIdle = s.duration("response_idle", 10*time.Minute, 100*time.Millisecond, day)
	x.Total = s.duration("total", 0, 0, day)
	x.TunnelIdle = s.duration("tunnel_idle", time.Hour, time.Second, 7*day)

	x.ClientHead = s.duration("client_head", 10*time.Second, 100*time.Millisecond, time.Hour)
	x.ClientIdle = s.duration("client_idle", time.Minute, 100*time.Millisecond, day)
	x.Idle = s.duration("idle", time.Minute, time.Second, day)
	x.Drain = s.duration("drain", 30*time.Second, 0, time.Hour)

	x.MaxBody = s.size("max_body", 0, 0, 1<<50)
	x.MaxHead = int(s.size("max_head", h1.DefaultHead, 1<<10, maxHead))
	x.MaxFields = s.integer("max_fields", h1.DefaultFields, 8, 4096)
	x.MaxLine = int(s.size("max_line", int64(min(h1.DefaultLine, x.MaxHead)), 256, int64(x.MaxHead)))
	s.close()
}

// readUpgrade reads the protocols that a connection may be upgraded to. An empty list is not nil.
func (p *parser) readUpgrade(s *section) []string {
	if !s.has("upgrade") {
		s.texts("upgrade", "")
		return []string{"websocket"}
	}
	out := []string{}
	for _, it := range s.texts("upgrade", `"websocket"`) {
		name := strings.ToLower(it.text)
		switch err := checkProtocol(name); {
		case err != nil:
			p.wrong(it.line, "proxy.upgrade: %q: %v", it.text, err)
		case slices.Contains(out, name):
			p.wrong(it.line, "proxy.upgrade has %q twice: leave one away", it.text)
		default:
			out = append(out, name)
		}
	}
	return out
}

// checkProtocol says what is wrong with the name of a protocol (RFC 9110, section 7.8).
func checkProtocol(name string) error {
	proto, version, hasVersion := strings.Cut(name, "/")
	const others = "!#$%&'*+-.^_`|~"
	switch {
	case proto == "" || !onlyOf(proto, others), hasVersion && (version == "" || !onlyOf(version, others)), len(name) > 64:
		return errors.New(`write the name of a protocol, such as "websocket"`)
	case proto == "h2c" || proto == "http" || proto == "tls":
		return errors.New("requests in such a connection would take no route: leave it away")
	}
	return nil
}
