package h1

import "strconv"

// What is appended must be valid: what was parsed is, and what comes from elsewhere is checked once, where it comes in
// (ValidToken, ValidValue, ValidHost). Nothing is checked again here, and nothing is escaped. dst grows only if it has
// no room.

// Text is what can be appended.
type Text interface{ ~string | ~[]byte }

// AppendRequestLine appends a request line of HTTP/1.1. Path and query together are the target: in origin form as a
// Request has them (a target in absolute form is thereby turned into one), else all of it as path.
func AppendRequestLine[M, P, Q Text](dst []byte, method M, path P, query Q) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, path...)
	dst = append(dst, query...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendStatusLine appends a status line of HTTP/1.1. The status is from 100 to 599. A reason of nil, but not an empty
// one, is replaced by the usual one.
func AppendStatusLine(dst []byte, status int, reason []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = append(dst, '0'+byte(status/100), '0'+byte(status/10%10), '0'+byte(status%10), ' ')
	if reason == nil {
		dst = AppendStatusText(dst, status)
	} else {
		dst = append(dst, reason...)
	}
	return append(dst, "\r\n"...)
}

// AppendField appends a field line: a token, and a value as ValidValue wants it.
func AppendField[N, V Text](dst []byte, name N, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// Append appends the field as a line.
func (f *Field) Append(dst []byte) []byte { return AppendField(dst, f.Name, f.Value) }

// AppendFraming appends the field that says how the message's body ends, if there is one to append. It is for a head
// whose body is passed on as it was framed, and for those without a body whose length is told all the same (responses
// to HEAD, and 304).
func (h *Head) AppendFraming(dst []byte) []byte {
	switch {
	case h.Framing == FramingChunked:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	case h.Length >= 0:
		return AppendContentLength(dst, h.Length)
	}
	return dst
}

// AppendContentLength appends a Content-Length field. n is at least 0.
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendEnd appends the empty line that ends a header or trailer section, and the CR LF that ends a chunk.
func AppendEnd(dst []byte) []byte { return append(dst, "\r\n"...) }

// AppendChunkHeader appends the first line of a chunk of n bytes, which is at least 1: a chunk of 0 would be the last.
// The data and AppendEnd follow.
func AppendChunkHeader(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n, 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the last chunk. Trailers, if any, and AppendEnd follow.
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n"...) }

// AppendStatusText appends the usual reason phrase of a status, if it has one.
func AppendStatusText(dst []byte, status int) []byte {
	if i := status - 100; 0 <= i && i < len(statusText) {
		dst = append(dst, statusText[i]...)
	}
	return dst
}

// statusText has the phrases of RFC 9110, section 15, and of the registry beyond it, by status less 100.
var statusText = [...]string{
	0: "Continue",
	1: "Switching Protocols",
	2: "Processing",
	3: "Early Hints",

	100: "OK",
	101: "Created",
	102: "Accepted",
	103: "Non-Authoritative Information",
	104: "No Content",
	105: "Reset Content",
	106: "Partial Content",
	107: "Multi-Status",
	108: "Already Reported",
	126: "IM Used",

	200: "Multiple Choices",
	201: "Moved Permanently",
	202: "Found",
	203: "See Other",
	204: "Not Modified",
	205: "Use Proxy",
	207: "Temporary Redirect",
	208: "Permanent Redirect",

	300: "Bad Request",
	301: "Unauthorized",
	302: "Payment Required",
	303: "Forbidden",
	304: "Not Found",
	305: "Method Not Allowed",
	306: "Not Acceptable",
	307: "Proxy Authentication Required",
	308: "Request Timeout",
	309: "Conflict",
	310: "Gone",
	311: "Length Required",
	312: "Precondition Failed",
	313: "Content Too Large",
	314: "URI Too Long",
	315: "Unsupported Media Type",
	316: "Range Not Satisfiable",
	317: "Expectation Failed",
	318: "I'm a teapot",
	321: "Misdirected Request",
	322: "Unprocessable Content",
	323: "Locked",
	324: "Failed Dependency",
	325: "Too Early",
	326: "Upgrade Required",
	328: "Precondition Required",
	329: "Too Many Requests",
	331: "Request Header Fields Too Large",
	351: "Unavailable For Legal Reasons",

	400: "Internal Server Error",
	401: "Not Implemented",
	402: "Bad Gateway",
	403: "Service Unavailable",
	404: "Gateway Timeout",
	405: "HTTP Version Not Supported",
	406: "Variant Also Negotiates",
	407: "Insufficient Storage",
	408: "Loop Detected",
	410: "Not Extended",
	411: "Network Authentication Required",
}
