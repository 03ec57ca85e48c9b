package doctor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip"
)

// zone is a name service.
type zone struct {
	hosts map[string][]netip.Addr
	srv   map[string][]*net.SRV
}

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if found := z.hosts[host]; found != nil {
		return found, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if found := z.srv[name]; found != nil && service == "" && proto == "" {
		return name, found, nil
	}
	return "", nil, &net.DNSError{Err: "i/o timeout", Name: name, IsTimeout: true}
}

func TestPlaces(t *testing.T) {
	z := zone{
		hosts: map[string][]netip.Addr{
			"web.example.com": {addr("10.58.4.2"), addr("::ffff:10.58.4.3")}, "www1.example.com": {addr("10.58.4.1")},
		},
		srv: map[string][]*net.SRV{
			"_backhand._udp.example.com": {{Target: "web.example.com", Port: 7}, {Target: "gone.example.com", Port: 8}},
			"_gone._udp.example.com":     {{Target: "gone.example.com", Port: 8}},
		},
	}
	for _, c := range []struct {
		name, peer string
		want       Place
	}{
		{"an address", "10.58.4.9:4445", Place{Addrs: []netip.AddrPort{addrPort("10.58.4.9:4445")}}},
		{"our own address", "10.58.4.1:4445", Place{Addrs: []netip.AddrPort{addrPort("10.58.4.1:4445")}, Self: true}},
		{"a name of two", "web.example.com:4445", Place{Addrs: []netip.AddrPort{addrPort("10.58.4.2:4445"), addrPort("10.58.4.3:4445")}}},
		{"our own name", "www1.example.com:4445", Place{Addrs: []netip.AddrPort{addrPort("10.58.4.1:4445")}, Self: true}},
		{"a name of nobody", "gone.example.com:4445", Place{Error: "no such host"}},
		{"SRV records, of which one leads to nobody", "_backhand._udp.example.com", Place{Addrs: []netip.AddrPort{addrPort("10.58.4.2:7"), addrPort("10.58.4.3:7")}}},
		{"SRV records that lead to nobody", "_gone._udp.example.com", Place{Error: "no such host"}},
		{"no SRV records, as the name service is dead", "_dead._udp.example.com", Place{Error: "the name service does not answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := gossip.ParsePeer(c.peer)
			if err != nil {
				t.Fatal(err)
			}
			x := &examination{facts: healthy(), sys: system{resolver: z}}
			c.want.Name = c.peer
			got := x.places(t.Context(), []gossip.Peer{p}, addrPort("10.58.4.1:4445"))
			if diff := cmp.Diff([]Place{c.want}, got, byValue); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDoors(t *testing.T) {
	f := healthy()
	f.Advertise = addrPort("10.58.4.1:4446")
	x := &examination{facts: f, sys: system{dial: func(_ context.Context, network, address string) (net.Conn, error) {
		switch {
		case network != "tcp":
			return nil, errors.New(network)
		case address == "10.58.4.2:4446":
			ours, theirs := net.Pipe()
			theirs.Close()
			return ours, nil
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}}}
	got := x.doors(t.Context(), []Place{
		{Name: "two", Addrs: []netip.AddrPort{addrPort("10.58.4.1:4446"), addrPort("10.58.4.2:4446"), addrPort("10.58.4.3:4446")}},
		{Name: "none", Error: "no such host"},
	})
	want := map[string]string{"10.58.4.2:4446": "", "10.58.4.3:4446": "connect: connection refused"}
	if diff := cmp.Diff(want, got[0].Doors); diff != "" || len(got[1].Doors) > 0 {
		t.Errorf("%s; %v", diff, got[1].Doors)
	}
}
