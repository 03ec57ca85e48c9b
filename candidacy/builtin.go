package candidacy

// Builtin returns a registry of all functions that backhand brings along.
func Builtin() *Registry {
	return NewRegistry(
		off(), addSelf(), removeSelf(),
		byAge(), byError(), bySubset(),
		byTraffic(), orElse(),
		byRandom(), byLogWindow(),
		byCapacity(), byWater(),
		byLoad(), byCPU(), byBusyChildren(), byCost(), addPrediction(), byStat(),
		bySlowStart(), byZone(), byLabel(), byHash(),
		byExpr(),
		byHostname(), bySession(), addSession(),
		httpRedirectToIP(), httpRedirectToName(),
	)
}

// Auto is what stands for the steps of the default chain: it may be all of a chain, or stand behind other steps.
const Auto = "auto"

// DefaultChain is what [Auto] stands for, and the chain of a route that names none.
func DefaultChain() []string {
	return []string{"byAge 6b", "byError 5s", "bySubset 64", "byTraffic", "orElse 2"}
}

// Where the rules come from.
const (
	whitePaper   = "mod_backhand white paper (CNDS-2000-2)"
	builtinsH    = "mod_backhand, builtins.h"
	announcement = "mod_backhand 1.0.9, announcement"
	ours         = "backhand; reference: balancing, 3.4"
	book         = "Apache: The Definitive Guide, 3rd edition"
)
