//go:build linux

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// The environment of a process that is an origin: where it listens, what it calls itself, and where it writes what it
// was asked.
const chaosOrigin, chaosLabel, chaosLog = "BACKHAND_CHAOS_ORIGIN", "BACKHAND_CHAOS_LABEL", "BACKHAND_CHAOS_LOG"

// TestChaosOriginProcess is no test but the origin of one, which runs this binary again to have a process that can be
// killed.
func TestChaosOriginProcess(t *testing.T) {
	addr := os.Getenv(chaosOrigin)
	if addr == "" {
		return
	}
	log, err := os.OpenFile(os.Getenv(chaosLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("an origin is running")
	t.Fatal(http.ListenAndServe(addr, chaosHandler(os.Getenv(chaosLabel), log)))
}

// chaosHandler notes each request before it does anything, and answers with checksums: X-Request of the request as it
// came, X-Content of the response's body. Of "/long?n&id" that has n bytes, of "/chunks?n&id" too, without a length and
// with the sum in a trailer.
func chaosHandler(label string, log io.Writer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Id")
		if id != "" { // one write to a file that is appended to is not torn by others, nor lost by a kill
			_, _ = fmt.Fprintln(log, r.Method, id)
		}
		if r.Header.Get("Upgrade") != "" {
			chaosTalk(w, label)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the request was truncated
		}
		length, _, _ := strings.Cut(r.URL.RawQuery, "&")
		n, _ := strconv.Atoi(length)
		answer := chaosBody(id, n)
		sum := digest(answer)
		h := w.Header()
		h.Set("X-Label", label)
		h.Set("X-Request", digest([]byte(r.Method), []byte(r.RequestURI), body))
		if strings.HasPrefix(r.URL.Path, "/chunks") {
			h.Set("Trailer", "X-Content")
			defer h.Set("X-Content", sum)
		} else {
			h.Set("X-Content", sum)
			h.Set("Content-Length", strconv.Itoa(len(answer)))
		}
		for len(answer) > 0 {
			k, err := w.Write(answer[:min(len(answer), 32<<10)])
			if err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			answer = answer[k:]
		}
	})
}

// chaosTalk switches protocols, says who it is, and then every line back.
func chaosTalk(w http.ResponseWriter, label string) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n%s\n", label)
	for lines := bufio.NewScanner(rw); lines.Scan(); {
		if _, err := fmt.Fprintln(c, lines.Text()); err != nil {
			return
		}
	}
}

// chaosBody is different for each request, throughout.
func chaosBody(id string, n int) []byte {
	line := "this is for request " + id + "\n"
	b := []byte(strings.Repeat(line, n/len(line)+1))
	return b[:max(n, len(line))]
}

func digest(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
