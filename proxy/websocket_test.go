package proxy_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"backhand/proxy"
)

// talker is one end of a WebSocket, of either library.
type talker interface {
	// say sends one message in that many fragments.
	say(text bool, message []byte, fragments int) error
	hear() (text bool, message []byte, err error)
	// bye starts the closing handshake, or ends it.
	bye(code int, reason string) error
	// closed returns what an error of hear says of the other end's goodbye.
	closed(err error) (code int, reason string)
	cut()
}

type coderTalker struct {
	ctx context.Context
	c   *coder.Conn
}

func (t *coderTalker) say(text bool, message []byte, fragments int) error {
	kind := coder.MessageBinary
	if text {
		kind = coder.MessageText
	}
	w, err := t.c.Writer(t.ctx, kind)
	if err != nil {
		return err
	}
	return inFragments(w, message, fragments)
}

func (t *coderTalker) hear() (bool, []byte, error) {
	kind, b, err := t.c.Read(t.ctx)
	return kind == coder.MessageText, b, err
}

func (t *coderTalker) bye(code int, reason string) error {
	return t.c.Close(coder.StatusCode(code), reason)
}
func (t *coderTalker) cut() { _ = t.c.CloseNow() }

func (t *coderTalker) closed(err error) (int, string) {
	e, ok := errors.AsType[coder.CloseError](err)
	if !ok {
		return 0, fmt.Sprint(err)
	}
	return int(e.Code), e.Reason
}

type gorillaTalker struct{ c *gorilla.Conn }

func (t *gorillaTalker) say(text bool, message []byte, fragments int) error {
	kind := gorilla.BinaryMessage
	if text {
		kind = gorilla.TextMessage
	}
	w, err := t.c.NextWriter(kind)
	if err != nil {
		return err
	}
	return inFragments(w, message, fragments)
}

func (t *gorillaTalker) hear() (bool, []byte, error) {
	kind, b, err := t.c.ReadMessage()
	return kind == gorilla.TextMessage, b, err
}

func (t *gorillaTalker) bye(code int, reason string) error {
	return t.c.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(code, reason), time.Now().Add(patience))
}
func (t *gorillaTalker) cut() { _ = t.c.Close() }

func (t *gorillaTalker) closed(err error) (int, string) {
	e, ok := errors.AsType[*gorilla.CloseError](err)
	if !ok {
		return 0, fmt.Sprint(err)
	}
	return e.Code, e.Text
}

// inFragments writes a message piece by piece. Both libraries send what exceeds their buffers as a fragment.
func inFragments(w io.WriteCloser, message []byte, n int) error {
	for i := range n {
		if _, err := w.Write(message[i*len(message)/n : (i+1)*len(message)/n]); err != nil {
			return err
		}
	}
	return w.Close()
}

const most = 4 << 20 // bytes of a message

// servers answer each message with the same, and a goodbye with the same.
var servers = map[string]func(t *testing.T) http.HandlerFunc{
	"coder": func(t *testing.T) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"echo"}})
			if err != nil {
				t.Errorf("coder's server: %v", err)
				return
			}
			c.SetReadLimit(most)
			echoAll(&coderTalker{r.Context(), c})
		}
	},
	"gorilla": func(t *testing.T) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			up := gorilla.Upgrader{Subprotocols: []string{"echo"}, EnableCompression: true}
			c, err := up.Upgrade(w, r, nil)
			if err != nil {
				t.Errorf("gorilla's server: %v", err)
				return
			}
			echoAll(&gorillaTalker{c})
		}
	},
}

func echoAll(t talker) {
	defer t.cut()
	for {
		text, b, err := t.hear()
		if err != nil {
			return // both libraries have answered a goodbye
		}
		if t.say(text, b, 3) != nil {
			return
		}
	}
}

// clients dial through the front.
var clients = map[string]func(t *testing.T, front string) talker{
	"coder": func(t *testing.T, front string) talker {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		t.Cleanup(cancel)
		c, _, err := coder.Dial(ctx, "ws://"+front+"/chat", &coder.DialOptions{Subprotocols: []string{"echo"}})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(most)
		if c.Subprotocol() != "echo" {
			t.Errorf("the subprotocol is %q", c.Subprotocol())
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		return &coderTalker{ctx, c}
	},
	"gorilla": func(t *testing.T, front string) talker {
		t.Helper()
		d := gorilla.Dialer{Subprotocols: []string{"echo"}, EnableCompression: true, HandshakeTimeout: patience}
		c, _, err := d.Dial("ws://"+front+"/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		if c.Subprotocol() != "echo" {
			t.Errorf("the subprotocol is %q", c.Subprotocol())
		}
		t.Cleanup(func() { _ = c.Close() })
		return &gorillaTalker{c}
	},
}

// frontOf runs a front before a web server in Go.
func frontOf(t *testing.T, origin http.Handler) (*proxy.Handler, *proxy.Site, string) {
	t.Helper()
	srv := httptest.NewServer(origin)
	t.Cleanup(srv.Close)
	s := &proxy.Site{}
	h, addr := startFront(t, srv.Listener.Addr().String(), s)
	return h, s, addr.String()
}

// Messages of all sizes, in fragments, come back as they were, for each pair of libraries; the goodbye passes, too.
func TestWebSocket(t *testing.T) {
	for server, handler := range servers {
		for client, dial := range clients {
			t.Run(client+" to "+server, func(t *testing.T) {
				t.Parallel()
				h, s, front := frontOf(t, handler(t))
				c := dial(t, front)
				random := rand.New(rand.NewPCG(1, 2))
				for i, size := range []int{0, 1, 125, 126, 4095, 65535, 65536, 1 << 20} {
					message := make([]byte, size)
					for i := range message {
						message[i] = 'a' + byte(random.IntN(26))
					}
					text := i%2 == 0
					if err := c.say(text, message, 1+i); err != nil {
						t.Fatalf("sending %d bytes: %v", size, err)
					}
					gotText, got, err := c.hear()
					if err != nil || gotText != text || !bytes.Equal(got, message) {
						t.Fatalf("of %d bytes, text %v, there came back %d, text %v, %v", size, text, len(got), gotText, err)
					}
					again := *s
					again.Connect = time.Duration(i+1) * time.Second
					h.SetSite(&again) // a reload does not end it
				}
				sayGoodbye(t, c)
			})
		}
	}
}

func sayGoodbye(t *testing.T, c talker) {
	t.Helper()
	if g, ok := c.(*gorillaTalker); ok {
		if err := g.bye(4001, "that was all"); err != nil {
			t.Fatal(err)
		}
		_, _, err := g.hear()
		if code, reason := g.closed(err); code != 4001 {
			t.Errorf("the answer to goodbye is %d %q", code, reason)
		}
		return
	}
	if err := c.bye(4001, "that was all"); err != nil { // it waits for the answer
		t.Errorf("the goodbye ended with %v", err)
	}
}

// The origin's goodbye, and its end without one, come through.
func TestWebSocketEndsWithTheOrigin(t *testing.T) {
	for client, dial := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			_, _, front := frontOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := coder.Accept(w, r, &coder.AcceptOptions{Subprotocols: []string{"echo"}})
				if err != nil {
					t.Error(err)
					return
				}
				if _, b, _ := c.Read(r.Context()); string(b) == "cut" {
					_ = c.CloseNow()
					return
				}
				_ = c.Close(4002, "the origin has enough")
			}))
			c := dial(t, front)
			if err := c.say(true, []byte("bye"), 1); err != nil {
				t.Fatal(err)
			}
			_, _, err := c.hear()
			if code, reason := c.closed(err); code != 4002 || reason != "the origin has enough" {
				t.Errorf("the goodbye is %d %q", code, reason)
			}
			c = dial(t, front)
			if err := c.say(true, []byte("cut"), 1); err != nil {
				t.Fatal(err)
			}
			if _, b, err := c.hear(); err == nil {
				t.Errorf("after the origin's end there came %q", b)
			}
		})
	}
}

// An origin may refuse; the client reads why.
func TestWebSocketRefused(t *testing.T) {
	_, _, front := frontOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not you", http.StatusForbidden)
	}))
	_, res, err := coder.Dial(t.Context(), "ws://"+front+"/chat", nil)
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("coder's client reads %v, %v", res, err)
	}
	_, res, err = gorilla.DefaultDialer.Dial("ws://"+front+"/chat", nil)
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Fatalf("gorilla's client reads %v, %v", res, err)
	}
	if b, _ := io.ReadAll(res.Body); string(b) != "not you\n" {
		t.Errorf("gorilla's client reads %q", b)
	}
}

// Many connections at once are not mixed up.
func TestManyWebSockets(t *testing.T) {
	_, _, front := frontOf(t, servers["gorilla"](t))
	var all sync.WaitGroup
	for i := range 20 {
		c := clients[[]string{"coder", "gorilla"}[i%2]](t, front)
		all.Go(func() {
			for j := range 100 {
				message := strings.Repeat(fmt.Sprintf("%d of %d;", j, i), 1+j*j%97)
				if err := c.say(true, []byte(message), 2); err != nil {
					t.Error(err)
					return
				}
				if _, got, err := c.hear(); string(got) != message {
					t.Errorf("%q came back for %q, %v", got, message, err)
					return
				}
			}
		})
	}
	all.Wait()
}

// frame is one frame as an origin sends it (RFC 6455, section 5.2).
func frame(opcode byte, last bool, payload string) string {
	if last {
		opcode |= 0x80
	}
	b := []byte{opcode, byte(len(payload))}
	if len(payload) > 125 {
		b = binary.BigEndian.AppendUint16([]byte{opcode, 126}, uint16(len(payload)))
	}
	return string(b) + payload
}

// Frames in one piece with the 101, fragments with a ping in between, and frames that come byte by byte arrive.
func TestWebSocketFramesBehind101(t *testing.T) {
	const text, more, ping = 1, 0, 9
	long := strings.Repeat("long ", 200)
	frames := frame(text, true, "hello") + frame(text, false, "a ") + frame(ping, true, "still there?") + frame(more, false, "message ") +
		frame(more, true, "in parts")
	for client, dial := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			_, _, front := frontOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, brw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				_, _ = brw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
					"Sec-WebSocket-Protocol: echo\r\nSec-WebSocket-Accept: " + acceptKey(r.Header.Get("Sec-WebSocket-Key")) + "\r\n\r\n" + frames)
				_ = brw.Flush()
				for _, b := range []byte(frame(text, true, long)) {
					_, _ = c.Write([]byte{b})
				}
				_, _ = io.Copy(io.Discard, brw)
			}))
			c := dial(t, front)
			for _, want := range []string{"hello", "a message in parts", long} {
				if _, got, err := c.hear(); string(got) != want || err != nil {
					t.Fatalf("heard %q, %v; want %q", got, err, want)
				}
			}
			c.cut()
		})
	}
}

// acceptKey is the answer to a client's key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
