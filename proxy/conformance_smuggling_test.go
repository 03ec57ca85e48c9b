package proxy_test

import (
	"slices"
	"strings"
)

// smuggle is what stands behind each message that must be refused: if anybody took it for a request, the origin or the
// client would see one message more.
const smuggle = "GET /evil HTTP/1.1↵Host: evil↵↵"

// smugglingRows are messages upon which readers differ: of each the origin, or the client, must see nothing at all. The
// verdicts on messages as such, many more, are in package h1; here they are held against what passes over sockets.
func smugglingRows() (rows []row) {
	for _, r := range refusals {
		rows = append(rows, row{r.name, steps{refuses(r.status, r.text+smuggle)}})
	}
	for _, r := range spoiled {
		rows = append(rows, row{r.name, steps{
			send("POST / HTTP/1.1↵Host: a↵Transfer-Encoding: chunked↵↵" + r.text + smuggle), reads(400, has("Connection: close")), closes, seesNothingWhole,
		}})
	}
	for _, r := range distrusted {
		rows = append(rows, row{r.name, steps{distrusts(r.text + ok)}})
	}
	return slices.Concat(rows, startRows)
}

// What stands where a request should.
var startRows = []row{
	{"9112-2.3 the preface of HTTP/2 in the place of a second request is refused", steps{
		asks, answers(ok), reads(200), refuses(505, "PRI * HTTP/2.0↵↵SM↵↵"),
	}},
	{"9112-2.2 a TLS handshake is refused at its first bytes", steps{send("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), reads(400), closes}},
	{"9112-2.2 an answer in the place of a request is refused", steps{refuses(400, ok+smuggle)}},
	{"9112-2.2 a header of the PROXY protocol is refused where none is expected", steps{refuses(400, "PROXY TCP4 1.2.3.4 5.6.7.8 1 2↵"+smuggle)}},
	{"9112-2.2 a signature of the PROXY protocol, version 2, is refused where none is expected", steps{
		send("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00\x02" + smuggle), reads(400), closes,
	}},
	{"9112-2.2 five empty lines are no request", steps{refuses(400, "↵↵↵↵↵"+smuggle)}},
}

// verdict is a text and what becomes of it.
type verdict struct {
	name   string
	status int
	text   string
}

const post = "POST / HTTP/1.1↵Host: a↵"

// refusals are requests that are refused before anything is handed on.
var refusals = []verdict{
	{"9112-2.2 a request line that ends in a bare LF", 400, "GET / HTTP/1.1\nHost: a↵↵"},
	{"9112-2.2 a field that ends in a bare LF", 400, "GET / HTTP/1.1↵Host: a\n↵"},
	{"9112-2.2 a head that ends in a bare LF", 400, "GET / HTTP/1.1↵Host: a↵\n"},
	{"9112-2.2 a head of bare LF", 400, "GET / HTTP/1.1\nHost: a\n\n"},
	{"9112-2.2 a bare LF within a value", 400, post + "X: b\nContent-Length: 5↵↵hello"},
	{"9112-2.2 a bare CR within a value", 400, post + "X: b\rContent-Length: 5↵↵hello"},
	{"9112-2.2 a bare CR at the end of a value", 400, "GET / HTTP/1.1↵Host: a↵X: b\r↵↵"},
	{"9112-2.2 a bare CR instead of a line's end", 400, "GET / HTTP/1.1\rHost: a↵↵"},
	{"9112-2.2 a bare CR in the target", 400, "GET /\r HTTP/1.1↵Host: a↵↵"},
	{"9112-2.2 a bare CR before a field", 400, "GET / HTTP/1.1↵Host: a↵\rTransfer-Encoding: chunked↵↵0↵↵"},
	{"9112-2.2 white space before the first field", 400, "GET / HTTP/1.1↵ X: 1↵Host: a↵↵"},
	{"9112-2.2 a line of white space", 400, "GET / HTTP/1.1↵Host: a↵ ↵"},
	{"9112-2.3 HTTP/0.9", 400, "GET /↵"},
	{"9112-2.3 HTTP/0.9 with a path that is long", 400, "GET /a/long/path↵"},
	{"9112-2.3 HTTP/0.9 with a version", 505, "GET / HTTP/0.9↵Host: a↵↵"},
	{"9112-2.3 HTTP/2.0", 505, "GET / HTTP/2.0↵Host: a↵↵"},
	{"9112-2.3 HTTP in lower case", 400, "GET / http/1.1↵Host: a↵↵"},
	{"9112-2.3 a version of two digits", 400, "GET / HTTP/1.10↵Host: a↵↵"},
	{"9112-2.3 a version with zeros before it", 400, "GET / HTTP/01.1↵Host: a↵↵"},
	{"9112-2.3 no version behind the name", 400, "GET / HTTP/↵Host: a↵↵"},
	{"9112-2.3 another protocol", 400, "GET / ICAP/1.0↵Host: a↵↵"},
	{"9112-3 a space before the method", 400, " GET / HTTP/1.1↵Host: a↵↵"},
	{"9112-3 two spaces behind the method", 400, "GET  / HTTP/1.1↵Host: a↵↵"},
	{"9112-3 two spaces before the version", 400, "GET /  HTTP/1.1↵Host: a↵↵"},
	{"9112-3 a space behind the version", 400, "GET / HTTP/1.1 ↵Host: a↵↵"},
	{"9112-3 a tab behind the method", 400, "GET\t/ HTTP/1.1↵Host: a↵↵"},
	{"9112-3 a tab before the version", 400, "GET /\tHTTP/1.1↵Host: a↵↵"},
	{"9112-3 a vertical tab behind the method", 400, "GET\x0b/ HTTP/1.1↵Host: a↵↵"},
	{"9112-3 a space within the target", 400, "GET /a b HTTP/1.1↵Host: a↵↵"},
	{"9112-3 a second version", 400, "GET / HTTP/1.1 HTTP/1.1↵Host: a↵↵"},
	{"9112-3 no target", 400, "GET HTTP/1.1↵Host: a↵↵"},
	{"9112-3.1 a method with a delimiter", 400, "GE(T / HTTP/1.1↵Host: a↵↵"},
	{"9112-3.1 a method with a NUL", 400, "GE\x00T / HTTP/1.1↵Host: a↵↵"},
	{"9112-3.1 a method outside ASCII", 400, "GÉT / HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2 a fragment in the target", 400, "GET /a#b HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2 a NUL in the target", 400, "GET /\x00 HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2 a control character in the target", 400, "GET /\x01 HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2 octets outside ASCII in the target", 400, "GET /é HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2 a path without its slash", 400, "GET index.html HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2 no Host", 400, "GET / HTTP/1.1↵↵"},
	{"9112-3.2 no Host beside absolute form", 400, "GET http://a/ HTTP/1.1↵↵"},
	{"9112-3.2 two Host fields", 400, "GET / HTTP/1.1↵Host: a↵Host: b↵↵"},
	{"9112-3.2 the same Host twice", 400, "GET / HTTP/1.1↵Host: a↵Host: a↵↵"},
	{"9112-3.2 two Host fields in HTTP/1.0", 400, "GET / HTTP/1.0↵Host: a↵host: b↵↵"},
	{"9112-3.2 two hosts in one field", 400, "GET / HTTP/1.1↵Host: a b↵↵"},
	{"9112-3.2 an empty Host", 400, "GET / HTTP/1.1↵Host:↵↵"},
	{"9112-3.2 a Host with a path", 400, "GET / HTTP/1.1↵Host: a/b↵↵"},
	{"9112-3.2 a Host with a user", 400, "GET / HTTP/1.1↵Host: u@a↵↵"},
	{"9112-3.2 a Host with a port that is none", 400, "GET / HTTP/1.1↵Host: a:80x↵↵"},
	{"9112-3.2 a Host that is percent-encoded", 400, "GET / HTTP/1.1↵Host: %61↵↵"},
	{"9112-3.2 a Host outside ASCII", 400, "GET / HTTP/1.1↵Host: é↵↵"},
	{"9112-3.2 a bad Host beside absolute form", 400, "GET http://a/ HTTP/1.1↵Host: a/b↵↵"},
	{"9112-3.2.2 another scheme", 400, "GET ftp://a/ HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2.2 absolute form without a host", 400, "GET http:///c HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2.2 absolute form with one slash", 400, "GET http:/a HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2.2 a backslash in the authority", 400, "GET http://a\\b/ HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2.3 CONNECT with a path", 400, "CONNECT /a HTTP/1.1↵Host: a↵↵"},
	{"9112-3.2.3 CONNECT with absolute form", 400, "CONNECT http://a:80/ HTTP/1.1↵Host: a↵↵"},
	{"9112-5 a line without a colon", 400, "GET / HTTP/1.1↵Host: a↵X↵↵"},
	{"9112-5 an empty name", 400, "GET / HTTP/1.1↵Host: a↵: b↵↵"},
	{"9112-5 a space within a name", 400, "GET / HTTP/1.1↵Host: a↵X Y: b↵↵"},
	{"9112-5 a NUL in a name", 400, post + "Content\x00-Length: 5↵↵hello"},
	{"9112-5 a name outside ASCII", 400, "GET / HTTP/1.1↵Host: a↵É: b↵↵"},
	{"9112-5 obs-text before a known name", 400, post + "\xffContent-Length: 5↵↵hello"},
	{"9112-5 a delimiter in a name", 400, "GET / HTTP/1.1↵Host: a↵X(Y): b↵↵"},
	{"9112-5 a NUL in a value", 400, "GET / HTTP/1.1↵Host: a↵X: b\x00↵↵"},
	{"9112-5 a control character in a value", 400, "GET / HTTP/1.1↵Host: a↵X: b\x0bc↵↵"},
	{"9112-5 DEL in a value", 400, "GET / HTTP/1.1↵Host: a↵X: b\x7f↵↵"},
	{"9112-5.1 a space before a colon", 400, "GET / HTTP/1.1↵Host: a↵X : b↵↵"},
	{"9112-5.1 a tab before a colon", 400, "GET / HTTP/1.1↵Host: a↵X\t: b↵↵"},
	{"9112-5.1 a space before the colon of Content-Length", 400, post + "Content-Length : 5↵↵hello"},
	{"9112-5.1 a space before the colon of Transfer-Encoding", 400, post + "Content-Length: 5↵Transfer-Encoding : chunked↵↵0↵↵"},
	{"9112-5.2 a folded line", 400, "GET / HTTP/1.1↵Host: a↵X: b↵ c↵↵"},
	{"9112-5.2 a line folded with a tab", 400, "GET / HTTP/1.1↵Host: a↵X: b↵\tc↵↵"},
	{"9112-5.2 a folded Transfer-Encoding", 400, post + "Transfer-Encoding:↵ chunked↵↵0↵↵"},
	{"9112-5.2 a folded line that looks like a field", 400, post + "X: b↵ Content-Length: 5↵↵hello"},
	{"9112-6.1 a coding in HTTP/1.0", 400, "POST / HTTP/1.0↵Host: a↵Transfer-Encoding: chunked↵↵0↵↵"},
	{"9112-6.1 a coding and a length in HTTP/1.0", 400, "POST / HTTP/1.0↵Host: a↵Content-Length: 5↵Transfer-Encoding: chunked↵↵0↵↵"},
	{"9112-6.1 a coding that nobody knows before chunked", 501, post + "Transfer-Encoding: gzip, chunked↵↵0↵↵"},
	{"9112-6.1 such a coding in a line of its own", 501, post + "Transfer-Encoding: gzip↵Transfer-Encoding: chunked↵↵0↵↵"},
	{"9112-6.1 a coding that nobody knows in a line behind chunked", 400, post + "Transfer-Encoding: chunked↵Transfer-encoding: cow↵↵0↵↵"},
	{"9112-6.1 chunked twice", 400, post + "Transfer-Encoding: chunked, chunked↵↵0↵↵"},
	{"9112-6.1 chunked in two lines", 400, post + "Transfer-Encoding: chunked↵transfer-encoding: chunked↵↵0↵↵"},
	{"9112-6.1 no coding in the field", 400, post + "Transfer-Encoding:↵↵0↵↵"},
	{"9112-6.1 an empty element before chunked", 400, post + "Transfer-Encoding: , chunked↵↵0↵↵"},
	{"9112-6.1 an empty element behind chunked", 400, post + "Transfer-Encoding: chunked,↵↵0↵↵"},
	{"9112-6.1 chunked in quotes", 400, post + "Transfer-Encoding: \"chunked\"↵↵0↵↵"},
	{"9112-6.1 a vertical tab before chunked", 400, post + "Transfer-Encoding: \x0bchunked↵↵0↵↵"},
	{"9112-6.1 a NUL behind chunked", 400, post + "Transfer-Encoding: chunked\x00↵↵0↵↵"},
	{"9112-6.1 a space within chunked", 400, post + "Transfer-Encoding: chun ked↵↵0↵↵"},
	{"9112-6.1 chunked with a parameter", 400, post + "Transfer-Encoding: chunked;a=b↵↵0↵↵"},
	{"9112-6.3 a length before chunked", 400, post + "Content-Length: 5↵Transfer-Encoding: chunked↵↵0↵↵"},
	{"9112-6.3 a length behind chunked", 400, post + "Transfer-Encoding: chunked↵Content-Length: 5↵↵0↵↵"},
	{"9112-6.3 a length of 0 beside chunked", 400, post + "Transfer-Encoding: chunked↵Content-Length: 0↵↵0↵↵"},
	{"9112-6.3 a length beside chunked in other cases", 400, post + "CONTENT-LENGTH: 5↵TRANSFER-ENCODING: CHUNKED↵↵0↵↵"},
	{"9112-6.3 a length beside a coding that is not chunked", 400, post + "Content-Length: 5↵Transfer-Encoding: xchunked↵↵hello"},
	{"9112-6.3 a length beside identity", 400, post + "Content-Length: 5↵Transfer-Encoding: identity↵↵hello"},
	{"9112-6.3 a length beside a list that begins with chunked", 400, post + "Content-Length: 5↵Transfer-Encoding: chunked, identity↵↵hello"},
	{"9112-6.3 chunked before another coding", 400, post + "Transfer-Encoding: chunked, gzip↵↵0↵↵"},
	{"9112-6.3 another coding alone", 400, post + "Transfer-Encoding: gzip↵↵0↵↵"},
	{"9112-6.3 a name that only ends like chunked", 400, post + "Transfer-Encoding: xchunked↵↵0↵↵"},
	{"9112-6.3 a name that only begins like chunked", 400, post + "Transfer-Encoding: chunkedx↵↵0↵↵"},
	{"9112-6.3 different lengths", 400, post + "Content-Length: 5↵Content-Length: 6↵↵hello"},
	{"9112-6.3 equal lengths in two lines", 400, post + "Content-Length: 5↵content-length: 5↵↵hello"},
	{"9112-6.3 a list of lengths", 400, post + "Content-Length: 5, 5↵↵hello"},
	{"9112-6.3 a list of different lengths", 400, post + "Content-Length: 5, 6↵↵hello"},
	{"9112-6.3 an empty length", 400, post + "Content-Length:↵↵"},
	{"9112-6.3 a length with a plus sign", 400, post + "Content-Length: +5↵↵hello"},
	{"9112-6.3 a length with a minus sign", 400, post + "Content-Length: -5↵↵hello"},
	{"9112-6.3 a length with a space in it", 400, post + "Content-Length: 5 0↵↵hello"},
	{"9112-6.3 a length with a comma behind it", 400, post + "Content-Length: 5,↵↵hello"},
	{"9112-6.3 a hexadecimal length", 400, post + "Content-Length: 0x5↵↵hello"},
	{"9112-6.3 a fraction for a length", 400, post + "Content-Length: 5.0↵↵hello"},
	{"9112-6.3 a length with an exponent", 400, post + "Content-Length: 5e0↵↵hello"},
	{"9112-6.3 an underscore in a length", 400, post + "Content-Length: 1_0↵↵hello"},
	{"9112-6.3 quotes around a length", 400, post + "Content-Length: \"5\"↵↵hello"},
	{"9112-6.3 digits outside ASCII in a length", 400, post + "Content-Length: ٥↵↵hello"},
	{"9112-6.3 a length beyond 63 bits", 400, post + "Content-Length: 9223372036854775808↵↵hello"},
	{"9112-6.3 a length that is 5 in 64 bits", 400, post + "Content-Length: 18446744073709551621↵↵hello"},
	{"9112-6.3 a bad length with GET", 400, "GET / HTTP/1.1↵Host: a↵Content-Length: x↵↵hello"},
}

// spoiled are bodies in chunks that turn out to be malformed: the client reads 400, and the origin no whole request.
var spoiled = []verdict{
	{name: "9112-7.1 a size that is none", text: "x↵hello↵0↵↵"},
	{name: "9112-7.1 an empty size", text: "↵hello↵0↵↵"},
	{name: "9112-7.1 a size with 0x before it", text: "0x5↵hello↵0↵↵"},
	{name: "9112-7.1 a size with a plus sign", text: "+5↵hello↵0↵↵"},
	{name: "9112-7.1 a size with a minus sign", text: "-5↵hello↵0↵↵"},
	{name: "9112-7.1 a space before a size", text: " 5↵hello↵0↵↵"},
	{name: "9112-7.1 a space behind a size", text: "5 ↵hello↵0↵↵"},
	{name: "9112-7.1 an underscore in a size", text: "1_0↵0123456789abcdef↵0↵↵"},
	{name: "9112-7.1 a letter behind a size", text: "5g↵hello↵0↵↵"},
	{name: "9112-7.1 a NUL behind a size", text: "5\x00↵hello↵0↵↵"},
	{name: "9112-7.1 a size beyond 63 bits", text: "8000000000000000↵hello"},
	{name: "9112-7.1 a size that is 5 in 64 bits", text: "10000000000000005↵hello↵0↵↵"},
	{name: "9112-7.1 a size of seventeen digits", text: "00000000000000005↵hello↵0↵↵"},
	{name: "9112-7.1 a size that ends in a bare LF", text: "5\nhello↵0↵↵"},
	{name: "9112-7.1 a size that ends in a bare CR", text: "5\rhello↵0↵↵"},
	{name: "9112-7.1 a chunk that ends in a bare LF", text: "5↵hello\n0↵↵"},
	{name: "9112-7.1 a chunk that ends in a bare CR", text: "5↵hello\r0↵↵"},
	{name: "9112-7.1 a chunk that ends in two other bytes", text: "5↵helloXX0↵↵"},
	{name: "9112-7.1 a chunk that is longer than its size", text: "5↵hello!↵0↵↵"},
	{name: "9112-7.1 a chunk that is shorter than its size", text: "6↵hello↵0↵↵"},
	{name: "9112-7.1 a last chunk with a bare LF", text: "5↵hello↵0\n\n"},
	{name: "9112-7.1 a last empty line with a bare LF", text: "5↵hello↵0↵\n"},
	{name: "9112-7.1 no empty line behind the last chunk", text: "5↵hello↵0↵"},
	{name: "9112-7.1.1 an empty extension", text: "5;↵hello↵0↵↵"},
	{name: "9112-7.1.1 a bare LF in an extension", text: "5;a\nhello↵0↵↵"},
	{name: "9112-7.1.1 a bare CR in an extension", text: "5;a\rb↵hello↵0↵↵"},
	{name: "9112-7.1.1 a bare LF in a quoted extension", text: "5;a=\"\n\"↵hello↵0↵↵"},
	{name: "9112-7.1.1 a quote that is not closed", text: "5;a=\"b↵hello↵0↵↵"},
	{name: "9112-7.1.1 an extension beyond the limit", text: "5;" + strings.Repeat("a", 4<<10) + "↵hello↵0↵↵"},
	{name: "9112-7.1.1 extensions beyond the limit together", text: strings.Repeat("1;"+strings.Repeat("a", 1024)+"↵x↵", 20) + "0↵↵"},
	{name: "9112-7.1.2 a trailer with a space before its colon", text: "5↵hello↵0↵X : 1↵↵"},
	{name: "9112-7.1.2 a folded trailer", text: "5↵hello↵0↵X: 1↵ 2↵↵"},
	{name: "9112-7.1.2 a trailer without a colon", text: "5↵hello↵0↵X↵↵"},
	{name: "9112-7.1.2 a trailer with a NUL", text: "5↵hello↵0↵X: \x00↵↵"},
	{name: "9112-7.1.2 a trailer that ends in a bare LF", text: "5↵hello↵0↵X: 1\n↵"},
}

// distrusted are responses upon which the client reads 502: RFC 9112, section 11.1.
var distrusted = []verdict{
	{name: "9112-2.2 a status line that ends in a bare LF", text: "HTTP/1.1 200 OK\nContent-Length: 0↵↵"},
	{name: "9112-2.2 a field of a response that ends in a bare LF", text: "HTTP/1.1 200 OK↵X: 1\nContent-Length: 0↵↵"},
	{name: "9112-2.2 a bare CR in a field of a response", text: "HTTP/1.1 200 OK↵X: 1\rSet-Cookie: a=b↵Content-Length: 0↵↵"},
	{name: "9112-2.2 an empty line before a response", text: "↵HTTP/1.1 200 OK↵Content-Length: 0↵↵"},
	{name: "9112-2.2 white space before the first field of a response", text: "HTTP/1.1 200 OK↵ X: 1↵Content-Length: 0↵↵"},
	{name: "9112-2.3 a response without a version", text: "200 OK↵Content-Length: 0↵↵"},
	{name: "9112-2.3 a response of another protocol", text: "ICY 200 OK↵Content-Length: 0↵↵"},
	{name: "9112-2.3 a response of HTTP/2.0", text: "HTTP/2.0 200 OK↵Content-Length: 0↵↵"},
	{name: "9112-2.3 a response of HTTP/0.9", text: "<html>hello</html>"},
	{name: "9112-4 a status of two digits", text: "HTTP/1.1 20 OK↵Content-Length: 0↵↵"},
	{name: "9112-4 a status of four digits", text: "HTTP/1.1 2000 OK↵Content-Length: 0↵↵"},
	{name: "9112-4 a status with a sign", text: "HTTP/1.1 +20 OK↵Content-Length: 0↵↵"},
	{name: "9112-4 two spaces before a status", text: "HTTP/1.1  200 OK↵Content-Length: 0↵↵"},
	{name: "9112-4 a control character in a reason", text: "HTTP/1.1 200 O\x01K↵Content-Length: 0↵↵"},
	{name: "9112-4 a bare CR in a reason", text: "HTTP/1.1 200 O\rK↵Content-Length: 0↵↵"},
	{name: "9112-5 a field of a response without a colon", text: "HTTP/1.1 200 OK↵X↵Content-Length: 0↵↵"},
	{name: "9112-5 a name of a response's field with a space", text: "HTTP/1.1 200 OK↵X Y: 1↵Content-Length: 0↵↵"},
	{name: "9112-5 a NUL in a field of a response", text: "HTTP/1.1 200 OK↵X: \x00↵Content-Length: 0↵↵"},
	{name: "9112-5.1 a space before a colon in a response", text: "HTTP/1.1 200 OK↵Content-Length : 0↵↵"},
	{name: "9112-5.2 a folded line in a response", text: "HTTP/1.1 200 OK↵X: 1↵ 2↵Content-Length: 0↵↵"},
	{name: "9112-6.1 a coding in a response of HTTP/1.0", text: "HTTP/1.0 200 OK↵Transfer-Encoding: chunked↵↵0↵↵"},
	{name: "9112-6.1 another coding before chunked in a response", text: "HTTP/1.1 200 OK↵Transfer-Encoding: gzip, chunked↵↵0↵↵"},
	{name: "9112-6.1 chunked twice in a response", text: "HTTP/1.1 200 OK↵Transfer-Encoding: chunked, chunked↵↵0↵↵"},
	{name: "9112-6.1 chunked in quotes in a response", text: "HTTP/1.1 200 OK↵Transfer-Encoding: \"chunked\"↵↵0↵↵"},
	{name: "9112-6.3 another coding alone in a response", text: "HTTP/1.1 200 OK↵Transfer-Encoding: gzip↵↵0↵↵"},
	{name: "9112-6.3 a length beside chunked in a response", text: "HTTP/1.1 200 OK↵Content-Length: 5↵Transfer-Encoding: chunked↵↵0↵↵"},
	{name: "9112-6.3 different lengths in a response", text: "HTTP/1.1 200 OK↵Content-Length: 0↵Content-Length: 5↵↵"},
	{name: "9112-6.3 a list of lengths in a response", text: "HTTP/1.1 200 OK↵Content-Length: 0, 5↵↵"},
	{name: "9112-6.3 a length with a sign in a response", text: "HTTP/1.1 200 OK↵Content-Length: +5↵↵"},
	{name: "9112-6.3 a hexadecimal length in a response", text: "HTTP/1.1 200 OK↵Content-Length: 0x5↵↵"},
	{name: "9112-6.3 an empty length in a response", text: "HTTP/1.1 200 OK↵Content-Length:↵↵"},
	{name: "9112-6.3 a length beyond 63 bits in a response", text: "HTTP/1.1 200 OK↵Content-Length: 9223372036854775808↵↵"},
}
