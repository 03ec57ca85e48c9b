package config

import (
	"net/netip"
	"net/url"
	"time"

	"backhand/candidacy"
	"backhand/gossip"
	"backhand/gossip/node"
	"backhand/gossip/wire"
)

// Config is a file that was read and found right. Templates are evaluated and defaults are filled in.
type Config struct {
	Path    string // of the file; "" if it was not read from one
	Hash    uint64 // of its text: equal files have equal hashes
	Cluster string // bound into every beat: two clusters on one wire never mix

	Node   Node
	Gossip Gossip
	Serve  []Serve
	Farm   []Farm
	Route  []Route
	Listen []Listen
	Status Status
	Log    Log
	Proxy  Proxy

	Heartbeat  Heartbeat
	AgentCheck AgentCheck
	Athena     Athena
	Mirror     []Mirror // engines that this agent tells what is said to it

	// Cookie is that by which applications say where their clients' requests go: the cookie of that name, signed by a key of a
	// file that must not be open to others. nil: they have no say in it.
	Cookie *Cookie

	// Warnings are what works and is most likely not meant, each a line to show to the user: "backhand.toml:12: ...".
	Warnings []string
}

// Node says who this agent is.
type Node struct {
	// Address is where peers reach this agent: host:port, where the host may be a go-sockaddr template that gives exactly
	// one address, with "https://" before it if the port speaks TLS. Required if there is a [[serve]] or gossip.send.
	Address netip.AddrPort
	TLS     bool
	// Name is shown to people and matched by byHostname. Default: the host name. At most 255 bytes.
	Name string
	// Zone is where the node stands, for byZone, at most 32 bytes. Default: none.
	Zone string
	// Labels are what byLabel chooses by, in the order of their keys: at most 16, keys of 1 to 32 bytes, values of at most
	// 32, 480 bytes together. Default: none.
	Labels []node.Label
	// Speed is how fast one CPU of the host is, as compared with those of the other hosts, up to 1e9. Default 0: it is
	// measured at the first start.
	Speed float64
	// StateDir keeps the node's id, its boot number and the control socket. Default: /var/lib/backhand, and if that cannot be
	// written, none: then the id is random at every start, and the commands that need the socket do not work.
	StateDir string
	// Identity says how agents whose address is https prove who they are. As they are dialled by address, ServerName is
	// the name that stands in the certificates of all of them; without it, each must have its address in its own.
	Identity Identity
}

// Gossip says how beats are sent and which are believed.
type Gossip struct {
	// Send is where beats go: "address:port" with ",ttl" behind it for multicast. Default: nowhere.
	Send []gossip.Destination
	// Peers are whom beats go to one by one, where a network carries neither multicast nor broadcast: at most 1024 addresses,
	// host names and names of SRV records. Our own address may be among them. Default: nobody.
	Peers []gossip.Peer
	// Listen is where beats to and from Peers leave and come in. Default: the host of node.address, port 4445.
	Listen netip.AddrPort
	// Memberlist finds the other nodes, and tells where beats to each of them go, if there is a [gossip.memberlist]. nil: there
	// is none.
	Memberlist *Memberlist
	// Accept is whose beats count and whose hop header is believed: CIDRs, addresses, go-sockaddr templates.
	Accept []netip.Prefix
	// Interval between two beats. Default 1 s, from 100 ms to 60 s.
	Interval time.Duration
	// Interface that beats leave by and are heard on. Default: the one that has node.address.
	Interface string
	// Source address of what goes to Send. Default: the host of node.address. To a destination of the other family, IPv4 or
	// IPv6, it leaves from the first address that the same interface has of that.
	Source netip.Addr
	// KeyFile has the keys that prove beats and hops, a key a line; it must not be open to others. Default: none, and whoever
	// may send from an address in Accept is believed.
	KeyFile string
	Keys    []wire.Key // what stands in it
	// KeyMode is how they are used: "receive-only", "permissive" or "enforce". Default with keys: enforce.
	KeyMode wire.Mode
}

// Serve is a farm that this host itself serves, from the web server on it.
type Serve struct {
	Farm   string   // at most 32 bytes
	Origin *url.URL // http://, https:// or h2c://host:port, with the port always there
	Reach  Reach
	// Capacity is how many requests the origin runs at full speed at once, up to 1e6: about its CPUs, or more if it mostly
	// waits for others. Default: the CPUs, limits of the cgroup included.
	Capacity float64
	// Workers is the limit of its processes or threads, which is no capacity: it is only shown, and used by byBusyChildren.
	Workers int
	// Check is a path that must answer with a status from 200 to 399. Default: a TCP connect.
	Check string
	// StatusURL is a mod_status (?auto), stub_status or php-fpm page that tells how many workers are busy.
	StatusURL *url.URL
	// Default marks the one that serves requests for which there is no route, where there are several.
	Default bool
}

// Farm is what the file says of a farm as a whole, and its servers without an agent.
type Farm struct {
	Name   string
	Member []Physical // none: all its members are nodes
	Reach  Reach      // of each member
	// Chain picks the members that programs ask for (see Athena). Default: see candidacy.DefaultChain.
	Chain *candidacy.Chain
	// ExpectUpdate is within which time statistics must come of a member, or it is out until the next come. Default 0:
	// never. From 1 s to 24 h. It stands in each member's as well, unless the file has another there.
	ExpectUpdate time.Duration
	Forwards     node.Forwards // where requests for the farm go while it takes none. Default: nowhere
	Check        Check         // of each member, by this agent itself
}

// Physical is a server without an agent. What is said of it over HTTP is kept by its name: in all the farms that list a server
// of that name it is one.
type Physical struct {
	Name string
	// URL is http://, https:// or h2c://host:port, with the port always there, and perhaps a path without slash at its end, which
	// stands before the path of each request.
	URL *url.URL
	// Capacity is how many requests it runs at full speed at once, up to 1e6. Default 0: not known, which counts as 1, alike
	// for all.
	Capacity float64
	// Weight is by which Capacity is multiplied, above 0 and up to 1e6. Default 1.
	Weight float64
	// Labels are what byLabel chooses by, as those of a node: "gpu" or "rack=7" in the file.
	Labels       []node.Label
	ExpectUpdate time.Duration // default: the farm's
	// Forwards is where a request goes that insists on this member, as by a cookie, while it takes none. Default: the chain
	// picks another member.
	Forwards node.Forwards
}

// Route maps requests to a farm and to the chain that picks the member.
type Route struct {
	Host  []string // host names, lower case, without port, brackets and dot at the end; none: all
	Path  string   // prefix, in whole segments; without slash at the end, but for "/"
	Files []string // patterns of the last segment: "*.php"; none: all
	Farm  string
	// To is the path that members see in place of Path, without slash at the end, but for "/"; "" leaves the path as it is. In
	// the file it is a URL, to = "http://farm_one/reports/", of which the host is the farm. A host that is none, and has a dot or
	// a port, is a farm by itself: Config.Farm has one called host:port then, whose only member it is.
	To string
	// Chain picks the member. Default: see candidacy.DefaultChain.
	Chain *candidacy.Chain
	// WhenEmpty is what happens if the chain leaves nobody: "self", "any" or "503". "" is self if this host serves the farm,
	// else 503.
	WhenEmpty string
	// RetryOn are statuses, of 502, 503 and 504, upon which a request that may run twice is handed to another member.
	// Default: none.
	RetryOn []int
	// ErrorOn are statuses, from 500 to 599, that count as an error of the member, for byError. Default: 500, 502, 503, 504.
	ErrorOn []int
}

// Status says where the page is and who may see it.
type Status struct {
	Path  string         // begins and ends with a slash. Default /backhand/
	Allow []netip.Prefix // default: loopback
}

// Log says where the lines about requests go, and what they look like.
type Log struct {
	// Access is a file, or "-" for standard output. Default: none.
	Access string
	// Format is LogCombined or LogJSON. Default: LogCombined.
	Format string
}

// Proxy bounds attempts, waiting and sizes, and says whom to believe about clients.
type Proxy struct {
	TrustedProxies []netip.Prefix // whose X-Forwarded-* and Forwarded are passed on. Default: nobody's
	ClientIP       bool           // members are told who the client is in the field Client-IP, too (mod_athena's client-ip)
	Tries          int            // members that one request is offered to at most. Default 3, from 1 to 16
	Upgrade        []string       // protocols that a connection may be upgraded to. Default websocket; empty: none

	Connect      time.Duration // to make a connection, TLS included. Default 1 s, from 10 ms to 1 min
	ResponseHead time.Duration // from the request's last byte to the response's head. Default 60 s, from 100 ms to 24 h
	ResponseIdle time.Duration // for which a member may pause in a response's body. Default 10 min, from 100 ms to 24 h
	Total        time.Duration // from a request's head to the response's last byte. Default 0: no limit. Up to 24 h
	TunnelIdle   time.Duration // for which an upgraded connection may be silent. Default 1 h, from 1 s to 168 h

	ClientHead time.Duration // from a request's first byte to the end of its head. Default 10 s, from 100 ms to 1 h
	ClientIdle time.Duration // for which a client may pause in a body, or not take a response. Default 60 s, from 100 ms to 24 h
	Idle       time.Duration // for which a client's connection waits for the next request. Default 60 s, from 1 s to 24 h
	Drain      time.Duration // for which a stopping agent waits for requests under way. Default 30 s, from 0 to 1 h

	MaxBody   int64 // bytes of a request's body. Default 0: no limit. Up to 1 PiB
	MaxHead   int   // bytes of a head, in both directions. Default 64 KiB, from 1 KiB to 1 MiB
	MaxFields int   // field lines of a head. Default 128, from 8 to 4096
	MaxLine   int   // bytes of a request line. Default 16 KiB or, if that is less, MaxHead; from 256 bytes to MaxHead
}
