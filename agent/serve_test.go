package agent

import (
	"bytes"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"backhand/agent/config"
)

// An origin that expects the PROXY protocol would refuse a check without it. What is not the origin gets no header.
func TestCheckOfAnOriginBehindTheProxyProtocol(t *testing.T) {
	origin, other := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0")
	serve := config.Serve{Origin: &url.URL{Scheme: "http", Host: origin.Addr().String()}}
	if dialCheck(serve.Reach, serve.Origin) != nil {
		t.Error("without send_proxy there is a header")
	}
	const v2 = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
	for _, row := range []struct {
		version    int
		atOrigin   bool
		want, name string
	}{
		{1, true, "PROXY UNKNOWN\r\n", "version 1"},
		{2, true, v2, "version 2"},
		{2, false, "", "a status page elsewhere"},
	} {
		serve.Reach.SendProxy = row.version
		ln := other
		if row.atOrigin {
			ln = origin
		}
		conn, err := dialCheck(serve.Reach, serve.Origin)(t.Context(), "tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(peer)
		peer.Close()
		if err != nil || string(got) != row.want {
			t.Errorf("%s: got %q, %v; want %q", row.name, got, err, row.want)
		}
	}
}

func TestAnOriginThatGoesDownIsLoggedOnce(t *testing.T) {
	ln := listenOn(t, "tcp", "127.0.0.1:0")
	serves, err := newServes([]config.Serve{{
		Farm: "web", Capacity: 1, Origin: &url.URL{Scheme: "http", Host: ln.Addr().String()},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := serves[0]
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	said := func() string {
		t.Helper()
		out.Reset()
		for range 3 {
			s.service(time.Now(), 0, log)
		}
		if strings.Count(out.String(), "\n") > 1 {
			t.Errorf("said more than once:\n%s", &out)
		}
		return out.String()
	}
	if got := said(); got != "" {
		t.Errorf("before the first check: %s", got)
	}
	s.origin.Probe(t.Context())
	if got := said(); got != "" {
		t.Errorf("of an origin that is up: %s", got)
	}
	s.origin.NoteConnectFailure()
	if got := said(); !strings.Contains(got, "the origin is down") || !strings.Contains(got, "farm=web") ||
		!strings.Contains(got, "failed for a request") {
		t.Errorf("of an origin that went down: %q", got)
	}
	for range 2 {
		s.origin.Probe(t.Context())
	}
	if got := said(); !strings.Contains(got, "well again") || !strings.Contains(got, "the origin is down") {
		t.Errorf("of one that is back: %q", got)
	}
}
