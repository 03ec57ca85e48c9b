package proxy_test

import "strings"

// Fields on their way: RFC 9110, sections 5 and 6.
var fieldRows = []row{
	{"9110-5.1 unknown fields pass in requests", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X-New: 1↵9!#$%&'*+-.^_`|~: 2↵↵", "GET / HTTP/1.1",
			has("X-New: 1", "9!#$%&'*+-.^_`|~: 2")),
	}},
	{"9110-5.1 unknown fields pass in responses", steps{
		returns("HTTP/1.1 200 OK↵X-New: 1↵9!#$%&'*+-.^_`|~: 2↵Content-Length: 0↵↵", 200,
			has("X-New: 1", "9!#$%&'*+-.^_`|~: 2")),
	}},
	{"9110-5.3 lines of one name keep their order in requests", steps{
		forwards("GET / HTTP/1.1↵X: 3↵Host: a↵x: 1↵Y: 0↵X: 2↵↵", "GET / HTTP/1.1", has("X: 3", "X: 1", "X: 2")),
	}},
	{"9110-5.3 lines of one name keep their order in responses", steps{
		returns("HTTP/1.1 200 OK↵X: 3↵x: 1↵Content-Length: 0↵X: 2↵↵", 200, has("X: 3", "X: 1", "X: 2")),
	}},
	{"9110-5.3 Set-Cookie lines are not joined", steps{
		returns("HTTP/1.1 200 OK↵Set-Cookie: a=1, 2↵Set-Cookie: b=2↵Content-Length: 0↵↵", 200,
			has("Set-Cookie: a=1, 2", "Set-Cookie: b=2")),
	}},
	{"9110-5.3 Cookie lines pass", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Cookie: a=1; b=2↵↵", "GET / HTTP/1.1", has("Cookie: a=1; b=2")),
	}},
	{"9110-5.4 a request head of 60 KiB passes", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X: "+strings.Repeat("x", 60<<10)+"↵↵", "GET / HTTP/1.1",
			has("X: "+strings.Repeat("x", 60<<10))),
	}},
	{"9110-5.4 a response head of 60 KiB passes", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 0↵X: "+strings.Repeat("x", 60<<10)+"↵↵", 200,
			has("X: "+strings.Repeat("x", 60<<10))),
	}},
	{"9110-5.4 a request head beyond the limit is refused with 431", steps{
		refuses(431, "GET / HTTP/1.1↵Host: a↵X: "+strings.Repeat("x", 64<<10)+"↵↵"),
	}},
	{"9110-5.4 more fields than the limit are refused with 431", steps{
		refuses(431, "GET / HTTP/1.1↵Host: a↵"+strings.Repeat("X: 1↵", 128)+"↵"),
	}},
	{"9110-5.4 a response head beyond the limit is 502", steps{
		asks, answersInBackground("HTTP/1.1 200 OK↵Content-Length: 0↵X: " + strings.Repeat("x", 300<<10) + "↵↵"), reads(502),
		seesEnd, asAnnounced,
	}},
	{"9110-5.5 obs-text and tabs in a request pass byte for byte", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X: a\tb é \xff\x80↵↵", "GET / HTTP/1.1", has("X: a\tb é \xff\x80")),
	}},
	{"9110-5.5 obs-text and tabs in a response pass byte for byte", steps{
		returns("HTTP/1.1 200 OK↵X: a\tb é \xff\x80↵Content-Length: 0↵↵", 200, has("X: a\tb é \xff\x80")),
	}},
	{"9110-5.5 white space around values is no part of them", steps{
		forwards("GET / HTTP/1.1↵Host:\t a \t↵X:1↵Y: \t2\t ↵↵", "GET / HTTP/1.1", has("Host: a", "X: 1", "Y: 2")),
	}},
	{"9110-5.5 empty values pass", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X:↵Y: ↵↵", "GET / HTTP/1.1", has("X:", "Y:")),
	}},
	{"9110-5.6.1 empty elements of a list are skipped", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: , x-own,,↵X-Own: 1↵X: 2↵↵", "GET / HTTP/1.1", hasNo("X-Own"), has("X: 2")),
	}},
	{"9110-5.6.7 a date in an old format is not rewritten", steps{
		returns("HTTP/1.1 200 OK↵Date: Sunday, 06-Nov-94 08:49:37 GMT↵Content-Length: 0↵↵", 200,
			has("Date: Sunday, 06-Nov-94 08:49:37 GMT")),
	}},
	{"9110-6.5 trailers of a request pass", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵Trailer: X-Sum↵↵5↵hello↵0↵X-Sum: 42↵X-Sum: 43↵↵", "POST / HTTP/1.1",
			content("hello"), hasTrailers("X-Sum: 42", "X-Sum: 43"), framed(chunked)),
	}},
	{"9110-6.5 trailers of a response pass to those who take them", steps{
		send("GET / HTTP/1.1↵Host: a↵TE: trailers↵Connection: TE↵↵"), sees("GET / HTTP/1.1", has("TE: trailers")),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵Trailer: X-Sum↵↵5↵hello↵0↵X-Sum: 42↵↵"),
		reads(200, content("hello"), hasTrailers("X-Sum: 42"), framed(chunked)), stays,
	}},
	{"9110-6.5 trailers that were not announced pass", steps{
		send("GET / HTTP/1.1↵Host: a↵TE: trailers↵Connection: TE↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵0↵X-Sum: 42↵↵"),
		reads(200, content("hello"), hasTrailers("X-Sum: 42")), stays,
	}},
	{"9110-6.5 trailers behind an empty body pass", steps{
		send("GET / HTTP/1.1↵Host: a↵TE: trailers↵Connection: TE↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵Trailer: Grpc-Status↵↵0↵Grpc-Status: 0↵↵"),
		reads(200, content(""), hasTrailers("Grpc-Status: 0")), stays,
	}},
	{"9110-6.5.1 trailers of a request are not merged into its head", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵0↵X-Sum: 42↵↵", "POST / HTTP/1.1",
			content("hello"),
			check{true, "no X-Sum in the head", func(m *message) (any, bool) { return m.fields, m.values("X-Sum") == nil }}),
	}},
	{"9110-6.5.1 trailers that frame, route, authenticate or modify a request go no further", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵0↵"+forbiddenTrailers+"X-Sum: 42↵↵", "POST / HTTP/1.1",
			content("hello"), onlyTrailer("X-Sum")),
	}},
	{"9110-6.5.1 trailers that frame, control or authenticate a response go no further", steps{
		send("GET / HTTP/1.1↵Host: a↵TE: trailers↵Connection: TE↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵0↵" + forbiddenTrailers + "Set-Cookie: a=b↵Date: x↵Location: /↵X-Sum: 42↵↵"),
		reads(200, content("hello"), onlyTrailer("X-Sum")), stays,
	}},
	{"9110-6.5.1 trailers are dropped where the client speaks HTTP/1.0", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵0↵X-Sum: 42↵↵"),
		reads(200, content("hello"), hasNo("X-Sum")),
	}},
	{"9110-6.5.2 TE: trailers is asked of the origin only if the client did", steps{
		forwards("GET / HTTP/1.1↵Host: a↵↵", "GET / HTTP/1.1", hasNo("TE")),
	}},
	{"9110-6.6.1 a Date is added where the origin has none", steps{returns(ok, 200, dated)}},
	{"9110-6.6.1 a Date is added to a 204 that has none", steps{returns("HTTP/1.1 204 No Content↵↵", 204, dated)}},
	{"9110-6.6.1 a Date is added to a 304 that has none", steps{returns("HTTP/1.1 304 Not Modified↵ETag: x↵↵", 304, dated)}},
	{"9110-6.6.1 a Date is added to a response to HEAD that has none", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"), answers("HTTP/1.1 404 No↵Content-Length: 5↵↵"),
		readsToHEAD(404, dated), stays,
	}},
	{"9110-6.6.1 a Date is added though Connection named one", steps{
		returns("HTTP/1.1 200 OK↵Connection: date↵Date: Tue, 15 Nov 1994 08:12:31 GMT↵Content-Length: 0↵↵", 200, dated),
	}},
	{"9110-6.6.1 the origin's Date is left as it is", steps{
		returns("HTTP/1.1 200 OK↵Date: Tue, 15 Nov 1994 08:12:31 GMT↵Content-Length: 0↵↵", 200,
			has("Date: Tue, 15 Nov 1994 08:12:31 GMT")),
	}},
	{"9110-6.6.1 what we answer ourselves has a Date", steps{send("CONNECT a:443 HTTP/1.1↵Host: a:443↵↵"), reads(405, dated)}},
	{"9110-6.6.1 our answer to what is malformed has a Date", steps{send("GET / HTTP/1.1↵↵"), reads(400, dated), closes}},
	{"9110-6.6.1 our answer to OPTIONS has a Date", steps{
		send("OPTIONS * HTTP/1.1↵Host: a↵↵"), reads(204, dated), asAnnounced,
	}},
	{"9110-6.6.2 Trailer passes with what it announces", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵Trailer: X-Sum↵↵0↵X-Sum: 42↵↵", "POST / HTTP/1.1",
			content(""), has("Trailer: X-Sum"), hasTrailers("X-Sum: 42")),
	}},
}

const forbiddenTrailers = "Content-Length: 5↵Transfer-Encoding: chunked↵Host: evil↵Connection: x↵TE: gzip↵Trailer: a↵Upgrade: h2c↵" +
	"Authorization: x↵Cookie: a=b↵Cache-Control: no-store↵Expect: 100-continue↵Max-Forwards: 1↵Pragma: x↵Range: bytes=0-1↵" +
	"If-Match: x↵Content-Type: text/evil↵Content-Encoding: gzip↵Content-Range: bytes 0-1/2↵Via: 1.1 x↵Forwarded: for=1.2.3.4↵" +
	"X-Forwarded-For: 1.2.3.4↵X_Forwarded_For: 1.2.3.4↵Backhand-Load: 1↵Backhand-Proof: v1↵backhand_hop: v1↵Keep-Alive: 5↵Proxy-Authorization: x↵"

// onlyTrailer wants no trailer but that one.
func onlyTrailer(name string) check {
	return check{true, "one trailer, " + name, func(m *message) (any, bool) {
		return m.trailers, len(m.trailers) == 1 && strings.EqualFold(m.trailers[0].name, name)
	}}
}

// Fields for the next recipient only, and those between agents: RFC 9110, section 7.6.1.
var connectionFieldRows = []row{
	{"9110-7.6.1 fields that Connection names are removed from requests, and so is it", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X-Own: 1↵Connection: keep-alive, x-OWN↵X-Other: 2↵x-own: 3↵↵", "GET / HTTP/1.1",
			hasNo("X-Own"), has("X-Other: 2")),
	}},
	{"9110-7.6.1 fields that Connection names are removed from responses, and so is it", steps{
		returns("HTTP/1.1 200 OK↵X-Own: 1↵Connection: keep-alive, x-OWN↵X-Other: 2↵Content-Length: 0↵↵", 200, hasNo("X-Own"),
			has("X-Other: 2")),
	}},
	{"9110-7.6.1 several Connection lines count together", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: x↵X: 1↵Y: 2↵Z: 3↵Connection: y↵↵", "GET / HTTP/1.1", hasNo("X", "Y"),
			has("Z: 3")),
	}},
	{"9110-7.6.1 trailers that Connection names are removed from requests", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Connection: x-own↵Transfer-Encoding: chunked↵↵0↵X-Own: 1↵X-Sum: 2↵↵", "POST / HTTP/1.1",
			content(""), onlyTrailer("X-Sum")),
	}},
	{"9110-7.6.1 trailers that Connection names are removed from responses", steps{
		send("GET / HTTP/1.1↵Host: a↵TE: trailers↵Connection: TE↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Connection: x-own↵Transfer-Encoding: chunked↵↵0↵X-Own: 1↵X-Sum: 2↵↵"),
		reads(200, content(""), onlyTrailer("X-Sum")), stays,
	}},
	{"9110-7.6.1 a list in which Connection names what is not there", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: x-none↵X: 1↵↵", "GET / HTTP/1.1", has("X: 1")),
	}},
	{"9110-7.6.1 known hop-by-hop fields are removed from requests though not named", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Keep-Alive: timeout=5↵Proxy-Connection: keep-alive↵TE: gzip↵Upgrade: h2c↵HTTP2-Settings: x↵↵", "GET / HTTP/1.1",
			hasNo("Keep-Alive", "Proxy-Connection", "TE", "Upgrade", "HTTP2-Settings")),
	}},
	{"9110-7.6.1 what a client tells the next proxy of itself goes no further", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Proxy-Authorization: Basic x↵Proxy-Authenticate: x↵↵", "GET / HTTP/1.1",
			hasNo("Proxy-Authorization", "Proxy-Authenticate")),
	}},
	{"9110-7.6.1 known hop-by-hop fields are removed from responses though not named", steps{
		returns("HTTP/1.1 200 OK↵Keep-Alive: timeout=5↵Proxy-Connection: keep-alive↵Upgrade: h2c↵Content-Length: 0↵↵", 200,
			hasNo("Keep-Alive", "Proxy-Connection", "Upgrade")),
	}},
	{"9110-7.6.1 the client's X-Forwarded-For cannot be had removed", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: X-Forwarded-For, X-Forwarded-Proto, Forwarded, Via↵X-Forwarded-For: 1.2.3.4↵↵", "GET / HTTP/1.1",
			has("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http", "Via: 1.1 "+pseudonym)),
	}},
	{"9110-7.6.1 Host cannot be had removed", steps{refuses(400, "GET / HTTP/1.1↵Host: a↵Connection: host↵↵")}},
	{"9110-7.6.1 Content-Length cannot be had removed", steps{
		refuses(400, "POST / HTTP/1.1↵Host: a↵Connection: content-length↵Content-Length: 5↵↵hello"),
	}},
	{"9110-7.6.1 Transfer-Encoding that Connection names frames all the same", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Connection: transfer-encoding↵Transfer-Encoding: chunked↵↵5↵hello↵0↵↵",
			"POST / HTTP/1.1", content("hello")),
	}},
	{"9110-7.6.1 an origin cannot have Content-Length removed", steps{
		distrusts("HTTP/1.1 200 OK↵Connection: content-length↵Content-Length: 5↵↵hello"),
	}},
	{"9110-7.6.1 fields between agents are removed from requests, in all spellings", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Backhand-Load: 1↵Backhand-Limit: 1↵Backhand-Refused: hop↵Backhand-Proof: v1↵BACKHAND-NEW: 1↵backhand_limit: 1↵Backhand_Hop: v1↵↵",
			"GET / HTTP/1.1"),
	}},
	{"9110-7.6.1 fields between agents are removed from responses, in all spellings", steps{
		returns("HTTP/1.1 200 OK↵Backhand-Load: 1↵Backhand-Refused: busy↵Backhand-Proof: v1↵BACKHAND-NEW: 1↵backhand_load: 1↵Content-Length: 0↵↵",
			200),
	}},
	{"9110-7.6.1 fields between agents are removed from interim responses", steps{
		asks, answers("HTTP/1.1 103 Early Hints↵Backhand-Load: 1↵Backhand-Proof: v1↵Link: </x>↵↵" + ok), reads(103, has("Link: </x>")), reads(200),
		stays,
	}},
	{"9110-7.6.1 fields that Connection names are removed from interim responses", steps{
		asks, answers("HTTP/1.1 103 Early Hints↵Connection: x-own↵X-Own: 1↵Link: </x>↵↵" + ok),
		reads(103, has("Link: </x>"), hasNo("X-Own")), reads(200), stays,
	}},
	{"9110-7.6.1 a physical that claims to refuse is no agent", steps{
		returns("HTTP/1.1 503 Busy↵Backhand-Refused: busy↵Content-Length: 4↵↵busy", 503, content("busy")),
	}},
}
