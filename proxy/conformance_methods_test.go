package proxy_test

import "strings"

// Representations: RFC 9110, section 8, and what of sections 11 to 14 binds those in between.
var representationRows = []row{
	{"9110-8.3 Content-Type passes", steps{
		returns("HTTP/1.1 200 OK↵Content-Type: Text/HTML;Charset=\"utf-8\"↵Content-Length: 0↵↵", 200,
			has(`Content-Type: Text/HTML;Charset="utf-8"`)),
	}},
	{"9110-8.3 Content-Type is not guessed", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 6↵↵<html>", 200, hasNo("Content-Type")),
	}},
	{"9110-8.4 Content-Encoding passes, known or not", steps{
		returns("HTTP/1.1 200 OK↵Content-Encoding: br, x-own↵Content-Length: 2↵↵\x00\x01", 200,
			has("Content-Encoding: br, x-own"), content("\x00\x01")),
	}},
	{"9110-8.5 Content-Language and Content-Location pass", steps{
		returns("HTTP/1.1 200 OK↵Content-Language: mi, en↵Content-Location: /x y↵Content-Length: 0↵↵", 200,
			has("Content-Language: mi, en", "Content-Location: /x y")),
	}},
	{"9110-8.6 a length passes in requests", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello", "POST / HTTP/1.1", has("Content-Length: 5"),
			content("hello")),
	}},
	{"9110-8.6 a length with zeros before it is one length", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Content-Length: 0005↵↵hello", "POST / HTTP/1.1", has("Content-Length: 5"),
			content("hello")),
	}},
	{"9110-8.6 a length of 0 passes in requests", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Content-Length: 0↵↵", "POST / HTTP/1.1", has("Content-Length: 0")),
	}},
	{"9110-8.6 a length passes in responses", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 5↵↵hello", 200, has("Content-Length: 5"), content("hello")),
	}},
	{"9110-8.6 zeros before a length in a response are none", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 0005↵↵hello", 200, has("Content-Length: 5"), content("hello")),
	}},
	{"9110-8.6 a length of 0 passes in responses", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 0↵↵", 200, has("Content-Length: 0"), content("")),
	}},
	{"9110-8.6 a large length passes", steps{
		send("GET / HTTP/1.1↵Host: a↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Content-Length: 9007199254740993↵↵hello"),
		readsHead(200, has("Content-Length: 9007199254740993")), readsPart("hello"), originCloses, readsBreak,
	}},
	{"9110-8.6 a length in a 204 is not passed on", steps{
		asks, answers("HTTP/1.1 204 No Content↵Content-Length: 5↵↵"), reads(204, hasNo("Content-Length")), stays,
	}},
	{"9110-8.6 a response to HEAD keeps its length", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"), answers("HTTP/1.1 200 OK↵Content-Length: 12345↵↵"),
		readsToHEAD(200, has("Content-Length: 12345")), stays,
	}},
	{"9110-8.6 a response to HEAD gets no length that it did not have", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"), answers("HTTP/1.1 200 OK↵↵"),
		readsToHEAD(200, hasNo("Content-Length")), stays,
	}},
	{"9110-8.6 a 304 keeps its length", steps{
		returns("HTTP/1.1 304 Not Modified↵Content-Length: 12345↵↵", 304, has("Content-Length: 12345")),
	}},
	{"9110-8.6 a 304 gets no length that it did not have", steps{
		returns("HTTP/1.1 304 Not Modified↵ETag: x↵↵", 304, hasNo("Content-Length")),
	}},
	{"9110-8.8 validators pass", steps{
		returns("HTTP/1.1 200 OK↵ETag: W/\"x\"↵Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT↵Content-Length: 0↵↵", 200,
			has(`ETag: W/"x"`, "Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT")),
	}},
	{"9110-11.6 Authorization and WWW-Authenticate are not modified", steps{
		send("GET / HTTP/1.1↵Host: a↵Authorization: Basic  QQ==↵↵"), sees("GET / HTTP/1.1", has("Authorization: Basic  QQ==")),
		answers("HTTP/1.1 401 No↵WWW-Authenticate: Basic realm=\"a\", Newauth↵WWW-Authenticate: Digest x=y↵Content-Length: 0↵↵"),
		reads(401, has(`WWW-Authenticate: Basic realm="a", Newauth`, "WWW-Authenticate: Digest x=y")), stays,
	}},
	{"9110-12.5 negotiation passes", steps{
		send("GET / HTTP/1.1↵Host: a↵Accept: a/b;q=0.5, */*↵Accept-Encoding: br;q=1.0, identity;q=0↵Accept-Language: mi↵↵"),
		sees("GET / HTTP/1.1", has("Accept: a/b;q=0.5, */*", "Accept-Encoding: br;q=1.0, identity;q=0", "Accept-Language: mi")),
		answers("HTTP/1.1 200 OK↵Vary: accept, *↵Content-Length: 0↵↵"), reads(200, has("Vary: accept, *")), stays,
	}},
	{"9110-13.1 conditions pass", steps{
		forwards("GET / HTTP/1.1↵Host: a↵If-Match: \"a\"↵If-None-Match: W/\"b\", *↵If-Modified-Since: x↵If-Unmodified-Since: y↵If-Range: \"c\"↵↵", "GET / HTTP/1.1",
			has(`If-Match: "a"`, `If-None-Match: W/"b", *`, "If-Modified-Since: x", "If-Unmodified-Since: y", `If-Range: "c"`)),
	}},
	{"9110-14.2 ranges pass", steps{
		send("GET / HTTP/1.1↵Host: a↵Range: bytes=0-0,-1↵↵"), sees("GET / HTTP/1.1", has("Range: bytes=0-0,-1")),
		answers("HTTP/1.1 206 Partial Content↵Content-Type: multipart/byteranges; boundary=x↵Content-Length: 3↵↵--x"),
		reads(206, has("Content-Type: multipart/byteranges; boundary=x"), content("--x")), stays,
	}},
	{"9110-14.4 Content-Range passes", steps{
		returns("HTTP/1.1 206 Partial Content↵Content-Range: bytes 0-4/*↵Accept-Ranges: bytes↵Content-Length: 5↵↵hello", 206,
			has("Content-Range: bytes 0-4/*", "Accept-Ranges: bytes"), content("hello")),
	}},
}

// Methods: RFC 9110, section 9.
var methodRows = []row{
	{"9110-9.1 methods that nobody knows pass", steps{forwards("BREW /pot HTTP/1.1↵Host: a↵↵", "BREW /pot HTTP/1.1")}},
	{"9110-9.1 methods are case-sensitive", steps{forwards("get / HTTP/1.1↵Host: a↵↵", "get / HTTP/1.1")}},
	{"9110-9.1 a response to a head in lower case has a body", steps{
		send("head / HTTP/1.1↵Host: a↵↵"), sees("head / HTTP/1.1"), answers(ok), reads(200, content("ok")), stays,
	}},
	{"9110-9.1 methods that nobody knows may have a body", steps{
		forwards("M-SEARCH! / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello", "M-SEARCH! / HTTP/1.1", content("hello")),
	}},
	{"9110-9.2.2 a POST whose connection is lost is not sent again", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("POST / HTTP/1.1", content("hello")), originCloses,
		reads(502), asAnnounced,
	}},
	{"9110-9.2.2 nor is it on a connection that was used before", steps{
		asks, answers(ok), reads(200),
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("POST / HTTP/1.1", content("hello")), originCloses,
		reads(502), asAnnounced,
	}},
	{"9110-9.2.2 nor is it if the connection is reset", steps{
		asks, answers(ok), reads(200),
		send("PATCH / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"), sees("PATCH / HTTP/1.1", content("hello")), originResets,
		reads(502), asAnnounced,
	}},
	{"9110-9.2.2 a GET on a connection that was used before and is lost is answered all the same", steps{
		asks, answers(ok), reads(200), asks, originCloses, sees("GET / HTTP/1.1"), answers(ok), reads(200), stays,
	}},
	{"9110-9.2.2 so is a PUT with a short body", steps{
		asks, answers(ok), reads(200), send("PUT / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello"),
		sees("PUT / HTTP/1.1", content("hello")), originCloses,
		sees("PUT / HTTP/1.1", content("hello")), answers(ok), reads(200), stays,
	}},
	{"9110-9.2.2 a method that nobody knows is not sent again", steps{
		asks, answers(ok), reads(200), send("BREW / HTTP/1.1↵Host: a↵↵"), sees("BREW / HTTP/1.1"), originCloses, reads(502),
		asAnnounced,
	}},
	{"9110-9.2.2 a response that broke off is not asked for again", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 10↵↵hello"), readsHead(200), readsPart("hello"), originCloses,
		readsBreak,
	}},
	{"9110-9.3.1 a GET may have a body", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello", "GET / HTTP/1.1", content("hello"),
			has("Content-Length: 5")),
	}},
	{"9110-9.3.1 a GET may have a chunked body", steps{
		forwards("GET / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵0↵↵", "GET / HTTP/1.1", content("hello")),
	}},
	{"9110-9.3.2 a response to HEAD has no body", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"),
		answers("HTTP/1.1 404 Not Found↵Content-Length: 5↵ETag: x↵↵"),
		readsToHEAD(404, has("ETag: x")), stays,
	}},
	{"9110-9.3.2 a response of ours to HEAD has no body", steps{
		send("HEAD / HTTP/1.1↵Host: a↵Via: 1.1 " + pseudonym + "↵↵"), readsToHEAD(508), asAnnounced,
	}},
	{"9110-9.3.2 a HEAD that no origin answers gets no body", steps{
		originIsGone, send("HEAD / HTTP/1.1↵Host: a↵↵"), readsToHEAD(502), stillNot(502),
	}},
	{"9110-9.3.4 PUT passes", steps{
		send("PUT /x HTTP/1.1↵Host: a↵Content-Length: 5↵Content-Type: a/b↵↵hello"),
		sees("PUT /x HTTP/1.1", content("hello"), has("Content-Type: a/b")),
		answers("HTTP/1.1 201 Created↵Location: /y↵ETag: x↵Content-Length: 0↵↵"), reads(201, has("Location: /y", "ETag: x")),
		stays,
	}},
	{"9110-9.3.5 DELETE passes with a body", steps{
		forwards("DELETE /x HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello", "DELETE /x HTTP/1.1", content("hello")),
	}},
	{"9110-9.3.6 CONNECT is not offered", steps{
		send("CONNECT a:443 HTTP/1.1↵Host: a:443↵↵"), reads(405, allows), asAnnounced,
	}},
	{"9110-9.3.6 what stands behind a CONNECT is not sent anywhere", steps{
		send("CONNECT a:443 HTTP/1.1↵Host: a:443↵↵\x16\x03\x01\x00\x05hello"), reads(405, allows), hangsUp,
	}},
	{"9110-9.3.6 CONNECT without a port is refused", steps{refuses(400, "CONNECT a HTTP/1.1↵Host: a↵↵")}},
	{"9110-9.3.7 OPTIONS of a path passes", steps{
		send("OPTIONS /x HTTP/1.1↵Host: a↵↵"), sees("OPTIONS /x HTTP/1.1", hasNo("Max-Forwards")),
		answers("HTTP/1.1 200 OK↵Allow: GET, BREW↵Content-Length: 0↵↵"), reads(200, has("Allow: GET, BREW")), stays,
	}},
	{"9110-9.3.7 OPTIONS * is for this server", steps{send("OPTIONS * HTTP/1.1↵Host: a↵↵"), reads(204, allows), asAnnounced}},
	{"9110-9.3.7 OPTIONS may have a body", steps{
		forwards("OPTIONS /x HTTP/1.1↵Host: a↵Content-Type: a/b↵Content-Length: 5↵↵hello", "OPTIONS /x HTTP/1.1",
			content("hello")),
	}},
	{"9110-9.3.8 TRACE passes, and is not answered by us", steps{
		send("TRACE / HTTP/1.1↵Host: a↵X: 1↵↵"), sees("TRACE / HTTP/1.1", has("X: 1")),
		answers("HTTP/1.1 200 OK↵Content-Type: message/http↵Content-Length: 2↵↵ok"),
		reads(200, has("Content-Type: message/http")), stays,
	}},
	{"9110-9.3.8 TRACE with a body is refused", steps{refuses(400, "TRACE / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello")}},
	{"9110-9.3.8 TRACE with a chunked body is refused", steps{
		refuses(400, "TRACE / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵0↵↵"),
	}},
}

// lacks wants that text nowhere.
func lacks(text string) check {
	return check{true, "nothing of " + text, func(m *message) (any, bool) { return m.body, !strings.Contains(string(m.body), text) }}
}

var allows = check{false, "an Allow field", func(m *message) (any, bool) {
	got := m.values("Allow")
	return got, len(got) == 1 && strings.Contains(got[0], "GET") && !strings.Contains(got[0], "CONNECT")
}}
