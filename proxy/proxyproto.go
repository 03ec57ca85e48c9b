package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// The sizes of a PROXY header (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt).
const (
	mostProxyV1   = 107      // bytes of a line of version 1, its end included
	proxyV2Fixed  = 16       // bytes of version 2 before what the length counts
	mostProxyV2   = 4 << 10  // that may follow: addresses, at most 216, and TLVs
	readProxySize = 16 << 10 // that are read at once, so that a request behind the header mostly comes with it
)

// errNothingSent says that a connection was closed before a byte came, as health checks do.
var errNothingSent = errors.New("closed without a byte")

// proxyHeader is what a PROXY header says. The addresses are invalid if the socket's own are to be used: the proxy
// speaks for itself (LOCAL), or the client came neither by TCP over IPv4 nor over IPv6 (UNKNOWN, UNSPEC, Unix sockets).
type proxyHeader struct{ client, local netip.AddrPort }

// readProxyHeader reads a header of version 1 or 2 from the beginning of a connection, in as many pieces as it comes. It
// holds on to no more than 16 KiB and sets no deadline. What was read beyond the header is early.
func readProxyHeader(nc io.Reader) (h proxyHeader, early []byte, err error) {
	buf := getBuffer(readProxySize)
	defer func() { putBuffer(buf) }()
	for {
		n, err := nc.Read(buf.space())
		buf.w += n
		size, sizeErr := proxyHeaderSize(buf.data())
		switch {
		case sizeErr != nil:
			return h, nil, sizeErr
		case size > 0 && size <= buf.w:
			h, err := parseProxyHeader(buf.b[:size])
			return h, bytes.Clone(buf.b[size:buf.w]), err
		case err == io.EOF && buf.empty():
			return h, nil, errNothingSent
		case err != nil:
			return h, nil, fmt.Errorf("reading the PROXY header: %w", err)
		}
	}
}

// proxyHeaderSize returns how long the header is with which b begins, or 0 if more bytes are needed to tell.
func proxyHeaderSize(b []byte) (int, error) {
	switch {
	case begins(b, proxyproto.SIGV2):
		if len(b) < proxyV2Fixed {
			return 0, nil
		}
		n := int(binary.BigEndian.Uint16(b[proxyV2Fixed-2:]))
		if n > mostProxyV2 {
			return 0, fmt.Errorf("a PROXY header announces %d bytes, more than %d", n, mostProxyV2)
		}
		return proxyV2Fixed + n, nil
	case begins(b, proxyproto.SIGV1):
		if i := bytes.IndexByte(b[:min(len(b), mostProxyV1)], '\n'); i >= 0 {
			return i + 1, nil
		}
		if len(b) >= mostProxyV1 {
			return 0, fmt.Errorf("a PROXY header goes on after %d bytes", mostProxyV1)
		}
		return 0, nil
	}
	return 0, proxyproto.ErrNoProxyProtocol
}

// begins reports whether b begins with sig, as far as it goes.
func begins(b, sig []byte) bool {
	n := min(len(b), len(sig))
	return bytes.Equal(b[:n], sig[:n])
}

// parseProxyHeader reads a header that is there in full.
func parseProxyHeader(b []byte) (proxyHeader, error) {
	const command, family, proxy, unspec = 12, 13, 0x21, 0x00
	if b[0] == proxyproto.SIGV2[0] && b[command] == proxy && b[family] == unspec {
		return proxyHeader{}, nil // lawful, but refused by the library
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	if err != nil {
		return proxyHeader{}, fmt.Errorf("PROXY header %q: %w", b[:min(len(b), mostProxyV1)], err)
	}
	client, local := addrPortOf(h.SourceAddr), addrPortOf(h.DestinationAddr)
	if h.Command != proxyproto.PROXY || client.Addr().IsUnspecified() {
		return proxyHeader{}, nil
	}
	return proxyHeader{client: client, local: local}, nil
}

// appendProxyHeader appends the header of that version, 1 or 2, by which a member learns who the client is, and to which
// of our addresses it connected. If either is unknown, so is the header: UNKNOWN or LOCAL.
func appendProxyHeader(dst []byte, version int, client, local netip.AddrPort) []byte {
	if !client.IsValid() || !local.IsValid() || client.Addr().IsUnspecified() || local.Addr().IsUnspecified() {
		client, local = netip.AddrPort{}, netip.AddrPort{}
	}
	h := proxyproto.HeaderProxyFromAddrs(byte(version), net.TCPAddrFromAddrPort(client), net.TCPAddrFromAddrPort(local))
	b, _ := h.Format() // it takes any two IP addresses
	return append(dst, b...)
}
