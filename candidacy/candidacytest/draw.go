package candidacytest

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// manyTimes is how often the members of a drawn cluster are repeated now and then: more than a few kinds show nothing new,
// but what works on few may not work on many.
const manyTimes = 15

// drawCase draws a cluster, a request and the candidates that earlier steps left.
func drawCase(t *rapid.T) trial {
	c := trial{
		cluster: drawCluster(t),
		seed:    rapid.Uint64().Draw(t, "seed"),
		noFarm:  rapid.IntRange(0, 9).Draw(t, "farm") == 0,
	}
	n := len(Cluster(c.cluster).Candidates)
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	left := rapid.IntRange(0, n).Draw(t, "left")
	c.order = rapid.Permutation(all).Draw(t, "order")[:left]
	if rapid.Bool().Draw(t, "fields") {
		c.fields = drawFields(t)
	}
	return c
}

// drawCluster returns the text of a cluster of any kind: none, one or many members, some silent, down or draining.
func drawCluster(t *rapid.T) string {
	kinds := make([]string, rapid.IntRange(0, 9).Draw(t, "members"))
	for i := range kinds {
		kinds[i] = drawMember(t)
	}
	times := 1
	if rapid.IntRange(0, 29).Draw(t, "many") == 0 {
		times = manyTimes
	}
	self := rapid.IntRange(0, len(kinds)).Draw(t, "self") // if it is the last number, nobody
	var b strings.Builder
	for i := range times * len(kinds) {
		what, figures, _ := strings.Cut(kinds[i%len(kinds)], "/")
		if i == self {
			what = "self www"
			figures, _, _ = strings.Cut(figures, ofPhysicals)
		}
		fmt.Fprintf(&b, "%s%d%s\n", what, i, figures)
	}
	b.WriteString(rapid.SampledFrom([]string{
		"", "", "", "", "", "", "", "farm web off\n", "farm web down=flood forward_down=reports\n", "farm web forward_off=http://sorry/\n",
	}).Draw(t, "farm's own"))
	return b.String()
}

// drawMember returns what stands before and behind a member's number, with a slash between.
func drawMember(t *rapid.T) string {
	what := rapid.SampledFrom([]string{"www", "db", "a.b.c", "physical app"}).Draw(t, "what")
	load, idle := rapid.IntRange(0, 3).Draw(t, "load"), rapid.IntRange(0, 100).Draw(t, "idle")
	busy, age := rapid.IntRange(0, 3).Draw(t, "busy"), rapid.IntRange(0, 9000).Draw(t, "age")
	text := fmt.Sprintf("%s/ load=%d idle=%d%% inflight=%d age=%dms", what, load, idle, busy, age) +
		rapid.SampledFrom([]string{
			"", "", "", " state=draining", " down=refused", " unreachable=true", " outstanding=2", " workers=9 busy=4",
			" addr=[2001:db8::1]:8080", " zone=a labels=gpu,disk=ssd", " since=3s", " mem=80% speed=50 predicted=2",
			" slots=4 mu=10 arrivals=30 heard=5@2 outstanding=3", " errors=1 latency=20ms", " stat.queue=3", " stat.queue=0 stat.a-b=1e9",
		}).Draw(t, "and")
	if !strings.HasPrefix(what, "physical") {
		return text
	}
	return text + ofPhysicals + rapid.SampledFrom([]string{
		"", "", "", "", " off", " off=disks down out standing=3m", " down=fire", " out updated=9s", " out", " weight=0.5", " weight=3 capacity=4",
		" off forward_off=http://sorry/a?b forward_down=reports", " out forward_down=reports",
	}).Draw(t, "and as a physical")
}

// ofPhysicals stands in front of what can only be said of a physical. In itself it says nothing that is not so anyway.
const ofPhysicals = " updated=1s"

// drawFields returns fields with what may be a session of a member, and what may not.
func drawFields(t *rapid.T) Fields {
	value := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string { return fmt.Sprintf("0a00%04xrest", rapid.IntRange(0, 12).Draw(t, "octets")) }),
		rapid.Just("20010db8000000000000000000000001"),
		rapid.StringMatching(`[0-9a-g]{0,40}`),
	)
	return Fields{
		Cookie: []string{"PHPSESSID=" + value.Draw(t, "cookie")},
		Args:   "PHPSESSID=" + value.Draw(t, "argument"),
	}
}
