package proxy

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	hosts "backhand/gossip/gossiptest/lab"
	"backhand/gossip/node"
)

// visitScript fetches a hundred texts, a few at a time, and posts forty bodies. Each answer says what it was asked for,
// so that none can be taken for another.
const visitScript = `<!doctype html><title>visit</title><script>
async function visit() {
	let wrong = [];
	const all = [];
	for (let i = 0; i < 100; i++) all.push(fetch("/text?n=" + i).then(r => r.text()).then(t => {
		if (t !== ("text " + i + "\n").repeat(1000)) wrong.push("text " + i);
	}));
	for (let i = 0; i < 40; i++) {
		const body = ("body " + i + ";").repeat(i * 500);
		const sum = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(body))))
			.map(b => b.toString(16).padStart(2, "0")).join("");
		all.push(fetch("/sum", {method: "POST", body: body}).then(r => r.text()).then(t => { if (t !== sum) wrong.push("sum " + i); }));
	}
	await Promise.all(all);
	const gone = await fetch("/gone");
	if (gone.status !== 404) wrong.push("status " + gone.status);
	return wrong.length ? wrong.join(", ") : "well";
}
visit().then(s => { window.said = s }, e => { window.said = "failed: " + e });
</script>`

func visited(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, visitScript)
	case "/text":
		n, _ := strconv.Atoi(r.FormValue("n"))
		_, _ = io.WriteString(w, strings.Repeat(fmt.Sprintf("text %d\n", n), 1000))
	case "/sum":
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		_, _ = fmt.Fprintf(w, "%x", sum.Sum(nil))
	default:
		http.NotFound(w, r)
	}
}

// A real browser, over HTTP/1.1 and, since it speaks TLS, over HTTP/2.
func TestChromium(t *testing.T) {
	hosts.Need(t, "chromium")
	for _, tc := range []struct{ scheme, proto string }{{"http", "HTTP/1.1"}, {"https", "HTTP/2.0"}} {
		t.Run(tc.proto, func(t *testing.T) {
			origin := httptest.NewServer(http.HandlerFunc(visited))
			defer origin.Close()
			routes, err := NewRoutes([]Route{{Farm: "web", Chain: anyChain(t)}})
			if err != nil {
				t.Fatal(err)
			}
			snap := node.NewSnapshot(node.Parts{Taken: time.Now(), Live: node.NewLiveSet(), Physicals: []node.Physical{
				{Farm: "web", Name: "p", URL: mustURL(origin.URL)},
			}})
			protos := make(chan string, 1000)
			h := New(Config{Snapshot: func() *node.Snapshot { return snap }, Done: func(o *Outcome) {
				if o.Err == nil {
					protos <- strings.Clone(o.Proto)
				}
			}}, &Site{Routes: routes})
			var cfg ServerConfig
			if tc.scheme == "https" {
				cert, _ := testCert(t)
				cfg.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := h.NewServer(cfg)
			go func() { _ = srv.Serve(ln) }()
			defer func() { _ = srv.Close(); _ = h.Drain(context.Background()) }()
			if said := visit(t, tc.scheme+"://"+ln.Addr().String()+"/"); said != "well" {
				t.Error(said)
			}
			n := 0
			for len(protos) > 0 {
				if p := <-protos; p != tc.proto {
					t.Fatalf("a request came over %s, want %s", p, tc.proto)
				}
				n++
			}
			if n < 142 {
				t.Errorf("%d requests, want 142 at least", n)
			}
		})
	}
}

// visit opens a page in a Chromium of our own, and returns what it says.
func visit(t *testing.T, url string) (said string) {
	t.Helper()
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.NoSandbox, // the test may be root
		chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
	)
	ctx, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	defer stop()
	ctx, end := chromedp.NewContext(ctx)
	defer end()
	ctx, cancel := context.WithTimeoutCause(ctx, 40*time.Second, errors.New("Chromium took too long"))
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Navigate(url), chromedp.Poll("window.said", &said)); err != nil {
		t.Fatalf("visit %s: %v (%v)", url, err, context.Cause(ctx))
	}
	return said
}
