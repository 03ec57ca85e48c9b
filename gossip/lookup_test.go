package gossip

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

func TestPeerLookUp(t *testing.T) {
	service := &names{
		hosts: map[string][]string{
			"web.example": {"10.58.4.2", "::ffff:10.58.4.3", "fd58:4::4"}, "www.example": {"10.58.4.5"}, "none.example": {},
		},
		srv: map[string][]*net.SRV{
			"_a._udp.example": {{Target: "web.example", Port: 7}, {Target: "gone.example", Port: 8}, {Target: "www.example", Port: 9}},
			"_b._udp.example": {{Target: ".", Port: 7}, {Target: "www.example"}},
		},
	}
	for _, tc := range []struct {
		peer  string
		most  int
		want  string
		wrong string // part of the error; "" is none
	}{
		{"10.58.4.9:4445", 8, "10.58.4.9:4445", ""},
		{"web.example:1", 8, "10.58.4.2:1 10.58.4.3:1 [fd58:4::4]:1", ""},
		{"web.example:1", 2, "10.58.4.2:1 10.58.4.3:1", ""},
		{"gone.example:1", 8, "", "no such host"},
		{"none.example:1", 8, "", "none.example has no address"},
		{"_a._udp.example", 8, "10.58.4.2:7 10.58.4.3:7 [fd58:4::4]:7 10.58.4.5:9", "no such host"},
		{"_a._udp.example", 1, "", "no such host"}, // by name, gone.example is the first
		{"_b._udp.example", 8, "", "names a host and a port"},
		{"_c._udp.example", 8, "", "no such host"},
	} {
		got, err := parsePeers(t, tc.peer)[0].LookUp(t.Context(), service, tc.most)
		var all []string
		for _, a := range got {
			all = append(all, a.String())
		}
		if text := strings.Join(all, " "); text != tc.want {
			t.Errorf("%s, %d at most: %s, want %s", tc.peer, tc.most, text, tc.want)
		}
		if said := fmt.Sprint(err); (err != nil) != (tc.wrong != "") || !strings.Contains(said, tc.wrong) && tc.wrong != "" {
			t.Errorf("%s, %d at most: the error is %v, want %q", tc.peer, tc.most, err, tc.wrong)
		}
	}
}
