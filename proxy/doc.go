// Package proxy takes a request, finds its route, lets the route's chain choose a member, and hands the request to it.
//
// One request goes through these files, in this order:
//
//	proxy.go      Handler: what is answered here, what is refused, what is handed on
//	path.go       the path as it came, and as it reads once it is normalised
//	hop.go        the field by which one agent hands a request to another, and when it is believed
//	route.go      host, path and file pattern, mapped to farm and chain
//	choose.go     candidates, chain, when_empty: who gets the request
//	attempt.go    handing it over; whether another member may be asked
//	outcome.go    what became of it, told once, when its last byte was passed on
//
// What is said to whom is in forwarded.go (X-Forwarded-*, Forwarded), via.go and fields.go; the sentences that clients
// read are one table in errors.go. All that knows net/http's machinery is in wire.go, dial.go and body.go, so that
// another engine can take its place.
//
// # Decisions where the design is silent
//
//   - A route's path matches with and without a slash at its end: "/app/" is "/app". A file pattern may match any
//     segment of the path, so that "*.php" matches /index.php/news.
//   - A path that holds a "#" is refused (400): it is none, and readers differ on it.
//   - The status path counts as a route where the two readings of a path are compared.
//   - when_empty "any" takes one of the reachable candidates at random: the first would always be the same.
//     "self" tries the own origin even if its check says that it is down; the default does so only if it is up.
//   - A node that does not believe our hop (421) is passed over like one that refuses, and named in the log.
//   - If nobody is left since connections failed, the answer is 502 (504 if the last timed out); since members
//     refused, or since the chain left nobody, 503 with Retry-After.
//   - A sender of hops is believed for a minute (or six of its intervals) after its last beat: beats may be lost where
//     TCP is well, and a front that is leaving still hands on what it has accepted.
//   - From a proxy in trusted_proxies that sends both X-Forwarded-For and Forwarded, which name different clients, the
//     former is believed and the latter made anew: an origin must see one client address, whichever field it reads.
//   - Fields whose names differ from ours only by underscores are removed with them, since CGI cannot tell them apart.
//   - Idle connections to origins and physicals are kept for 4 s, less than the 5 s of Apache's default
//     KeepAliveTimeout, so that hardly a request meets a connection that is just being closed.
//   - The status page is not among the requests that Drain waits for: it may stay open for ever.
package proxy
