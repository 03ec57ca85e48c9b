package proxy

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"backhand/proxy/h1"
)

// Of a request of which a part was sent the rest follows: it may run already, so that it must not go to another connection.
func TestTheRestIsSentOnAConnectionThatIsNotQuietAnyMore(t *testing.T) {
	c, m := memberPair(t, "TCP")
	if _, err := io.WriteString(m, "early"); err != nil {
		t.Fatal(err)
	}
	arrives(t, c)
	b := getBuffer(ordinary)
	b.w = copy(b.b, "request")
	c.quiet, c.unsent, c.wrote = true, b, 3
	if err := c.askSlowly(time.Second); err != nil {
		t.Fatal(err)
	}
	if string(c.in.data()) != "early" {
		t.Errorf("it has read %q", c.in.data())
	}
	_ = c.nc.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(m); string(rest) != "uest" {
		t.Errorf("the member got %q (%v), want the rest", rest, err)
	}
}

// On a connection that was used before nothing is sent if the other end has closed it, or has sent what nobody asked for: that
// would be taken for the answer.
func TestAskOnAConnectionThatIsToBeQuiet(t *testing.T) {
	if !canPeek {
		t.Skip("this system cannot look at what a socket has received")
	}
	const request = "request"
	silent := func(net.Conn) {}
	says := func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") }
	closes := func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() }
	for _, row := range []struct {
		name string
		does func(net.Conn)
		late bool // the time for reading is over before anything is tried
		want error
	}{
		{"where there is silence", silent, false, nil},
		{"where there is silence, and the time is over", silent, true, nil},
		{"that says something", says, false, errNotQuiet},
		{"that says something, and the time is over", says, true, errNotQuiet},
		{"that is closed", closes, false, errNotQuiet},
		{"that is closed, and the time is over", closes, true, errNotQuiet},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, m := memberPair(t, "TCP")
			if row.does(m); row.want != nil {
				arrives(t, c)
			}
			deadline := time.Now().Add(10 * time.Second)
			if row.late {
				deadline = longAgo
			}
			if err := c.nc.SetReadDeadline(deadline); err != nil {
				t.Fatal(err)
			}
			got := make(chan string, 1)
			go func() {
				b := make([]byte, len(request))
				n, _ := io.ReadFull(m, b)
				if got <- string(b[:n]); n > 0 {
					_, _ = io.WriteString(m, "answer")
				}
			}()
			out := getBuffer(ordinary)
			out.w = copy(out.b, request)
			c.quiet = true
			err := c.ask(out, time.Second)
			if row.late && err != nil && timedOut(err) {
				err = nil // it was sent, and there was no time left for the answer
			}
			_ = c.nc.(*net.TCPConn).CloseWrite()
			want := request
			if row.want != nil {
				want = ""
			}
			if sent := <-got; !errors.Is(err, row.want) || sent != want {
				t.Errorf("the error is %v, want %v; %q was sent, want %q", err, row.want, sent, want)
			}
			if c.first != nil || c.unsent != nil {
				t.Error("it still holds what was to be sent")
			}
		})
	}
}

// A client that waits is read from into little memory, and one that sends a body, or whose connection is a tunnel, into more.
func TestABodyIsReadInLargerPartsThanAHead(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := &conn{t: &tracked{}, s: &Server{}}
	c.begin(near)
	defer near.Close()
	x := &exchange{}
	x.site, x.body.none = &site{}, true // nobody wants the body
	f := &x.h1
	f.begin(c, x)
	head := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	sizes := []int{}
	for _, s := range []string{head, "3\r\nabc\r\n0\r\n\r\n"} {
		go func() { _, _ = io.WriteString(far, s) }()
		if err := c.fill(); err != nil {
			t.Fatal(err)
		}
		if sizes = append(sizes, len(c.in.b)); s == head {
			n, err := h1.ParseRequest(c.in.data(), nil, &x.req)
			if err != nil {
				t.Fatal(err)
			}
			f.takeHead(n)
		}
	}
	f.end()
	if !slices.Equal(sizes, []int{bufferSizes[0], ordinary}) || c.least != 0 {
		t.Errorf("the buffers are of %d bytes, and the next of %d at least", sizes, c.least)
	}
}
