package agent

import (
	"io"
	"net/url"
	"testing"

	"backhand/agent/config"
)

// An origin that expects the PROXY protocol would refuse a check without it. What is not the origin gets no header.
func TestCheckOfAnOriginBehindTheProxyProtocol(t *testing.T) {
	origin, other := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0")
	serve := config.Serve{Origin: &url.URL{Scheme: "http", Host: origin.Addr().String()}}
	if dialCheck(serve) != nil {
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
		conn, err := dialCheck(serve)(t.Context(), "tcp", ln.Addr().String())
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
