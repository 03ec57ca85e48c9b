package proxy

import (
	"strconv"

	"backhand/proxy/h1"
)

// appendHead appends the head of the request as a member gets it.
func (x *exchange) appendHead(b []byte, ho *handover) []byte {
	req := &x.req
	b = x.appendTarget(b, ho)
	keep := x.hop != nil
	trusted := !keep && x.client.trusted
	for i := range req.Fields {
		f := &req.Fields[i]
		if f.Named || !passesOn(f) || f.ID == h1.MaxForwards && req.MaxForwards >= 0 {
			continue
		}
		if !keep && (f.ID.Forwarder() || f.ID == h1.Unknown && saysClient(f.Name)) && !(trusted && x.keeps(f)) {
			continue
		}
		if f.ID == h1.Cookie && !keep && x.site.Cookie != nil {
			b = x.appendCookies(b, f, ho)
			continue
		}
		b = f.Append(b)
	}
	if !keep {
		b = x.client.append(b)
		if x.site.ClientIP {
			b = append(x.client.Client.AppendTo(append(b, "Client-IP: "...)), "\r\n"...)
		}
	}
	b = append(b, "Via: 1."...)
	if x.a.proto == "HTTP/2.0" {
		b = append(b[:len(b)-2], "2.0"...)
	} else {
		b = append(b, '0'+req.Minor)
	}
	b = append(b, ' ')
	b = append(b, x.h.pseudonym...)
	b = append(b, "\r\n"...)
	if ho.toAgent {
		b = x.appendHop(b, ho)
	}
	return x.appendConnection(b, ho)
}

// appendTarget appends the request line, and Host. That is as the client sent it, so that the member knows for which of its
// sites the request is; but a complete URL brings its own.
func (x *exchange) appendTarget(b []byte, ho *handover) []byte {
	req := &x.req
	if ho.instead != nil {
		return appendComplete(b, req.Method, ho.instead)
	}
	b = h1.AppendRequestLine(b, req.Method, x.pathAt(ho.member), req.Query)
	if len(req.Host) > 0 {
		return h1.AppendField(b, "Host", req.Host)
	}
	return h1.AppendField(b, "Host", ho.dest.addr) // of HTTP/1.0
}

// keeps reports whether a field passes in which a trusted proxy says who the client is.
func (x *exchange) keeps(f *h1.Field) bool {
	return x.client.keeps(f) && !(x.site.ClientIP && sameField(f.Name, "client-ip"))
}

// appendHop tells the agent that the request was balanced already.
func (x *exchange) appendHop(b []byte, ho *handover) []byte {
	b = append(b, fieldHop+": "...)
	from := len(b)
	b = hop{Sender: x.h.cfg.Self, Farm: ho.member.Farm, Client: x.client.Client, Proto: x.client.Proto}.append(b)
	said := b[from:]
	b, limit := ho.appendLimit(append(b, "\r\n"...))
	return x.appendHopProof(b, said, limit)
}

// appendConnection appends what is said about the connection and the body, and ends the head.
func (x *exchange) appendConnection(b []byte, ho *handover) []byte {
	req := &x.req
	if req.MaxForwards > 0 {
		b = append(b, "Max-Forwards: "...)
		b = strconv.AppendInt(b, int64(req.MaxForwards)-1, 10)
		b = append(b, "\r\n"...)
	}
	if req.ExpectContinue && !x.body.whole() {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	if !ho.dest.h2c { // in HTTP/2 there is no Upgrade (RFC 9113, section 8.6)
		ho.upgrade = x.upgrade()
	}
	switch {
	case ho.upgrade != "":
		b = h1.AppendField(b, "Connection", "upgrade")
		b = h1.AppendField(b, "Upgrade", ho.upgrade)
	case req.TETrailers:
		b = append(b, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	switch {
	case req.Framing == h1.FramingChunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case req.Length >= 0:
		b = h1.AppendContentLength(b, req.Length)
	}
	return h1.AppendEnd(b)
}

// passesOn reports whether a field of a client's head may be passed on to a member, whoever the client is: what is said
// anew for each connection, and what frames the body, is not, nor what only agents may say.
func passesOn(f *h1.Field) bool {
	switch f.ID {
	case h1.Unknown:
		return true
	case h1.Host, h1.ContentLength:
		return false
	case h1.Expect: // said anew
		return !equalFold(f.Value, "100-continue")
	}
	return !f.ID.HopByHop() && !f.ID.Ours()
}

// upgrade returns the protocol that the client asks to switch to, if we let it. Of others nobody knows what they carry
// past us (h2c, TLS).
func (x *exchange) upgrade() string {
	req := &x.req
	if len(req.Upgrade) == 0 || req.MethodID != h1.MethodGet || !x.body.none || req.Framing != h1.FramingNone && req.Length != 0 {
		return ""
	}
	for _, p := range x.site.Protocols {
		if equalFold(req.Upgrade, p) {
			return text(req.Upgrade)
		}
	}
	return ""
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}
