package status

import (
	"time"
)

// maxFindings is how many are shown: whoever makes them has few kinds of them.
const maxFindings = 64

// Finding is something that is wrong with the cluster, its network or this agent, as it turned out while it runs. What is
// wrong with the file is a warning.
type Finding struct {
	Kind  string    `json:"kind"` // a word, for alerts
	Text  string    `json:"text"` // one sentence: what is wrong, and what to do
	Since time.Time `json:"since,omitzero"`
}

func newFindings(list []Finding) []Finding {
	out := make([]Finding, 0, len(list))
	for _, f := range list[:min(len(list), maxFindings)] {
		out = append(out, Finding{Kind: clean(f.Kind), Text: clean(f.Text), Since: f.Since.Round(0)})
	}
	return out
}

// forHow says for how long a finding has held: "for 3 min"; "" if that is not known.
func (v View) forHow(f Finding) string {
	if f.Since.IsZero() {
		return ""
	}
	return "for " + span(max(0, v.Now.Sub(f.Since)).Seconds())
}
