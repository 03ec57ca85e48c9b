package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"
)

// answer is one, read whole.
type answer struct {
	status int
	length int64 // that it said; -1: none
	body   []byte
}

// ask sends a request on a connection of its own.
func ask(addr netip.AddrPort, path string, patience time.Duration) (answer, error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	url := "http://" + addr.String() + path
	var res *http.Response
	var err error
	if path == "/post" {
		res, err = client.Post(url, "application/octet-stream", bytes.NewReader(make([]byte, 64<<10)))
	} else {
		res, err = client.Get(url)
	}
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.ContentLength, body}, err
}

// probe compares one answer with the origin's, to the byte.
func (b *bench) probe(addr netip.AddrPort, path string) error {
	want := b.bodies[path]
	a, err := ask(addr, path, readyTime)
	switch {
	case err != nil:
		return err
	case a.status != http.StatusOK:
		return fmt.Errorf("%s: status %d", path, a.status)
	case a.length != int64(len(want)):
		return fmt.Errorf("%s: Content-Length %d, want %d", path, a.length, len(want))
	case !bytes.Equal(a.body, want):
		return fmt.Errorf("%s: %d bytes, not those of the origin", path, len(a.body))
	}
	return nil
}
