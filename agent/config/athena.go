package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"backhand/candidacy"
)

// Athena says where programs ask which members to use, see what is known of farms and servers, and tell of them: the engine of
// mod_athena. It has listeners of its own, so that none of it can be reached by those that clients use.
type Athena struct {
	// Listen is host:port, where an empty host is all addresses. None: nobody can ask.
	Listen []string
	// Path is what the path of each request to it begins with, without slash at the end. Default /athena. Nothing else is
	// answered there, and nothing of it is ever proxied.
	Path string
	// Who may ask for members, see how things stand, tell of them, and mirror another engine. Default: loopback. No address:
	// nobody.
	Balance, Status, Update, Mirror []netip.Prefix
	// Mirrored says that other engines may mirror to this one, those in Mirror. Default false.
	Mirrored bool
	// Tokens are what has to be sent besides, for the parts that they open, of the file TokenFile; "": no tokens.
	TokenFile string
	Tokens    []Token
	// Chain picks the members of farms to which no [[farm]] gives another: the default one. nil without [athena].
	Chain *candidacy.Chain
}

// On reports whether anybody can ask.
func (a Athena) On() bool { return len(a.Listen) > 0 }

const (
	defaultAthenaPath = "/athena"
	exampleAthena     = `"10.58.4.1:4446"`
	// maxAthenaListen is how many addresses there may be.
	maxAthenaListen = 16
)

func (p *parser) readAthena(s *section) {
	a := &p.cfg.Athena
	addresses := s.oneOrMore("listen", exampleAthena)
	a.Path = p.readAthenaPath(s)
	p.readAthenaAllow(s)
	a.Mirrored = s.flag("mirror")
	p.readTokens(s)
	s.close()
	if s.table == nil {
		*a = Athena{}
		return
	}
	p.athena = s
	a.Chain = p.defaultChain(s)
	switch {
	case !s.has("listen"):
		s.missing("listen", exampleAthena)
	case s.empty("listen"):
		p.wrong(s.lineOf("listen"), "athena.listen is empty: write listen = %s, or leave [athena] away", exampleAthena)
	case len(addresses) > maxAthenaListen:
		p.wrong(s.lineOf("listen"), "athena.listen has %d addresses: write at most %d", len(addresses), maxAthenaListen)
		return
	}
	for _, it := range addresses {
		p.readAthenaListen(it)
	}
}

// oneOrMore returns the elements of a list of strings, or the one string that stands in its place.
func (s *section) oneOrMore(key, example string) []item {
	if !s.has(key) || s.table.keys[key].isList {
		return s.texts(key, example)
	}
	text, ok := s.text(key, example)
	if !ok {
		return nil
	}
	return []item{{text: text, line: s.lineOf(key)}}
}

// readAthenaListen takes an address over if it can be one to listen on.
func (p *parser) readAthenaListen(it item) {
	l := listener{text: it.text}
	var ok bool
	if l.host, l.port, ok = p.hostPort("athena.listen", it.line, it.text); !ok {
		return
	}
	if l.host.IsValid() && !l.host.IsUnspecified() && !p.env.local(l.host) {
		p.wrong(it.line, `athena.listen %q is no address of this host: write ":%d" for all, or one of %s`, it.text, l.port,
			pairs(p.env.Interfaces))
		return
	}
	if by := p.taker(l); by != "" {
		p.wrong(it.line, "athena.listen %q is taken by %s: give each its own port", it.text, by)
		return
	}
	p.athenaAt = append(p.athenaAt, l)
	address := fmt.Sprintf(":%d", l.port)
	if l.host.IsValid() {
		address = netip.AddrPortFrom(l.host, l.port).String()
	}
	p.cfg.Athena.Listen = append(p.cfg.Athena.Listen, address)
}

// taker returns who else listens on an address, in words; "" if nobody does.
func (p *parser) taker(l listener) string {
	type taken struct {
		what string
		by   []listener
	}
	all := []taken{{"athena.listen", p.athenaAt}}
	if !p.announce { // then [[listen]] does not count
		all = append(all, taken{"the [[listen]]", p.listens})
	}
	if text := p.cfg.AgentCheck.Listen; text != "" {
		host, port, _ := addrPort(text) // it was checked
		all = append(all, taken{"agent_check.listen", []listener{{text: text, host: host, port: port}}})
	}
	for _, t := range all {
		for _, o := range t.by {
			if o.port == l.port && (o.covers(l.host) || l.covers(o.host)) {
				return fmt.Sprintf("%s %q", t.what, o.text)
			}
		}
	}
	return ""
}

func (p *parser) readAthenaPath(s *section) string {
	text, ok := s.text("path", `"`+defaultAthenaPath+`"`)
	if !ok {
		return defaultAthenaPath
	}
	path := strings.TrimSuffix(text, "/")
	err := checkPath(text)
	if err == nil && path == "" {
		err = fmt.Errorf("write a path with a name in it, such as %q", defaultAthenaPath)
	}
	if err != nil {
		p.wrong(s.lineOf("path"), "athena.path is %q: %v", text, err)
		return defaultAthenaPath
	}
	return path
}

// athenaParts are the keys that say who may use which part.
func (a *Athena) athenaParts() []athenaPart {
	return []athenaPart{
		{"allow_balance", &a.Balance}, {"allow_status", &a.Status}, {"allow_update", &a.Update}, {"allow_mirror", &a.Mirror},
	}
}

type athenaPart struct {
	key   string
	allow *[]netip.Prefix
}

// readAthenaAllow reads who may do what. What stands for a part replaces what stands for all.
func (p *parser) readAthenaAllow(s *section) {
	all := loopback()
	if allow := s.prefixes("allow"); s.has("allow") {
		all = allow
	}
	anybody := false
	for _, part := range p.cfg.Athena.athenaParts() {
		*part.allow = all
		if allow := s.prefixes(part.key); s.has(part.key) {
			*part.allow = allow
		}
		anybody = anybody || len(*part.allow) > 0 || s.has(part.key) && !s.empty(part.key)
	}
	if !anybody && s.empty("allow") {
		p.wrong(s.lineOf("allow"), `athena.allow is empty: nobody could ask: write allow = ["10.58.4.0/24"], or leave [athena] away`)
	}
}

// warnAthena is about what strangers could do, or nobody can.
func (p *parser) warnAthena() {
	s := p.athena
	if s == nil {
		return
	}
	p.warnAthenaAllow(s)
	if s.has("allow_mirror") && !s.empty("allow_mirror") && !p.cfg.Athena.Mirrored {
		p.odd(s.lineOf("allow_mirror"), "athena.allow_mirror does nothing as long as mirroring is not enabled: write mirror = true, too, or "+
			"leave it away")
	}
	p.warnNames()
}

// warnAthenaAllow compares who may reach the listeners with who may do what.
func (p *parser) warnAthenaAllow(s *section) {
	outside := slices.ContainsFunc(p.athenaAt, func(l listener) bool { return !l.host.IsLoopback() })
	keyOf := func(key string) string {
		if s.has(key) {
			return key
		}
		return "allow"
	}
	for _, part := range p.cfg.Athena.athenaParts() {
		if part.key != "allow_update" && part.key != "allow_mirror" {
			continue
		}
		key := keyOf(part.key)
		if p.cfg.Athena.Opened(strings.TrimPrefix(part.key, "allow_")) {
			continue // the address is not all that counts
		}
		if outside && slices.ContainsFunc(*part.allow, func(a netip.Prefix) bool { return a.Bits() == 0 }) {
			p.odd(s.lineOf(key), "athena.%s is everybody, and not only this host can reach athena.listen: whoever does can take all "+
				"members out of service; name the network of those who may, or listen on 127.0.0.1", key)
			break
		}
	}
	reachable := len(p.athenaAt) == 0
	for _, l := range p.athenaAt {
		reachable = reachable || !l.host.IsValid() || l.host.IsUnspecified() || l.host.IsLoopback()
	}
	onlyLoopback := func(allow []netip.Prefix) bool {
		return !slices.ContainsFunc(allow, func(a netip.Prefix) bool { return !a.Addr().IsLoopback() })
	}
	a := p.cfg.Athena
	if !reachable && onlyLoopback(slices.Concat(a.Balance, a.Status, a.Update, a.Mirror)) {
		p.odd(s.lineOf("allow"), "athena.allow is loopback alone, and athena.listen %s can be reached from there by nobody: write "+
			`allow = ["10.58.4.0/24"], the network of those who ask, or listen on 127.0.0.1`, strings.Join(a.Listen, ", "))
	}
}

// warnNames is about names that one cannot ask for as they are.
func (p *parser) warnNames() {
	escaped := func(s *section, key, name string) {
		if strings.HasPrefix(name, "E") {
			p.odd(s.lineOf(key), "%s %q begins with E, by which a query says that what follows is escaped: programs must ask for %q; "+
				"another name is easier", s.full(key), name, "E"+name)
		}
	}
	for i, v := range p.cfg.Serve {
		escaped(p.serve[i], "farm", v.Farm)
	}
	for i, f := range p.cfg.Farm {
		escaped(p.farm[i], "name", f.Name)
		for j, m := range f.Member {
			if m.Name != "" && m.Name == p.cfg.Node.Name {
				p.odd(p.member[i][j].lineOf("name"), "farm.member.name %q is the name of this node, too: what is told of it counts for the "+
					"member, and not for the node; give the member another name", m.Name)
			}
		}
	}
}
