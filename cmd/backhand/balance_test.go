package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	oneGiven  = `[{"farm":"jobs","members":[{"name":"app01","url":"http://10.0.0.1:80"},{"name":"app02","url":"http://10.0.0.2:80"}]}`
	andNobody = `,{"farm":"\u001b[2Jx","members":[],"forward":"http://sorry.example/","why":"all off"}]`
)

func TestBalanceAsksAndPrints(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		answer string
		args   []string
		code   int
		asked  string
		out    string
		errs   string
	}{
		{
			"a farm", 200, oneGiven + "]",
			[]string{"jobs"},
			0,
			`{"farm":["jobs"],"n":1,"explain":false}`, "app01 app02\n", "",
		},
		{
			"as URLs, several, for somebody", 200, oneGiven + "]",
			[]string{"jobs", "-n", "2", "--format", "url", "--client", "::1"},
			0,
			`{"farm":["jobs"],"n":2,"client":"::1","explain":false}`, "http://10.0.0.1:80 http://10.0.0.2:80\n", "",
		},
		{
			"nobody of the second has a line without anything, so that each farm has one", 503, oneGiven + andNobody,
			[]string{"jobs", "x"},
			1,
			`{"farm":["jobs","x"],"n":1,"explain":false}`, "app01 app02\n\n",
			"backhand: nobody of farm \ufffd[2Jx is eligible: all off; go to http://sorry.example/ instead\n",
		},
		{
			"as JSON", 200, `[{"farm":"jobs","members":[{"name":"a\u009b","url":"http://a"}]}]`,
			[]string{"jobs", "--format", "json"},
			0,
			`{"farm":["jobs"],"n":1,"explain":false}`,
			"[\n  {\n    \"farm\": \"jobs\",\n    \"members\": [\n      {\n        \"name\": \"a\ufffd\",\n        \"url\": \"http://a\"\n      }\n    ]\n  }\n]\n", "",
		},
		{
			"explained", 200, `[{"farm":"jobs","members":[{"name":"a"}],"explain":["byLoad a","\u0007b"]}]`,
			[]string{"jobs", "--explain"},
			0,
			`{"farm":["jobs"],"n":1,"explain":true}`, "a\n# byLoad a\n# \ufffdb\n", "",
		},
		{
			"work that has ended", 200, "[]",
			[]string{"jobs", "--done", "app01", "--done", "app02"},
			0,
			`{"farm":["jobs"],"explain":false,"done":["app01","app02"]}`, "", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := answers(t, tt.status, jsonKind, tt.answer)
			code, out, errs := runs(t, append([]string{"balance", "--engine", a.URL}, tt.args...)...)
			got := []any{code, a.asked, a.body, out, errs}
			if d := cmp.Diff([]any{tt.code, "POST /athena/balance", tt.asked, tt.out, tt.errs}, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestSetTells(t *testing.T) {
	for _, tt := range []struct{ name, args, asked, body, out string }{
		{"a physical off", "app01 off --reason disk", "POST /athena/update/phys", `{"h":"app01","state":"off","why":"disk"}`, "app01: off\n"},
		{"one that drains", "app01 drain", "POST /athena/update/phys", `{"h":"app01","state":"drain"}`, "app01: drain\n"},
		{"several down", "app* down", "POST /athena/update/phys", `{"h":"app*","health":"down"}`, "app*: down\n"},
		{"a farm", "jobs up --farm", "POST /athena/update/farm", `{"h":"jobs","health":"up"}`, "jobs: up\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := answers(t, 200, "text/plain; charset=utf-8", "")
			args := append([]string{"set", "--engine", a.URL, "--state-dir", t.TempDir()}, strings.Fields(tt.args)...)
			code, out, errs := runs(t, args...)
			if d := cmp.Diff([]any{0, tt.asked, tt.body, tt.out, ""}, []any{code, a.asked, a.body, out, errs}); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
