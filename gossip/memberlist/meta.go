package memberlist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	hashicorp "github.com/hashicorp/memberlist"

	"backhand/gossip"
)

// What a member announces of itself, its meta data, is:
//
//	0  1  version 1
//	1  2  port that beats are received at, big-endian, not 0
//
// What is new goes behind; a reader skips what it does not know. Another version means that it cannot know where beats go.
const (
	metaVersion = 1
	metaSize    = 3
)

func appendMeta(b []byte, beatPort uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, metaVersion), beatPort)
}

// parseMeta returns the port that beats go to.
func parseMeta(b []byte) (beatPort uint16, err error) {
	switch {
	case len(b) < metaSize || len(b) > hashicorp.MetaMaxSize:
		return 0, fmt.Errorf("it announces %d bytes, want %d", len(b), metaSize)
	case b[0] != metaVersion:
		return 0, fmt.Errorf("it announces version %d, want %d", b[0], metaVersion)
	}
	if beatPort = binary.BigEndian.Uint16(b[1:]); beatPort == 0 {
		return 0, errors.New("it announces no port for beats")
	}
	return beatPort, nil
}

// member is what we know of one from memberlist.
type member struct {
	name  string         // its address, as nameOf has it
	beats netip.AddrPort // where its beats go
}

// nameOf returns the name of the member that memberlist reaches at this address. As the name says nothing else, two members
// never have the same one, a host keeps its own over restarts, and nobody can take that of another.
func nameOf(addr netip.AddrPort) string { return addr.String() }

// parseMember checks what is said of a member, by whomever.
func parseMember(n *hashicorp.Node) (member, error) {
	addr, ok := netip.AddrFromSlice(n.Addr)
	if !ok {
		return member{}, fmt.Errorf("its address has %d bytes", len(n.Addr))
	}
	addr = addr.Unmap()
	if n.Port == 0 || !gossip.IsHostAddr(addr) {
		return member{}, fmt.Errorf("its address, %v port %d, is not one of a host", addr, n.Port)
	}
	if want := nameOf(netip.AddrPortFrom(addr, n.Port)); n.Name != want {
		return member{}, fmt.Errorf("its name is %.64q, want its address, %s", n.Name, want)
	}
	port, err := parseMeta(n.Meta)
	if err != nil {
		return member{}, err
	}
	return member{name: n.Name, beats: netip.AddrPortFrom(addr, port)}, nil
}
