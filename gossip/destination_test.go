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
		"[ff05::db8:4445]:4445,1":  {netip.MustParseAddrPort("[ff05::db8:4445]:4445"), 1},
		"[ff02::1]:4445":           {netip.MustParseAddrPort("[ff02::1]:4445"), 1},
		"[ff01::1]:1,0":            {netip.MustParseAddrPort("[ff01::1]:1"), 0},
		"[ff3e::8000:1]:4445,255":  {netip.MustParseAddrPort("[ff3e::8000:1]:4445"), 255},
		"[::ffff:239.1.2.3]:4445":  {netip.MustParseAddrPort("239.1.2.3:4445"), 1},
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
		"ff05::1:4445":            "want address:port[,ttl]",
		"[fd58:4::9]:4445":        "IPv6 has no broadcast",
		"[::]:4445":               "IPv6 has no broadcast",
		"[ff02::1%eth0]:4445":     `leave "%eth0" away`,
		"[ff00::1]:4445":          "the scope of ff00::1 is reserved",
		"[ff0f::1]:4445":          "the scope of ff0f::1 is reserved",
		"[ff05::1]:0":             "want a port",
		"[ff05::1]:4445,256":      `the TTL is "256"`,
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

func FuzzParseDestination(f *testing.F) {
	for _, text := range []string{
		"239.255.221.20:4445,1", "10.58.4.255:4445", "255.255.255.255:1", "[ff05::db8:4445]:4445,255", "[ff02::1%eth0]:4445",
		"[::ffff:224.0.0.1]:65535,0", "[ff0f::1]:4445,1", "239.255.221.20:4445,,1", ":4445", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDestination(text)
		if err != nil {
			if d != (Destination{}) {
				t.Errorf("%v beside the error %v", d, err)
			}
			return
		}
		if again, err := ParseDestination(d.String()); err != nil || again != d {
			t.Errorf("%q is %+v, whose own text %q gives %+v, %v", text, d, d, again, err)
		}
		if d.TTL < 0 || d.TTL > 255 || d.Addr.Port() == 0 || d.Addr.Addr().Zone() != "" {
			t.Errorf("%q is %+v", text, d)
		}
	})
}
