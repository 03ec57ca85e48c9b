package candidacy_test

import (
	"net/http"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
	"backhand/gossip/node"
)

func TestBySession(t *testing.T) {
	const farm = `
		self www1 addr=10.0.0.1:80
		www2 addr=10.0.0.2:8080
		www3 addr=[2001:db8::3]:80
		www4 addr=10.0.0.4:80 state=draining
		www5 addr=10.0.0.5:80 down=refused
		www6 addr=10.0.0.6:80 state=draining age=7s
		www7 addr=10.0.0.7:80 state=leaving
		physical app8 url=http://10.0.0.8:8080
		physical app9 url=http://app9.example.com`
	const all = "www1 www2 www3 app8 app9"
	type asked struct {
		candidacy.Fields
		path string
	}
	cookies := func(lines ...string) candidacy.Fields { return candidacytest.Fields{Cookie: lines} }
	query := func(args string) candidacy.Fields { return candidacytest.Fields{Args: args} }
	path := func(path string) asked { return asked{candidacytest.Fields{}, path} }
	markOf := func(name string) string {
		f := candidacytest.Cluster(farm)
		req := candidacytest.Request(f)
		selectFrom(req, "addSession")
		_, rest, _ := strings.Cut(req.Session.Line(req, candidacytest.Member(f, name)), "=")
		value, _, _ := strings.Cut(rest, ";")
		return value
	}
	for _, row := range []struct {
		name   string
		fields candidacy.Fields
		step   string
		want   string
	}{
		{"a request without fields changes nothing", nil, "bySession", all},
		{"a request without a session changes nothing", cookies(), "bySession", all},
		{"the cookie's address is kept", cookies("PHPSESSID=0a000002"), "bySession", "www2"},
		{"self may be the one", cookies("PHPSESSID=0a000001"), "bySession", "www1"},
		{"the rest of the value is free", cookies("PHPSESSID=0a000002f00-bar"), "bySession", "www2"},
		{"upper-case digits are digits", cookies("PHPSESSID=0A000002"), "bySession", "www2"},
		{"other cookies do not matter", cookies("a=0a000001; PHPSESSID=0a000002; b=0a000001"), "bySession", "www2"},
		{"every Cookie field is read", cookies("a=b", "PHPSESSID=0a000002"), "bySession", "www2"},
		{"the first cookie that names somebody counts", cookies("PHPSESSID=0aff0001; PHPSESSID=0a000002", "PHPSESSID=0a000001"), "bySession", "www2"},
		{"the query is read, too", query("PHPSESSID=0a000002"), "bySession", "www2"},
		{"the cookie goes before the query", candidacytest.Fields{Cookie: []string{"PHPSESSID=0a000002"}, Args: "PHPSESSID=0a000001"}, "bySession", "www2"},
		{"a cookie of nobody leaves it to the query", candidacytest.Fields{Cookie: []string{"PHPSESSID=x"}, Args: "PHPSESSID=0a000001"}, "bySession", "www1"},
		{"an address of nobody changes nothing", cookies("PHPSESSID=0aff0001"), "bySession", all},
		{"seven digits are none", cookies("PHPSESSID=0a00000"), "bySession", all},
		{"octets without their zero cannot be read", cookies("PHPSESSID=a002"), "bySession", all},
		{"what is no digit names nobody", cookies("PHPSESSID=0a00000g"), "bySession", all},
		{"an empty value names nobody", cookies("PHPSESSID="), "bySession", all},

		{"32 digits are an IPv6 address", cookies("PHPSESSID=20010db8000000000000000000000003rest"), "bySession", "www3"},
		{"of 32 digits 8 may be an IPv4 address", cookies("PHPSESSID=0a000002d41d8cd98f00b204e9800998"), "bySession", "www2"},
		{"an IPv4 address may be written as IPv6", cookies("PHPSESSID=00000000000000000000ffff0a000002"), "bySession", "www2"},

		{"another name may be given", cookies("sid=0a000002"), "bySession sid", "www2"},
		{"with its equals sign, too", cookies("sid=0a000002"), "bySession sid=", "www2"},
		{"then the default is not read", cookies("PHPSESSID=0a000002"), "bySession sid", all},

		{"a path parameter is read, too", path("/a/b;PHPSESSID=0a000002"), "bySession", "www2"},
		{"in any part of the path, among others", path("/a;x=1;PHPSESSID=0a000002;y/b;z"), "bySession", "www2"},
		{"up to the end of that part", path("/a;PHPSESSID=0a00000/2"), "bySession", all},
		{"the first that names somebody counts", path("/a;PHPSESSID=0aff0001;PHPSESSID=0a000002/b;PHPSESSID=0a000001"), "bySession", "www2"},
		{"what only looks like one is none", path("/PHPSESSID=0a000002"), "bySession", all},
		{"of another name it is none", path("/;XPHPSESSID=0a000002;phpsessid=0a000001;PHPSESSID"), "bySession", all},
		{"the query goes before the path", asked{query("PHPSESSID=0a000001"), "/;PHPSESSID=0a000002"}, "bySession", "www1"},
		{"a query of nobody leaves it to the path", asked{query("PHPSESSID=x"), "/;PHPSESSID=0a000002"}, "bySession", "www2"},
		{"a request without fields has a path, too", asked{nil, "/;PHPSESSID=0a000002"}, "bySession", "www2"},

		{"a mark of addSession names its member", cookies("PHPSESSID=" + markOf("www3")), "bySession", "www3"},
		{"a draining one, too", cookies("PHPSESSID=" + markOf("www4")), "bySession", "www4"},
		{"and a physical that has no address", cookies("PHPSESSID=" + markOf("app9")), "bySession", "app9"},
		{"a mark of nobody changes nothing", cookies("PHPSESSID=m0000000000000000"), "bySession", all},
		{"a part of a mark is none", cookies("PHPSESSID=" + markOf("www3")[:16]), "bySession", all},
		{"nor is a longer one", cookies("PHPSESSID=" + markOf("www3") + "0"), "bySession", all},
		{"nor one with another letter", cookies("PHPSESSID=x" + markOf("www3")[1:]), "bySession", all},

		{"a draining member keeps its sessions", cookies("PHPSESSID=0a000004"), "bySession", "www4"},
		{"but not once it is silent", cookies("PHPSESSID=0a000006"), "bySession", all},
		{"one whose origin is down does not", cookies("PHPSESSID=0a000005"), "bySession", all},
		{"one that is leaving does not", cookies("PHPSESSID=0a000007"), "bySession", all},
		{"a physical has sessions, too", cookies("PHPSESSID=0a000008"), "bySession", "app8"},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := candidacytest.Request(candidacytest.Cluster(farm))
			req.Fields = row.fields
			if a, ok := row.fields.(asked); ok {
				req.Fields, req.Path = a.Fields, a.path
			}
			if got := candidacytest.Names(selectFrom(req, row.step)); got != row.want {
				t.Errorf("%s leaves %q, want %q", row.step, got, row.want)
			}
		})
	}
}

func TestBySessionChoosesAmongCandidates(t *testing.T) {
	req := candidacytest.Request(candidacytest.Cluster("www1\nwww2 age=9s\nwww3"))
	req.Fields = candidacytest.Fields{Cookie: []string{"PHPSESSID=0a000002"}}
	if got := candidacytest.Names(selectFrom(req, "byAge 6", "bySession")); got != "www1 www3" {
		t.Errorf("a dead member's session goes to %q, want those that byAge left", got)
	}
}

func TestBySessionDoesNotBringBackWhoWasTried(t *testing.T) {
	f := candidacytest.Cluster("www1\nwww2 state=draining")
	req := candidacytest.Request(f)
	req.Fields = candidacytest.Fields{Cookie: []string{"PHPSESSID=0a000002"}}
	c := candidacytest.Chain(candidacy.Builtin(), "bySession")
	got := c.Select(req, candidacy.AppendCandidates(nil, req, []*node.Member{f.Draining[0]}))
	if candidacytest.Names(got) != "www1" {
		t.Errorf("the next attempt goes to %q", candidacytest.Names(got))
	}
}

// A session of a physical that may not be chosen goes where the file says that its requests go, and to nobody else's forward.
func TestBySessionFollowsTheForward(t *testing.T) {
	const forwards = " forward_off=http://sorry.example.com/off forward_down=spare"
	for _, row := range []struct {
		name, said, want string
		keeps            bool // it keeps the session
	}{
		{name: "of one that is off", said: "off" + forwards, want: "http://sorry.example.com/off"},
		{name: "of one that is down", said: "down" + forwards, want: "spare"},
		{name: "of one that is out", said: "out" + forwards, want: "spare"},
		{name: "off goes before down", said: "down off" + forwards, want: "http://sorry.example.com/off"},
		{name: "of one that is down and drains", said: "down drain" + forwards, want: "spare"},
		{name: "one that merely drains needs none", said: "drain" + forwards, keeps: true},
		{name: "nor does one that is well", said: forwards, keeps: true},
		{name: "nor has each one", said: "off"},
		{name: "that for off is not for down", said: "down forward_off=http://sorry.example.com/off"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := candidacytest.Cluster("www1\nphysical app2 " + row.said + "\nphysical app3 off forward_off=wrong")
			for value, want := range map[string]string{"0a000002": row.want, "0a000001": "", "0aff0002": ""} {
				req := candidacytest.Request(f)
				req.Fields = candidacytest.Fields{Cookie: []string{"PHPSESSID=" + value}}
				left := selectFrom(req, "bySession")
				got := req.Forward.Farm
				if to := req.Forward.URL; to != nil {
					got = to.String()
				}
				if got != want {
					t.Errorf("the session %s goes to %q, want %q", value, got, want)
				}
				if got != "" && candidacytest.Names(left) != "www1" {
					t.Errorf("who cannot follow it has %s to choose from", candidacytest.Names(left))
				}
				if keeps := row.keeps && value == "0a000002"; keeps != (candidacytest.Names(left) == "app2") {
					t.Errorf("the session %s has %s to choose from", value, candidacytest.Names(left))
				}
			}
		})
	}
}

// One that drains and was tried is not brought back, and its forward is not for it: the chain picks another.
func TestASessionOfAPhysicalThatDrainsAndCannotBeReached(t *testing.T) {
	f := candidacytest.Cluster("www1\nphysical app2 drain forward_off=spare forward_down=spare")
	req := candidacytest.Request(f)
	req.Fields = candidacytest.Fields{Cookie: []string{"PHPSESSID=0a000002"}}
	c := candidacytest.Chain(candidacy.Builtin(), "bySession")
	if got := candidacytest.Names(c.Select(req, candidacy.AppendCandidates(nil, req, nil))); got != "app2" {
		t.Errorf("its session goes to %q", got)
	}
	got := c.Select(req, candidacy.AppendCandidates(nil, req, []*node.Member{f.Draining[0]}))
	if candidacytest.Names(got) != "www1" || !req.Forward.IsZero() {
		t.Errorf("the next attempt goes to %q, or to %+v", candidacytest.Names(got), req.Forward)
	}
}

func TestBySessionRefusesBadNames(t *testing.T) {
	const want = ", want the name of a cookie, at most 64 bytes (usage: bySession [NAME])"
	long := "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	checkErrors(t, map[string]string{
		"bySession =":       `bySession: NAME is ""` + want,
		"bySession a=b":     `bySession: NAME is "a=b"` + want,
		"bySession a;b":     `bySession: NAME is "a;b"` + want,
		"bySession a==":     `bySession: NAME is "a="` + want,
		"bySession a b":     `bySession: "b" is one argument too many (usage: bySession [NAME])`,
		"bySession " + long: `bySession: NAME is "` + long + `"` + want,
	})
}

// Anything may stand in a cookie and in a path.
func FuzzBySession(f *testing.F) {
	for _, seed := range []string{
		"0a000001", "0A000002rest", "20010db8000000000000000000000003", "m439f77c8eef55c57", "m439f77c8eef55c5\xff", "0a00000", ";", "=", "",
	} {
		f.Add(seed, "/a;sid="+seed+"/b")
	}
	f.Fuzz(func(t *testing.T, cookie, path string) {
		farm := candidacytest.Cluster("www1\nwww2\nwww3 addr=[2001:db8::3]:80\nwww4 state=draining\nphysical app1\nphysical app2 off forward_off=x")
		req := candidacytest.Request(farm)
		req.Path, req.Fields = path, candidacytest.Fields{Cookie: []string{"sid=" + cookie}}
		got := selectFrom(req, "bySession sid", "addSession sid")
		if len(got) != 1 && len(got) != len(farm.Candidates) {
			t.Errorf("%q and %q leave %s", cookie, path, candidacytest.Names(got))
		}
		line := req.Session.Line(req, got[0])
		if set, err := http.ParseSetCookie(line); line != "" && (err != nil || set.Name != "sid") {
			t.Errorf("the cookie %q makes %q", cookie, line)
		}
	})
}

func Example_bySession() {
	req := candidacytest.Request(candidacytest.Cluster("www1 addr=10.0.0.4:80\nwww2 addr=10.0.0.5:80"))
	req.Fields = candidacytest.Fields{Cookie: []string{"PHPSESSID=0a0000057c2bd5f1"}}
	explainRequest(req, "bySession")
	// Output:
	// bySession
	//   www2 (is 10.0.0.5)
	//   dropped www1 (the session belongs to another)
}
