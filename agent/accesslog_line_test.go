package agent

import (
	"encoding/json"
	"errors"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"backhand/agent/config"
	"backhand/gossip/node"
	"backhand/proxy"
	"backhand/status"
)

func TestCombinedLine(t *testing.T) {
	const head, tail = `192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "GET /a?b=1 HTTP/1.1" `, ` 12.345 11.200 web "/a"`
	for name, c := range map[string]struct {
		change func(*proxy.Outcome)
		want   string
	}{
		"a plain request": {
			func(*proxy.Outcome) {},
			head + `200 512 "-" "curl/7.88.1" www2 1` + tail,
		},
		"one answered here": {
			func(o *proxy.Outcome) {
				o.Member, o.Attempts, o.Status = nil, 0, 404
				o.Route, o.Farm, o.Wait, o.Took = "", "", 0, 999*time.Nanosecond
			},
			head + `404 512 "-" "curl/7.88.1" - 0 0.000 0.000 - "-"`,
		},
		"one served by our own origin": {
			func(o *proxy.Outcome) { o.Member, o.Self = nil, true },
			head + `200 512 "-" "curl/7.88.1" self 1` + tail,
		},
		"one that took an hour": {
			func(o *proxy.Outcome) { o.Took, o.Wait = time.Hour, 1005*time.Microsecond },
			head + `200 512 "-" "curl/7.88.1" www2 1 3600000.000 1.005 web "/a"`,
		},
		"one whose clock went backwards": {
			func(o *proxy.Outcome) { o.Took, o.Wait = -time.Second, -1 },
			head + `200 512 "-" "curl/7.88.1" www2 1 0.000 0.000 web "/a"`,
		},
		"a route with host and files": {
			func(o *proxy.Outcome) { o.Route = `www.example.org/a "b" *.php` },
			head + `200 512 "-" "curl/7.88.1" www2 1 12.345 11.200 web "www.example.org/a \"b\" *.php"`,
		},
		"a client that would write lines of its own": {
			func(o *proxy.Outcome) { o.UserAgent, o.Referer = "x\"\n1.2.3.4 - -", "\x1b[31m\\é" },
			head + `200 512 "\x1b[31m\\\xc3\xa9" "x\"\x0a1.2.3.4 - -" www2 1` + tail,
		},
		"a client that would write words of its own": {
			func(o *proxy.Outcome) { o.Method, o.Target, o.Proto = "G\"T", "/\n", "HTTP/1.1\" 200" },
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "G\"T /\x0a HTTP/1.1\" 200" 200 512 "-" "curl/7.88.1" www2 1` + tail,
		},
		"a node that would write words of its own": {
			func(o *proxy.Outcome) { o.Member, o.Farm = &node.Member{Name: "www2 1\n\"\xff"}, "[w eb\\" },
			head + `200 512 "-" "curl/7.88.1" www2_1___ 1 12.345 11.200 _w_eb_ "/a"`,
		},
		"one that a forward led to a URL": {
			func(o *proxy.Outcome) {
				const to = "http://www.example.com/sorry.html?why=down"
				o.Farm, o.Forward, o.Member = "spare", to, &node.Member{Name: to}
			},
			head + `200 512 "-" "curl/7.88.1" http://www.example.com/sorry.html?why=down 1 12.345 11.200 spare "/a"`,
		},
		"a client without an address": {
			func(o *proxy.Outcome) { o.Client = netip.Addr{} },
			strings.Replace(head, "192.0.2.7", "-", 1) + `200 512 "-" "curl/7.88.1" www2 1` + tail,
		},
		"a client of a Unix socket": {
			func(o *proxy.Outcome) { o.Client = netip.IPv4Unspecified() },
			strings.Replace(head, "192.0.2.7", "-", 1) + `200 512 "-" "curl/7.88.1" www2 1` + tail,
		},
		"a request that could not be read": {
			func(o *proxy.Outcome) {
				*o = proxy.Outcome{Start: o.Start, Client: o.Client, Status: 400, Reason: "malformed"}
			},
			`192.0.2.7 - - [21/Nov/2026:21:33:45 +0000] "-" 400 0 "-" "-" - 0 0.000 0.000 - "-"`,
		},
		"a zone of its own": {
			func(o *proxy.Outcome) { o.Start = o.Start.In(time.FixedZone("", 90*60)) },
			strings.Replace(head, "21:33:45 +0000", "23:03:45 +0130", 1) + `200 512 "-" "curl/7.88.1" www2 1` + tail,
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome()
			c.change(o)
			if got := string(new(combinedLine).render(o)); got != c.want+"\n" {
				t.Errorf("got  %swant %s", got, c.want)
			}
		})
	}
}

func TestEachLineHasItsOwnTime(t *testing.T) {
	start, c := outcome().Start, new(combinedLine)
	for _, at := range []time.Time{
		start, start.Add(999 * time.Millisecond), start.Add(time.Second), start, start.In(time.FixedZone("", 3600)),
		time.Unix(0, 0),
		{},
	} {
		o := outcome()
		o.Start = at
		if got, want := string(c.render(o)), at.Format("[02/Jan/2006:15:04:05 -0700]"); !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

// jsonLine returns the one line that a JSON log makes of an outcome.
func jsonLine(t *testing.T, o *proxy.Outcome) string {
	t.Helper()
	var got []string
	newJSONLines(func(line []byte) { got = append(got, string(line)) }).log(o)
	if len(got) != 1 || strings.Count(got[0], "\n") != 1 || !strings.HasSuffix(got[0], "}\n") {
		t.Fatalf("got %q, want one line", got)
	}
	return got[0]
}

func TestJSONLine(t *testing.T) {
	want := `{"time":"2026-11-21T21:33:45Z","client":"192.0.2.7","method":"GET","target":"/a?b=1","proto":"HTTP/1.1",` +
		`"host":"www.example.org","status":200,"bytes":512,"referer":"","user_agent":"curl/7.88.1","route":"/a","farm":"web",` +
		`"member":"www2","self":false,"hop":false,"attempts":1,"refusals":0,"wait_ms":11.2,"took_ms":12.345,` +
		`"reason":"","error":"","forward":""}` + "\n"
	if d := cmp.Diff(want, jsonLine(t, outcome())); d != "" {
		t.Errorf("a plain request (-want +got):\n%s", d)
	}
	want = `{"time":"2026-11-21T21:33:45.000000001Z","client":"","method":"","target":"","proto":"","host":"","status":503,` +
		`"bytes":0,"referer":"","user_agent":"","route":"","farm":"","member":"","self":true,"hop":true,"attempts":0,` +
		`"refusals":2,"wait_ms":0,"took_ms":3600000,"reason":"refused","error":"www1: \"no\"","forward":"spare"}` + "\n"
	got := jsonLine(t, &proxy.Outcome{
		Start: outcome().Start.Add(1), Status: 503, Self: true, Hop: true, Refusals: 2, Took: time.Hour, Wait: -1,
		Reason: "refused", Err: errors.New(`www1: "no"`), Forward: "spare",
	})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("one that nobody took (-want +got):\n%s", d)
	}
}

func TestJSONLineHoldsWhatTheClientWrote(t *testing.T) {
	for name, row := range map[string]struct{ wrote, reads string }{
		"quotes":                     {`a"b\c`, `a"b\c`},
		"line breaks":                {"a\r\n{}\n", "a\r\n{}\n"},
		"a line break of Unicode":    {"a\u2028b", "a\u2028b"},
		"escapes for a terminal":     {"\x1b[31m\x7f\u009b", "\x1b[31m\x7f\u009b"},
		"marks of writing direction": {"\u202egnp.exe", "\u202egnp.exe"},
		"letters and more":           {"é€😀", "é€😀"},
		"bytes that are no UTF-8":    {"a\xffb\xc3", "a\ufffdb\ufffd"},
		"what would be a key":        {`","status":0,"x":"`, `","status":0,"x":"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome()
			o.Method, o.Target, o.Host, o.Referer, o.UserAgent = row.wrote, row.wrote, row.wrote, row.wrote, row.wrote
			o.Err = errors.New(row.wrote)
			line := jsonLine(t, o)
			odd := func(r rune) bool { return r < ' ' || r >= 0x7f }
			if i := strings.IndexFunc(line, odd); i != len(line)-1 {
				t.Errorf("byte %d of %q is not printable ASCII", i, line)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			for _, key := range []string{"method", "target", "host", "referer", "user_agent", "error"} {
				if got[key] != row.reads {
					t.Errorf("%s is %q, want %q", key, got[key], row.reads)
				}
			}
			if len(got) != jsonAttrs+1 || got["status"] != 200.0 {
				t.Errorf("%d keys, status %v", len(got), got["status"])
			}
		})
	}
}

// FuzzAccessLogLines: whatever a client writes, a line is a line, and what stands beside it is not touched.
func FuzzAccessLogLines(f *testing.F) {
	f.Add("GET", "/", "HTTP/1.1", "curl", "/a", "www1")
	f.Add("", "", "", "", "", "")
	f.Add("G", "/", "H", "curl", "[", "[")
	f.Add("\"\\\n", "\x00\x7f\x9b", "\u2028\u202e", "\xc3", "a b", "😀")
	f.Fuzz(func(t *testing.T, method, target, proto, agent, route, name string) {
		o := outcome()
		o.Method, o.Target, o.Proto, o.UserAgent, o.Referer = method, target, proto, agent, agent
		o.Route, o.Farm, o.Member = route, name, &node.Member{Name: name}
		for format, line := range map[string]string{"combined": string(new(combinedLine).render(o)), "json": jsonLine(t, o)} {
			body, ends := strings.CutSuffix(line, "\n")
			if !ends || strings.ContainsFunc(body, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
				t.Errorf("%s: %q is no line of printable ASCII", format, line)
			}
			if format == "json" {
				if !json.Valid([]byte(line)) {
					t.Errorf("%q is no JSON", line)
				}
				continue
			}
			words, err := fieldsOf(body)
			if err != "" || len(words) != 15 {
				t.Errorf("%d fields%s: %q", len(words), err, line)
			}
		}
	})
}

// fieldsOf splits a combined line as log readers do: at spaces that are not in quotes or brackets.
func fieldsOf(line string) (fields []string, problem string) {
	for len(line) > 0 {
		end := strings.IndexByte(line+" ", ' ')
		switch line[0] {
		case '[':
			end = strings.IndexByte(line, ']') + 1
		case '"':
			end = 1
			for end < len(line) && line[end] != '"' {
				if line[end] == '\\' {
					end++
				}
				end++
			}
			end++
		}
		if end <= 0 || end > len(line) {
			return fields, ", the last of them not closed"
		}
		fields = append(fields, line[:end])
		line = strings.TrimPrefix(line[end:], " ")
	}
	return fields, ""
}

// logOf is a log whose lines go nowhere.
func logOf(t testing.TB, format string) *accessLog {
	return openLog(t, config.Log{Access: "/dev/null", Format: format}, quiet)
}

// allocates returns how often f allocates. It cannot be told with -race, where a sync.Pool loses things at random.
func allocates(f func()) float64 {
	info, _ := debug.ReadBuildInfo()
	race := slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	if n := testing.AllocsPerRun(2000, f); !race {
		return n
	}
	return 0
}

func TestACombinedLineAllocatesNothing(t *testing.T) {
	l, o := logOf(t, config.LogCombined), outcome()
	log := func() {
		l.Log(o)
		if l.queue.filled() > 0 {
			l.write(1)
		}
	}
	for range 2 * lineQueueChunk / 100 { // until both chunks are there
		log()
	}
	if n := allocates(log); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if l.Lost() != 0 {
		t.Errorf("%d lines were lost", l.Lost())
	}
}

func TestARequestThatHasEndedAllocatesNothing(t *testing.T) {
	plain, failed := outcome(), outcome()
	failed.Status, failed.Reason, failed.Empty, failed.Err = 502, "connect", "any", errors.New("no")
	for name, row := range map[string]struct {
		log    *accessLog
		o      *proxy.Outcome
		allows float64
	}{
		"without a log":                {nil, plain, 0},
		"one that failed, without":     {nil, failed, 0},
		"with a combined line":         {logOf(t, config.LogCombined), plain, 0},
		"one that failed, with a line": {logOf(t, config.LogCombined), failed, 0},
		"with a line of JSON":          {logOf(t, config.LogJSON), plain, 3},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Agent{metrics: status.NewMetrics(nil)}
			a.access.Store(row.log)
			done := func() {
				a.done(row.o)
				if row.log != nil && row.log.queue.filled() > 0 {
					row.log.write(1)
				}
			}
			for range 2 * lineQueueChunk / 100 {
				done()
			}
			if n := allocates(done); n > row.allows {
				t.Errorf("%v allocations", n)
			}
			if got := a.metrics.Total().Requests; got < 2000 {
				t.Errorf("%d requests counted", got)
			}
		})
	}
}

func BenchmarkAccessLog(b *testing.B) {
	for _, format := range []string{config.LogCombined, config.LogJSON} {
		b.Run(format, func(b *testing.B) {
			l := logOf(b, format)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				l.run(b.Context())
			}()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				o := outcome()
				for i := 0; pb.Next(); i++ {
					l.Log(o)
					if i%100 == 0 {
						runtime.Gosched() // requests have system calls, in which the writer gets its turn
					}
				}
			})
			l.stop()
			<-ended
			b.ReportMetric(float64(l.Lost())/float64(b.N), "lost/op")
		})
	}
}

func TestFieldsOf(t *testing.T) {
	got, problem := fieldsOf(`a [b c] "d \" e" f`)
	if !slices.Equal(got, []string{"a", "[b c]", `"d \" e"`, "f"}) || problem != "" {
		t.Errorf("got %q%s", got, problem)
	}
	if _, problem := fieldsOf(`a "b`); problem == "" {
		t.Error("a quote that is not closed was taken")
	}
}
