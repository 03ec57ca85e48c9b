package proxy_test

import (
	"strings"

	"backhand/proxy"
)

// Routing, Via, Max-Forwards, transformations and upgrades: RFC 9110, sections 4 and 7.
var routingRows = []row{
	{"9110-4.1 a target of 8000 bytes passes", steps{
		forwards("GET /"+strings.Repeat("a", 8000)+" HTTP/1.1↵Host: a↵↵", "GET /"+strings.Repeat("a", 8000)+" HTTP/1.1"),
	}},
	{"9110-4.2.4 userinfo in a target is refused", steps{refuses(400, "GET http://admin@a/ HTTP/1.1↵Host: a↵↵")}},
	{"9110-7.1 a target is not normalised", steps{
		forwards("GET /a/../b//c/./%7Ed%2Fe;f?x=1;y=%zz&&z HTTP/1.1↵Host: a↵↵",
			"GET /a/../b//c/./%7Ed%2Fe;f?x=1;y=%zz&&z HTTP/1.1"),
	}},
	{"9110-7.2 Host passes as it came", steps{
		forwards("GET / HTTP/1.1↵Host: WWW.Example.com:8080↵↵", "GET / HTTP/1.1", has("Host: WWW.Example.com:8080")),
	}},
	{"9110-7.2 Host may stand behind other fields", steps{
		forwards("GET / HTTP/1.1↵X: 1↵Host: a↵↵", "GET / HTTP/1.1", has("Host: a")),
	}},
	{"9110-7.2 an IPv6 address is a Host", steps{
		forwards("GET / HTTP/1.1↵Host: [2001:db8::1]:80↵↵", "GET / HTTP/1.1", has("Host: [2001:db8::1]:80")),
	}},
	{"9110-7.4 what no route leads to goes nowhere", steps{
		with(func(s *proxy.Site) { s.Routes = nil }), send("GET / HTTP/1.1↵Host: a↵↵"), reads(404), restores, asAnnounced,
	}},
	{"9110-7.5 responses go to the requests that they answer, whoever asks first", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵"), sees("GET /1 HTTP/1.1"), remember,
		anotherClient, send("GET /2 HTTP/1.1↵Host: a↵↵"), sees("GET /2 HTTP/1.1"), anotherConnection,
		answers("HTTP/1.1 200 OK↵Content-Length: 1↵↵2"), reads(200, content("2")), back,
		answers("HTTP/1.1 200 OK↵Content-Length: 1↵↵1"), reads(200, content("1")), stays,
	}},

	{"9110-7.6 a request that was here before is a loop", steps{
		send("GET / HTTP/1.1↵Host: a↵Via: 1.1 x, 1.1 " + pseudonym + "↵↵"), reads(508), asAnnounced,
	}},
	{"9110-7.6 a loop is seen in any line, case and with a comment", steps{
		send("GET / HTTP/1.1↵Host: a↵Via: 1.0 x↵Via: HTTP/1.1 " + strings.ToUpper(pseudonym) + " (no, really)↵Via: 1.1 y↵↵"),
		reads(508), asAnnounced,
	}},
	{"9110-7.6 somebody whose name only begins like ours is no loop", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Via: 1.1 "+pseudonym+"0↵↵", "GET / HTTP/1.1"),
	}},
	{"9110-7.6.2 TRACE with Max-Forwards 0 goes no further", steps{
		send("TRACE / HTTP/1.1↵Host: a↵Cookie: secret↵Max-Forwards: 0↵↵"), reads(405, lacks("secret")), asAnnounced,
	}},
	{"9110-7.6.2 OPTIONS with Max-Forwards 0 goes no further", steps{
		send("OPTIONS / HTTP/1.1↵Host: a↵Max-Forwards: 0↵↵"), reads(204, allows), asAnnounced,
	}},
	{"9110-7.6.2 TRACE with Max-Forwards passes with one less", steps{
		forwards("TRACE / HTTP/1.1↵Host: a↵Max-Forwards: 10↵↵", "TRACE / HTTP/1.1", has("Max-Forwards: 9")),
	}},
	{"9110-7.6.2 OPTIONS with Max-Forwards passes with one less", steps{
		forwards("OPTIONS /x HTTP/1.1↵Host: a↵Max-Forwards: 1↵↵", "OPTIONS /x HTTP/1.1", has("Max-Forwards: 0")),
	}},
	{"9110-7.6.2 Max-Forwards of other methods is nobody's business", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Max-Forwards: 0↵↵", "GET / HTTP/1.1", has("Max-Forwards: 0")),
	}},
	{"9110-7.6.2 Max-Forwards that is no number is refused", steps{
		refuses(400, "TRACE / HTTP/1.1↵Host: a↵Max-Forwards: -1↵↵"),
	}},
	{"9110-7.6.2 two Max-Forwards are refused", steps{
		refuses(400, "OPTIONS / HTTP/1.1↵Host: a↵Max-Forwards: 0↵Max-Forwards: 5↵↵"),
	}},
	{"9110-7.6.3 we stand in Via of requests, with the version that came", steps{
		forwards("GET / HTTP/1.1↵Host: a↵↵", "GET / HTTP/1.1", has("Via: 1.1 "+pseudonym)),
	}},
	{"9110-7.6.3 in Via the version of HTTP/1.0 is 1.0", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1", has("Via: 1.0 "+pseudonym)), answers(ok), reads(200),
	}},
	{"9110-7.6.3 we stand behind those before us in Via", steps{
		send("GET / HTTP/1.1↵Host: a↵Via: 1.0 fred, 1.1 p.example.net (x)↵Via: 2 y↵↵"),
		sees("GET / HTTP/1.1", viaIs("1.0 fred, 1.1 p.example.net (x), 2 y, 1.1 "+pseudonym)), answers(ok), reads(200), stays,
	}},
	{"9110-7.6.3 we stand in Via of responses", steps{
		returns("HTTP/1.1 200 OK↵Via: 1.1 cache↵Content-Length: 0↵↵", 200, viaIs("1.1 cache, 1.1 "+pseudonym)),
	}},
	{"9110-7.6.3 in Via of responses the version is the origin's", steps{
		returns("HTTP/1.0 200 OK↵Content-Length: 0↵↵", 200, viaIs("1.0 "+pseudonym)),
	}},

	{"9110-7.7 no path becomes a slash", steps{forwards("GET http://a HTTP/1.1↵Host: a↵↵", "GET / HTTP/1.1")}},
	{"9110-7.7 an empty query stays", steps{forwards("GET /? HTTP/1.1↵Host: a↵↵", "GET /? HTTP/1.1")}},
	{"9110-7.7 content is not transformed", steps{
		forwards("PUT / HTTP/1.1↵Host: a↵Content-Encoding: gzip↵Content-Length: 3↵↵\x1f\x8b\x08", "PUT / HTTP/1.1",
			has("Content-Encoding: gzip", "Content-Length: 3"), content("\x1f\x8b\x08")),
	}},
	{"9110-7.7 a response with no-transform is not transformed", steps{
		returns("HTTP/1.1 200 OK↵Cache-Control: no-transform↵Content-Encoding: gzip↵Content-Length: 3↵↵\x1f\x8b\x08", 200,
			has("Content-Encoding: gzip", "Cache-Control: no-transform", "Content-Length: 3"), content("\x1f\x8b\x08")),
	}},
	{"9110-7.7 nothing is added that changes what the client asks for", steps{
		forwards("GET / HTTP/1.1↵Host: a↵↵", "GET / HTTP/1.1",
			hasNo("User-Agent", "Accept", "Accept-Encoding", "Cache-Control", "Content-Length", "Content-Type", "Expect", "Max-Forwards", "Range")),
	}},
	{"9110-7.7 nothing is added that changes what the origin says", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 6↵↵<html>", 200,
			hasNo("Content-Type", "Server", "Cache-Control", "ETag", "X-Content-Type-Options")),
	}},
}

var upgradeRows = []row{
	{"9110-7.8 an upgrade to WebSocket passes", steps{
		upgrades, answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵Sec-WebSocket-Accept: x↵↵"),
		reads(101, has("Upgrade: websocket", "Sec-WebSocket-Accept: x"), lists("Connection", "upgrade")),
		send("ping"), hears("ping"), answers("pong"), listens("pong"),
		halfCloses, seesEnd, answers("bye"), listens("bye"), originCloses, closes,
	}},
	{"9110-7.8 a client that goes away ends the upgraded connection", steps{
		upgrades, answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵↵"), reads(101), hangsUp,
		seesEnd,
	}},
	{"9110-7.8 an origin that goes away ends the upgraded connection", steps{
		upgrades, answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵↵"), reads(101),
		originResets, closes,
	}},
	{"9110-7.8 two Upgrade fields are none", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: Upgrade↵Upgrade: websocket↵Upgrade: h2c↵↵", "GET / HTTP/1.1",
			hasNo("Upgrade")),
	}},
	{"9110-7.8 bytes right behind the 101 pass", steps{
		upgrades, answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵↵hello"), reads(101),
		listens("hello"),
		originCloses, closes,
	}},
	{"9110-7.8 bytes right behind the request pass once the protocol is switched", steps{
		send("GET /chat HTTP/1.1↵Host: a↵Connection: Upgrade↵Upgrade: websocket↵↵early"),
		sees("GET /chat HTTP/1.1", has("Upgrade: websocket")),
		answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵↵"), reads(101), hears("early"),
		originCloses, closes,
	}},
	{"9110-7.8 the body of a request that asks for an upgrade is its body", steps{
		send("GET /chat HTTP/1.1↵Host: a↵Connection: Upgrade↵Upgrade: websocket↵Content-Length: 5↵↵hello"),
		sees("GET /chat HTTP/1.1", content("hello")),
		answers(ok), reads(200), stays,
	}},
	{"9110-7.8 an origin that does not switch answers as ever", steps{
		upgrades, answers("HTTP/1.1 403 No↵Content-Length: 2↵↵no"), reads(403, content("no")), stays,
	}},
	{"9110-7.8 what is sent behind a request that is not switched is the next request", steps{
		send("GET /chat HTTP/1.1↵Host: a↵Connection: Upgrade↵Upgrade: websocket↵↵GET /2 HTTP/1.1↵Host: a↵↵"),
		sees("GET /chat HTTP/1.1"),
		answers("HTTP/1.1 403 No↵Content-Length: 2↵↵no"), reads(403, content("no")), sees("GET /2 HTTP/1.1"), answers(ok),
		reads(200), stays,
	}},
	{"9110-7.8 interim responses may come before the 101", steps{
		upgrades,
		answers("HTTP/1.1 103 Early Hints↵Link: x↵↵HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: websocket↵↵hello"),
		reads(103, has("Link: x")), reads(101), listens("hello"), originCloses, closes,
	}},
	{"9110-7.8 a protocol that is not allowed is not asked for", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: Upgrade, HTTP2-Settings↵Upgrade: h2c↵HTTP2-Settings: AAMAAABk↵↵", "GET / HTTP/1.1",
			hasNo("Upgrade", "HTTP2-Settings")),
	}},
	{"9110-7.8 an upgrade that Connection does not name is none", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Upgrade: websocket↵↵", "GET / HTTP/1.1", hasNo("Upgrade")),
	}},
	{"9110-7.8 an upgrade in HTTP/1.0 is ignored", steps{
		send("GET / HTTP/1.0↵Host: a↵Connection: Upgrade↵Upgrade: websocket↵↵"), sees("GET / HTTP/1.1", hasNo("Upgrade")),
		answers(ok), reads(200), closes,
	}},
	{"9110-7.8 TLS within HTTP is not allowed", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Connection: Upgrade↵Upgrade: TLS/1.0↵↵", "GET / HTTP/1.1", hasNo("Upgrade")),
	}},
	{"9110-7.8 an origin must not switch to another protocol than was asked for", steps{
		upgrades, answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵Upgrade: h2c↵↵"), reads(502), seesEnd,
	}},
	{"9110-7.8 an origin must not switch without saying to what", steps{
		upgrades, answers("HTTP/1.1 101 Switching Protocols↵Connection: Upgrade↵↵"), reads(502), seesEnd,
	}},
	{"9110-7.8 an origin that offers an upgrade is not believed on its own", steps{
		returns("HTTP/1.1 200 OK↵Connection: Upgrade↵Upgrade: websocket↵Content-Length: 0↵↵", 200, hasNo("Upgrade")),
	}},
}

var upgrades = all(
	send("GET /chat HTTP/1.1↵Host: a↵Connection: keep-alive, Upgrade↵Upgrade: websocket↵Sec-WebSocket-Key: x↵↵"),
	sees("GET /chat HTTP/1.1", has("Upgrade: websocket", "Sec-WebSocket-Key: x")),
)
