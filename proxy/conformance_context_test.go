package proxy_test

import (
	"strings"
	"time"

	"backhand/proxy"
)

// Expectations and other context of messages: RFC 9110, section 10.
var contextRows = []row{
	{"9110-10.1.1 100-continue goes end to end", steps{
		send(expects), sees("POST / HTTP/1.1", has("Expect: 100-continue", "Content-Length: 5")),
		answers("HTTP/1.1 100 Continue↵↵"), reads(100),
		send("hello"), seesRest(content("hello")), answers(ok), reads(200, content("ok")), stays,
	}},
	{"9110-10.1.1 100-continue goes end to end with a chunked body", steps{
		send("POST / HTTP/1.1↵Host: a↵Expect: 100-continue↵Transfer-Encoding: chunked↵↵"),
		sees("POST / HTTP/1.1", has("Expect: 100-continue")),
		answers("HTTP/1.1 100 Continue↵↵"), reads(100),
		send("5↵hello↵0↵↵"), seesRest(content("hello")), answers(ok), reads(200), stays,
	}},
	{"9110-10.1.1 the head is handed on before there is a body", steps{
		send(expects), sees("POST / HTTP/1.1"), hangsUp, seesBreak,
	}},
	{"9110-10.1.1 an origin may refuse the body", steps{
		send(expects), sees("POST / HTTP/1.1"), answers("HTTP/1.1 417 No↵Content-Length: 2↵↵no"), reads(417, content("no")),
		hangsUp, seesBreak,
	}},
	{"9110-10.1.1 where an origin refused the body no other request is sent", steps{
		send(expects), sees("POST / HTTP/1.1"), answers("HTTP/1.1 417 No↵Content-Length: 2↵↵no"), reads(417), remember,
		anotherClient, asks, anotherConnection, answers(ok), reads(200), back, hangsUp, seesBreak,
	}},
	{"9110-10.1.1 a body that comes all the same is no request", steps{
		send("POST / HTTP/1.1↵Host: a↵Expect: 100-continue↵Content-Length: 41↵↵"), sees("POST / HTTP/1.1"),
		answers("HTTP/1.1 417 No↵Content-Length: 2↵↵no"), reads(417), send("GET /evil HTTP/1.1↵Host: a↵X: 12345↵↵"), forgets,
		asAnnounced,
	}},
	{"9110-10.1.1 a value that only ends like it is another expectation", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Expect: y 100-continue↵Content-Length: 5↵↵hello", "POST / HTTP/1.1",
			has("Expect: y 100-continue"), content("hello")),
	}},
	{"9110-10.1.1 a client may send its body without waiting", steps{
		send(expects), sees("POST / HTTP/1.1"), send("hello"), seesRest(content("hello")), answers(ok), readsFinal(200), stays,
	}},
	{"9110-10.1.1 a client may send its body at once", steps{
		send(expects + "hello"), sees("POST / HTTP/1.1"), answers("HTTP/1.1 100 Continue↵↵"), seesRest(content("hello")),
		answers(ok),
		readsFinal(200), stays,
	}},
	{"9110-10.1.1 a 100 that comes after the body passes", steps{
		send(expects), sees("POST / HTTP/1.1"), send("hello"), seesRest(content("hello")),
		answers("HTTP/1.1 100 Continue↵↵" + ok), reads(100), reads(200), stays,
	}},
	{"9110-10.1.1 a value in another case is the same", steps{
		send("POST / HTTP/1.1↵Host: a↵Expect: 100-Continue↵Content-Length: 5↵↵"), sees("POST / HTTP/1.1"),
		answers("HTTP/1.1 100 Continue↵↵"), reads(100), send("hello"), seesRest(content("hello")), answers(ok), reads(200),
		stays,
	}},
	{"9110-10.1.1 in HTTP/1.0 the expectation is ignored", steps{
		send("POST / HTTP/1.0↵Host: a↵Expect: 100-continue↵Content-Length: 5↵↵hello"),
		sees("POST / HTTP/1.1", hasNo("Expect"), content("hello")),
		answers(ok), reads(200), closes,
	}},
	{"9110-10.1.1 other expectations are the origin's business", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Expect: more↵Content-Length: 5↵↵hello", "POST / HTTP/1.1", has("Expect: more"),
			content("hello")),
	}},
	{"9110-10.1.1 an expectation without a body waits for nothing", steps{
		send("GET / HTTP/1.1↵Host: a↵Expect: 100-continue↵↵"), sees("GET / HTTP/1.1"), answers(ok), reads(200), stays,
	}},
	{"9110-10.1.1 nothing is expected that the client does not", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello", "POST / HTTP/1.1", hasNo("Expect"), content("hello")),
	}},
	{"9110-10.1.1 a response of ours comes without the body that is expected", steps{
		send("POST / HTTP/1.1↵Host: a↵Via: 1.1 " + pseudonym + "↵Expect: 100-continue↵Content-Length: 5↵↵"), reads(508),
		hangsUp,
	}},
	{"9110-10.1.2 From, Referer and User-Agent pass", steps{
		forwards("GET / HTTP/1.1↵Host: a↵From: a@b↵Referer: http://b/c?d↵User-Agent: x/1 (y; z)↵↵", "GET / HTTP/1.1",
			has("From: a@b", "Referer: http://b/c?d", "User-Agent: x/1 (y; z)")),
	}},
	{"9110-10.1.4 TE: trailers is asked anew, with its connection option", steps{
		forwards("GET / HTTP/1.1↵Host: a↵TE: deflate;q=0.5, Trailers↵Connection: TE↵↵", "GET / HTTP/1.1", has("TE: trailers")),
	}},
	{"9110-10.1.4 codings that only the client takes are not asked for", steps{
		forwards("GET / HTTP/1.1↵Host: a↵TE: gzip, deflate;q=0.5↵Connection: TE↵↵", "GET / HTTP/1.1", hasNo("TE")),
	}},
	{"9110-10.1.4 trailers with a weight are no trailers", steps{
		forwards("GET / HTTP/1.1↵Host: a↵TE: trailersx↵Connection: TE↵↵", "GET / HTTP/1.1", hasNo("TE")),
	}},
	{"9110-10.2.1 Allow passes", steps{
		returns("HTTP/1.1 405 No↵Allow: GET, BREW↵Content-Length: 0↵↵", 405, has("Allow: GET, BREW")),
	}},
	{"9110-10.2.1 an empty Allow passes", steps{returns("HTTP/1.1 405 No↵Allow:↵Content-Length: 0↵↵", 405, has("Allow:"))}},
	{"9110-10.2.2 Location is not rewritten", steps{
		returns("HTTP/1.1 302 Found↵Location: http://127.0.0.1/x/../y#z↵Content-Length: 0↵↵", 302,
			has("Location: http://127.0.0.1/x/../y#z")),
	}},
	{"9110-10.2.3 Retry-After passes", steps{
		returns("HTTP/1.1 503 Busy↵Retry-After: 120↵Content-Length: 4↵↵busy", 503, has("Retry-After: 120"), content("busy")),
	}},
	{"9110-10.2.4 Server passes", steps{
		returns("HTTP/1.1 200 OK↵Server: CERN/3.0 libwww/2.17 (x)↵Content-Length: 0↵↵", 200,
			has("Server: CERN/3.0 libwww/2.17 (x)")),
	}},
	{"9110-10.2.4 Server is not added", steps{returns(ok, 200, hasNo("Server"))}},
}

const expects = "POST / HTTP/1.1↵Host: a↵Expect: 100-continue↵Content-Length: 5↵↵"

// Status codes: RFC 9110, section 15.
var statusRows = []row{
	{"9110-15 codes that nobody knows pass", steps{returns("HTTP/1.1 299 Odd↵Content-Length: 3↵↵odd", 299, content("odd"))}},
	{"9110-15 codes of clients pass", steps{returns("HTTP/1.1 499 Odd↵Content-Length: 3↵↵odd", 499, content("odd"))}},
	{"9110-15 codes of servers pass", steps{returns("HTTP/1.1 599 Odd↵Content-Length: 3↵↵odd", 599, content("odd"))}},
	{"9110-15 codes beyond 599 are 502", steps{distrusts("HTTP/1.1 600 Odd↵Content-Length: 0↵↵")}},
	{"9110-15 codes below 100 are 502", steps{distrusts("HTTP/1.1 099 Odd↵Content-Length: 0↵↵")}},
	{"9110-15.2 interim responses pass, each", steps{
		asks, answers("HTTP/1.1 102 Processing↵↵"), reads(102), answers("HTTP/1.1 103 Early Hints↵Link: </a>↵↵"),
		reads(103, has("Link: </a>")),
		answers("HTTP/1.1 103 Early Hints↵Link: </b>↵Link: </c>↵↵"), reads(103, has("Link: </b>", "Link: </c>")), answers(ok),
		reads(200, content("ok"), hasNo("Link")), stays,
	}},
	{"9110-15.2 interim responses in one piece with the final one pass", steps{
		asks, answers("HTTP/1.1 102 Processing↵↵HTTP/1.1 103 Early Hints↵Link: </a>↵↵" + ok), reads(102),
		reads(103, has("Link: </a>")), reads(200), stays,
	}},
	{"9110-15.2 interim responses that nobody knows pass", steps{
		asks, answers("HTTP/1.1 199 Odd↵X: 1↵↵" + ok), reads(199, has("X: 1")), reads(200), stays,
	}},
	{"9110-15.2 interim responses do not reach HTTP/1.0", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 100 Continue↵↵HTTP/1.1 103 Early Hints↵Link: </a>↵↵" + ok),
		reads(200, content("ok"), hasNo("Link")), closes,
	}},
	{"9110-15.2 interim responses come before one to HEAD", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"),
		answers("HTTP/1.1 103 Early Hints↵Link: </a>↵↵HTTP/1.1 200 OK↵Content-Length: 5↵↵"),
		reads(103), readsToHEAD(200), stays,
	}},
	{"9110-15.2 there is an end to interim responses", steps{
		asks, answersInBackground(strings.Repeat("HTTP/1.1 103 Early Hints↵Link: </a>↵↵", 5000)), readsFinal(502), seesEnd,
		asAnnounced,
	}},
	{"9110-15.2 a body of an interim response is no response", steps{
		asks, answers("HTTP/1.1 103 Early Hints↵Content-Length: 5↵↵hello" + ok), reads(103), reads(502), seesEnd, asAnnounced,
	}},
	{"9110-15.2 an interim response and then nothing is 502", steps{
		asks, answers("HTTP/1.1 103 Early Hints↵Link: </a>↵↵"), reads(103), originCloses, reads(502), asAnnounced,
	}},
	{"9110-15.2 a malformed response behind an interim one is 502", steps{
		asks, answers("HTTP/1.1 103 Early Hints↵Link: </a>↵↵HTTP/1.1 200 OK↵X : 1↵↵"), reads(103), reads(502), seesEnd,
		asAnnounced,
	}},
	{"9110-15.2.1 a 100 that was not asked for passes", steps{
		asks, answers("HTTP/1.1 100 Continue↵↵" + ok), reads(100), reads(200), stays,
	}},
	{"9110-15.2.2 a 101 that was not asked for is 502", steps{
		distrusts("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵↵evil"),
	}},
	{"9110-15.2.2 a 101 upon an upgrade that was not allowed is 502", steps{
		send("GET / HTTP/1.1↵Host: a↵Connection: Upgrade↵Upgrade: h2c↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: h2c↵↵evil"), reads(502), seesEnd, asAnnounced,
	}},
	{"9110-15.3.5 a 204 has no body", steps{returns("HTTP/1.1 204 No Content↵ETag: x↵↵", 204, has("ETag: x"))}},
	{"9110-15.3.6 a 205 passes", steps{returns("HTTP/1.1 205 Reset Content↵Content-Length: 0↵↵", 205, content(""))}},
	{"9110-15.3.7 a 206 passes", steps{
		returns("HTTP/1.1 206 Partial Content↵Content-Range: bytes 0-1/5↵Content-Length: 2↵↵he", 206, content("he")),
	}},
	{"9110-15.4 redirections are not followed", steps{
		returns("HTTP/1.1 307 Temporary Redirect↵Location: /elsewhere↵Content-Length: 2↵↵go", 307, has("Location: /elsewhere"),
			content("go")),
	}},
	{"9110-15.4.5 a 304 has no body, and keeps its fields", steps{
		returns("HTTP/1.1 304 Not Modified↵Cache-Control: a↵Content-Location: b↵Date: Tue, 15 Nov 1994 08:12:31 GMT↵ETag: c↵Expires: d↵Vary: e↵↵", 304,
			has("Cache-Control: a", "Content-Location: b", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "ETag: c", "Expires: d", "Vary: e")),
	}},
	{"9110-15.5 errors of clients pass as they are", steps{
		returns("HTTP/1.1 404 Gone Fishing↵Content-Length: 2↵↵no", 404, content("no")),
	}},
	{"9110-15.5.8 a 407 passes without what was for the next hop", steps{
		returns("HTTP/1.1 407 No↵Proxy-Authenticate: Basic↵Content-Length: 0↵↵", 407, hasNo("Proxy-Authenticate")),
	}},
	{"9110-15.5.9 a client that does not finish its head gets 408, and nobody hears of it", steps{
		with(func(s *proxy.Site) { s.ClientHead = 50 * time.Millisecond }), anotherClient,
		send("GET / HTTP/1.1↵Host: a↵"), getsTimeout, restores,
	}},
	{"9110-15.5.9 a client that does not finish its body gets 408", steps{
		with(func(s *proxy.Site) { s.ClientIdle = 50 * time.Millisecond }), anotherClient,
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 10↵↵hello"), reads(408, has("Connection: close")), closes,
		seesNothingWhole, restores,
	}},
	{"9110-15.5.15 a target beyond the limit is 414", steps{
		refuses(414, "GET /"+strings.Repeat("a", 20<<10)+" HTTP/1.1↵Host: a↵↵"),
	}},
	{"9110-15.6 errors of servers pass as they are", steps{
		returns("HTTP/1.1 500 Oh↵X: 1↵Content-Length: 2↵↵no", 500, has("X: 1"), content("no")),
	}},
	{"9110-15.6.2 a method longer than any is 501", steps{refuses(501, strings.Repeat("M", 65)+" / HTTP/1.1↵Host: a↵↵")}},
	{"9110-15.6.3 no connection to the origin is 502", steps{
		originIsGone, send("GET / HTTP/1.1↵Host: a↵↵"), reads(502, dated), stillNot(502),
	}},
	{"9110-15.6.3 an origin that closes without an answer is 502", steps{asks, originCloses, reads(502), asAnnounced}},
	{"9110-15.6.3 an origin that resets the connection is 502", steps{asks, originResets, reads(502), asAnnounced}},
	{"9110-15.6.3 an origin that closes within the head is 502", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Le"), originCloses, reads(502), asAnnounced,
	}},
	{"9110-15.6.5 an origin that does not answer in time is 504", steps{
		with(func(s *proxy.Site) { s.ResponseHead = 50 * time.Millisecond }), asks, reads(504), seesEnd, restores, asAnnounced,
	}},
	{"9110-15.6.6 another major version is 505", steps{refuses(505, "GET / HTTP/3.0↵Host: a↵↵")}},
}
