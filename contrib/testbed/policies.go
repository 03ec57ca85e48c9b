package main

import (
	"fmt"
	"strings"
)

// kind says what stands at the fronts.
type kind int

const (
	kindIdeal kind = iota // package ideal, at one front, before the members' agents
	kindAgent             // our agents
	kindRival             // another proxy, before the origins
)

// policy is a way to choose.
type policy struct {
	key   string
	about string
	kind  kind
	chain []string // of our agents; nil: their default
	own   bool     // by -chain

	program string // of a rival
	conf    string // in conf/
	args    []string
	balance string // HAProxy's

	rival string // of the simulator, which is the same; "": it plays the chain
}

// Key, Rival and Steps are for the simulator's scenario.
func (p policy) Key() string { return p.key }

// Rival returns which balancer of the simulator it is, or "".
func (p policy) Rival() string { return p.rival }

// Steps returns the chain.
func (p policy) Steps() []string {
	if p.chain == nil {
		return []string{keyAuto}
	}
	return p.chain
}

// The seed chain as it stands in the documents that the project starts from, and the same with requests under way, which
// are known at once, for the load average of a minute.
func seedChain() []string {
	return []string{"removeSelf", "byAge 6", "byRandom", "byLogWindow", "byLoad"}
}

func seedBusyChain() []string {
	return []string{"removeSelf", "byAge 6", "byRandom", "byLogWindow", "byBusyChildren"}
}

// The policies that are named elsewhere.
const (
	keyIdeal    = "ideal"
	keyAuto     = "auto"
	keyRandom   = "random"
	keySeed     = "seed"
	keySeedBusy = "seed-busy"
	keyLeast    = "haproxy-leastconn"
	keyRandom2  = "haproxy-random"
	keyNginx    = "nginx"
	keyApache   = "apache"

	twoChoices = "two-choices" // of the simulator
)

func builtinPolicies() []policy {
	haproxy := func(key, balance, rival string) policy {
		return policy{
			key: key, about: "HAProxy, balance " + balance, kind: kindRival, balance: balance, rival: rival,
			program: "haproxy", conf: "haproxy.cfg", args: []string{"-db", "-f", "{conf}"},
		}
	}
	return []policy{
		{key: keyIdeal, about: "one front, all queues and true speeds", kind: kindIdeal, rival: "omniscient"},
		{key: keyAuto, about: "backhand, no chain in the file", kind: kindAgent},
		haproxy(keyLeast, "leastconn", "leastconn"),
		haproxy(keyRandom2, "random(2)", twoChoices),
		{
			key: keyNginx, about: "nginx, random two least_conn", kind: kindRival, rival: twoChoices,
			program: "nginx", conf: "nginx.conf", args: []string{"-e", "{run}/error.log", "-c", "{conf}"},
		},
		{
			key: keyApache, about: "Apache, lbmethod heartbeat", kind: kindRival, rival: "heartbeat",
			program: "apache2", conf: "apache.conf", args: []string{"-DFOREGROUND", "-f", "{conf}"},
		},
		{key: keyRandom, about: "backhand, byRandom", kind: kindAgent, chain: []string{"byRandom"}},
		{key: keySeed, about: "backhand, the seed chain", kind: kindAgent, chain: seedChain()},
		{key: keySeedBusy, about: "backhand, the seed chain by requests under way", kind: kindAgent, chain: seedBusyChain()},
	}
}

// ownChain makes a policy of -chain NAME=STEP;STEP.
func ownChain(text string) (policy, error) {
	name, steps, some := strings.Cut(text, "=")
	p := policy{key: name, kind: kindAgent, own: true}
	for s := range strings.SplitSeq(steps, ";") {
		if s = strings.TrimSpace(s); s != "" {
			p.chain = append(p.chain, s)
		}
	}
	if !some || name == "" || len(p.chain) == 0 || strings.ContainsAny(text, "\"\\\n,") {
		return p, fmt.Errorf("-chain %q: want NAME=STEP;STEP, such as 'bare=byAge 6b;byTraffic'", text)
	}
	p.about = "backhand, " + strings.Join(p.chain, ", ")
	return p, nil
}
