package doctor

import (
	"io/fs"
	"net/netip"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	igmpText = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n" +
		"1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n" +
		"2\teth0      :     3      V2\n\t\t\t\t14DDFFEF     1 0:00000000\t\t0\n\t\t\t\t010000E0     1 0:00000000\t\t0\n" +
		"12\teth0.100@if3:     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n"
	routeText = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT                   \n" +
		"eth1\t00000000\t0104A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0   \n" +
		"eth0\t00043A0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0   \n" +
		"eth0\t0000A8C0\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0   \n" + // down
		"*\t004DA8C0\t00000000\t0201\t0\t0\t0\t00FFFFFF\t0\t0\t0   \n" // unreachable
	netstatText = "TcpExt: SyncookiesSent IPReversePathFilter TCPTimeWaitOverflow\nTcpExt: 1 42 3\nIpExt: InNoRoutes\nIpExt: 9\n"
	snmpText    = "Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors\nUdp: 10 11 12 13 14\nUdpLite: RcvbufErrors\nUdpLite: 99\n"
	udpText     = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n" +
		"  117: 00000000:115D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7001 2 0000000000000000 0\n" +
		"  118: 0100007F:115E 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7002 2 0000000000000000 0\n" +
		"  119: 0100007F:115D 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7003 2 0000000000000000 0\n"
	unixText = "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0000000000000000: 00000002 00000000 00000000 0002 01 18133 @@backhand/10.58.4.1:4445\n" +
		"0000000000000000: 00000002 00000000 00000000 0002 01 18134 /run/x\n"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func proc() fstest.MapFS {
	link := func(to string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink | 0o777}
	}
	return fstest.MapFS{
		"net/igmp": file(igmpText), "net/route": file(routeText), "net/netstat": file(netstatText), "net/snmp": file(snmpText),
		"net/udp": file(udpText), "net/unix": file(unixText),
		"sys/net/core/rmem_max":               file("212992\n"),
		"sys/net/ipv4/conf/all/rp_filter":     file("0\n"),
		"sys/net/ipv4/conf/eth0/rp_filter":    file("2\n"),
		"sys/net/ipv4/conf/eth0.10/rp_filter": file("1\n"),
		"sys/net/ipv4/conf/odd/rp_filter":     file("?\n"),
		"7/comm":                              file("dnsmasq\n"), "7/fd/0": link("/dev/null"), "7/fd/4": link("socket:[7001]"),
		"12/comm": file("backhand\n"), "12/fd/9": link("socket:[7003]"),
		"13/comm": file("other\n"), "13/fd/9": link("socket:[7002]"),
		"uptime": file("1 1\n"),
	}
}

func TestReadKernel(t *testing.T) {
	want := Kernel{
		RPFilter: map[string]int{"all": 0, "eth0": 2, "eth0.10": 1},
		IGMP:     map[string]string{"lo": "V3", "eth0": "V2", "eth0.100@if3": "V3"},
		Routes: []Route{
			{Network: prefix("0.0.0.0/0"), Interface: "eth1", Metric: 100}, {Network: prefix("10.58.4.0/24"), Interface: "eth0"},
		},
		BufferMax: 212992, ReversePath: 42, Overrun: 14,
	}
	if diff := cmp.Diff(want, readKernel(proc()), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}

func TestReadKernelWithoutProc(t *testing.T) {
	want := Kernel{IGMP: map[string]string{}}
	if diff := cmp.Diff(want, readKernel(fstest.MapFS{}), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}

func TestHolders(t *testing.T) {
	for _, c := range []struct {
		name string
		port uint16
		want []string
	}{
		{"two programs share it", 4445, []string{"backhand (pid 12)", "dnsmasq (pid 7)"}},
		{"one has it", 4446, []string{"other (pid 13)"}},
		{"nobody has it", 4447, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := holders(proc(), c.port); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	t.Run("of other users nothing is known", func(t *testing.T) {
		p := fstest.MapFS{"net/udp": file(udpText), "7/comm": file("dnsmasq\n")}
		if got := holders(p, 4445); got != nil {
			t.Errorf("got %q", got)
		}
	})
}

func TestHeldByAgent(t *testing.T) {
	for a, want := range map[string]bool{"10.58.4.1:4445": true, "10.58.4.1:444": false, "0.58.4.1:4445": false} {
		if got := heldByAgent(proc(), addrPort(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
}

// No text makes a parser panic, or tell what cannot be.
func FuzzProc(f *testing.F) {
	for _, s := range []string{igmpText, routeText, netstatText, snmpText, udpText, unixText, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, v := range parseIGMP(text) {
			if name == "" || v == "" {
				t.Errorf("interface %q, version %q", name, v)
			}
		}
		for _, r := range parseRoutes(text) {
			if !r.Network.IsValid() || r.Network != r.Network.Masked() || r.Interface == "" {
				t.Errorf("route %+v", r)
			}
		}
		parseCounter(text, "Udp", "RcvbufErrors")
		for _, inode := range parseSockets(text, 4445) {
			if !isNumber(inode) {
				t.Errorf("inode %q", inode)
			}
		}
	})
}
