package gossip

import (
	"net/netip"
	"strings"
	"testing"
)

func TestParseDestination(t *testing.T) {
	for text, want := range map[string]Destination{
		"239.255.221.20:4445,1":    {netip.MustParseAddrPort("239.255.221.20:4445"), 1},
		"239.255.221.20:4445":      {netip.MustParseAddrPort("239.255.221.20:4445"), 1},
		"224.0.0.1:1,0":            {netip.MustParseAddrPort("224.0.0.1:1"), 0},
		"239.255.221.20:65535,255": {netip.MustParseAddrPort("239.255.221.20:65535"), 255},
		" 239.255.221.20:4445, 4 ": {netip.MustParseAddrPort("239.255.221.20:4445"), 4},
		"10.58.4.255:4445":         {netip.MustParseAddrPort("10.58.4.255:4445"), 0},
		"255.255.255.255:4445":     {netip.MustParseAddrPort("255.255.255.255:4445"), 0},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ParseDestination(text)
			if err != nil || got != want {
				t.Fatalf("%v, %v; want %v", got, err, want)
			}
			if again, err := ParseDestination(got.String()); err != nil || again != got {
				t.Errorf("its own text %q gives %v, %v", got, again, err)
			}
		})
	}
}

func TestParseDestinationRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "want address:port[,ttl]",
		"239.255.221.20":          "want address:port[,ttl]",
		"web:4445":                "want address:port[,ttl]",
		"239.255.221.20:70000":    "want address:port[,ttl]",
		"[ff05::1]:4445":          "want an IPv4 address",
		"239.255.221.20:0":        "want a port",
		"240.0.0.1:4445":          "reserved",
		"255.255.255.254:4445":    "reserved",
		"10.58.4.255:4445,1":      "broadcast takes no TTL",
		"239.255.221.20:4445,":    `the TTL is ""`,
		"239.255.221.20:4445,256": `the TTL is "256"`,
		"239.255.221.20:4445,-1":  `the TTL is "-1"`,
		"239.255.221.20:4445,1s":  `the TTL is "1s"`,
	} {
		t.Run(text, func(t *testing.T) {
			got, err := ParseDestination(text)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, %v; want an error about %q", got, err, want)
			}
		})
	}
}
