package proxy_test

import (
	"io"
	"slices"
	"strings"

	"backhand/proxy"
)

// What the client does and sees, step by step.

// send writes bytes to the front.
func send(text string) step {
	text = wire(text)
	return func(k *talk) {
		if strings.Contains(text, " HTTP/1.0\r\n") {
			k.old = true
		}
		if k.client.busy == nil && len(text) < 32<<10 {
			k.client.put(text)
			return
		}
		k.client.putLater(text, func() {})
	}
}

// reads reads a response in whole.
func reads(status int, want ...check) step {
	return func(k *talk) { k.Helper(); k.reads(status, untilClose, want) }
}

// readsToHEAD reads a response to HEAD.
func readsToHEAD(status int, want ...check) step {
	return func(k *talk) { k.Helper(); k.reads(status, noBody, want) }
}

func (k *talk) reads(status int, otherwise framing, want []check) {
	k.Helper()
	k.readHead(status, otherwise)
	k.rest(k.response, k.client)
	k.holds(k.response, want)
}

// readsHead reads the head of a response; readsPart, readsRest or readsBreak tell about the body.
func readsHead(status int, want ...check) step {
	return func(k *talk) {
		k.Helper()
		k.readHead(status, untilClose)
		k.holds(k.response, want)
	}
}

func (k *talk) clients() []*stream { return []*stream{k.client} }
func (k *talk) servers() []*stream { return k.conns }

func (k *talk) readHead(status int, otherwise framing) {
	k.Helper()
	m, _ := k.take(k.clients, "")
	k.response = m
	if got := m.status(); got != status {
		k.await(func() bool { return k.client.err != nil || len(k.client.in) > 0 })
		k.Fatalf("the client reads %q %q, want %d; there is more: %s", m.start, m.fields, status, k.there())
	}
	if err := m.frame(otherwise); err != nil {
		k.Fatalf("the response is %v", err)
	}
	if otherwise == noBody || status < 200 || status == 204 || status == 304 {
		m.kind = noBody
	}
	for _, broken := range lawsOfResponses(m, k.old) {
		k.Errorf("the response %q %q breaks a law: %s", m.start, m.fields, broken)
	}
}

// readsPart waits until the body has come as far as that.
func readsPart(want string) step {
	return func(k *talk) { k.Helper(); k.part(k.response, k.client, want) }
}

// readsRest waits for the end of the body.
func readsRest(want ...check) step {
	return func(k *talk) {
		k.Helper()
		k.rest(k.response, k.client)
		k.holds(k.response, want)
	}
}

// readsBreak waits until the response is broken off such that nobody can take it for complete.
func readsBreak(k *talk) { k.Helper(); k.broken(k.response, k.client) }

// closes waits until the front has closed the connection.
func closes(k *talk) {
	k.Helper()
	_ = k.ended(k.client)
}

// closesWell is closes with an orderly end: a reset might have cost the client the response (RFC 9112, section 9.6).
func closesWell(k *talk) {
	k.Helper()
	if err := k.ended(k.client); err != io.EOF {
		k.Fatalf("the client's connection ended with %v, want %v", err, io.EOF)
	}
}

// stays proves that the connection can be used for another request, which is not mixed up with what was before.
func stays(k *talk) {
	k.Helper()
	if slices.Contains(k.response.options("Connection"), "close") {
		k.Fatalf("the response %q announces that the connection is closed", k.response.start)
	}
	k.exchange("/on-the-same-connection")
}

// asAnnounced is for where the front may do either: it stays, or the response says that it does not (RFC 9112, section
// 9.6).
func asAnnounced(k *talk) {
	k.Helper()
	if slices.Contains(k.response.options("Connection"), "close") {
		closes(k)
		return
	}
	k.exchange("/on-the-same-connection")
}

// endsWell is asAnnounced with an orderly end.
func endsWell(k *talk) {
	k.Helper()
	if slices.Contains(k.response.options("Connection"), "close") {
		closesWell(k)
		return
	}
	k.exchange("/on-the-same-connection")
}

// halfCloses ends what the client sends; it reads on.
func halfCloses(k *talk) { _ = k.client.CloseWrite() }

// hangsUp ends the client's connection with a reset.
func hangsUp(k *talk) { k.client.reset() }

// anotherClient makes another connection, for the steps that follow.
func anotherClient(k *talk) { k.Helper(); k.dial() }

// stillNot is asAnnounced for where the origin is gone.
func stillNot(status int) step {
	return func(k *talk) {
		k.Helper()
		if slices.Contains(k.response.options("Connection"), "close") {
			closes(k)
			return
		}
		send("GET / HTTP/1.1↵Host: a↵↵")(k)
		reads(status)(k)
	}
}

// readsFinal reads a response behind any number of interim ones.
func readsFinal(status int, want ...check) step {
	return func(k *talk) {
		k.Helper()
		for interim := true; interim; {
			k.await(func() bool { return len(k.client.in) > len("HTTP/1.1 1") || k.client.err != nil })
			k.mu.Lock()
			interim = strings.HasPrefix(string(k.client.in), "HTTP/1.1 1")
			k.mu.Unlock()
			if interim {
				k.take(k.clients, "")
			}
		}
		reads(status, want...)(k)
	}
}

// getsNo2xx waits for the end of the connection, or for a refusal before it.
func getsNo2xx(k *talk) {
	k.Helper()
	k.await(func() bool { return len(k.client.in) > 0 || k.client.err != nil })
	k.mu.Lock()
	any := len(k.client.in) > 0
	k.mu.Unlock()
	if any {
		reads(400)(k)
	}
	closes(k)
}

// getsTimeout waits for the end of the connection, or for a 408 before it.
func getsTimeout(k *talk) {
	k.Helper()
	k.await(func() bool { return len(k.client.in) > 0 || k.client.err != nil })
	k.mu.Lock()
	any := len(k.client.in) > 0
	k.mu.Unlock()
	if any {
		reads(408)(k)
	}
	closes(k)
}

// byBytes sends bytes one by one.
func byBytes(text string) step {
	return func(k *talk) {
		for _, b := range []byte(wire(text)) {
			k.client.put(string(b))
		}
	}
}

// listens waits for these bytes, behind a 101.
func listens(text string) step {
	return func(k *talk) { k.Helper(); k.raw(k.client, text) }
}

// with changes the site, restores undoes that.
func with(change func(*proxy.Site)) step {
	return func(k *talk) {
		s := k.site
		change(&s)
		k.handler.SetSite(&s)
	}
}

func restores(k *talk) { k.handler.SetSite(&k.site) }
