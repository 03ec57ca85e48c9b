package proxy_test

import (
	"io"
	"strings"

	"golang.org/x/net/http2"
)

// Outcomes that a rule allows. A malformed request may be answered before its stream is reset (RFC 9113, section 8.1.1),
// and an error of a stream may be made one of the connection (section 5.4.2).
var (
	connProtocol    = []string{"GOAWAY PROTOCOL_ERROR", "closed"}
	connFrameSize   = []string{"GOAWAY FRAME_SIZE_ERROR", "closed"}
	connCompression = []string{"GOAWAY COMPRESSION_ERROR", "closed"}
	connFlow        = []string{"GOAWAY FLOW_CONTROL_ERROR", "closed"}

	streamProtocol  = append([]string{"RST PROTOCOL_ERROR"}, connProtocol...)
	streamFrameSize = append([]string{"RST FRAME_SIZE_ERROR"}, connFrameSize...)
	streamFlow      = append([]string{"RST FLOW_CONTROL_ERROR"}, connFlow...)
	streamClosed    = []string{"RST STREAM_CLOSED", "GOAWAY STREAM_CLOSED", "closed"}
	malformed       = append([]string{"400"}, streamProtocol...)

	alive    = []string{"alive"}
	answered = []string{"200"}
)

// specCases are all, by section.
func specCases() []specCase {
	var all []specCase
	for _, list := range [][]specCase{
		specStart(), specFrames(), specHeaderBlocks(), specStreams(), specDataAndHeaders(), specSettings(), specOthers(), specWindows(),
		specMessages(), specFields(), specPseudo(),
	} {
		all = append(all, list...)
	}
	return all
}

func specStart() []specCase {
	return []specCase{
		{name: "3.4 an invalid preface", want: []string{"HTTP/1.1", "closed"}, send: func(c *specConn) {
			_, _ = io.WriteString(c.nc, "INVALID CONNECTION PREFACE\r\n\r\n")
		}},
		{name: "3.4 a preface that ends otherwise", want: []string{"HTTP/1.1", "closed"}, send: func(c *specConn) {
			_, _ = io.WriteString(c.nc, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
		}},
		{name: "3.4 a preface without SETTINGS behind it", want: connProtocol, send: func(c *specConn) {
			_, _ = io.WriteString(c.nc, http2.ClientPreface)
			c.headers(1, true, specGet()...)
		}},
		{name: "3.4 a preface byte by byte", want: answered, send: func(c *specConn) {
			for _, b := range []byte(http2.ClientPreface) {
				_, _ = c.nc.Write([]byte{b})
			}
			_ = c.WriteSettings()
			c.headers(1, true, specGet()...)
		}},
		{name: "3.4 the server begins with SETTINGS", want: answered, send: func(c *specConn) {
			c.h2()
			if f, err := c.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
				c.Errorf("%v, %v", f, err)
			}
			c.headers(1, true, specGet()...)
		}},
	}
}

func specFrames() []specCase {
	return []specCase{
		{name: "4.1 a frame of an unknown type", want: alive, send: func(c *specConn) { c.h2().raw(0x16, 0, 0, "what?"); c.probe() }},
		{name: "4.1 a frame of an unknown type, on a stream", want: answered, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			c.raw(0x16, 0xff, 1, "what?")
			_ = c.WriteData(1, true, nil)
		}},
		{name: "4.1 undefined flags", want: alive, send: func(c *specConn) { c.h2().raw(http2.FramePing, 0x16, 0, "12345678") }},
		{name: "4.1 the reserved bit", want: alive, send: func(c *specConn) { c.h2().raw(http2.FramePing, 0, 1<<31, "12345678") }},
		{name: "4.2 DATA as long as allowed", want: answered, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			_ = c.WriteData(1, true, make([]byte, 16<<10))
		}},
		{name: "4.2 DATA longer than allowed", want: streamFrameSize, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			_ = c.WriteData(1, true, make([]byte, 16<<10+1))
		}},
		{name: "4.2 HEADERS longer than allowed", want: connFrameSize, send: func(c *specConn) {
			c.h2().headers(1, true, specGet("x", strings.Repeat("x", 16<<10))...)
		}},
		{name: "4.2 PING of 6 octets", want: connFrameSize, send: func(c *specConn) { c.h2().raw(http2.FramePing, 0, 0, "123456") }},
		{name: "5.4.1 behind GOAWAY the connection is closed", want: []string{"closed"}, send: func(c *specConn) {
			c.h2().raw(http2.FramePing, 0, 0, "123456")
			if got := c.outcome(); got != "GOAWAY FRAME_SIZE_ERROR" {
				c.Errorf("first there comes %s", got)
			}
		}},
	}
}

func specHeaderBlocks() []specCase {
	broken := func(block string) func(c *specConn) {
		return func(c *specConn) { c.h2().block(1, true, true, literals(specGet()...)+block) }
	}
	between := func(send func(c *specConn)) func(c *specConn) {
		return func(c *specConn) {
			c.h2().block(1, true, false, literals(specGet()...))
			send(c)
			_ = c.WriteContinuation(1, true, []byte(literals("x", "y")))
		}
	}
	return []specCase{
		{name: "4.3 an index that there is not", want: connCompression, send: broken("\xff\x80\x01")},
		{name: "4.3 index 0", want: connCompression, send: broken("\x80")},
		{name: "4.3 a field that ends in the middle", want: connCompression, send: broken("\x00\x05ab")},
		{name: "4.3 an integer without end", want: connCompression, send: broken("\x00\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
		{name: "4.3 Huffman coding with EOS in it", want: connCompression, send: broken("\x00\x01x\x84\xff\xff\xff\xff")},
		{name: "4.3 Huffman coding padded with zeros", want: connCompression, send: broken("\x00\x01x\x81\x00")},
		{name: "4.3 a table size above the limit", want: connCompression, send: func(c *specConn) {
			c.h2().block(1, true, true, "\x3f\xe1\xff\x03"+literals(specGet()...))
		}},
		{
			name: "4.3 a table size behind a field", want: connCompression, send: broken("\x3e"),
			differs: "200", why: "as long as the table is empty, it changes nothing",
		},
		{name: "4.3 PRIORITY within a block", want: connProtocol, send: between(func(c *specConn) { c.raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x01") })},
		{name: "4.3 HEADERS of another stream within a block", want: connProtocol, send: between(func(c *specConn) { c.headers(3, true, specGet()...) })},
		{name: "5.5 an unknown frame within a block", want: connProtocol, send: between(func(c *specConn) { c.raw(0x16, 0, 0, "what?") })},
		{name: "6.10 DATA within a block", want: connProtocol, send: between(func(c *specConn) { _ = c.WriteData(1, false, []byte("x")) })},
		{name: "6.10 CONTINUATION of another stream", want: connProtocol, send: between(func(c *specConn) { _ = c.WriteContinuation(3, true, nil) })},
		{name: "6.10 a block in four frames", want: answered, send: between(func(c *specConn) {
			for range 2 {
				_ = c.WriteContinuation(1, false, []byte(literals("x", "y")))
			}
		})},
		{name: "6.10 CONTINUATION on stream 0", want: connProtocol, send: between(func(c *specConn) { _ = c.WriteContinuation(0, true, nil) })},
		{name: "6.10 CONTINUATION behind the end of a block", want: connProtocol, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			_ = c.WriteContinuation(1, true, []byte(literals("x", "y")))
		}},
		{name: "6.10 CONTINUATION behind DATA", want: connProtocol, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			_ = c.WriteData(1, false, []byte("x"))
			_ = c.WriteContinuation(1, true, []byte(literals("x", "y")))
		}},
	}
}

func specStreams() []specCase {
	halfClosed := func(send func(c *specConn)) func(c *specConn) {
		return func(c *specConn) { c.h2().headers(1, true, specWait()...); send(c) }
	}
	wasReset := func(send func(c *specConn)) func(c *specConn) {
		return func(c *specConn) {
			c.h2().headers(1, false, specWait()...)
			_ = c.WriteRSTStream(1, http2.ErrCodeCancel)
			send(c)
		}
	}
	over := func(send func(c *specConn)) func(c *specConn) {
		return func(c *specConn) { c.h2().headers(1, true, specGet()...); c.wait(); send(c) }
	}
	data := func(c *specConn) { _ = c.WriteData(1, true, []byte("x")) }
	head := func(c *specConn) { c.headers(1, true, specGet()...) }
	return []specCase{
		{name: "5.1 idle: DATA", want: connProtocol, send: func(c *specConn) { data(c.h2()) }},
		{name: "5.1 idle: RST_STREAM", want: connProtocol, send: func(c *specConn) { _ = c.h2().WriteRSTStream(1, http2.ErrCodeCancel) }},
		{name: "5.1 idle: WINDOW_UPDATE", want: connProtocol, send: func(c *specConn) { _ = c.h2().WriteWindowUpdate(1, 100) }},
		{name: "5.1 idle: CONTINUATION", want: connProtocol, send: func(c *specConn) { _ = c.h2().WriteContinuation(1, true, nil) }},
		{name: "5.1 half-closed: DATA", want: streamClosed, send: halfClosed(data)},
		{name: "5.1 half-closed: HEADERS", want: streamClosed, send: halfClosed(head)},
		{name: "5.1 half-closed: CONTINUATION", want: append(streamClosed, connProtocol...), send: halfClosed(func(c *specConn) {
			_ = c.WriteContinuation(1, true, nil)
		})},
		{name: "5.1 half-closed: WINDOW_UPDATE and PRIORITY", want: alive, send: halfClosed(func(c *specConn) {
			_ = c.WriteWindowUpdate(1, 10)
			c.raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x01")
			c.probe()
		})},
		{name: "5.1 reset: DATA", want: streamClosed, send: wasReset(data)},
		{name: "5.1 reset: HEADERS", want: append(streamClosed, connProtocol...), send: wasReset(head)},
		{name: "5.1 reset: WINDOW_UPDATE, RST_STREAM and PRIORITY", want: alive, send: wasReset(func(c *specConn) {
			_ = c.WriteWindowUpdate(1, 10)
			_ = c.WriteRSTStream(1, http2.ErrCodeCancel)
			c.raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00\x01")
			c.probe()
		})},
		{name: "5.1 closed: DATA", want: streamClosed, send: over(data)},
		{name: "5.1 closed: HEADERS", want: append(streamClosed, connProtocol...), send: over(head)},
		{name: "5.1 closed: WINDOW_UPDATE", want: alive, send: over(func(c *specConn) { _ = c.WriteWindowUpdate(1, 10); c.probe() })},
		{name: "5.1.1 a stream with an even number", want: connProtocol, send: func(c *specConn) { c.h2().headers(2, true, specGet()...) }},
		{name: "5.1.1 a number lower than one before", want: append(streamClosed, connProtocol...), send: func(c *specConn) {
			c.h2().headers(5, true, specWait()...)
			c.headers(3, true, specGet()...)
		}},
		{name: "5.1.2 more streams than allowed", want: append([]string{"RST REFUSED_STREAM"}, streamProtocol...), send: func(c *specConn) {
			c.h2()
			for i := range uint32(251) {
				c.headers(2*i+1, true, specWait()...)
			}
		}},
		{name: "5.3 a stream that depends on itself is priority, and ignored", want: answered, send: func(c *specConn) {
			c.h2().raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x01\x01")
			c.headers(1, true, specGet()...)
		}, differs: "RST PROTOCOL_ERROR", why: "RFC 7540, section 5.3.1, asked for it"},
	}
}

func specDataAndHeaders() []specCase {
	return []specCase{
		{name: "6.1 DATA on stream 0", want: connProtocol, send: func(c *specConn) { c.h2().raw(http2.FrameData, 0, 0, "x") }},
		{name: "6.1 DATA with padding", want: answered, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			c.raw(http2.FrameData, 8|1, 1, "\x02hello\x00\x00")
		}},
		{name: "6.1 DATA with more padding than payload", want: connProtocol, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			c.raw(http2.FrameData, 8, 1, "\x06hello")
		}},
		{name: "6.2 HEADERS on stream 0", want: connProtocol, send: func(c *specConn) { c.h2().headers(0, true, specGet()...) }},
		{name: "6.2 HEADERS with padding and priority", want: answered, send: func(c *specConn) {
			c.h2().raw(http2.FrameHeaders, 8|0x20|4|1, 1, "\x01\x00\x00\x00\x00\x10"+literals(specGet()...)+"\x00")
		}},
		{name: "6.2 HEADERS with more padding than payload", want: connProtocol, send: func(c *specConn) {
			block := literals(specGet()...)
			c.h2().raw(http2.FrameHeaders, 8|4|1, 1, string(rune(len(block)+1))+block)
		}, differs: "RST PROTOCOL_ERROR", why: "the block is not read; who sends it harms nobody but its own connection"},
		{name: "6.3 PRIORITY on stream 0", want: connProtocol, send: func(c *specConn) {
			c.h2().raw(http2.FramePriority, 0, 0, "\x00\x00\x00\x03\x01")
		}},
		{name: "6.3 PRIORITY of 4 octets", want: streamFrameSize, send: func(c *specConn) { c.h2().raw(http2.FramePriority, 0, 1, "\x00\x00\x00\x00"); c.probe() }},
		{name: "6.4 RST_STREAM on stream 0", want: connProtocol, send: func(c *specConn) { c.h2().raw(http2.FrameRSTStream, 0, 0, "\x00\x00\x00\x08") }},
		{name: "6.4 RST_STREAM of 3 octets", want: connFrameSize, send: func(c *specConn) {
			c.h2().headers(1, false, specWait()...)
			c.raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x08")
		}},
	}
}

func specSettings() []specCase {
	setting := func(id http2.SettingID, value uint32) func(c *specConn) {
		return func(c *specConn) { _ = c.h2().WriteSettings(http2.Setting{ID: id, Val: value}); c.probe() }
	}
	return []specCase{
		{name: "6.5 SETTINGS ACK with a payload", want: connFrameSize, send: func(c *specConn) { c.h2().raw(http2.FrameSettings, 1, 0, "\x00\x00\x00\x00\x00\x00") }},
		{name: "6.5 SETTINGS on a stream", want: connProtocol, send: func(c *specConn) { c.h2().raw(http2.FrameSettings, 0, 1, "") }},
		{name: "6.5 SETTINGS of 3 octets", want: connFrameSize, send: func(c *specConn) { c.h2().raw(http2.FrameSettings, 0, 0, "\x00\x03\x00") }},
		{name: "6.5.2 ENABLE_PUSH of 2", want: connProtocol, send: setting(http2.SettingEnablePush, 2)},
		{name: "6.5.2 INITIAL_WINDOW_SIZE of 2^31", want: connFlow, send: setting(http2.SettingInitialWindowSize, 1<<31)},
		{name: "6.5.2 MAX_FRAME_SIZE of 16383", want: connProtocol, send: setting(http2.SettingMaxFrameSize, 16383)},
		{name: "6.5.2 MAX_FRAME_SIZE of 2^24", want: connProtocol, send: setting(http2.SettingMaxFrameSize, 1<<24)},
		{name: "6.5.2 a setting that there is not", want: alive, send: setting(0xff, 1)},
		{name: "6.5.2 the same setting twice", want: alive, send: func(c *specConn) {
			s := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}
			_ = c.h2().WriteSettings(s, s)
			c.probe()
		}, differs: "GOAWAY PROTOCOL_ERROR", why: "no client sends it; that values are taken in their order is kept to otherwise"},
		{name: "6.5.3 SETTINGS are acknowledged", want: alive, send: func(c *specConn) {
			c.h2()
			for acked := false; !acked; {
				f, err := c.ReadFrame()
				if err != nil {
					c.Fatal(err)
				}
				s, ok := f.(*http2.SettingsFrame)
				acked = ok && s.IsAck()
			}
			c.probe()
		}},
	}
}

func specOthers() []specCase {
	return []specCase{
		{name: "6.6 PUSH_PROMISE of a client", want: connProtocol, send: func(c *specConn) {
			c.h2().headers(1, false, specWait()...)
			c.raw(http2.FramePushPromise, 4, 1, "\x00\x00\x00\x02"+literals(specGet()...))
		}},
		{name: "6.7 PING", want: alive, send: func(c *specConn) { c.h2().probe() }},
		{name: "6.7 PING ACK that nobody asked for", want: alive, send: func(c *specConn) { _ = c.h2().WritePing(true, [8]byte{9}); c.probe() }},
		{name: "6.7 PING on a stream", want: connProtocol, send: func(c *specConn) { c.h2().raw(http2.FramePing, 0, 1, "12345678") }},
		{name: "6.8 GOAWAY on a stream", want: connProtocol, send: func(c *specConn) { c.h2().raw(http2.FrameGoAway, 0, 1, "\x00\x00\x00\x00\x00\x00\x00\x00") }},
		{name: "6.8 what was asked before GOAWAY is answered", want: answered, send: func(c *specConn) {
			c.h2().headers(1, true, specGet()...)
			_ = c.WriteGoAway(0, http2.ErrCodeNo, nil)
		}},
	}
}

func specWindows() []specCase {
	return []specCase{
		{name: "6.9 WINDOW_UPDATE of 0 for the connection", want: connProtocol, send: func(c *specConn) { c.h2().raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00") }},
		{name: "6.9 WINDOW_UPDATE of 0 for a stream", want: streamProtocol, send: func(c *specConn) {
			c.h2().headers(1, false, specWait()...)
			c.raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x00")
		}},
		{name: "6.9 WINDOW_UPDATE of 3 octets", want: connFrameSize, send: func(c *specConn) { c.h2().raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x01") }},
		{name: "6.9.1 a window of the connection above 2^31-1", want: connFlow, send: func(c *specConn) {
			_ = c.h2().WriteWindowUpdate(0, 1<<31-1)
			_ = c.WriteWindowUpdate(0, 1<<31-1)
		}},
		{name: "6.9.1 a window of a stream above 2^31-1", want: streamFlow, send: func(c *specConn) {
			c.h2().headers(1, false, specWait()...)
			_ = c.WriteWindowUpdate(1, 1<<31-1)
		}},
		{name: "6.9.2 a window of one octet", want: alive, send: func(c *specConn) {
			_, _ = io.WriteString(c.nc, http2.ClientPreface)
			_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
			c.headers(1, true, specGet()...)
			for got := ""; got != "hello"; {
				f, err := c.ReadFrame()
				if err != nil {
					c.Fatal(err)
				}
				if d, ok := f.(*http2.DataFrame); ok {
					if got == "" && len(d.Data()) != 1 {
						c.Errorf("DATA of %d octets", len(d.Data()))
					}
					got += string(d.Data())
					_ = c.WriteWindowUpdate(1, 100)
				}
			}
			c.probe()
		}},
		{name: "6.9.2 a window below zero", want: answered, send: func(c *specConn) {
			_, _ = io.WriteString(c.nc, http2.ClientPreface)
			_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
			c.headers(1, true, specGet()...)
			_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2})
			_ = c.WriteWindowUpdate(1, 2)
			_ = c.WriteWindowUpdate(1, 100)
		}},
		{name: "6.9.2 a setting that takes a window above 2^31-1", want: connFlow, send: func(c *specConn) {
			c.h2().headers(1, false, specWait()...)
			_ = c.WriteWindowUpdate(1, 1<<31-1-65535)
			_ = c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65536})
		}},
	}
}

func specMessages() []specCase {
	return []specCase{
		{name: "8.1 trailers", want: answered, send: func(c *specConn) {
			c.h2().headers(1, false, specPost("trailer", "x-sum")...)
			_ = c.WriteData(1, false, []byte("x"))
			c.headers(1, true, "x-sum", "1")
		}},
		{name: "8.1 a second head that does not end the stream", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			c.headers(1, false, "x-sum", "1")
			_ = c.WriteData(1, true, []byte("x"))
		}},
		{name: "8.1 trailers with a pseudo-field", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost()...)
			_ = c.WriteData(1, false, []byte("x"))
			c.headers(1, true, ":path", "/")
		}},
		{name: "8.1.1 less than Content-Length says", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost("content-length", "5")...)
			_ = c.WriteData(1, true, []byte("test"))
		}},
		{name: "8.1.1 more than Content-Length says", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost("content-length", "1")...)
			_ = c.WriteData(1, true, []byte("test"))
		}},
		{name: "8.1.1 other than Content-Length says, in two frames", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost("content-length", "1")...)
			_ = c.WriteData(1, false, []byte("te"))
			_ = c.WriteData(1, true, []byte("st"))
		}},
		{name: "8.1.1 a Content-Length and no body", want: malformed, send: func(c *specConn) { c.h2().headers(1, true, specPost("content-length", "5")...) }},
		{name: "8.1.1 two lengths", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost("content-length", "4", "content-length", "5")...)
			_ = c.WriteData(1, true, []byte("test"))
		}},
		{name: "8.1.1 a length that is no number", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, false, specPost("content-length", "+4")...)
			_ = c.WriteData(1, true, []byte("test"))
		}},
		{name: "8.5 CONNECT", want: []string{"405"}, send: func(c *specConn) {
			c.h2().headers(1, true, ":method", "CONNECT", ":authority", "example.com:443")
		}},
		{name: "8.5 CONNECT with a path", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, true, ":method", "CONNECT", ":authority", "example.com:443", ":scheme", "http", ":path", "/")
		}},
	}
}

// alsoSaying is a request with more fields.
func alsoSaying(more ...string) func(c *specConn) {
	return func(c *specConn) { c.h2().headers(1, true, specGet(more...)...) }
}

func specFields() []specCase {
	return []specCase{
		{name: "8.2.1 an upper-case name", want: malformed, send: alsoSaying("X-Test", "a")},
		{name: "8.2.1 a space in a name", want: malformed, send: alsoSaying("x test", "a")},
		{name: "8.2.1 a colon in a name", want: malformed, send: alsoSaying("x:test", "a")},
		{name: "8.2.1 an empty name", want: malformed, send: alsoSaying("", "a")},
		{name: "8.2.1 a name beyond ASCII", want: malformed, send: alsoSaying("x\xe4", "a")},
		{name: "8.2.1 LF in a value", want: malformed, send: alsoSaying("x", "a\nb: c")},
		{name: "8.2.1 CR in a value", want: malformed, send: alsoSaying("x", "a\rb")},
		{name: "8.2.1 NUL in a value", want: malformed, send: alsoSaying("x", "a\x00b")},
		{name: "8.2.2 Connection", want: malformed, send: alsoSaying("connection", "keep-alive")},
		{name: "8.2.2 Proxy-Connection", want: malformed, send: alsoSaying("proxy-connection", "keep-alive")},
		{name: "8.2.2 Keep-Alive", want: malformed, send: alsoSaying("keep-alive", "timeout=5")},
		{name: "8.2.2 Transfer-Encoding", want: malformed, send: alsoSaying("transfer-encoding", "chunked")},
		{name: "8.2.2 Upgrade", want: malformed, send: alsoSaying("upgrade", "h2c")},
		{name: "8.2.2 TE: trailers", want: answered, send: alsoSaying("te", "trailers")},
		{name: "8.2.2 TE with another value", want: malformed, send: alsoSaying("te", "trailers, deflate")},
		{name: "8.2.3 crumbs of Cookie", want: answered, send: alsoSaying("cookie", "a=1", "cookie", "b=2")},
	}
}

func specPseudo() []specCase {
	only := func(fields ...string) func(c *specConn) {
		return func(c *specConn) { c.h2().headers(1, true, fields...) }
	}
	return []specCase{
		{name: "8.3 an unknown pseudo-field", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, true, append([]string{":test", "a"}, specGet()...)...)
		}},
		{name: "8.3 the pseudo-field of responses", want: malformed, send: func(c *specConn) {
			c.h2().headers(1, true, append([]string{":status", "200"}, specGet()...)...)
		}},
		{name: "8.3 a pseudo-field behind a field", want: malformed, send: only(":method", "GET", ":scheme", "http", "x", "y", ":path", "/", ":authority", "a")},
		{name: "8.3.1 an empty path", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "", ":authority", "a")},
		{name: "8.3.1 no method", want: malformed, send: only(":scheme", "http", ":path", "/", ":authority", "a")},
		{name: "8.3.1 no scheme", want: malformed, send: only(":method", "GET", ":path", "/", ":authority", "a")},
		{name: "8.3.1 no path", want: malformed, send: only(":method", "GET", ":scheme", "http", ":authority", "a")},
		{name: "8.3.1 two methods", want: malformed, send: only(":method", "GET", ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")},
		{name: "8.3.1 two schemes", want: malformed, send: only(":method", "GET", ":scheme", "http", ":scheme", "http", ":path", "/", ":authority", "a")},
		{name: "8.3.1 two paths", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "/", ":path", "/", ":authority", "a")},
		{name: "8.3.1 two authorities", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a", ":authority", "a")},
		{name: "8.3.1 a path without slash", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "x", ":authority", "a")},
		{name: "8.3.1 an absolute URI as path", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "http://b/", ":authority", "a")},
		{name: "8.3.1 a path with a space", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "/a b", ":authority", "a")},
		{name: "8.3.1 a method that is no token", want: malformed, send: only(":method", "G T", ":scheme", "http", ":path", "/", ":authority", "a")},
		{name: "8.3.1 Host that differs from the authority", want: malformed, send: alsoSaying("host", "other.example")},
		{name: "8.3.1 the same Host", want: answered, send: alsoSaying("host", "example.com")},
		{name: "8.3.1 Host and no authority", want: answered, send: only(":method", "GET", ":scheme", "http", ":path", "/", "host", "a")},
		{name: "8.3.1 neither", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "/")},
		{name: "8.3.1 userinfo in the authority", want: malformed, send: only(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "u:p@a")},
	}
}
