package proxy_test

// Versions, start lines and targets: RFC 9112, sections 2 to 5. What is refused is in conformance_smuggling_test.go.
var lineRows = []row{
	{"9112-2.2 an empty line before a request is skipped", steps{forwards("↵GET / HTTP/1.1↵Host: a↵↵", "GET / HTTP/1.1")}},
	{"9112-2.2 an empty line behind a body is skipped", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 5↵↵hello↵"), sees("POST / HTTP/1.1", content("hello")), answers(ok),
		reads(200), stays,
	}},
	{"9112-2.2 a head may come byte by byte", steps{
		byBytes("GET /slow HTTP/1.1↵Host: a↵X: 1↵↵"), sees("GET /slow HTTP/1.1", has("X: 1")), answers(ok), reads(200), stays,
	}},
	{"9112-2.2 a response may come byte by byte", steps{
		asks, answersByBytes("HTTP/1.1 200 OK↵X: 1↵Transfer-Encoding: chunked↵↵5↵hello↵0↵↵"),
		reads(200, has("X: 1"), content("hello")), stays,
	}},
	{"9112-2.3 requests are sent on with our own version", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1"), answers(ok), reads(200, content("ok")), closes,
	}},
	{"9112-2.3 a higher minor version is read as ours", steps{forwards("GET / HTTP/1.2↵Host: a↵↵", "GET / HTTP/1.1")}},
	{"9112-2.3 responses are sent on with our own version", steps{
		returns("HTTP/1.0 200 OK↵Content-Length: 2↵↵ok", 200, starts("HTTP/1.1 200 OK"), content("ok")),
	}},
	{"9112-2.3 a response with a higher minor version is sent on with ours", steps{
		returns("HTTP/1.7 200 OK↵Content-Length: 2↵↵ok", 200, starts("HTTP/1.1 200 OK")),
	}},

	{"9112-3.2 the origin gets a Host even if HTTP/1.0 has none", steps{
		send("GET / HTTP/1.0↵↵"), sees("GET / HTTP/1.1"), answers(ok), reads(200), closes, // one Host is a law
	}},
	{"9112-3.2.1 origin form passes", steps{
		forwards("GET /where?q=now HTTP/1.1↵Host: www.example.org↵↵", "GET /where?q=now HTTP/1.1",
			has("Host: www.example.org")),
	}},
	{"9112-3.2.1 two slashes in front are no authority", steps{
		forwards("GET //b/c HTTP/1.1↵Host: a↵↵", "GET //b/c HTTP/1.1", has("Host: a")),
	}},
	{"9112-3.2.2 absolute form becomes origin form", steps{
		forwards("GET http://www.example.org/pub/x?y HTTP/1.1↵Host: www.example.org↵↵", "GET /pub/x?y HTTP/1.1",
			has("Host: www.example.org")),
	}},
	{"9112-3.2.2 the authority of absolute form takes the place of Host", steps{
		forwards("GET http://b:81/c HTTP/1.1↵Host: a↵↵", "GET /c HTTP/1.1", has("Host: b:81", "X-Forwarded-Host: b:81")),
	}},
	{"9112-3.2.2 absolute form without a path and with a query", steps{
		forwards("GET http://a?x=/ HTTP/1.1↵Host: a↵↵", "GET /?x=/ HTTP/1.1"),
	}},
	{"9112-3.2.2 schemes are case-insensitive", steps{forwards("GET HTTP://a/x HTTP/1.1↵Host: a↵↵", "GET /x HTTP/1.1")}},
	{"9112-3.2.2 HTTP/1.0 may use absolute form without Host", steps{
		send("GET http://b/c HTTP/1.0↵↵"), sees("GET /c HTTP/1.1", has("Host: b")), answers(ok), reads(200), closes,
	}},
	{"9112-3.2.3 authority form is for CONNECT", steps{refuses(400, "GET a:443 HTTP/1.1↵Host: a:443↵↵")}},
	{"9112-3.2.4 asterisk form is for OPTIONS", steps{refuses(400, "GET * HTTP/1.1↵Host: a↵↵")}},
	{"9112-3.2.4 OPTIONS of no path in absolute form means the whole server", steps{
		send("OPTIONS http://a HTTP/1.1↵Host: a↵↵"), reads(204, allows), asAnnounced,
	}},
	{"9112-3.2.4 OPTIONS of the root in absolute form does not", steps{
		forwards("OPTIONS http://a/ HTTP/1.1↵Host: a↵↵", "OPTIONS / HTTP/1.1"),
	}},

	{"9112-4 a reason passes", steps{
		returns("HTTP/1.1 404 Не найдено\there↵Content-Length: 0↵↵", 404, starts("HTTP/1.1 404 Не найдено\there")),
	}},
	{"9112-4 an empty reason keeps its space", steps{
		returns("HTTP/1.1 200 ↵Content-Length: 0↵↵", 200, starts("HTTP/1.1 200 ")),
	}},
	{"9112-4 an absent reason gets its space at least", steps{returns("HTTP/1.1 200↵Content-Length: 0↵↵", 200)}},
}

// Bodies: RFC 9112, sections 6 to 8.
var bodyRows = []row{
	{"9112-6.1 a chunked request stays chunked", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: CHUNKed↵↵5↵hello↵0↵↵", "POST / HTTP/1.1", content("hello")),
	}},
	{"9112-6.1 a tab before chunked is white space", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding:\tchunked\t ↵↵5↵hello↵0↵↵", "POST / HTTP/1.1", content("hello")),
	}},
	{"9112-6.1 a long chunked request stays chunked", steps{
		long(200<<10, func(b string) step {
			return forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵"+chunksOf(b)+"0↵↵", "POST / HTTP/1.1", content(b), framed(chunked))
		}),
	}},
	{"9112-6.1 a chunked response stays chunked", steps{
		returns("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵6↵ world↵0↵↵", 200, content("hello world"),
			framed(chunked)),
	}},
	{"9112-6.1 HTTP/1.0 gets a chunked response decoded, until close", steps{
		send("GET / HTTP/1.0↵Host: a↵Connection: keep-alive↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵0↵↵"),
		reads(200, content("hello"), framed(untilClose)), closes,
	}},
	{"9112-6.1 a response to HEAD may tell of chunks that never come", steps{
		send("HEAD / HTTP/1.1↵Host: a↵↵"), sees("HEAD / HTTP/1.1"), answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵"),
		readsToHEAD(200), stays,
	}},
	{"9112-6.1 a 304 may tell of chunks that never come", steps{
		asks, answers("HTTP/1.1 304 Not Modified↵Transfer-Encoding: chunked↵↵"), reads(304), stays,
	}},
	{"9112-6.2 a request without body is sent without framing", steps{
		forwards("GET / HTTP/1.1↵Host: a↵↵", "GET / HTTP/1.1", hasNo("Content-Length", "Transfer-Encoding")),
	}},
	{"9112-6.3 a POST without framing has no body", steps{
		send("POST / HTTP/1.1↵Host: a↵↵GET /2 HTTP/1.1↵Host: a↵↵"), sees("POST / HTTP/1.1", content("")), answers(ok),
		reads(200),
		sees("GET /2 HTTP/1.1"), answers(ok), reads(200), stays,
	}},
	{"9112-6.3 a response without framing lasts until close", steps{
		asks, answers("HTTP/1.1 200 OK↵↵hello"), originCloses, reads(200, content("hello")), asAnnounced,
	}},
	{"9112-6.3 a response of HTTP/1.0 without framing lasts until close", steps{
		asks, answers("HTTP/1.0 200 OK↵Connection: keep-alive↵↵hello"), originCloses, reads(200, content("hello")), asAnnounced,
	}},
	{"9112-6.3 an empty response until close", steps{
		asks, answers("HTTP/1.1 200 OK↵↵"), originCloses, reads(200, content("")), asAnnounced,
	}},
	{"9112-6.3 a response until close that looks like a second one is a body", steps{
		asks, answers("HTTP/1.1 200 OK↵↵" + ok), originCloses, reads(200, content(wire(ok))), asAnnounced,
	}},
	{"9112-6.3 a long response passes", steps{
		long(3<<20, func(b string) step {
			return all(asks, answersInBackground("HTTP/1.1 200 OK↵Content-Length: "+length(b)+"↵↵"+b), reads(200, content(b)), stays)
		}),
	}},
	{"9112-6.3 a long chunked response passes", steps{
		long(1<<20, func(b string) step {
			return all(asks, answersInBackground("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵"+chunksOf(b)+"0↵↵"), reads(200, content(b)), stays)
		}),
	}},
	{"9112-6.3 a long response until close passes", steps{
		long(3<<20, func(b string) step {
			return all(asks, answersAndCloses("HTTP/1.1 200 OK↵↵"+b), reads(200, content(b)), asAnnounced)
		}),
	}},
	{"9112-6.3 a long request passes", steps{
		long(3<<20, func(b string) step {
			return forwards("POST / HTTP/1.1↵Host: a↵Content-Length: "+length(b)+"↵↵"+b, "POST / HTTP/1.1", content(b), framed(sized))
		}),
	}},
	{"9112-6.3 equal lengths in a response are one", steps{
		returns("HTTP/1.1 200 OK↵Content-Length: 5↵Content-Length: 5↵↵hello", 200, has("Content-Length: 5"), content("hello")),
	}},

	{"9112-7.1 chunk sizes in both cases and with zeros before them", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵a↵0123456789↵A↵0123456789↵0005↵hello↵000↵↵", "POST / HTTP/1.1",
			content("01234567890123456789hello")),
	}},
	{"9112-7.1 data that looks like framing is data", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵1b↵0↵↵GET /evil HTTP/1.1↵↵↵0↵↵", "POST / HTTP/1.1",
			content("0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n")),
	}},
	{"9112-7.1 chunks may come byte by byte", steps{
		byBytes("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5;x=\"y\"↵hello↵0↵X-Sum: 42↵↵"),
		sees("POST / HTTP/1.1", content("hello"), hasTrailers("X-Sum: 42")), answers(ok), reads(200), stays,
	}},
	{"9112-7.1.1 chunk extensions of requests are for nobody", steps{
		forwards("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5;a=b;c=\"d;\\\"\"↵hello↵0;e↵↵", "POST / HTTP/1.1",
			content("hello")),
	}},
	{"9112-7.1.1 chunk extensions of responses are for nobody", steps{
		returns("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5;a=b;c=\"d\"↵hello↵0;e↵↵", 200, content("hello")),
	}},
	{"9112-7.1.2 a body may begin before it is known how it ends", steps{
		send("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵"), sees("POST / HTTP/1.1"), seesPart("hello"),
		send("6↵ world↵"), seesPart("hello world"), send("0↵↵"), seesRest(content("hello world")), answers(ok), reads(200),
		stays,
	}},
	{"9112-7.1.2 a response is passed on as it comes", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵"), readsHead(200), answers("5↵hello↵"), readsPart("hello"),
		answers("6↵ world↵"), readsPart("hello world"), answers("0↵↵"), readsRest(content("hello world")), stays,
	}},
	{"9112-7.1.2 a part of a chunk is passed on as it comes", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵b↵hello"), readsHead(200), readsPart("hello"),
		answers(" world↵0↵↵"),
		readsRest(content("hello world")), stays,
	}},
	{"9112-7.1.2 a response of known length is passed on as it comes", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 11↵↵"), readsHead(200), answers("hello"), readsPart("hello"),
		answers(" world"),
		readsRest(content("hello world")), stays,
	}},

	{"9112-8 a request that ends before its length is not whole", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 10↵↵hello"), halfCloses, getsNo2xx, seesNothingWhole,
	}},
	{"9112-8 a long request that ends before its length is not whole", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 1000000↵↵hello"), sees("POST / HTTP/1.1"), seesPart("hello"), halfCloses,
		seesBreak, getsNo2xx,
	}},
	{"9112-8 a request that is reset before its length is not whole", steps{
		send("POST / HTTP/1.1↵Host: a↵Content-Length: 1000000↵↵hello"), sees("POST / HTTP/1.1"), seesPart("hello"), hangsUp,
		seesBreak,
	}},
	{"9112-8 a chunked request without its last chunk is not whole", steps{
		send("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵"), sees("POST / HTTP/1.1"), seesPart("hello"),
		halfCloses, seesBreak, getsNo2xx,
	}},
	{"9112-8 a chunked request without its last line is not whole", steps{
		send("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵5↵hello↵"), sees("POST / HTTP/1.1"), seesPart("hello"),
		send("0↵"), halfCloses, seesBreak, getsNo2xx,
	}},
	{"9112-8 a head that does not end is nothing", steps{send("GET / HTTP/1.1↵Host: a↵"), halfCloses, getsNo2xx}},
	{"9112-8 a response that ends before its length is not whole", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 10↵↵hello"), readsHead(200), readsPart("hello"), originCloses,
		readsBreak,
	}},
	{"9112-8 a response that is reset before its length is not whole", steps{
		asks, answers("HTTP/1.1 200 OK↵Content-Length: 10↵↵hello"), readsHead(200), readsPart("hello"), originResets,
		readsBreak,
	}},
	{"9112-8 a chunked response without its last chunk is not whole", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵"), readsHead(200), readsPart("hello"), originCloses,
		readsBreak,
	}},
	{"9112-8 a chunked response without its last line is not whole", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵"), readsHead(200), readsPart("hello"),
		answers("0↵"), originCloses, readsBreak,
	}},
	{"9112-8 a response with malformed chunks is broken off", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵"), readsHead(200), readsPart("hello"),
		answers("5x↵evil!↵0↵↵"), readsBreak, seesEnd,
	}},
	{"9112-8 a chunk longer than its size breaks the response off", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵"), readsHead(200), answers("5↵hello!↵0↵↵"), readsBreak,
		seesEnd,
	}},
	{"9112-8 malformed trailers break the response off", steps{
		asks, answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵"), readsHead(200), readsPart("hello"),
		answers("0↵X : 1↵↵"), readsBreak, seesEnd,
	}},
	{"9112-8 a response until close that is reset is not whole", steps{
		asks, answers("HTTP/1.1 200 OK↵↵hello"), readsHead(200), readsPart("hello"), originResets, readsBreak,
	}},
	{"9112-8 HTTP/1.0 sees that a chunked response is not whole", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1"),
		answers("HTTP/1.1 200 OK↵Transfer-Encoding: chunked↵↵5↵hello↵"),
		readsHead(200), readsPart("hello"), originCloses, readsBreak,
	}},
	{"9112-8 HTTP/1.0 sees that a response of known length is not whole", steps{
		send("GET / HTTP/1.0↵Host: a↵↵"), sees("GET / HTTP/1.1"), answers("HTTP/1.1 200 OK↵Content-Length: 10↵↵hello"),
		readsHead(200), readsPart("hello"), originCloses, readsBreak,
	}},
}
