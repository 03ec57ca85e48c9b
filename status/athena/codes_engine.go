package athena

import "time"

// engineTable returns the codes of the engine itself.
func engineTable() *table[Self] {
	return &table[Self]{
		what: "engine",
		name: func(s *Self) string { return s.Name },
		codes: []code[Self]{
			{'h', "name", selects, "the agent's name", func(s *Self, _ time.Time) any { return s.Name }},
			{'f', "format", formats, "how the reply is written, or json (mod_athena)", nil},
			{'i', "id", shows, "the node's id", func(s *Self, _ time.Time) any { return s.ID }},
			{'v', "version", shows, "the agent's version", func(s *Self, _ time.Time) any { return s.Version }},
			{'t', "uptime", shows, "seconds since it was started", func(s *Self, now time.Time) any { return since(s.Started, now) }},
			{'F', "farms", shows, "how many farms it knows", func(s *Self, _ time.Time) any { return s.Farms }},
			{'P', "physicals", shows, "how many physicals it knows", func(s *Self, _ time.Time) any { return s.Physicals }},
			{'N', "nodes", shows, "how many nodes it knows", func(s *Self, _ time.Time) any { return s.Nodes }},
			{'q', "queries", shows, "how often a member was asked for", func(s *Self, _ time.Time) any { return s.Queries }},
			{'U', "taken", shows, "updates that were taken", func(s *Self, _ time.Time) any { return s.Updates }},
			{'X', "mirrored", shows, "farms and physicals of which another engine told", func(s *Self, _ time.Time) any { return s.Mirrored }},
			{'M', "mirrors", shows, "engines to which it is mirrored, and how that goes", func(s *Self, _ time.Time) any { return s.Mirrors }},
			{'R', "refused", shows, "requests over HTTP that were refused", func(s *Self, _ time.Time) any { return s.Refused }},
		},
	}
}
