package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// onTheWay is somebody between a front and an agent, who reads what they say, and changes heads.
type onTheWay struct {
	to                string // to whom the requests go on
	request, response func(head string) string
}

func (l *lab) between(addr string, w *onTheWay) {
	l.rawMember(addr, func(_ int, c net.Conn, r *bufio.Reader) {
		onward, err := l.net.dial(context.Background(), netip.MustParseAddr("10.0.0.1"), w.to)
		if err != nil {
			return
		}
		defer onward.Close()
		back := bufio.NewReader(onward)
		for passOn(onward, r, w.request) == nil && passOn(c, back, w.response) == nil {
		}
	})
}

// passOn reads a message, and writes it with another head. The body is as long as was announced first.
func passOn(to io.Writer, from *bufio.Reader, edit func(string) string) error {
	head := ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := from.ReadString('\n')
		if err != nil {
			return err
		}
		head += line
	}
	length := 0
	if _, rest, ok := strings.Cut(head, "\r\nContent-Length: "); ok {
		_, _ = fmt.Sscan(rest, &length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(from, body); err != nil {
		return err
	}
	if edit != nil {
		head = edit(head)
	}
	_, err := io.WriteString(to, head+string(body))
	return err
}

// replaced changes a part of a head, which must be there.
func replaced(pattern, by string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(head string) string {
		if !re.MatchString(head) {
			return "there is no " + pattern + "\r\n\r\n"
		}
		return re.ReplaceAllString(head, by)
	}
}

// added adds lines to a head.
func added(lines string) func(string) string {
	return func(head string) string { return strings.TrimSuffix(head, "\r\n") + lines + "\r\n\r\n" }
}

// proofRow is a request to a front, which hands it to www1, and that failing to www2.
type proofRow struct {
	what                string
	front, www1         Proof
	limit               bool   // www1 gets one
	down                bool   // its origin is
	request             string // of the client; "": a GET of /
	onRequest, onAnswer func(head string) string
	to                  string // who answers for www1; "": it does
	want                proofResult
}

type proofResult struct {
	status   int
	body     string // the name of who has answered, or the reason for which an agent did not take the request
	heard    bool   // the load of www1
	reason   string // for which www1 did not take the request
	refusals int
	unproved int
}

// What becomes of most requests.
var (
	taken      = proofResult{200, "www1", true, "", 0, 0}
	unheard    = proofResult{200, "www1", false, "", 0, 1}
	disproved  = proofResult{200, "www2", false, "proof", 1, 0}
	unbelieved = proofResult{421, "proof", false, "proof", 0, 1} // the refusal is not proved either
	downUnsaid = proofResult{503, "origin", false, "origin", 0, 1}
)

func TestProofs(t *testing.T) {
	signed, other := newKeyed("secret", enforce), newKeyed("another", enforce)
	willing, silent := newKeyed("secret", permissive), newKeyed("secret", receiveOnly)
	absolute := "GET http://a.example%s HTTP/1.1\nHost: x\n\n"
	lies := request("GET", "/", "Backhand-Proof: v1 x", "backhand_proof: y", "Connection: Backhand-Proof")
	for _, row := range []proofRow{
		{what: "signed, and right", front: signed, www1: signed, want: taken},
		{what: "signed with a limit", front: signed, www1: signed, limit: true, want: taken},
		{what: "an absolute target", front: signed, www1: signed, request: fmt.Sprintf(absolute, "/b?c"), want: taken},
		{what: "one without a path", front: signed, www1: signed, request: fmt.Sprintf(absolute, "?c"), want: taken},
		{what: "a query", front: signed, www1: signed, request: request("DELETE", "/a//b%2fc?d=e?f"), want: taken},
		{what: "what a client calls a proof", front: signed, www1: signed, request: lies, want: taken},
		{what: "a refusal", front: signed, www1: signed, down: true, want: proofResult{200, "www2", true, "origin", 1, 0}},

		{what: "nobody has keys", want: taken},
		{what: "the front has none, the agent insists on a proof", www1: signed, want: disproved},
		{what: "the front does not sign yet, the agent insists", front: silent, www1: signed, want: disproved},
		{what: "the front does not sign yet, nobody insists", front: silent, www1: willing, want: taken},
		{what: "the agent does not sign yet, the front insists", front: signed, www1: silent, want: unheard},
		{what: "the agent does not sign yet, nobody insists", front: willing, www1: silent, want: taken},
		{what: "the agent has no keys, the front insists", front: signed, want: unheard},
		{what: "the agent has no keys, the front does not insist", front: willing, want: taken},
		{what: "a refusal that is not signed, the front insists", front: signed, www1: silent, down: true, want: downUnsaid},
		{what: "each has a key that the other has not", front: other, www1: signed, want: unbelieved},
		{
			what: "signed by another node than was asked", front: signed, to: "10.0.0.3:80",
			want: proofResult{200, "www2", false, "", 0, 1},
		},
	} {
		row.run(t)
	}
}

// Somebody on the way changes what a front says.
func TestProofsOfRequestsThatAreChanged(t *testing.T) {
	signed, willing, silent := newKeyed("secret", enforce), newKeyed("secret", permissive), newKeyed("secret", receiveOnly)
	for _, row := range []proofRow{
		{what: "the proof is gone", onRequest: replaced(`Backhand-Proof: .*\r\n`, ""), want: disproved},
		{what: "the proof is empty", onRequest: replaced(`Backhand-Proof: .*\r\n`, "Backhand-Proof:\r\n"), want: disproved},
		{what: "the proof is forged", onRequest: replaced(`(Backhand-Proof: v1 .{9}).`, "${1}!"), want: disproved},
		{what: "there are two", onRequest: replaced(`(Backhand-Proof: .*\r\n)`, "${1}${1}"), want: disproved},
		{what: "it is long", onRequest: replaced(`(Backhand-Proof: .*)\r`, "${1}"+strings.Repeat("=", 99)+"\r"), want: disproved},
		{what: "it has another name", onRequest: replaced(`Backhand-Proof`, "Backhand_Proof"), want: disproved},

		{what: "a replay on another path", onRequest: replaced(`^GET / `, "GET /admin "), want: unbelieved},
		{what: "a replay with a query", onRequest: replaced(`^GET / `, "GET /?a "), want: unbelieved},
		{what: "a replay in absolute form", onRequest: replaced(`^GET / `, "GET http://b.example/ "), want: unbelieved},
		{what: "a replay with another method", onRequest: replaced(`^GET / `, "DELETE / "), want: unbelieved},
		{what: "a replay for another farm", onRequest: replaced(` web `, " api "), want: disproved},
		{what: "a replay for another client", onRequest: replaced(` 192\.0\.2\.7 `, " 192.0.2.8 "), want: disproved},
		{what: "a replay as https", onRequest: replaced(` http\r`, " https\r"), want: disproved},

		{what: "the limit was changed", limit: true, onRequest: replaced(`Limit: 5`, "Limit: 0.1"), want: disproved},
		{what: "it was taken away", limit: true, onRequest: replaced(`Backhand-Limit.*\r\n`, ""), want: disproved},
		{what: "one was added", onRequest: added("Backhand-Limit: 0.1"), want: disproved},
		{what: "it is there twice", limit: true, onRequest: added("Backhand-Limit: 5"), want: disproved},
		{
			what: "a forged proof counts less than none", front: willing, www1: willing,
			onRequest: replaced(`(Backhand-Proof: v1 .{9}).`, "${1}!"), want: disproved,
		},
		{
			what: "two limits, and nobody insists on a proof", front: silent, www1: willing, limit: true,
			onRequest: added("Backhand-Limit: 5"), want: disproved,
		},
	} {
		if row.front == nil {
			row.front, row.www1 = signed, signed
		}
		row.run(t)
	}
}

// Somebody on the way changes what an agent answers.
func TestProofsOfAnswersThatAreChanged(t *testing.T) {
	signed := newKeyed("secret", enforce)
	status := func(line string) func(string) string { return replaced(`^HTTP/1.1 200 OK\r\n`, line) }
	for _, row := range []proofRow{
		{what: "the load was changed", onAnswer: replaced(`n=1 `, "n=0 "), want: unheard},
		{what: "the load is there twice", onAnswer: replaced(`(Backhand-Load.*\r\n)`, "${1}${1}"), want: unheard},
		{what: "the proof is gone", onAnswer: replaced(`Backhand-Proof: .*\r\n`, ""), want: unheard},
		{what: "the proof is forged", onAnswer: replaced(`(Backhand-Proof: v1 .{9}).`, "${1}!"), want: unheard},
		{what: "there are two", onAnswer: replaced(`(Backhand-Proof: .*\r\n)`, "${1}${1}"), want: unheard},
		{
			what: "the load is gone, too", onAnswer: replaced(`Backhand-.*\r\n`, ""),
			want: proofResult{200, "www1", false, "", 0, 0},
		},
		{
			what: "a response turned into a refusal", onAnswer: status("HTTP/1.1 503 X\r\nBackhand-Refused: busy\r\n"),
			want: proofResult{503, "www1", false, "", 0, 1},
		},
		{
			what: "a response turned into disbelief", onAnswer: status("HTTP/1.1 421 X\r\nBackhand-Refused: hop\r\n"),
			want: proofResult{421, "www1", false, "", 0, 1},
		},
		{what: "a refusal for another reason", down: true, onAnswer: replaced(`Refused: origin`, "Refused: busy"), want: downUnsaid},
		{what: "a refusal with another load", down: true, onAnswer: replaced(`n=0 `, "n=9 "), want: downUnsaid},
	} {
		row.front, row.www1 = signed, signed
		row.run(t)
	}
}

func (row *proofRow) run(t *testing.T) {
	t.Helper()
	inLab(t, func(t *testing.T, l *lab) {
		l.proofs = map[string]Proof{"www2": newKeyed("secret", permissive)}
		for name, p := range map[string]Proof{"front": row.front, "www1": row.www1} {
			if p != nil {
				l.proofs[name] = p
			}
		}
		front := threeKeyed(l, row.down, &onTheWay{to: row.to, request: row.onRequest, response: row.onAnswer})
		chain := []string{"order www1 www2"}
		if row.limit {
			chain = append(chain, "limit 5 2")
		}
		front.SetSite(l.toWeb(chain...))
		reply, o := l.send(cmp.Or(row.request, request("GET", "/"))), l.outcome()
		h := l.liveOf("web", "www1").LastHeard()
		if h.At != 0 && (h.InFlight > 1 || h.Slots != 4) {
			t.Errorf("%s: heard %+v, which the agent has not said", row.what, h)
		}
		got := proofResult{reply.StatusCode, reply.body, h.At != 0, "", o.Refusals, o.Unproved}
		if www1 := l.last["www1"]; www1 != nil {
			got.reason = www1.Reason
		}
		if len(got.body) > len("www1") { // a sentence of the agent's
			got.body = got.reason
		}
		if got != row.want {
			t.Errorf("%s: %+v, want %+v (%v)", row.what, got, row.want, o.Err)
		}
		for name := range reply.Header {
			if strings.HasPrefix(strings.ToLower(name), "backhand") {
				t.Errorf("%s: the client sees %s", row.what, name)
			}
		}
	})
}

// threeKeyed is a front, an agent www1 behind somebody on the way, and an agent www2. Their origins claim to be agents.
func threeKeyed(l *lab, down bool, w *onTheWay) (front *Handler) {
	l.addNode("front", frontAddr)
	l.addNode("www1", "10.0.0.2:80", "web")
	l.addNode("www2", "10.0.0.3:80", "web")
	for name, addr := range map[string]string{"www1": "127.0.0.1:8081", "www2": "127.0.0.1:8082"} {
		l.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Backhand-Load", "n=77 c=77 mu=77")
			w.Header().Set("Backhand-Proof", "v1 77")
			for name := range r.Header {
				if strings.HasPrefix(strings.ToLower(name), "backhand") {
					l.t.Errorf("an origin sees %s", name)
				}
			}
			_, _ = io.WriteString(w, name)
		}))
	}
	own := origin("web", "127.0.0.1:8081")
	own.Ready = func() (bool, string) { return !down, "test" }
	l.agent("www1", "10.0.0.2:81", &Site{Origins: []*Origin{own}})
	l.agent("www2", "10.0.0.3:80", &Site{Origins: []*Origin{origin("web", "127.0.0.1:8082")}})
	if w.to == "" {
		w.to = "10.0.0.2:81"
	}
	l.between("10.0.0.2:80", w)
	return l.agent("front", frontAddr, &Site{})
}

// A response proves nothing of another request, and what a front has signed is no response.
func TestProofsBelongToOneRequest(t *testing.T) {
	load := regexp.MustCompile(`Backhand-Load: .*\r\nBackhand-Proof: .*\r\n`)
	proof := regexp.MustCompile(`Backhand-Proof: .*\r\n`)
	for _, tc := range []struct {
		what, first, second string
		reflects            bool // the request's proof comes back with the response
		heard               bool
	}{
		{"the same once more, which only beats tell apart", "GET /a", "GET /a", false, true},
		{"another path", "GET /a", "GET /b", false, false},
		{"another method", "GET /a", "DELETE /a", false, false},
		{"what the front has signed itself", "GET /a", "GET /a", true, false},
	} {
		inLab(t, func(t *testing.T, l *lab) {
			key := newKeyed("secret", enforce)
			l.proofs = map[string]Proof{"front": key, "www1": key}
			var seen []string
			sent := ""
			front := threeKeyed(l, false, &onTheWay{
				request: func(head string) string { sent = proof.FindString(head); return head },
				response: func(head string) string {
					seen = append(seen, load.FindString(head))
					if len(seen) == 1 {
						return head
					}
					if tc.reflects {
						return proof.ReplaceAllLiteralString(head, sent)
					}
					return load.ReplaceAllLiteralString(head, seen[0])
				},
			})
			front.SetSite(l.toWeb("order www1"))
			for _, line := range []string{tc.first, tc.second} {
				time.Sleep(time.Second)
				method, target, _ := strings.Cut(line, " ")
				if got := l.send(request(method, target)); got.StatusCode != 200 || got.body != "www1" {
					t.Errorf("%s: %d %q", tc.what, got.StatusCode, got.body)
				}
			}
			synctest.Wait()
			heard := l.liveOf("web", "www1").LastHeard().At == time.Now().UnixNano()
			if heard != tc.heard || len(seen) != 2 || seen[0] == "" {
				t.Errorf("%s: heard %v, want %v; %q", tc.what, heard, tc.heard, seen)
			}
		})
	}
}

// An agent signs what it answers in HTTP/2 as well, and does so for nobody who does not hand requests on.
func TestProofOverHTTP2(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		key := newKeyed("secret", enforce)
		l.proofs = map[string]Proof{"www1": key}
		twoAgents(l)
		hopLine := strings.TrimPrefix(hopFrom("front"), fieldHop+": ")
		said := Claim{Sender: idOf("front"), Method: []byte("GET"), Target: []byte("/a?b"), Hop: []byte(hopLine)}
		for _, tc := range []struct {
			what, from, hop, proof string
			status                 int
			answer                 *Claim // that is proved
		}{
			{"a front", "10.0.0.1", hopLine, key.proofOf(said), 200, &Claim{Load: []byte("n=1 c=4 mu=0")}},
			{"a front that proves nothing", "10.0.0.1", hopLine, "v1 x", 421, &Claim{Refused: []byte("hop")}},
			{"somebody at another address", clientAddr, hopLine, key.proofOf(said), 421, &Claim{Refused: []byte("hop")}},
			{"a client", clientAddr, "", "v1 x", 200, nil},
		} {
			tr := &http.Transport{Protocols: onlyH2C, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return l.net.dial(ctx, netip.MustParseAddr(tc.from), "10.0.0.2:80")
			}}
			req := newRequest(t, "GET", "/a?b", nil)
			if req.Header.Set(fieldProof, tc.proof); tc.hop != "" {
				req.Header.Set(fieldHop, tc.hop)
			}
			res, body := fetch(tr, req)
			tr.CloseIdleConnections()
			want := ""
			if c := tc.answer; c != nil {
				c.Response, c.Sender, c.Method, c.Target = true, idOf("www1"), said.Method, said.Target
				want = key.proofOf(*c)
			}
			if got := strings.Join(res.Header[fieldProof], "|"); got != want || res.StatusCode != tc.status {
				t.Errorf("%s: %d %q with proof %q; want %d, %q", tc.what, res.StatusCode, body, got, tc.status, want)
			}
		}
	})
}

// One that goes on saying what it does not prove is worth a warning.
func TestWarningOfWhatIsNotProved(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		l.proofs = map[string]Proof{"front": newKeyed("secret", enforce)}
		front, _ := twoAgents(l)
		var log bytes.Buffer
		front.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		for _, step := range []struct {
			after    time.Duration
			warnings int // so far
		}{{0, 0}, {1900 * time.Millisecond, 0}, {200 * time.Millisecond, 1}, {59 * time.Second, 1}, {2 * time.Second, 2}} {
			time.Sleep(step.after)
			l.get("/")
			if n := strings.Count(log.String(), "node=www1 address=10.0.0.2:80 err=\"there is no proof\""); n != step.warnings {
				t.Errorf("%d warnings, want %d:\n%s", n, step.warnings, log.String())
			}
		}
	})
}
