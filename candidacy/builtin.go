package candidacy

// Builtin returns a registry of all functions that backhand brings along.
func Builtin() *Registry {
	return NewRegistry()
}

// DefaultChain is the chain of a route that names none.
func DefaultChain() []string { return []string{"byAge 6b", "byRandom", "byLogWindow", "byLoad"} }
