package proxy

import (
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

// String returns the field's value.
func (h hop) String() string {
	return fmt.Sprintf("v1 %s %s %s %s", h.Sender, h.Farm, h.Client, h.Proto)
}

var errHopForm = errors.New("want one line: v1 sender farm client proto")

// parseHop reads the field, of which there must be one. Only what String writes is taken: there is but one program that
// writes it.
func parseHop(lines []string) (hop, error) {
	if len(lines) != 1 || len(lines[0]) > 256 {
		return hop{}, errHopForm
	}
	words := strings.Split(lines[0], " ")
	if len(words) != 5 || words[0] != "v1" {
		return hop{}, errHopForm
	}
	id, err := node.ParseID(words[1])
	if err != nil {
		return hop{}, err
	}
	client, err := netip.ParseAddr(words[3])
	if err != nil {
		return hop{}, err
	}
	h := hop{Sender: id, Farm: words[2], Client: client, Proto: words[4]}
	switch {
	case !validFarm(h.Farm):
		return hop{}, fmt.Errorf("%q is no name of a farm", h.Farm)
	case h.Client != plainAddr(h.Client):
		return hop{}, fmt.Errorf("client %v has a zone, or is an IPv4 address in IPv6", h.Client)
	case h.Proto != "http" && h.Proto != "https":
		return hop{}, fmt.Errorf("proto is %q, want http or https", h.Proto)
	case h.String() != lines[0]:
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
	n := h.cfg.Snapshot().Node(hp.Sender)
	switch {
	case hp.Sender == h.cfg.Self:
		return fmt.Errorf("hop from %v in our own name", from)
	case n == nil:
		return fmt.Errorf("hop from %v in the name of %s, a node that we do not know", from, hp.Sender.Short())
	case from != plainAddr(n.Addr.Addr()) && from != plainAddr(n.From):
		return fmt.Errorf("hop from %v in the name of %s, which has another address", from, hp.Sender.Short())
	case n.Age(now) > max(believedFor, 6*n.Interval):
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
