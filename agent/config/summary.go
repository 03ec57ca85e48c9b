package config

import (
	"fmt"
	"strings"
)

// Summary says in one line what the file makes of this host: `cluster "web": node www1 at 10.58.4.2:80 serves web; 1 route;
// beats go to 239.255.221.20:4445,1; listens on :80 and :443 (TLS)`.
func (c *Config) Summary() string {
	s := fmt.Sprintf("cluster %q: node %s", c.Cluster, c.Node.Name)
	if c.Node.Address.IsValid() {
		s += " at " + c.Node.Address.String()
	}
	if len(c.Serve) == 0 {
		s += " serves nothing itself"
	}
	for i, v := range c.Serve {
		s += []string{" serves ", ", "}[min(i, 1)] + v.Farm
	}
	s += fmt.Sprintf("; %d route", len(c.Route))
	if len(c.Route) != 1 {
		s += "s"
	}
	if c.Gossip.Alone() {
		return s + "; no beats are sent" + c.listens() + c.neighbours()
	}
	var to []string
	for _, d := range c.Gossip.Send {
		to = append(to, d.String())
	}
	if n := len(c.Gossip.Peers); n == 1 {
		to = append(to, c.Gossip.Peers[0].String())
	} else if n > 1 {
		to = append(to, fmt.Sprintf("%d peers", n))
	}
	if m := c.Gossip.Memberlist; m != nil {
		to = append(to, "the members that memberlist finds from "+m.Advertise.String())
	}
	return s + "; beats go to " + strings.Join(to, " and ") + c.listens() + c.neighbours()
}

// listens returns the listeners, with what is special about them.
func (c *Config) listens() string {
	if len(c.Listen) == 0 {
		return ""
	}
	all := make([]string, len(c.Listen))
	for i, l := range c.Listen {
		all[i] = l.String()
	}
	return "; listens on " + strings.Join(all, " and ")
}

// String returns the address, with what is special about the listener behind it: ":443 (TLS, no peers)".
func (l Listen) String() string {
	var notes []string
	if len(l.Certificates) > 0 {
		notes = append(notes, "TLS")
	}
	if len(l.ProxyProtocol) > 0 {
		notes = append(notes, "PROXY")
	}
	if !l.Peers {
		notes = append(notes, "no peers")
	}
	if notes == nil {
		return l.Address
	}
	return l.Address + " (" + strings.Join(notes, ", ") + ")"
}
