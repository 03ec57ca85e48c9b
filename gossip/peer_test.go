package gossip

import (
	"strings"
	"testing"
)

func TestParsePeer(t *testing.T) {
	for text, want := range map[string]Peer{
		"10.58.4.9:4445":             {"10.58.4.9", 4445},
		" 10.58.4.9:65535 ":          {"10.58.4.9", 65535},
		"[fd58:4::9]:4445":           {"fd58:4::9", 4445},
		"[FD58:4:0::9]:4445":         {"fd58:4::9", 4445},
		"[::ffff:10.58.4.9]:4445":    {"10.58.4.9", 4445},
		"127.0.0.1:4445":             {"127.0.0.1", 4445},
		"web.example.com:4445":       {"web.example.com", 4445},
		"Web.Example.com.:4445":      {"web.example.com.", 4445},
		"localhost:1":                {"localhost", 1},
		"_odd_host:4445":             {"_odd_host", 4445},
		"4.58.10.in-addr.arpa:4445":  {"4.58.10.in-addr.arpa", 4445},
		"_backhand._udp.example.com": {"_backhand._udp.example.com", 0},
		"_BACKHAND._udp.example.":    {"_backhand._udp.example.", 0},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ParsePeer(text)
			if err != nil || got != want {
				t.Fatalf("%+v, %v; want %+v", got, err, want)
			}
			if again, err := ParsePeer(got.String()); err != nil || again != got {
				t.Errorf("its own text %q gives %+v, %v", got, again, err)
			}
		})
	}
}

func TestKindsOfPeers(t *testing.T) {
	address, name, srv := Peer{"10.58.4.9", 4445}, Peer{"web.example.com", 4445}, Peer{Host: "_backhand._udp.example.com"}
	if a := address.AddrPort(); a.String() != "10.58.4.9:4445" || name.AddrPort().IsValid() || srv.AddrPort().IsValid() {
		t.Errorf("addresses are %v, %v and %v", a, name.AddrPort(), srv.AddrPort())
	}
	if address.IsSRV() || name.IsSRV() || !srv.IsSRV() {
		t.Errorf("SRV records are %v, %v and %v", address.IsSRV(), name.IsSRV(), srv.IsSRV())
	}
}

func TestParsePeerRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "want address:port, name:port",
		":4445":                           "want address:port, name:port",
		"10.58.4.9":                       "want a port, such as 10.58.4.9:4445",
		"fd58:4::9":                       "want a port, such as [fd58:4::9]:4445",
		"[fd58:4::9]":                     "want a port, such as [fd58:4::9]:4445",
		"web.example.com":                 "want a port, such as web.example.com:4445",
		"10.58.4.9:0":                     `the port is "0"`,
		"10.58.4.9:70000":                 `the port is "70000"`,
		"10.58.4.9:http":                  `the port is "http"`,
		"10.58.4.9:":                      `the port is ""`,
		"10.58.4:4445":                    "want address:port, name:port", // a slip, and no name
		"10.58.4.9.9:4445":                "want address:port, name:port",
		"fd58::9:4445:x":                  "want address:port, name:port",
		"web_server!.example:4445":        "want address:port, name:port",
		"-web.example:4445":               "want address:port, name:port",
		"web..example:4445":               "want address:port, name:port",
		strings.Repeat("a", 64) + ":4445": "want address:port, name:port",
		strings.Repeat("a.", 128) + ":1":  "want address:port, name:port",
		"_backhand._udp.example.com:4445": `SRV records tell the port, leave ":4445" away`,
		"_backhand._udp.exa mple.com":     "want address:port, name:port",
		"239.255.221.20:4445":             "239.255.221.20 is a group: it belongs in gossip.send",
		"[ff05::1]:4445":                  "ff05::1 is a group",
		"0.0.0.0:4445":                    "0.0.0.0 is not the address of a host",
		"255.255.255.255:4445":            "255.255.255.255 is not the address of a host",
		"[::]:4445":                       ":: is not the address of a host",
		"[fe80::1]:4445":                  "fe80::1 is not the address of a host that others can reach",
		"[fe80::1%eth0]:4445":             "fe80::1%eth0 has a zone",
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ParsePeer(text)
			if err == nil || got != (Peer{}) || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v, %v; want an error about %q", got, err, want)
			}
		})
	}
}

func FuzzParsePeer(f *testing.F) {
	for _, text := range []string{
		"10.58.4.9:4445", "[fd58:4::9]:4445", "[::ffff:10.1.1.1]:1", "web.example.com:4445", "web.example.com.:4445",
		"_backhand._udp.example.com", "_a._b", "_a._b:1", "fd58:4::9", "[fe80::1%eth0]:4445", "10.58.4:4445", "x:", ":1", "[]:1", "_._", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePeer(text)
		if err != nil {
			if p != (Peer{}) {
				t.Errorf("%+v beside the error %v", p, err)
			}
			return
		}
		if again, err := ParsePeer(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, whose own text %q gives %+v, %v", text, p, p, again, err)
		}
		if a := p.AddrPort(); a.IsValid() && (!IsHostAddr(a.Addr()) || a.Port() == 0 || p.IsSRV()) {
			t.Errorf("%q is %+v, at %v", text, p, a)
		}
	})
}
