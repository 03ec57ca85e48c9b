package candidacy

import (
	"fmt"
	"slices"
	"strings"

	"backhand/gossip/node"
)

func byZone() Spec {
	return Spec{
		Name: "byZone", Usage: "byZone [ZONE]",
		Doc: "Keeps the members in ZONE (default: this host's own), as long as any is left there. Else all stay, as they do on a host that " +
			"has no zone (zone in [node] of the file). Physicals are in no zone.",
		Source: ours, Example: "byZone",
		Make: makeByZone,
	}
}

func makeByZone(a *Args) Step {
	named := a.Word("")
	if len(named) > node.MaxZone {
		a.Fail("ZONE is %q, want at most %d bytes", named, node.MaxZone)
	}
	wanted := func(req *Request) string {
		if named == "" && req.Farm != nil {
			return req.Farm.Zone
		}
		return named
	}
	return Step{
		Ahead: Once,
		Run: func(req *Request, in []*node.Member) []*node.Member {
			zone := wanted(req)
			if zone == "" {
				return in
			}
			return prefer(in, func(m *node.Member) bool { return m.Node != nil && m.Node.Zone == zone })
		},
		Note: func(_ *Request, m *node.Member) string {
			if m.Node == nil || m.Node.Zone == "" {
				return "no zone"
			}
			return fmt.Sprintf("zone %q", m.Node.Zone)
		},
		Why: "in another zone",
	}
}

func byLabel() Spec {
	return Spec{
		Name: "byLabel", Usage: "byLabel KEY[=VALUE]",
		Doc: "Keeps the members that carry the label KEY, with that VALUE if one is given, and drops the others. Labels stand in [node] of " +
			"each host's file, and those of a physical in its entry in [[farm]] (labels); lower and upper case differ.",
		Source: ours, Example: "byLabel disk=ssd",
		Make: makeByLabel,
	}
}

func makeByLabel(a *Args) Step {
	text := a.Need("KEY")
	key, value, exact := strings.Cut(text, "=")
	if text != "" && (key == "" || len(key) > node.MaxLabel || len(value) > node.MaxLabel) {
		a.Fail("the label is %q, want KEY or KEY=VALUE, each at most %d bytes", text, node.MaxLabel)
	}
	return Step{
		Ahead: Once,
		Run: func(_ *Request, in []*node.Member) []*node.Member {
			return slices.DeleteFunc(in, func(m *node.Member) bool {
				v, ok := m.Label(key)
				return !ok || exact && v != value
			})
		},
		Note: func(_ *Request, m *node.Member) string {
			if v, ok := m.Label(key); ok {
				return fmt.Sprintf("%s=%q", key, v)
			}
			return ""
		},
		Why: "not labelled " + text,
	}
}
