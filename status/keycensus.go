package status

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"backhand/gossip/node"
)

// KeyView says how far the cluster has come with its keys. The figures are of the nodes that are heard, this one among
// them, but for those that nobody vouches for (see node.Node.Untrusted), which cannot have a key.
type KeyView struct {
	Mode     string   `json:"mode"`              // of this agent; "" if it has no keys
	Sealing  int      `json:"sealing"`           // number of the key that it seals with; 0: none
	Holds    []int    `json:"holds"`             // numbers of the keys that it holds
	Nodes    int      `json:"nodes"`             // that are heard
	Unsealed int      `json:"unsealed_nodes"`    // of them, those whose beats are not sealed
	Other    int      `json:"other_key_nodes"`   // that seal with another key than the newest one that anybody seals with
	Lacking  int      `json:"lacking_key_nodes"` // that have not got all our keys; of nodes that are not listed, at least so many
	Summary  []string `json:"summary"`           // sentences: what is still to be done, or what may be done now
}

// headline says in a few words how this agent uses its keys.
func (k *KeyView) headline() string {
	switch {
	case k.Mode == "":
		return "none"
	case k.Sealing == 0:
		return fmt.Sprintf("%s, holds %s, beats leave unsealed", k.Mode, orNone(list(k.Holds)))
	}
	return fmt.Sprintf("%s, holds %s, seals with %d", k.Mode, list(k.Holds), k.Sealing)
}

// byKey has nodes by the number of a key.
type byKey map[int]*group

// group is some nodes, of which those that are not listed one by one have no name here.
type group struct {
	n     int
	names []string
}

func (b byKey) add(name string, keys ...int) {
	for _, k := range keys {
		g := b.group(k)
		g.n++
		g.names = append(g.names, name)
	}
}

// addSum adds nodes without names.
func (b byKey) addSum(n, key int) {
	if n > 0 {
		b.group(key).n += n
	}
}

func (b byKey) group(key int) *group {
	g := b[key]
	if g == nil {
		g = &group{}
		b[key] = g
	}
	return g
}

// count returns how many nodes there are of a key.
func (b byKey) count(key int) int {
	if g := b[key]; g != nil {
		return g.n
	}
	return 0
}

// keys returns those of which there are nodes, in order.
func (b byKey) keys() []int { return slices.Sorted(maps.Keys(b)) }

// keyCensus is who seals with what, and who holds which keys.
type keyCensus struct {
	ours    *Keys // nil: none
	inUse   bool  // somebody has keys
	nodes   int
	newest  int // highest number that anybody seals with; 0: nobody seals
	lacking int // nodes that have not got all of our keys

	sealing, lack, extra, differ byKey // by Seal.Key, Lacks, Extra and Differs
	silent                       group
}

// takeKeyCensus asks every node. How one is that is silent, nobody knows; one that has left does not matter.
func takeKeyCensus(s *node.Snapshot, ours *Keys, now time.Time) *keyCensus {
	c := &keyCensus{ours: ours, inUse: ours != nil, sealing: byKey{}, lack: byKey{}, extra: byKey{}, differ: byKey{}}
	for _, n := range s.Nodes {
		self := n.ID == s.Self
		switch {
		case n.Untrusted:
		case self || n.Age(now) <= n.Beats(staleAfter):
			c.count(n.Name, newSeal(n, self, ours))
		case n.State != node.Leaving:
			c.silent.n++
			c.silent.names = append(c.silent.names, n.Name)
		}
	}
	if s.Others != nil {
		c.countOthers(s.Others)
	}
	return c
}

func (c *keyCensus) count(name string, s Seal) {
	c.nodes++
	c.newest = max(c.newest, s.Key)
	c.inUse = c.inUse || s.Key > 0 || len(s.Holds) > 0
	c.sealing.add(name, s.Key)
	c.lack.add(name, s.Lacks...)
	c.extra.add(name, s.Extra...)
	c.differ.add(name, s.Differs...)
	if len(s.Lacks)+len(s.Differs) > 0 {
		c.lacking++
	}
}

// countOthers adds those that are heard of the nodes that are known as sums only.
func (c *keyCensus) countOthers(o *node.Others) {
	heard := 0
	for k, n := range o.Keys {
		heard += n
		c.newest = max(c.newest, int(k))
		c.sealing.addSum(n, int(k))
	}
	c.nodes += heard
	c.inUse = c.inUse || c.newest > 0 || len(o.Held) > 0
	ours := map[uint8]node.KeyMark{}
	without := map[uint8]int{} // our keys, by how many hold none of that number
	if c.ours != nil {
		for _, k := range c.ours.Held {
			ours[k.ID], without[k.ID] = k, heard
		}
	}
	for k, n := range o.Held {
		mine, held := ours[k.ID]
		switch {
		case !held:
			c.extra.addSum(n, int(k.ID))
		case mine != k:
			c.differ.addSum(n, int(k.ID))
		}
		if held {
			without[k.ID] -= n
		}
	}
	most := 0 // lack the same key: of all that lack any, those are known to be different nodes
	for k, n := range without {
		c.lack.addSum(n, int(k))
		most = max(most, heard-o.Held[ours[k]])
	}
	c.lacking += most
}

// unsealed returns how many nodes send beats that are not sealed.
func (c *keyCensus) unsealed() int { return c.sealing.count(0) }

// other returns how many seal with another key than the newest one.
func (c *keyCensus) other() int { return c.nodes - c.unsealed() - c.ofNewest() }

func (c *keyCensus) ofNewest() int {
	if c.newest == 0 {
		return 0
	}
	return c.sealing.count(c.newest)
}

// view returns nil if nobody has keys.
func (c *keyCensus) view() *KeyView {
	if !c.inUse {
		return nil
	}
	v := &KeyView{
		Holds: []int{}, Nodes: c.nodes, Unsealed: c.unsealed(), Other: c.other(), Lacking: c.lacking,
		Summary: cleanAll(c.summary()),
	}
	if c.ours != nil {
		v.Mode, v.Sealing, v.Holds = clean(c.ours.Mode), int(c.ours.Sealing), numbers(c.ours.Held)
	}
	return v
}

// summary says in sentences what keeps a roll-out or a rotation from going on, or else how it may.
func (c *keyCensus) summary() []string {
	var out []string
	switch {
	case c.ours == nil:
		out = append(out, c.share(c.holders(), "holds keys", "hold keys", ", and this agent has none"))
	case c.nodes < 2:
		out = append(out, "no other node is heard, so that nothing is known of the keys of others")
	default:
		if out = c.obstacles(); out == nil {
			out = c.steps()
		}
	}
	if c.silent.n > 0 {
		out = append(out, fmt.Sprintf("%s not counted: %s", agree(c.silent.n, "silent node is", "silent nodes are"), &c.silent))
	}
	return out
}

// obstacles are what must be put right before anything else.
func (c *keyCensus) obstacles() (out []string) {
	for _, k := range c.differ.keys() {
		out = append(out, c.share(c.differ[k], "has", "have", fmt.Sprintf(" another key %d than this agent", k)))
	}
	for _, k := range c.lack.keys() {
		if k >= c.newest { // older ones are on their way out
			out = append(out, c.share(c.lack[k], "lacks", "lack", " key "+strconv.Itoa(k)))
		}
	}
	for _, k := range c.extra.keys() {
		if k >= c.newest {
			out = append(out, c.share(c.extra[k], "holds", "hold", fmt.Sprintf(" key %d, and this agent does not", k)))
		}
	}
	if c.newest == 0 {
		return out
	}
	if c.unsealed() > 0 {
		out = append(out, c.share(c.sealing[0], "still sends", "still send", " unsealed"))
	}
	for _, k := range c.sealing.keys() {
		if g := c.sealing[k]; k > 0 && k != c.newest {
			out = append(out, fmt.Sprintf("%s with key %d: %s", agree(g.n, "node still seals", "nodes still seal"), k, g))
		}
	}
	return out
}

// steps are what may be done where nothing is in the way.
func (c *keyCensus) steps() (out []string) {
	held := numbers(c.ours.Held)
	newest := 0 // of ours
	if len(held) > 0 {
		newest = held[len(held)-1]
	}
	switch {
	case newest == 0:
		return []string{"the key file has no key"}
	case c.newest == 0:
		return []string{fmt.Sprintf(`all %d nodes hold key %d: key_mode may become "permissive"`, c.nodes, newest)}
	case newest > c.newest:
		out = append(out, fmt.Sprintf("all %d nodes hold key %d: it may be made the sealing one", c.nodes, newest))
	}
	if c.ours.Mode == "permissive" {
		out = append(out, fmt.Sprintf(`all %d nodes seal: key_mode may become "enforce"`, c.nodes))
	}
	for _, k := range held {
		if k < c.newest {
			out = append(out, fmt.Sprintf("all %d nodes seal with key %d: key %d may be removed", c.nodes, c.newest, k))
		}
	}
	for _, k := range c.extra.keys() { // older ones: the others are obstacles
		out = append(out, c.share(c.extra[k], "still holds", "still hold", " key "+strconv.Itoa(k)))
	}
	if out == nil {
		out = append(out, fmt.Sprintf("all %d nodes seal with key %d", c.nodes, c.newest))
	}
	return out
}

// share says which of the nodes do something: "2 of 10 nodes lack key 2: www3, www4".
func (c *keyCensus) share(who *group, does, do, what string) string {
	verb := do
	if who.n == 1 {
		verb = does
	}
	return fmt.Sprintf("%s of %s %s%s: %s", number(uint64(who.n)), plural(c.nodes, "node"), verb, what, who)
}

// holders are the nodes that hold a key where we hold none.
func (c *keyCensus) holders() *group {
	out := &group{}
	for _, k := range c.extra.keys() {
		g := c.extra[k]
		out.n = max(out.n, g.n-len(g.names)) // of those without names, at least
		out.names = append(out.names, g.names...)
	}
	out.names = slices.Compact(slices.Sorted(slices.Values(out.names)))
	out.n += len(out.names)
	return out
}

// agree puts a number before the words that go with it.
func agree(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(uint64(n)) + " " + many
}

// maxNames is how many nodes a sentence names, and maxNameShown how many characters of each.
const (
	maxNames     = 8
	maxNameShown = 48
)

// String lists the names, as many as a sentence bears.
func (g *group) String() string {
	shown := make([]string, 0, maxNames)
	for _, n := range slices.Sorted(slices.Values(g.names))[:min(len(g.names), maxNames)] {
		shown = append(shown, cut(clean(n), maxNameShown))
	}
	text := strings.Join(shown, ", ")
	switch more := number(uint64(g.n - len(shown))); {
	case g.n == len(shown):
		return text
	case len(shown) == 0:
		return more + " that are not listed"
	default:
		return text + " and " + more + " more"
	}
}
