package proxy

import (
	"cmp"
	"crypto/tls"
	"net/url"
	"time"

	"backhand/gossip/node"
)

// Origin is a web server that this agent stands in front of, for one farm.
type Origin struct {
	Farm    string
	URL     *url.URL    // http://, https:// or h2c://host:port
	Meter   *node.Meter // never nil
	Default bool        // serves requests for which there is no route, where there are several origins

	// Ready says whether the origin is up, and if not, why. nil: it always is.
	Ready func() (ok bool, why string)
	// ConnectFailed is called when no connection to the origin could be made. It may be nil.
	ConnectFailed func()

	Reach Reach
}

// Reach says how connections to members of one kind are made and kept: to an origin, to the physicals of a farm, to
// other agents.
type Reach struct {
	TLS *tls.Config // of members whose scheme is https. nil: the system's roots, and the name in the member's address
	// ProxyProtocol is the version of the header that a connection begins with, to tell the member who the client is: 1
	// or 2; 0: none. Such a connection serves one client's connection only.
	ProxyProtocol int
	Conns         int           // connections to one member at once; over h2c, requests. Default 1024
	Queue         time.Duration // for which a request waits until one is free. Default 1 s
	Idle          time.Duration // for which an unused connection is kept. Default 4 s, to other agents 30 s
}

// ready returns "" or why the origin is down.
func (o *Origin) ready() string {
	if o.Ready == nil {
		return ""
	}
	ok, why := o.Ready()
	if ok {
		return ""
	}
	return "origin down: " + cmp.Or(why, "no reason given")
}
