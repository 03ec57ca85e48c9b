// Package proxy takes a request, finds its route, lets the route's chain choose a member, and hands the request to it.
//
// A connection comes in by
//
//	server.go, conns.go         Server: accepting, limits, Shutdown
//	incoming.go, proxyproto.go  what comes before HTTP: the PROXY protocol, TLS
//	conn*.go                    a client that speaks HTTP/1: our own engine, on the codec of package h1
//	nethttp*.go                 HTTP/2, and our own pages: net/http
//
// Both are a front (front.go), and hand each request to an exchange, which goes through these files, in this order:
//
//	exchange.go   what is answered here, what is refused, what is handed on
//	path.go       the path as it came, and as it reads once it is normalised
//	hop.go        the field by which one agent hands a request to another, and when it is believed
//	proof.go      with keys, agents sign what they say to one another
//	route.go      host, path and file pattern, mapped to farm and chain
//	rewrite.go    the path that members get, where the route, or their own URL, has another one for them
//	body.go       the request's body: kept if it is short, else sent by a pump (pump.go)
//	choose.go     candidates, chain, when_empty: who gets the request
//	elsewhere.go  forwards: another farm, or a complete URL, where nobody of the farm does
//	cookie.go     what applications say of that by a signed cookie; cookieorders.go: what a request has of it;
//	              cookiechoose.go: who gets the request then; cookiepass.go: who sees the cookie
//	attempt.go    one member after another; whether another may be asked
//	handover.go   one attempt: a connection, the request, the head of the response
//	load.go       how busy a member is, as agents say it to one another; limit.go, refusal.go: that one is too busy
//	mapback.go    URLs and cookies of members whose paths are not those of their clients
//	relay.go      the response's body; rest.go: a client that reads it slowly; tunnel.go: what follows a 101
//	outcome.go    what became of it, told once, when its last byte was passed on
//
// One goroutine does all that, and waits as wait.go says; a second one runs while a long body is sent, while a client is
// watched that waits for long, and in tunnels. Connections to members come from pools (pools.go, pool.go), and are dialled
// by dialer.go and kept by memberconn.go; h2c*.go is for members that speak HTTP/2 only. stream.go is how a connection is
// read and written without a buffer (buffer.go) while it waits, and with as few system calls as can be; patience.go cuts
// off who takes too little. What differs between systems ends in _linux.go and _other.go.
//
// What is said to whom is in head.go, forwarded.go and rfc7239.go (X-Forwarded-*, Forwarded), via.go and fields.go; the
// sentences that clients read are one table in errors.go. The whole is put together in proxy.go, and what a reload
// replaces of it is a Site (site.go) with its Origins (origin.go); drain.go counts the requests under way, doubts.go
// remembers the nodes that do not believe us or that we do not believe, and explain.go asks where a request would go.
//
// # Decisions where the design is silent
//
//   - A route's path matches with and without a slash at its end: "/app/" is "/app". A file pattern may match any
//     segment of the path, so that "*.php" matches /index.php/news.
//   - A path that holds a "#" is refused (400): it is none, and readers differ on it.
//   - The status path counts as a route where the readings of a path are compared. It is handed to the status page
//     without its last slash too: who may see the page is asked before anybody is redirected to it.
//   - Besides the path as it came and as it is normalised there is a third reading, of those to whom "\" is a slash, and
//     several slashes one: "//intern/x" must not lead round the route of /intern. If it takes another route, the answer
//     is 400. What is encoded (%2F, %5C) stays encoded in it, too.
//   - Parameters of a segment are a part of it: "/intern;a/x" is not below /intern. An origin that cuts them off (Java
//     servlets) must not rely on a route to fence anything off.
//   - A target in absolute form is taken with http and https only, and not without a host; else the answer is 400.
//   - when_empty "any" takes one of the reachable candidates at random: the first would always be the same.
//     "self" tries the own origin even if its check says that it is down; the default does so only if it is up.
//   - A forward is followed where when_empty would apply, and before it: the farm is off or down, nobody of it is fit, the chain
//     left nobody, or all that it left were asked in vain (see node.Farm.Forward for which of the two it is). when_empty is what
//     happens at the farm at which forwards end; but a farm that is off or down does not take anything itself either (self).
//   - Of the farm to which a forward leads the route's own chain chooses. At most eight forwards are followed for a request, and
//     none back to a farm at which it was. A complete URL is asked once.
//   - What belongs to a member that is unfit (bySession) follows that member's forward. Where that leads to nobody, the others of
//     its farm are asked, as without it.
//   - A complete URL takes the place of the request's path and query, and its host is in Host; method, fields and body stay. Its
//     answer passes as it is: neither is it mapped back, nor does it get a cookie of addSession.
//   - A signed cookie (Site.Cookie) counts on all routes. Of several, the first that is valid counts that names a farm, and the
//     first that names a member; the farm goes first, and the member is looked for in it. At most eight are looked at.
//   - Of a farm that a cookie names the route's own chain chooses, and forwards and when_empty are as if the route named it.
//   - Where a cookie binds a request to a member, no chain runs: so there is no redirect, no cookie of addSession and no
//     limit (orElse). Draining or silent, and after a connection that failed, the member is asked. If it is off, down or out, or
//     its origin is down, its forward is followed, and without one the answer is 503. Nobody else of the farm is asked, ever.
//   - "stay" binds likewise, as long as the member is fit, or draining, and could be connected to a moment ago; else the
//     request goes where it would without the cookie. It does so, too, when the member fails the request and it may be sent again.
//   - If the farm is off or down, cookies that name members of it do not count: its forward is followed.
//   - Of nodes of one name, such as a host that was set up anew and the one before, the first has the request that takes any and
//     can be reached. A member that this front does not know does not bind: a node that has been silent for an hour, or was not
//     heard yet since the front was started.
//   - A signed cookie is seen by the member, or the members of the farm, that it names, and by nobody else; nor is one that does
//     not count. So it is without a route, too, though there it decides nothing. Over a hop, the agent of the front has seen
//     to that; all agents need the same [cookie].
//   - A prefix is replaced in whole segments, whether it is written with a slash at its end or without (mod_proxy wants both
//     alike, or doubles and drops slashes): of /reports and /app, "/reports" is "/app", and "/reports/" is "/app/". With "/" in
//     its place, both are "/".
//   - A path that leads out behind the prefix that is replaced ("/reports/../reports/x") is refused (400): the member would
//     read something above To. So is one that does so only to those who decode %2F or cut parameters off ("..;").
//   - The path in a physical's URL stands before that of each request, behind which the route's To was put in: of
//     http://app01:8080/app and To /reports, members get /app/reports/x. It is encoded as the file has it, and a slash at its end
//     counts for nothing. The check of a farm is asked for as it is written, without that path. A client that is redirected to
//     a physical finds it in its Location.
//   - A path that leads above that of the chosen member's URL is refused (400) just so, though another member might have none.
//   - What a member with such a path says is mapped back on all routes: from its own path, or, behind the host of another member
//     of the farm, from that one's.
//   - The route's file patterns and byHash path go by the path that the client knows, since routes and chains do.
//   - Mapped back are Location, Content-Location, Refresh and Set-Cookie, in final responses and with a 101. Bodies, Link and
//     interim responses are not. A URL behind the host that the client asked for keeps its host and scheme, and has its path
//     mapped; so one that is meant for another route of this host is mapped, too, if it begins with To.
//   - A cookie named __Host- keeps its path, since browsers take it only so.
//   - A node that does not believe our hop (421) is passed over like one that refuses. It is named in the log if it does
//     so again after more than two of its intervals and took nothing from us meanwhile: one that has just started knows
//     nobody yet.
//   - If this host lacks what a connection needs (file descriptors, ports, memory), the answer is 503 with Retry-After,
//     and on a hop a refusal (busy). No other member is tried, and none is blamed: it would fail just so.
//   - A hop for which no connection to the origin becomes free in time is refused, too (busy): nothing was done.
//   - A node that refused because of its limit (orElse) is asked again, without one, if nobody else can be, before when_empty
//     applies: it has much to do, and is better than nobody. No limit is given to the last one that may be asked, if the
//     chain left no other, or if the body could not be sent again; so no client gets a 503 for the sake of balance.
//   - The load is said with whatever goes back over a believed hop, refusals and answers of our own included, but not with
//     interim responses. Chains of our own hear that of our own origin just so, with each of its responses.
//   - A member fails a request by what cost the client, or would have: no connection, no answer in time, one that is malformed
//     or breaks off, the statuses in error_on, and one for which retry_on sent the request elsewhere. If the whole request's
//     time is over, it is the member's failure only while nothing but its head is waited for. A refusal is none for the
//     front; but that its own origin could not be connected to is one for the agent, and counts in what it says of its load.
//   - A request rests, as far as the origin's service rate is concerned, while its client does not take what is written,
//     and while the kernel passes the body on by itself (see rest.go). In HTTP/2, whatever is being written counts so.
//   - The body of a refusal is waited for 100 ms, so that its connection can be used again; then it is closed.
//   - A refusal, and any response, is acted on while the client pauses in its body. A connection on which the response
//     came before the end of the request's body is closed afterwards, unless the rest came meanwhile.
//   - A client that sends nothing of its body for 60 s gets 408, and one that takes nothing of a response for 60 s is
//     cut off; upgraded connections may be silent for an hour. Of a body that nobody wants the rest may take 5 s, and 16
//     MiB: then the connection is used on, or closed.
//   - A client that has closed its direction of the connection is taken for gone a second later, if the answer has not
//     begun by then: most that look so have closed both. One that said "Connection: close", or speaks HTTP/1.0, or has
//     sent more requests, gets its answers however long they take.
//   - Upon which failures a request that may run twice is sent to another member: no answer in time, a connection that
//     ends before an answer, an answer that is no HTTP, and a node of which the last three beats did not come. With what may
//     not run twice a node is waited for until six did not.
//     Where the response came over a hop, the agent there sends such a request back as refused.
//   - An idle connection to a member is looked at before each use (one system call): what a member sends unasked must
//     not be the answer to somebody else's request.
//   - A response without Date gets one (RFC 9110, section 6.6.1).
//   - At most 32 interim responses pass for one request.
//   - Of a chunked body what is there already is checked before a member is asked; what comes later, as it passes.
//   - If nobody is left since connections failed, the answer is 502 (504 if the last timed out); since members
//     refused, or since the chain left nobody, 503 with Retry-After.
//   - A sender of hops is believed for a minute (or six of its intervals) after its last beat: beats may be lost where
//     TCP is well, and a front that is leaving still hands on what it has accepted.
//   - With keys, a hop and its limit count only together with the proof that the node has sent them, for that method and
//     target; how old a proof may be is the business of who checks it (ten beats). A hop that is not proved gets 421 as any
//     that is not believed does, and is counted by a reason of its own (proof). The host, the other fields and the body
//     are not in the proof: it says who hands the request on. TLS between agents keeps the rest from being changed.
//   - With keys, an agent's load and its refusal count only if they are proved to come from the node that was asked, in
//     answer to that request. Else the response is one like any other, whatever its status, and the outcome says so
//     (Unproved).
//   - That a hop is not believed (421) is signed by an agent with keys, though it does not know whom it tells: the front
//     would else take the refusal for an answer, and show it to the client, where another member can take the request.
//   - A field that agents send once, and that is there twice, is never proved.
//   - From a proxy in trusted_proxies that sends both X-Forwarded-For and Forwarded, which name different clients, the
//     former is believed and the latter made anew: an origin must see one client address, whichever field it reads.
//   - X-Real-IP, Client-IP and True-Client-IP are treated like X-Forwarded-For: of a client they are removed, of a proxy
//     in trusted_proxies and over a hop they pass. We send none ourselves, but Client-IP where Site.ClientIP wants it, as
//     mod_athena did; it named who connected last, which behind a proxy is nobody's client.
//   - Trailers for framing, routing, authentication, request modifiers, response control or the form of the body (RFC
//     9110, section 6.5.1) are removed in both directions, announced or not.
//   - Fields whose names differ from ours only by underscores are removed with them, since CGI cannot tell them apart.
//   - Idle connections to origins and physicals are kept for 4 s, less than the 5 s of Apache's default
//     KeepAliveTimeout, so that hardly a request meets a connection that is just being closed.
//   - To a member at h2c:// nothing is sent before its SETTINGS are there: until then it counts as one that could not be
//     connected to, so that one that hangs, or speaks another protocol, costs no request that must not run twice.
//   - What it resets with REFUSED_STREAM, or leaves behind with GOAWAY, it has not touched: the request goes to it again,
//     whatever the method, three times in all; then it counts as a refusal. Any other reset is judged like a connection
//     that was closed.
//   - A connection in HTTP/2 on which a head did not come in time is given to no request any more: it may be dead.
//   - If the client takes trailers (TE), or such are announced, the response of an h2c:// member is sent in chunks in
//     HTTP/1.1, even if its length is known: trailers are only there.
//   - To a member at h2c:// Upgrade is not passed on; it sees a plain request (RFC 9113, section 8.6).
//   - The status page is not among the requests that Drain waits for: it may stay open for ever.
package proxy
