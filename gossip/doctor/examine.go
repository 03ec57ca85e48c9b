package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Options are what [Examine] needs besides the file.
type Options struct {
	For   time.Duration                         // how long to listen
	Keys  *wire.Keyring                         // nil: none
	Agent func(context.Context) (*Agent, error) // asks the agent of this host
	Page  string                                // path of the page of peers
	TLS   *tls.Config                           // by which peers are asked whose address is https; nil: the default
}

const (
	// settle is how long a datagram may take from the interface to us.
	settle = 50 * time.Millisecond
	// placesTime is how long all the names and addresses of peers and seeds may take.
	placesTime = 10 * time.Second
	// maxElsewhere is on how many other interfaces is listened.
	maxElsewhere = 8
)

// Examine gathers the facts: it listens for as long as the options say, sends beats of its own if no agent of this host
// does, and then asks peers. That ctx ended before is an error, and that the interfaces of this host cannot be listed.
func Examine(ctx context.Context, cfg Config, opt Options) (*Facts, error) {
	x := &examination{sys: thisHost(), opt: opt, self: node.NewID(), facts: &Facts{Config: cfg}}
	if err := x.run(ctx); err != nil {
		return nil, err
	}
	return x.facts, nil
}

// system is what of the host is touched.
type system struct {
	proc       fs.FS
	interfaces func() ([]Interface, error)
	open       func(gossip.Destination, gossip.SocketConfig) (gossip.Transport, error)
	unicast    func(gossip.UnicastConfig) (gossip.Transport, error)
	sniff      func(ifi string, to netip.AddrPort) (sniffer, error)
	resolver   gossip.Resolver
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
	dialFrom   func(netip.Addr) func(ctx context.Context, network, address string) (net.Conn, error) // nil: dial does
}

// sniffer tells of the datagrams that come to an interface. Close wakes next, which is then an error.
type sniffer interface {
	next() (from netip.Addr, err error)
	io.Closer
}

func thisHost() system {
	return system{
		proc: os.DirFS("/proc"), interfaces: interfaces, open: gossip.Open,
		unicast:  func(cfg gossip.UnicastConfig) (gossip.Transport, error) { return gossip.ListenUnicast(cfg) },
		sniff:    sniff,
		resolver: net.DefaultResolver, dial: (&net.Dialer{}).DialContext, dialFrom: dialFrom,
	}
}

// examination is one run of Examine.
type examination struct {
	sys   system
	opt   Options
	self  node.ID // of the doctor's own beats
	facts *Facts
	ears  []*ear
}

func (x *examination) run(ctx context.Context) (err error) {
	f := x.facts
	if f.alone() {
		return nil
	}
	if f.Interfaces, err = x.sys.interfaces(); err != nil {
		return fmt.Errorf("list the interfaces of this host: %w", err)
	}
	before := readKernel(x.sys.proc)
	if f.Agent, err = x.opt.Agent(ctx); err != nil {
		f.Agent, f.NoAgent = nil, err.Error()
	}
	x.openLinks()
	x.listen(ctx)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	f.Kernel = readKernel(x.sys.proc)
	f.Kernel.ReversePath -= min(before.ReversePath, f.Kernel.ReversePath)
	f.Kernel.Overrun -= min(before.Overrun, f.Kernel.Overrun)
	x.agentSince(ctx)
	f.Answers = x.ask(ctx)
	return nil
}

// agentSince asks the agent once more, and keeps what it counted in between.
func (x *examination) agentSince(ctx context.Context) {
	before := x.facts.Agent
	if before == nil {
		return
	}
	after, err := x.opt.Agent(ctx)
	if err != nil { // it has just stopped, or is too busy: what it said first has to do
		before.Sent = 0
		before.Rejected = nil
		return
	}
	after.Sent -= min(before.Sent, after.Sent)
	for i, c := range after.Rejected {
		for _, b := range before.Rejected {
			if b.Name == c.Name {
				after.Rejected[i].N -= min(b.N, c.N)
			}
		}
	}
	x.facts.Agent = after
}

// openLinks opens what beats come by.
func (x *examination) openLinks() {
	f := x.facts
	for _, d := range f.Send {
		l := Link{To: d.String(), Addr: d.Addr, TTL: d.TTL, Holders: holders(x.sys.proc, d.Addr.Port())}
		x.add(l, func() (gossip.Transport, error) {
			return x.sys.open(d, gossip.SocketConfig{Interface: f.Interface, Source: f.Source})
		})
	}
	if len(f.Config.Peers) > 0 && f.Agent == nil {
		l := Link{To: "gossip.peers", Addr: f.Listen, Unicast: true, Holders: holders(x.sys.proc, f.Listen.Port())}
		if l.ByAgent = heldByAgent(x.sys.proc, f.Listen); l.ByAgent {
			f.Links = append(f.Links, l)
			return
		}
		x.add(l, func() (gossip.Transport, error) {
			return x.sys.unicast(gossip.UnicastConfig{Listen: f.Listen, Peers: f.Config.Peers, Resolver: x.sys.resolver})
		})
	}
}

// add opens a link, or notes why it cannot be opened.
func (x *examination) add(l Link, open func() (gossip.Transport, error)) {
	t, err := open()
	if err != nil {
		l.Refused, l.Taken = err.Error(), errors.Is(err, syscall.EADDRINUSE)
	}
	x.facts.Links = append(x.facts.Links, l)
	if err != nil {
		return
	}
	e := &ear{link: len(x.facts.Links) - 1, transport: t, tally: x.newTally()}
	h := x.facts.iface()
	if h == nil {
		x.ears = append(x.ears, e)
		return
	}
	if s, err := x.sys.sniff(h.Name, l.Addr); err == nil {
		e.sniffer = s
	}
	x.ears = append(x.ears, e)
	if !l.multicast() || h.isLoopback() {
		return
	}
	for _, d := range x.facts.Send {
		if d.Addr == l.Addr {
			x.addElsewhere(d, h)
		}
	}
}

// addElsewhere listens at a group on other interfaces, too: ours may be the wrong one.
func (x *examination) addElsewhere(d gossip.Destination, ours *Interface) {
	n := 0
	for _, h := range x.facts.Interfaces {
		const able = net.FlagUp | net.FlagRunning | net.FlagMulticast
		if h.Name == ours.Name || h.isLoopback() || h.Flags&able != able || n == maxElsewhere {
			continue
		}
		t, err := x.sys.open(d, gossip.SocketConfig{Interface: h.Name})
		if err != nil {
			continue // it has no address of the group's kind
		}
		n++
		x.ears = append(x.ears, &ear{
			link: len(x.facts.Links) - 1, elsewhere: h.Name, transport: t, tally: x.newTally(),
		})
	}
}

// listen lets beats come, and go, for as long as the options say.
func (x *examination) listen(ctx context.Context) {
	start := time.Now()
	var wg, sniffers sync.WaitGroup
	for _, e := range x.ears {
		wg.Go(e.listen)
		if e.sniffer != nil {
			sniffers.Go(e.sniff)
		}
	}
	looking, cancel := context.WithTimeout(ctx, max(x.opt.For, placesTime))
	defer cancel()
	wg.Go(func() { x.facts.PeerPlaces = x.places(looking, x.facts.Config.Peers, x.facts.Listen) })
	wg.Go(func() { x.facts.SeedPlaces = x.doors(looking, x.places(looking, x.facts.Seeds, x.facts.Advertise)) })
	limited, stop := context.WithTimeout(ctx, x.opt.For)
	defer stop()
	x.speak(limited)
	// What came to the interface must have had the time to come to us.
	for _, e := range x.ears {
		if e.sniffer != nil {
			_ = e.sniffer.Close()
		}
	}
	sniffers.Wait()
	pause(ctx, settle)
	for _, e := range x.ears {
		_ = e.transport.Close()
	}
	wg.Wait()
	x.facts.Took = time.Since(start)
	for _, e := range x.ears {
		e.tell(x.facts)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// interfaces lists those of this host.
func interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	all := make([]Interface, 0, len(list))
	for _, i := range list {
		h := Interface{Name: i.Name, Flags: i.Flags, MTU: i.MTU}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("addresses of %q: %w", i.Name, err)
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				h.Addrs = append(h.Addrs, p)
			}
		}
		all = append(all, h)
	}
	return all, nil
}

// ids returns the ids that this host announces itself by, first that which it does now.
func (x *examination) ids() []node.ID {
	ids := []node.ID{x.self}
	if a := x.facts.Agent; a != nil {
		if id, err := node.ParseID(a.ID); err == nil {
			ids = slices.Insert(ids, 0, id)
		}
	}
	return ids
}
