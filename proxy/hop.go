package proxy

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"backhand/gossip/node"
)

// The fields that agents send one another, and nobody else.
const (
	fieldHop     = "Backhand-Hop"     // request: who hands it on, for which farm, from which client
	fieldRefused = "Backhand-Refused" // response: the request was sent back, and nothing was done
)

// The values of Backhand-Refused.
const (
	refusedOrigin = "origin" // 503: the origin is down
	refusedBusy   = "busy"   // 503: there is too much to do
	refusedHop    = "hop"    // 421: the hop is not believed
)

// hop is what the field Backhand-Hop says.
type hop struct {
	Sender node.ID
	Farm   string
	Client netip.Addr // whom the first agent took for the client; valid, no zone, IPv4 as such
	Proto  string     // with which the client came: http or https
}

// append writes the field's value.
func (h hop) append(b []byte) []byte {
	b = append(b, "v1 "...)
	b = hex.AppendEncode(b, h.Sender[:])
	b = append(append(b, ' '), h.Farm...)
	b = h.Client.AppendTo(append(b, ' '))
	return append(append(b, ' '), h.Proto...)
}

var (
	errHopForm = errors.New("want one line: v1 sender farm client proto")
	errNoHops  = errors.New("no hop is believed at this listener")
)

// parseHop reads the field's value. Only what append writes is taken: there is but one program that writes it.
func parseHop(line string) (hop, error) {
	if len(line) > 256 {
		return hop{}, errHopForm
	}
	version, rest, _ := strings.Cut(line, " ")
	sender, rest, _ := strings.Cut(rest, " ")
	farm, rest, _ := strings.Cut(rest, " ")
	client, proto, ok := strings.Cut(rest, " ")
	if !ok || version != "v1" {
		return hop{}, errHopForm
	}
	id, err := node.ParseID(sender)
	if err != nil {
		return hop{}, err
	}
	addr, err := netip.ParseAddr(client)
	if err != nil {
		return hop{}, err
	}
	h := hop{Sender: id, Farm: farm, Client: addr}
	switch proto {
	case "http":
		h.Proto = "http"
	case "https":
		h.Proto = "https"
	default:
		return hop{}, fmt.Errorf("proto is %q, want http or https", proto)
	}
	switch {
	case !validFarm(h.Farm):
		return hop{}, fmt.Errorf("%q is no name of a farm", h.Farm)
	case h.Client != plainAddr(h.Client):
		return hop{}, fmt.Errorf("client %v has a zone, or is an IPv4 address in IPv6", h.Client)
	}
	var again [256 + 64]byte
	if string(h.append(again[:0])) != line {
		return hop{}, errHopForm // upper-case digits, an address written at length
	}
	return h, nil
}

// believedFor is how long a node's word counts after its last beat, or six of its intervals if that is longer. What
// makes a hop believed is the address that TCP vouches for; the beat only says whose it is, and may be lost while TCP
// is well.
const believedFor = time.Minute

// believe returns why a hop that came from the address is not believed, or nil.
func (h *Handler) believe(hp hop, from netip.Addr, now time.Time) error {
	if h.cfg.Accept == nil || !h.cfg.Accept(from) {
		return fmt.Errorf("hop from %v, which is not accepted", from)
	}
	n := h.cfg.Node(hp.Sender)
	switch {
	case hp.Sender == h.cfg.Self:
		return fmt.Errorf("hop from %v in our own name", from)
	case n == nil:
		return fmt.Errorf("hop from %v in the name of %s, a node that we do not know", from, hp.Sender.Short())
	case n.Untrusted:
		return fmt.Errorf("hop from %v in the name of %s, for whom nobody vouches", from, hp.Sender.Short())
	case from != plainAddr(n.Addr.Addr()) && from != plainAddr(n.From):
		return fmt.Errorf("hop from %v in the name of %s, which has another address", from, hp.Sender.Short())
	case n.Age(now) > max(believedFor, n.Beats(node.SilentBeats)):
		return fmt.Errorf("hop from %v in the name of %s, which is silent", from, hp.Sender.Short())
	}
	return nil
}

// validFarm reports whether the name fits between the spaces of the hop field.
func validFarm(name string) bool {
	if name == "" || len(name) > node.MaxFarm {
		return false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}

// plainAddr returns the address without zone, and as IPv4 if it is such an address in IPv6.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
