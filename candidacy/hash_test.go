package candidacy_test

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

// chosenFor returns who is chosen for each of many paths, by path.
func chosenFor(f *node.Farm, paths int) map[string]string {
	c := candidacytest.Chain(candidacy.Builtin(), "byHash path")
	out := map[string]string{}
	for i := range paths {
		req := candidacytest.Request(f)
		req.Path = fmt.Sprintf("/item/%d", i)
		out[req.Path] = c.Select(req, c.AppendCandidates(nil, req, nil))[0].Name
	}
	return out
}

func TestByHashGivesEachMemberAsManyKeys(t *testing.T) {
	const paths, members = 8000, 8
	count := map[string]int{}
	for _, name := range chosenFor(candidacytest.Cluster(many(members)), paths) {
		count[name]++
	}
	for name, n := range count {
		if diff := math.Abs(float64(n) - paths/members); diff > 5*math.Sqrt(paths/members) {
			t.Errorf("%s has %d of %d keys", name, n, paths)
		}
	}
	if len(count) != members {
		t.Errorf("%d members have keys, want %d", len(count), members)
	}
}

func TestByHashMovesOnlyTheKeysOfWhoWentAway(t *testing.T) {
	f := candidacytest.Cluster(many(8))
	before := chosenFor(f, 4000)
	gone := f.Candidates[3].Name
	f.Candidates = slices.Delete(slices.Clone(f.Candidates), 3, 4)
	after, now := chosenFor(f, 4000), map[string]int{}
	for path, name := range before {
		switch {
		case name == gone:
			now[after[path]]++
		case after[path] != name:
			t.Fatalf("%s moved from %s to %s, and %s went", path, name, after[path], gone)
		}
	}
	if len(now) != 7 {
		t.Errorf("the keys of %s went to %v, want to each of the others", gone, now)
	}
}

func TestByHashIsTheSameOnEveryHost(t *testing.T) {
	// The order, and with it where a key lives, is part of what agents of several versions must agree on.
	f := candidacytest.Cluster("www1\nwww2\nwww3\nphysical app1")
	if got := ordered(t, f, 1, "byHash path"); got != ordered(t, f, 2, "byRandom", "byHash path") {
		t.Errorf("the order before has a say: %s", got)
	}
	const want = "app1 www2 www3 www1"
	if got := ordered(t, f, 1, "byHash host"); got != want {
		t.Errorf("www.example.com goes to %s, want %s", got, want)
	}
}

func TestByHashKeys(t *testing.T) {
	fields := func(line, args string) candidacytest.Fields {
		return candidacytest.Fields{Cookie: []string{line}, Args: args, Fields: http.Header{"X-User": {"7", "8"}, "Empty": {""}}}
	}
	client := netip.MustParseAddr
	for _, row := range []struct {
		name, step string
		a, b       candidacy.Request
		same       bool
	}{
		{"another path is another key", "byHash path", candidacy.Request{Path: "/a"}, candidacy.Request{Path: "/b"}, false},
		{"a path is one key for all clients", "byHash path", candidacy.Request{Path: "/a", Client: client("192.0.2.1")}, candidacy.Request{Path: "/a", Client: client("192.0.2.2")}, true},
		{"another host is another key", "byHash host", candidacy.Request{Host: "a"}, candidacy.Request{Host: "b"}, false},
		{"another client is another key", "byHash client", candidacy.Request{Client: client("192.0.2.1")}, candidacy.Request{Client: client("192.0.2.2")}, false},
		{"a client is the same in IPv6", "byHash client", candidacy.Request{Client: client("192.0.2.1")}, candidacy.Request{Client: client("::ffff:192.0.2.1")}, true},
		{"another cookie is another key", "byHash cookie:sid", candidacy.Request{Fields: fields("sid=1", "")}, candidacy.Request{Fields: fields("sid=2", "")}, false},
		{"other cookies do not matter", "byHash cookie:sid", candidacy.Request{Fields: fields("sid=1; x=1", "")}, candidacy.Request{Fields: fields("x=2; sid=1", "")}, true},
		{"the first cookie counts", "byHash cookie:sid", candidacy.Request{Fields: fields("sid=1; sid=2", "")}, candidacy.Request{Fields: fields("sid=1", "")}, true},
		{"another argument is another key", "byHash query:q", candidacy.Request{Fields: fields("", "q=1")}, candidacy.Request{Fields: fields("", "q=2")}, false},
		{"other arguments do not matter", "byHash query:q", candidacy.Request{Fields: fields("", "q=1")}, candidacy.Request{Fields: fields("", "p=3&q=1")}, true},
		{"a cookie and an argument are the same key", "byHash query:q", candidacy.Request{Fields: fields("q=2", "q=1")}, candidacy.Request{Fields: fields("", "q=1")}, true},
		{"a field is read in any case", "byHash header:x-user", candidacy.Request{Fields: fields("", "")}, candidacy.Request{Fields: fields("a=b", "")}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := candidacytest.Cluster(many(40))
			order := func(req candidacy.Request) string {
				r := candidacytest.Request(f)
				r.Path, r.Host, r.Client, r.Fields = req.Path, req.Host, req.Client, req.Fields
				return candidacytest.Names(candidacytest.Step(candidacy.Builtin(), row.step).Run(r, slices.Clone(f.Candidates)))
			}
			a, b := order(row.a), order(row.b)
			if a == candidacytest.Names(f.Candidates) {
				t.Error("the order is as it was: no key was found")
			}
			if (a == b) != row.same {
				t.Errorf("%s\n%s", a, b)
			}
		})
	}
}

func TestByHashWithoutAKeyLeavesTheOrder(t *testing.T) {
	f := candidacytest.Cluster(many(40))
	for _, step := range []string{
		"byHash path", "byHash host", "byHash client", "byHash cookie:sid", "byHash query:q", "byHash header:X-User", "byHash header:empty",
	} {
		for _, fields := range []candidacy.Fields{nil, candidacytest.Fields{Cookie: []string{"sid="}, Args: "q=&q=2", Fields: http.Header{"Empty": {""}}}} {
			req := &candidacy.Request{Fields: fields, Now: candidacytest.Now(), Rand: candidacytest.Rand(1), Farm: f}
			if got := selectFrom(req, step); !slices.Equal(got, f.Candidates) {
				t.Errorf("%s, of a request with the fields %v, makes %s", step, fields, candidacytest.Names(got))
			}
		}
	}
}

func TestByHashRefusesBadKeys(t *testing.T) {
	const usage = " (usage: byHash WHAT)"
	wants := map[string]string{
		"byHash":        "byHash: WHAT is missing" + usage,
		"byHash path x": `byHash: "x" is one argument too many` + usage,
	}
	for _, w := range []string{
		"PATH", "path:x", "client:", "cookie", "cookie:", "cookie:a;b", "cookie:a=b", "query:", "header:", "header:X:Y", "sid:x",
		"header:" + strings.Repeat("x", 65),
	} {
		wants["byHash "+w] = fmt.Sprintf("byHash: WHAT is %q, want path, host, client, cookie:NAME, query:NAME or header:NAME, "+
			"the NAME at most 64 bytes", w) + usage
	}
	checkErrors(t, wants)
}

func Example_byHash() {
	req := candidacytest.Request(candidacytest.Cluster("www1\nwww2\nwww3"))
	req.Fields = candidacytest.Fields{Cookie: []string{"sid=4711"}}
	explainRequest(req, "byHash cookie:sid")
	// Output:
	// byHash cookie:sid
	//   www1 (hash c4af)
	//   www2 (hash 7673)
	//   www3 (hash 4447)
}
