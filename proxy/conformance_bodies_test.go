package proxy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
)

// digestOrigin is a web server in Go. It answers with a body of the size that is asked for, made of the digest of the
// request's body, in one of several framings.
func digestOrigin(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Early") != "" {
		_, _ = io.CopyN(io.Discard, r.Body, 1)
		http.Error(w, "no more, please", http.StatusRequestEntityTooLarge)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client reads a broken response, and fails
	}
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	answer := digestBody(body, size)
	w.Header().Set("X-Method", r.Method)
	w.Header().Set("X-Body-Trailer", r.Trailer.Get("X-Sum"))
	switch r.URL.Query().Get("framing") {
	case "length":
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(answer)
	case "chunked":
		w.Header().Set("Trailer", "X-Sum")
		for part := range chunks(answer, 10_000) {
			_, _ = w.Write(part)
			_ = http.NewResponseController(w).Flush()
		}
		w.Header().Set("X-Sum", digest(answer))
	case "close":
		w.Header().Set("Connection", "close")
		_, _ = w.Write(answer)
	}
}

func chunks(b []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func digestBody(body []byte, size int) []byte {
	d := digest(body)
	return bytes.Repeat([]byte(d), size/len(d)+1)[:size]
}

// TestConformanceBodies has clients in Go ask an origin in Go for many things at once: each response must belong to its
// request, in whole.
func TestConformanceBodies(t *testing.T) {
	_, _, front := frontOf(t, http.HandlerFunc(digestOrigin))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			for i := range 60 {
				if err := askDigest(client, front, random); err != nil {
					t.Errorf("client %d, request %d: %v", worker, i, err)
				}
			}
		})
	}
	all.Wait()
}

var sizes = []int{0, 1, 100, 4095, 4096, 16 << 10, 65535, 65536, 65537, 300_000}

func askDigest(client *http.Client, front string, random *rand.Rand) error {
	method := []string{"GET", "POST", "PUT", "HEAD", "DELETE", "BREW"}[random.IntN(6)]
	framing := []string{"length", "chunked", "close"}[random.IntN(3)]
	size := sizes[random.IntN(len(sizes))]
	body := make([]byte, sizes[random.IntN(len(sizes))])
	for i := range body {
		body[i] = byte(random.Uint32())
	}
	req, err := http.NewRequest(method, fmt.Sprintf("http://%s/?size=%d&framing=%s", front, size, framing), bytes.NewReader(body))
	if err != nil {
		return err
	}
	trailer := ""
	if random.IntN(2) == 0 && len(body) > 0 { // chunked, with a trailer
		trailer = digest(body)
		req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(body)), -1, nil
		req.Trailer = http.Header{"X-Sum": {trailer}}
	}
	if random.IntN(4) == 0 {
		req.Header.Set("Expect", "100-continue")
	}
	what := fmt.Sprintf("%s of %d bytes, for %d bytes %s", method, len(body), size, framing)
	return checkDigest(client, req, what, trailer, digestBody(body, size))
}

func checkDigest(client *http.Client, req *http.Request, what, trailer string, want []byte) error {
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if req.Method == http.MethodHead {
		want = nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case res.StatusCode != http.StatusOK || res.Header.Get("X-Method") != req.Method:
		return fmt.Errorf("%s: %s, for method %q", what, res.Status, res.Header.Get("X-Method"))
	case !bytes.Equal(got, want):
		return fmt.Errorf("%s: got %d bytes that begin with %q, want those that begin with %q", what, len(got), got[:min(len(got), 32)], want[:min(len(want), 32)])
	case res.Header.Get("X-Body-Trailer") != trailer:
		return fmt.Errorf("%s: the origin saw the trailer %q, want %q", what, res.Header.Get("X-Body-Trailer"), trailer)
	case res.Trailer != nil && req.Method != http.MethodHead && res.Trailer.Get("X-Sum") != digest(want):
		return fmt.Errorf("%s: the response's trailers are %v", what, res.Trailer)
	}
	return nil
}

// TestConformanceEarlyAnswers has an origin in Go refuse long bodies: the client reads why, and its next request is
// answered.
func TestConformanceEarlyAnswers(t *testing.T) {
	_, _, front := frontOf(t, http.HandlerFunc(digestOrigin))
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	t.Cleanup(client.CloseIdleConnections)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 20 {
		req, err := http.NewRequest("POST", "http://"+front+"/", bytes.NewReader(make([]byte, 4<<20)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Early", "1")
		res, err := client.Do(req)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge || string(b) != "no more, please\n" || err != nil {
			t.Fatalf("request %d: %s %q, %v", i, res.Status, b, err)
		}
		if err := askDigest(client, front, random); err != nil {
			t.Fatalf("behind request %d: %v", i, err)
		}
	}
}
