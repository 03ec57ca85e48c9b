package proxy

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

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
