package proxy_test

import (
	"slices"
	"strconv"
	"time"
)

// What the origin does and sees, step by step.

// sees waits for the head of a request, on any connection. If something is asked of the content or of trailers, it
// waits for the body, too.
func sees(start string, want ...check) step {
	return func(k *talk) {
		k.Helper()
		k.request, k.server = k.take(k.servers, start)
		if k.request.start != start {
			k.Fatalf("the origin sees %q, want %q", k.request.start, start)
		}
		if err := k.request.frame(noBody); err != nil {
			k.Fatalf("the request is %v", err)
		}
		for _, broken := range lawsOfRequests(k.request) {
			k.Errorf("the request %q %q breaks a law: %s", k.request.start, k.request.fields, broken)
		}
		if slices.ContainsFunc(want, func(c check) bool { return c.whole }) {
			k.rest(k.request, k.server)
		}
		k.holds(k.request, want)
	}
}

// seesPart waits until the body has come as far as that.
func seesPart(want string) step {
	return func(k *talk) { k.Helper(); k.part(k.request, k.server, want) }
}

// seesRest waits for the end of the body.
func seesRest(want ...check) step {
	return func(k *talk) {
		k.Helper()
		k.rest(k.request, k.server)
		k.holds(k.request, want)
	}
}

// seesBreak waits for the end of the connection before that of the request.
func seesBreak(k *talk) { k.Helper(); k.broken(k.request, k.server) }

// seesEnd waits for the end of the connection.
func seesEnd(k *talk) { k.Helper(); _ = k.ended(k.server) }

// forgets takes what the origin got of a request whose rest nobody wants: all of it, or less and the connection's end.
func forgets(k *talk) {
	k.Helper()
	if !k.await(func() bool {
		used, done, _ := k.request.read(k.server.in, k.server.err)
		if done {
			k.server.in = k.server.in[used:]
		} else if k.server.err != nil {
			k.server.in = nil
		}
		return done || k.server.err != nil
	}) {
		k.Fatalf("the origin got neither the rest of %q nor the end of the connection", k.request.start)
	}
}

// seesNothingWhole is for requests that turn out to be bad after the head: the origin may see a part, and then the
// connection's end before the request's. That is looked at when the row is over.
func seesNothingWhole(k *talk) { k.broke = true }

// answers writes bytes on the connection of the request seen last.
func answers(text string) step {
	text = wire(text)
	return func(k *talk) { k.server.put(text) }
}

// addsUnasked is answers for what is no answer: it has arrived at the front's host when the step is over.
func addsUnasked(text string) step {
	return func(k *talk) {
		answers(text)(k)
		delivered(k.server.TCPConn)
	}
}

// answersByBytes writes bytes one by one.
func answersByBytes(text string) step {
	return func(k *talk) {
		for _, b := range []byte(wire(text)) {
			k.server.put(string(b))
		}
	}
}

// answersInBackground writes what may not be taken at once, or at all.
func answersInBackground(text string) step {
	return func(k *talk) { k.server.putLater(wire(text), func() {}) }
}

// answersAndCloses closes the connection then.
func answersAndCloses(text string) step {
	return func(k *talk) {
		s := k.server
		s.putLater(wire(text), func() { _ = s.Close() })
	}
}

// answersWithoutEnd writes until the connection is closed.
func answersWithoutEnd(head string) step {
	return func(k *talk) {
		s, b := k.server, []byte(bytesOf(64<<10))
		s.putLater(wire(head), func() {
			for err := error(nil); err == nil; {
				_ = s.SetWriteDeadline(time.Now().Add(patience))
				_, err = s.Write(b)
			}
		})
	}
}

// hears waits for these bytes, behind a 101.
func hears(text string) step {
	return func(k *talk) { k.Helper(); k.raw(k.server, text) }
}

// originCloses closes the connection of the request seen last.
func originCloses(k *talk) { _ = k.server.Close() }

// originResets is originCloses with an error at the front's end.
func originResets(k *talk) { k.server.reset() }

// originIsGone has further connections to the origin refused.
func originIsGone(k *talk) { _ = k.origin.Close(); k.gone = true }

// remember keeps in mind who talks and about what; back returns to that.
func remember(k *talk) { k.remembered = k.topic }

func back(k *talk) { k.topic = k.remembered }

// anotherConnection proves that the request came over another connection than the one that is remembered.
func anotherConnection(k *talk) {
	k.Helper()
	if k.server == k.remembered.server {
		k.Fatal("the origin sees the request on the same connection as the one before")
	}
}

// sameConnection proves the contrary.
func sameConnection(k *talk) {
	k.Helper()
	if k.server != k.remembered.server {
		k.Fatal("the origin sees the request on another connection than the one before")
	}
}

// Several steps in one.

// all takes several steps.
func all(list ...step) step {
	return func(k *talk) {
		k.Helper()
		for _, s := range list {
			s(k)
		}
	}
}

const ok = "HTTP/1.1 200 OK↵Content-Length: 2↵↵ok"

// forwards sends a request, of which the origin sees what is said.
func forwards(request, start string, want ...check) step {
	return all(send(request), sees(start, want...), answers(ok), reads(200, content("ok")), stays)
}

// returns answers a GET, upon which the client reads what is said.
func returns(response string, status int, want ...check) step {
	return all(asks, answers(response), reads(status, want...), stays)
}

// asks is a GET that reaches the origin.
var asks = all(send("GET / HTTP/1.1↵Host: a↵↵"), sees("GET / HTTP/1.1"))

// refuses sends what the front must refuse before it hands anything on: the client reads the status, and no more is
// read from the connection.
func refuses(status int, request string) step {
	return all(send(request), reads(status, has("Connection: close")), closes)
}

// distrusts answers a GET in a way that must not be passed on. The connection is of no use any more.
func distrusts(response string) step {
	return all(asks, answers(response), reads(502), seesEnd, asAnnounced)
}

func length(s string) string { return strconv.Itoa(len(s)) }
