package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"backhand/proxy"
)

// Connections: RFC 9112, section 9.
var connectionRows = []row{
	{"9112-9.3 a connection of HTTP/1.1 stays", steps{asks, answers(ok), reads(200), stays, stays}},
	{"9112-9.3 a connection to the origin is used again", steps{
		asks, answers(ok), reads(200), remember, asks, sameConnection, answers(ok), reads(200), stays,
	}},
	{"9112-9.3 it is used again behind a chunked response", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵0↵↵"), reads(200), remember, asks, sameConnection,
		answers(ok), reads(200), stays,
	}},
	{"9112-9.3 it is used again behind a 204, a 304 and a response to HEAD", steps{
		asks, answers("HTTP/1.1 204 No Content↵↵"), reads(204), remember, asks, sameConnection,
		answers("HTTP/1.1 304 Not Modified↵Content-Length: 9↵↵"), reads(304),
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"), sameConnection,
		answers("HTTP/1.1 200 OK↵Content-Length: 9↵↵"), readsToHEAD(200),
		asks, sameConnection, answers(ok), reads(200), stays,
	}},
	{"9112-9.3 a connection of HTTP/1.0 is closed", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1"), answers(ok), reads(200, content("ok")), closesWell,
	}},
	{"9112-9.3 a connection of HTTP/1.0 stays if it is asked for, as we are a gateway and no proxy", steps{
		send("GET / HTTP/1.0↵Host: a↵Connection: Keep-Alive↵↵"), sees("GET / HTTP/1.1"), answers(ok),
		reads(200, has("Connection: keep-alive")), stays,
	}},
	{"9112-9.3 close goes before keep-alive", steps{
		send("GET / HTTP/1.0↵Host: a↵Connection: keep-alive, close↵↵"), sees("GET / HTTP/1.1"), answers(ok), reads(200),
		closesWell,
	}},
	{"9112-9.3 keep-alive goes not with a body until close", steps{
		send("GET / HTTP/1.0↵Host: a↵Connection: keep-alive↵↵"), sees("GET / HTTP/1.1"), answers("HTTP/1.1 200 OK↵↵hello"),
		originCloses,
		reads(200, content("hello"), framed(untilClose)), closesWell,
	}},
	{"9112-9.3 keep-alive goes with a 204, a 304 and a response to HEAD, which have no body", steps{
		send("GET / HTTP/1.0↵Host: a↵Connection: keep-alive↵↵"), sees("GET / HTTP/1.1"), answers("HTTP/1.1 204 No Content↵↵"),
		reads(204, has("Connection: keep-alive")),
		send("GET / HTTP/1.0↵Host: a↵Connection: keep-alive↵↵"), sees("GET / HTTP/1.1"), answers("HTTP/1.1 304 Not Modified↵↵"),
		reads(304, has("Connection: keep-alive")),
		send("HEAD / HTTP/1.0↵Host: a↵Connection: keep-alive↵↵"), sees("HEAD / HTTP/1.1"), answers("HTTP/1.1 200 OK↵↵"),
		readsToHEAD(200, has("Connection: keep-alive")), stays,
	}},
	{"9112-9.3 an origin that closes closes its own connection only", steps{
		asks, answers("HTTP/1.1 200 OK↵Connection: close↵Content-Length: 2↵↵ok"), reads(200), remember, asks, anotherConnection,
		answers(ok), reads(200), stays,
	}},
	{"9112-9.3 a connection to an origin of HTTP/1.0 is not used again", steps{
		asks, answers("HTTP/1.0 200 OK↵Content-Length: 2↵↵ok"), reads(200), remember, asks, anotherConnection, answers(ok),
		reads(200), stays,
	}},
	{"9112-9.3 the rest of a body that nobody wants is read, or the connection closed", steps{
		send("POST / HTTP/1.1↵Host: a↵Via: 1.1 " + pseudonym + "↵Content-Length: 5↵↵hello"), reads(508), asAnnounced,
	}},
	{"9112-9.3 the rest of a body that nobody wants is no request", steps{
		send("POST / HTTP/1.1↵Host: a↵Via: 1.1 " + pseudonym + "↵Content-Length: 41↵↵GET /evil HTTP/1.1↵Host: a↵X: 12345↵↵"),
		reads(508), asAnnounced,
	}},
	{"9112-9.3 an early response passes while the body still comes", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 1000000↵↵hello"), sees("POST / HTTP/1.1"), seesPart("hello"),
		answers("HTTP/1.1 413 Too Large↵Content-Length: 2↵↵no"), reads(413, content("no")), hangsUp, seesBreak,
	}},
	{"9112-9.3 an early response of an origin that closes passes, too", steps{
		long(3<<20, func(b string) step {
			return send("POST / HTTP/1.1↵Host: a↵Content-Length: " + length(b) + "↵↵" + b)
		}), sees("POST / HTTP/1.1"),
		answers("HTTP/1.1 413 Too Large↵Connection: close↵Content-Length: 2↵↵no"), originCloses, reads(413, content("no")),
		hangsUp, forgets,
	}},
	{"9112-9.3 behind an early response the body may still come", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 100000↵↵hello"), sees("POST / HTTP/1.1"), seesPart("hello"),
		answers("HTTP/1.1 403 No↵Content-Length: 2↵↵no"), reads(403), long(100000-5, send), forgets, asAnnounced,
	}},
	{"9112-9.3 behind an early response a malformed rest of the body ends the connection", steps{
		send("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵"), sees("POST / HTTP/1.1"), seesPart("hello"),
		answers("HTTP/1.1 403 No↵Content-Length: 2↵↵no"), reads(403), send("x↵" + smuggle), closes, forgets,
	}},
	{"9112-9.3 a connection with half a request on it is not used again", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 100000↵↵hello"), sees("POST / HTTP/1.1"), seesPart("hello"), remember,
		answers("HTTP/1.1 403 No↵Content-Length: 2↵↵no"), reads(403), anotherClient, asks, anotherConnection, answers(ok),
		reads(200),
		back, hangsUp, seesBreak,
	}},
	{"9112-9.3 request and response may both go on", steps{
		send("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵4↵one,↵"), sees("POST / HTTP/1.1"), seesPart("one,"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵4↵ONE,↵"), readsHead(200), readsPart("ONE,"),
		send("4↵two,↵"), seesPart("one,two,"), answers("4↵TWO,↵"), readsPart("ONE,TWO,"),
		send("0↵↵"), seesRest(content("one,two,")), answers("0↵↵"), readsRest(content("ONE,TWO,")), stays,
	}},

	{"9112-9.3.1 an idle connection that the origin closed is not used", steps{
		asks, answers(ok), reads(200), originCloses, stays,
	}},
	{"9112-9.3.1 nor is it for what must not be sent twice", steps{
		asks, answers(ok), reads(200), originCloses,
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("POST / HTTP/1.1", content("hello")), answers(ok),
		reads(200), stays,
	}},
	{"9112-9.3.1 nor one that the origin reset", steps{
		asks, answers(ok), reads(200), originResets,
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("POST / HTTP/1.1", content("hello")), answers(ok),
		reads(200), stays,
	}},

	{"9112-9.3.2 pipelined requests are answered in order", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵GET /2 HTTP/1.1↵Host: a↵↵GET /3 HTTP/1.1↵Host: a↵↵"),
		pipelined("/1"), pipelined("/2"), pipelined("/3"), stays,
	}},
	{"9112-9.3.2 a hundred pipelined requests are answered", steps{
		send(strings.Repeat("GET /n HTTP/1.1↵Host: a↵↵", 100)), all(slices.Repeat([]step{pipelined("/n")}, 100)...), stays,
	}},
	{"9112-9.3.2 pipelined requests may have bodies", steps{
		send("POST /1 HTTP/1.1↵Host: a↵Content-Length: 5↵↵helloPOST /2 HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵world↵0↵↵GET /3 HTTP/1.1↵Host: a↵↵"),
		sees("POST /1 HTTP/1.1", content("hello")), answers(ok), reads(200), sees("POST /2 HTTP/1.1", content("world")),
		answers(ok), reads(200),
		pipelined("/3"), stays,
	}},
	{"9112-9.3.2 a HEAD among pipelined requests", steps{
		send("HEAD /1 HTTP/1.1↵Host: a↵↵GET /2 HTTP/1.1↵Host: a↵↵"), sees("HEAD /1 HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Content-Length: 7↵↵"), readsToHEAD(200),
		pipelined("/2"), stays,
	}},
	{"9112-9.3.2 pipelined requests may be cut anywhere", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵GET /2 HT"), pipelined("/1"), send("TP/1.1↵Host: a↵↵"), pipelined("/2"), stays,
	}},
	{"9112-9.3.2 a malformed request behind a good one ends the connection after the answer", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵GET /2 HTTP/1.1↵Host : a↵↵GET /3 HTTP/1.1↵Host: a↵↵"), pipelined("/1"), reads(400),
		closes,
	}},
	{"9112-9.3.2 what we answer ourselves comes in order, too", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵OPTIONS * HTTP/1.1↵Host: a↵↵GET /3 HTTP/1.1↵Host: a↵↵"), pipelined("/1"), reads(204),
		pipelined("/3"), stays,
	}},
	{"9112-9.4 a client that waits keeps nobody else waiting", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵"), sees("GET /1 HTTP/1.1"), remember, anotherClient, asks, answers(ok), reads(200),
		stays,
		back, answers(ok), reads(200), stays,
	}},
	{"9112-9.5 an idle connection is closed without a word", steps{
		with(func(s *proxy.Site) { s.KeepAlive = 50 * time.Millisecond }), anotherClient, asks, answers(ok), reads(200),
		closesWell, restores,
	}},

	{"9112-9.5 a connection on which nothing comes is closed without a word", steps{
		with(func(s *proxy.Site) { s.KeepAlive, s.ClientHead = 50*time.Millisecond, 50*time.Millisecond }), anotherClient,
		closesWell, restores,
	}},
	{"9112-9.6 close is honoured and announced", steps{
		send("GET / HTTP/1.1↵Host: a↵Connection: close↵↵"), sees("GET / HTTP/1.1"), answers(ok),
		reads(200, has("Connection: close")), closesWell,
	}},
	{"9112-9.6 close counts in any list and case", steps{
		send("GET / HTTP/1.1↵Host: a↵Connection: x,, CLOSE↵↵"), sees("GET / HTTP/1.1"), answers(ok),
		reads(200, has("Connection: close")), closesWell,
	}},
	{"9112-9.6 requests behind close are not served", steps{
		send("GET /1 HTTP/1.1↵Host: a↵Connection: close↵↵GET /2 HTTP/1.1↵Host: a↵↵"), sees("GET /1 HTTP/1.1"), answers(ok),
		reads(200), closes,
	}},
	{"9112-9.6 close is for this connection, and not for the origin's", steps{
		asks, answers(ok), reads(200), remember,
		send("GET / HTTP/1.1↵Host: a↵Connection: close↵↵"), sees("GET / HTTP/1.1", hasNo("Connection")), sameConnection,
		answers(ok), reads(200), closesWell,
		anotherClient, asks, sameConnection, answers(ok), reads(200), stays,
	}},
	{"9112-9.6 a client that ends its side behind its last request gets its response", steps{
		send("GET / HTTP/1.1↵Host: a↵Connection: close↵↵"), halfCloses, sees("GET / HTTP/1.1"), answers(ok),
		reads(200, content("ok")), closesWell,
	}},
	{"9112-9.6 a client that ends its side behind its last body gets its response", steps{
		send("POST / HTTP/1.1↵Host: a↵Connection: close↵Content-Length: 5↵↵hello"), halfCloses,
		sees("POST / HTTP/1.1", content("hello")),
		answers(ok), reads(200), closesWell,
	}},
	{"9112-9.6 a client of HTTP/1.0 that ends its side gets its response", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), halfCloses, sees("GET / HTTP/1.1"), answers(ok), reads(200, content("ok")),
		closesWell,
	}},
	{"9112-9.6 a client that ends its side behind its last request gets all pipelined responses", steps{
		send("GET /1 HTTP/1.1↵Host: a↵↵GET /2 HTTP/1.1↵Host: a↵Connection: close↵↵"), halfCloses, pipelined("/1"),
		pipelined("/2"), closesWell,
	}},
	{"9112-9.6 a client that goes away while it waits ends the request", steps{
		send("GET / HTTP/1.1↵Host: a↵↵"), sees("GET / HTTP/1.1"), hangsUp, seesEnd,
	}},
	{"9112-9.6 a client that goes away while the origin pauses ends the response", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 1000↵↵hello"), readsHead(200), readsPart("hello"), hangsUp, seesEnd,
	}},
	{"9112-9.6 a client that goes away while the origin pauses in a long response ends it", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 1000000↵↵hello"), readsHead(200), readsPart("hello"), hangsUp, seesEnd,
	}},
	{"9112-9.6 a client that goes away while the origin pauses between chunks ends the response", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵"), readsHead(200), readsPart("hello"), hangsUp,
		seesEnd,
	}},
	{"9112-9.6 a client that goes away while it reads ends the response", steps{
		asks, answersWithoutEnd("HTTP/1.1 200 OK↵Content-Length: 1000000000000↵↵"), readsHead(200), hangsUp, seesEnd,
	}},
	{"9112-9.6 a refusal can be read though a long body is under way", steps{
		long(1<<20, func(b string) step {
			return send("POST / HTTP/1.1↵Host: a↵Via: 1.1 " + pseudonym + "↵Content-Length: " + length(b) + "↵↵" + b)
		}),
		reads(508), endsWell,
	}},
	{"9112-9.6 a refusal of a malformed head can be read though a long body is under way", steps{
		long(1<<20, func(b string) step {
			return send("POST / HTTP/1.1↵Host : a↵Content-Length: " + length(b) + "↵↵" + b)
		}), reads(400), closesWell,
	}},
}

// pipelined is a GET that was sent already, among others.
func pipelined(path string) step {
	return all(sees("GET "+path+" HTTP/1.1"), answers("HTTP/1.1 200 OK↵Content-Length: "+length(path)+"↵↵"+path), reads(200, content(path)))
}

// Responses that are no answer to what was asked: RFC 9112, sections 9.2, 6.3 and 11.
var desyncRows = []row{
	{"9112-9.2 of two responses in one piece only the first is one", steps{
		asks, answers(ok + "HTTP/1.1 200 OK↵Content-Length: 5↵↵evil!"), reads(200, content("ok")), remember,
		asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-9.2 nor is the second one for another client", steps{
		asks, answers(ok + "HTTP/1.1 200 OK↵Content-Length: 5↵↵evil!"), reads(200, content("ok")), remember,
		anotherClient, asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-9.2 a response on an idle connection answers nothing", steps{
		asks, answers(ok), reads(200), addsUnasked("HTTP/1.1 200 OK↵Content-Length: 5↵↵evil!"), remember,
		asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-9.2 nor does it answer what must not be sent twice", steps{
		asks, answers(ok), reads(200), addsUnasked("HTTP/1.1 200 OK↵Content-Length: 5↵↵evil!"), remember,
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("POST / HTTP/1.1", content("hello")), anotherConnection,
		answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-9.2 a 408 before an idle connection is closed is for nobody", steps{
		asks, answers(ok), reads(200), addsUnasked("HTTP/1.1 408 Request Timeout↵Connection: close↵Content-Length: 0↵↵"),
		originCloses,
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("POST / HTTP/1.1", content("hello")), answers(ok),
		reads(200, content("ok")), stays,
	}},
	{"9112-9.2 an interim response on an idle connection is for nobody", steps{
		asks, answers(ok), reads(200), addsUnasked("HTTP/1.1 103 Early Hints↵Link: </evil>↵↵"), asks, answers(ok), reads(200),
		stays,
	}},
	{"9112-9.2 half a head on an idle connection is for nobody", steps{
		asks, answers(ok), reads(200), addsUnasked("HTTP/1.1 200 OK↵X-Evil: "), asks, answers(ok), reads(200, hasNo("X-Evil")),
		stays,
	}},
	{"9112-9.2 an interim response behind the final one is for nobody", steps{
		asks, answers(ok + "HTTP/1.1 103 Early Hints↵Link: </evil>↵↵"), reads(200), asks, answers(ok), reads(200), stays,
	}},
	{"9112-6.3 bytes behind a response's length are no part of it", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 5↵↵hello, world"), reads(200, content("hello")), remember, asks,
		anotherConnection, answers(ok), reads(200), stays,
	}},
	{"9112-6.3 bytes behind the last chunk are no part of it", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵0↵↵" + ok), reads(200, content("hello")), remember,
		asks, anotherConnection,
		answers(ok), reads(200), stays,
	}},
	{"9112-6.3 a body in a response to HEAD is none, and no answer", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Content-Length: 40↵↵HTTP/1.1 200 OK↵Content-Length: 4↵↵evil"),
		readsToHEAD(200), remember, asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-6.3 a body in a 204 is none, and no answer", steps{
		asks, answers("HTTP/1.1 204 No Content↵↵HTTP/1.1 200 OK↵Content-Length: 4↵↵evil"), reads(204), remember,
		asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-6.3 a body in a 304 is none, and no answer", steps{
		asks, answers("HTTP/1.1 304 Not Modified↵Content-Length: 40↵↵HTTP/1.1 200 OK↵Content-Length: 4↵↵evil"), reads(304),
		remember,
		asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-6.3 a body in a 204 that comes later is none, and no answer", steps{
		asks, answers("HTTP/1.1 204 No Content↵↵"), reads(204), addsUnasked("HTTP/1.1 200 OK↵Content-Length: 4↵↵evil"),
		remember,
		asks, anotherConnection, answers(ok), reads(200, content("ok")), stays,
	}},
	{"9112-6.3 a 204 with a length is not trusted on", steps{
		asks, answers("HTTP/1.1 204 No Content↵Content-Length: 4↵↵"), reads(204), remember, asks, anotherConnection,
		answers(ok), reads(200), stays,
	}},
	{"9112-6.3 a 204 with a coding is not trusted on", steps{
		asks, answers("HTTP/1.1 204 No Content↵Transfer-Encoding: chunked↵↵"), reads(204), remember, asks, anotherConnection,
		answers(ok), reads(200), stays,
	}},
	{"9112-6.3 a 502 is no answer to the next request", steps{
		asks, answers("HTTP/1.1 200 OK↵X : 1↵↵" + ok), reads(502), seesEnd, remember, anotherClient, asks, anotherConnection,
		answers(ok), reads(200), stays,
	}},
	{"9112-11.1 encoded line breaks in a target stay encoded", steps{
		forwards("GET /%0d%0aX:%201?%0d%0a%0d%0a HTTP/1.1↵Host: a↵↵", "GET /%0d%0aX:%201?%0d%0a%0d%0a HTTP/1.1", hasNo("X")),
	}},
	{"9112-11.1 encoded line breaks are not decoded into Location", steps{
		returns("HTTP/1.1 302 Found↵Location: /%0d%0aSet-Cookie:%20a=b↵Content-Length: 0↵↵", 302,
			has("Location: /%0d%0aSet-Cookie:%20a=b"), hasNo("Set-Cookie")),
	}},
	{"9112-11.2 a field with an underscore passes for no other", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X_Forwarded_For: 1.2.3.4↵X-Forwarded_Proto: https↵X_Real_IP: 1.2.3.4↵↵", "GET / HTTP/1.1",
			hasNo("X_Forwarded_For", "X-Forwarded_Proto", "X_Real_IP")),
	}},
	{"9112-11.2 a length with underscores is no length", steps{
		send("POST / HTTP/1.1↵Host: a↵Content_Length: 40↵↵GET /2 HTTP/1.1↵Host: a↵↵"), sees("POST / HTTP/1.1", content("")),
		answers(ok), reads(200),
		pipelined("/2"), stays,
	}},
	{"9112-11.2 what the client says of its past does not pass", steps{
		forwards("GET / HTTP/1.1↵Host: a↵X-Forwarded-For: 1.2.3.4↵Forwarded: for=1.2.3.4↵X-Real-IP: 1.2.3.4↵X-Forwarded-Host: evil↵X-Forwarded-Port: 1↵↵", "GET / HTTP/1.1",
			has("X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: a"), hasNo("X-Real-IP", "X-Forwarded-Port")),
	}},
	{"9112-11.2 a request behind the body of a GET is a request of its own", steps{
		send("GET /1 HTTP/1.1↵Host: a↵Content-Length: 5↵↵helloGET /2 HTTP/1.1↵Host: a↵↵"),
		sees("GET /1 HTTP/1.1", content("hello")), answers(ok), reads(200),
		pipelined("/2"), stays,
	}},
	{"9112-11.2 a request in the body of a GET is none", steps{
		forwards("GET /1 HTTP/1.1↵Host: a↵Content-Length: 34↵↵GET /evil HTTP/1.1↵Host: evil↵↵", "GET /1 HTTP/1.1",
			content("GET /evil HTTP/1.1\r\nHost: evil\r\n\r\n")),
	}},
	{"9112-11.2 a hop that we do not believe goes nowhere", steps{
		send("GET / HTTP/1.1↵Host: a↵Backhand-Hop: v1 x web 1.2.3.4 http↵↵"), reads(421), asAnnounced,
	}},
}

// long is a step with a text of n bytes.
func long(n int, f func(text string) step) step {
	return func(k *talk) { k.Helper(); f(bytesOf(n))(k) }
}

func bytesOf(n int) string {
	const line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
	b := make([]byte, n)
	for i := range b {
		b[i] = line[(i+i/len(line))%len(line)]
	}
	return string(b)
}

// chunksOf is a text in chunks of several sizes, without the last chunk.
func chunksOf(s string) string {
	var out []byte
	for i := 0; len(s) > 0; i++ {
		size := min(len(s), 1+i*i*37%9000)
		out = fmt.Appendf(out, "%x↵%s↵", size, s[:size])
		s = s[size:]
	}
	return string(out)
}
