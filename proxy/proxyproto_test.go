package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pires/go-proxyproto"
)

// proxyV2 is a header of version 2.
func proxyV2(command, family byte, body ...[]byte) string {
	b := bytes.Join(body, nil)
	return string(proxyproto.SIGV2) + string([]byte{command, family}) +
		string(binary.BigEndian.AppendUint16(nil, uint16(len(b)))) + string(b)
}

var (
	proxyAddrs4 = []byte{192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0, 80}
	proxyAddrs6 = append(append(netip.MustParseAddr("2001:db8::7").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...),
		0x9c, 0x40, 0, 80)
	proxyMapped = append(append(netip.MustParseAddr("::ffff:192.0.2.7").AsSlice(), netip.MustParseAddr("::ffff:10.0.0.1").AsSlice()...),
		0x9c, 0x40, 0, 80)
)

var proxyHeaderCases = []struct {
	name, in string
	client   string // "": the socket's own
	local    string
	bad      string // a part of the error; "" if there is none
}{
	{name: "version 1, IPv4", in: "PROXY TCP4 192.0.2.7 10.0.0.1 40000 80\r\n", client: "192.0.2.7:40000", local: "10.0.0.1:80"},
	{name: "version 1, IPv6", in: "PROXY TCP6 2001:db8::7 2001:db8::1 40000 80\r\n", client: "[2001:db8::7]:40000", local: "[2001:db8::1]:80"},
	{name: "version 1, an IPv4 address written as IPv6 is the IPv4 address", in: "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 40000 80\r\n", client: "192.0.2.7:40000", local: "10.0.0.1:80"},
	{name: "version 1, unknown", in: "PROXY UNKNOWN\r\n"},
	{name: "version 1, unknown with addresses that are to be ignored", in: "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"},
	{name: "version 2, IPv4", in: proxyV2(0x21, 0x11, proxyAddrs4), client: "192.0.2.7:40000", local: "10.0.0.1:80"},
	{name: "version 2, IPv6", in: proxyV2(0x21, 0x21, proxyAddrs6), client: "[2001:db8::7]:40000", local: "[2001:db8::1]:80"},
	{name: "version 2, an IPv4 address written as IPv6 is the IPv4 address", in: proxyV2(0x21, 0x21, proxyMapped), client: "192.0.2.7:40000", local: "10.0.0.1:80"},
	{name: "version 2, with TLVs", in: proxyV2(0x21, 0x11, proxyAddrs4, []byte{4, 0, 2, 'x', 'y'}), client: "192.0.2.7:40000", local: "10.0.0.1:80"},
	{name: "version 2, as long as it may be", in: proxyV2(0x21, 0x11, proxyAddrs4, []byte{4, 0x0f, 0xf1}, make([]byte, 4081)), client: "192.0.2.7:40000", local: "10.0.0.1:80"},
	{name: "version 2, local", in: proxyV2(0x20, 0x00)},
	{name: "version 2, local with addresses", in: proxyV2(0x20, 0x11, proxyAddrs4)},
	{name: "version 2, unspecified family", in: proxyV2(0x21, 0x00, []byte("whatever"))},
	{name: "version 2, Unix sockets", in: proxyV2(0x21, 0x31, make([]byte, 216))},
	{name: "version 2, UDP", in: proxyV2(0x21, 0x12, proxyAddrs4)},

	{name: "no header", in: "GET / HTTP/1.1\r\n\r\n", bad: "signature not present"},
	{name: "a method that begins like version 1", in: "PUT / HTTP/1.1\r\n\r\n", bad: "signature not present"},
	{name: "version 1, without CR", in: "PROXY TCP4 192.0.2.7 10.0.0.1 40000 80\n", bad: "must end with"},
	{name: "version 1, two spaces", in: "PROXY  TCP4 192.0.2.7 10.0.0.1 40000 80\r\n", bad: "family"},
	{name: "version 1, port out of range", in: "PROXY TCP4 192.0.2.7 10.0.0.1 65536 80\r\n", bad: "port"},
	{name: "version 1, port with a leading zero", in: "PROXY TCP4 192.0.2.7 10.0.0.1 040 80\r\n", bad: "port"},
	{name: "version 1, an address of the other family", in: "PROXY TCP4 2001:db8::7 10.0.0.1 40000 80\r\n", bad: "address"},
	{name: "version 1, an address with a zone", in: "PROXY TCP6 fe80::1%eth0 2001:db8::1 40000 80\r\n", bad: "address"},
	{name: "version 1, too long", in: "PROXY UNKNOWN " + strings.Repeat("x", 200), bad: "goes on after"},
	{name: "version 1, cut off", in: "PROXY TCP4 192.0.2.7", bad: "EOF"},
	{name: "version 2, cut off", in: proxyV2(0x21, 0x11, proxyAddrs4)[:20], bad: "EOF"},
	{name: "version 2, addresses cut off", in: proxyV2(0x21, 0x11, proxyAddrs4[:8]), bad: "length"},
	{name: "version 2, too long", in: proxyV2(0x21, 0x11, make([]byte, 4097)), bad: "more than 4096"},
	{name: "version 2, of another major version", in: proxyV2(0x11, 0x11, proxyAddrs4), bad: "command"},
	{name: "version 2, unknown family", in: proxyV2(0x21, 0x41, proxyAddrs4), bad: "family"},
	{name: "version 2, unknown transport", in: proxyV2(0x21, 0x13, proxyAddrs4), bad: "family"},
	{name: "nothing", in: "", bad: "without a byte"},
}

func TestPROXYHeaderIn(t *testing.T) {
	const request = "GET / HTTP/1.1\r\n"
	for _, c := range proxyHeaderCases {
		t.Run(c.name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"in one piece":  strings.NewReader(c.in + request),
				"byte for byte": iotest.OneByteReader(strings.NewReader(c.in + request)),
			} {
				if c.bad == "EOF" || c.in == "" {
					r = strings.NewReader(c.in)
				}
				h, early, err := readProxyHeader(r)
				if c.bad != "" {
					if err == nil || !strings.Contains(err.Error(), c.bad) {
						t.Errorf("%s: %+v, %v, want an error with %q", how, h, err, c.bad)
					}
					continue
				}
				rest, _ := io.ReadAll(r)
				if err != nil || addrText(h.client) != c.client || addrText(h.local) != c.local || string(early)+string(rest) != request {
					t.Errorf("%s: %+v, early %q and then %q, %v", how, h, early, rest, err)
				}
			}
		})
	}
}

func addrText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func TestPROXYHeaderOut(t *testing.T) {
	for _, c := range []struct{ name, client, local, want string }{
		{"IPv4", "192.0.2.7:40000", "10.0.0.1:80", "192.0.2.7:40000 10.0.0.1:80"},
		{"IPv6", "[2001:db8::7]:40000", "[2001:db8::1]:80", "[2001:db8::7]:40000 [2001:db8::1]:80"},
		{"a client by IPv6 at a proxy by IPv4", "[2001:db8::7]:40000", "10.0.0.1:80", "[2001:db8::7]:40000 10.0.0.1:80"},
		{"a client of a Unix socket", "0.0.0.0:0", "10.0.0.1:80", "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for version := 1; version <= 2; version++ {
				b := appendProxyHeader([]byte("before"), version, netip.MustParseAddrPort(c.client), netip.MustParseAddrPort(c.local))
				b, ok := bytes.CutPrefix(b, []byte("before"))
				h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(b)))
				if !ok || err != nil || int(h.Version) != version {
					t.Fatalf("version %d: %q: %+v, %v", version, b, h, err)
				}
				got := "unknown"
				if src, ok := h.SourceAddr.(*net.TCPAddr); ok {
					got = addrPortOf(src).String() + " " + addrPortOf(h.DestinationAddr).String()
				}
				if got != c.want {
					t.Errorf("version %d: %q says %s, want %s", version, b, got, c.want)
				}
				back, _, err := readProxyHeader(bytes.NewReader(b))
				if err != nil || back.client.IsValid() != (c.want != "unknown") {
					t.Errorf("version %d: our own reader has %+v, %v", version, back, err)
				}
			}
		})
	}
}

func FuzzPROXYHeader(f *testing.F) {
	for _, c := range proxyHeaderCases {
		f.Add([]byte(c.in), uint8(1))
		f.Add([]byte(c.in+"GET"), uint8(20))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		h, early, err := readProxyHeader(bytes.NewReader(in))
		slow, slowEarly, slowErr := readProxyHeader(&pieces{in, int(piece) + 1})
		if h != slow || (err == nil) != (slowErr == nil) || !bytes.HasPrefix(early, slowEarly) {
			t.Fatalf("in pieces of %d: %+v, %q, %v; in one: %+v, %q, %v", piece+1, slow, slowEarly, slowErr, h, early, err)
		}
		if err != nil {
			return
		}
		used := in[:len(in)-len(early)-max(0, len(in)-readProxySize)]
		lib, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			if !bytes.HasPrefix(in, []byte(string(proxyproto.SIGV2)+"\x21\x00")) {
				t.Fatalf("the library refuses %q: %v", used, err)
			}
			return
		}
		if want := addrPortOf(lib.SourceAddr); h.client.IsValid() && h.client != want {
			t.Fatalf("%q names %s, to the library %s", used, h.client, want)
		}
	})
}

// pieces is a reader that returns so many bytes at once.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

func TestNothingSentIsToldFromABadHeader(t *testing.T) {
	if _, _, err := readProxyHeader(strings.NewReader("")); !errors.Is(err, errNothingSent) {
		t.Errorf("nothing: %v", err)
	}
	if _, _, err := readProxyHeader(strings.NewReader("P")); err == nil || errors.Is(err, errNothingSent) {
		t.Errorf("one byte: %v", err)
	}
}
