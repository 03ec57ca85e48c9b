package candidacy

// Builtin returns a registry of all functions that backhand brings along.
func Builtin() *Registry {
	return NewRegistry(
		off(), addSelf(), removeSelf(),
		byAge(),
		byRandom(), byLogWindow(),
		byLoad(), byCPU(), byBusyChildren(),
		byHostname(), bySession(),
		httpRedirectToIP(), httpRedirectToName(),
	)
}

// DefaultChain is the chain of a route that names none.
func DefaultChain() []string { return []string{"byAge 6b", "byRandom", "byLogWindow", "byLoad"} }

// Where the rules come from.
const (
	whitePaper   = "mod_backhand white paper (CNDS-2000-2)"
	builtinsH    = "mod_backhand, builtins.h"
	announcement = "mod_backhand 1.0.9, announcement"
	book         = "Apache: The Definitive Guide, 3rd edition"
)
