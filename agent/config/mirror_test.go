package config

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"backhand/candidacy"
	"backhand/gossip/node"
)

func TestMirrorIsOffByDefault(t *testing.T) {
	c := good(t, "cluster = 'web'\n[athena]\nlisten = ':4446'", host())
	if len(c.Mirror) != 0 || c.Athena.Mirrored {
		t.Errorf("without [[mirror]] it is %+v, and others may mirror to us: %v", c.Mirror, c.Athena.Mirrored)
	}
}

func TestMirrorSettings(t *testing.T) {
	c := good(t, `cluster = 'web'
[athena]
listen = ':4446'
mirror = true
[[mirror]]
to = 'http://10.58.4.2:4446/athena/'
[[mirror]]
to = 'https://Standby.example'
every = '1h'
token_file = '/t'
server_name = 'engine.internal'
`, withTokenFile("# for standby\n"+secretToken+"\n", 0o640))
	if len(c.Mirror) != 2 || !c.Athena.Mirrored {
		t.Fatalf("%+v, %v", c.Mirror, c.Athena.Mirrored)
	}
	a, b := c.Mirror[0], c.Mirror[1]
	if a.To.String() != "http://10.58.4.2:4446/athena" || a.Every != 2*time.Second || a.Token != "" {
		t.Errorf("the first is %+v", a)
	}
	if b.To.String() != "https://Standby.example" || b.Every != time.Hour || b.Token != secretToken || b.TokenFile != "/t" ||
		b.Identity.ServerName != "engine.internal" {
		t.Errorf("the second is %+v", b)
	}
	if want := "; mirrors to http://10.58.4.2:4446/athena and https://Standby.example"; !strings.HasSuffix(c.Summary(), want) {
		t.Errorf("the summary is %q", c.Summary())
	}
	if len(c.Warnings) != 0 {
		t.Errorf("it warns: %q", c.Warnings)
	}
}

func TestMistakesOfMirrors(t *testing.T) {
	to := func(url string) string { return "[[mirror]]\nto = '" + url + "'" }
	wrong := func(url, what string) []string {
		return []string{`3: mirror.to: "` + url + `" ` + what + `: write the URL of the other engine with its path, such as "http://10.58.4.2:4446/athena"`}
	}
	engine := "[athena]\nlisten = ':4446'\n"
	testMistakes(t, []mistakeRow{
		{"without [athena] all is well", to("http://10.58.4.2:4446/athena"), nil},
		{"a host name and the default port are well", to("https://standby/athena"), nil},
		{"no engine", "[[mirror]]\nevery = '2s'", []string{`2: mirror.to is missing: write to = "http://10.58.4.2:4446/athena"`}},
		{"a misspelt key", to("http://10.58.4.2/") + "\nevry = '2s'", []string{"4: mirror.evry is not known: did you mean every?"}},
		{"no scheme", to("10.58.4.2:4446/athena"), []string{""}},
		{"another scheme", to("ftp://10.58.4.2/athena"), wrong("ftp://10.58.4.2/athena", "is neither http:// nor https://")},
		{"a password", to("http://a:b@10.58.4.2/"), wrong("http://a:b@10.58.4.2/", "has a password, which such a URL cannot: a token has a file of its own, token_file")},
		{"no host", to("http:///athena"), wrong("http:///athena", "has no host")},
		{"a port that there is not", to("http://h:70000/"), wrong("http://h:70000/", "has no port from 1 to 65535")},
		{"a query", to("http://h/athena?x=1"), wrong("http://h/athena?x=1", "has more than a path")},
		{"a mere question mark", to("http://h/athena?"), wrong("http://h/athena?", "has more than a path")},
		{"an engine twice", to("http://h/athena") + "\n" + to("http://h/athena/"), []string{"5: mirror.to http://h/athena is there twice: leave one away"}},
		{
			"this agent itself", engine + to("http://10.58.4.1:4446/athena"),
			[]string{`5: mirror.to http://10.58.4.1:4446/athena is this agent itself, by athena.listen ":4446": write the URL of the other engine`},
		},
		{
			"this agent itself by loopback", engine + to("http://127.0.0.1:4446"),
			[]string{`5: mirror.to http://127.0.0.1:4446 is this agent itself, by athena.listen ":4446": write the URL of the other engine`},
		},
		{"another agent of this host", engine + to("http://127.0.0.1:4449/athena"), nil},
		{"too often", to("http://h/") + "\nevery = '499ms'", []string{"4: mirror.every is 499ms: write a duration from 500ms to 1h"}},
		{"too rarely", to("http://h/") + "\nevery = '61m'", []string{"4: mirror.every is 61m: write a duration from 500ms to 1h"}},
		{"a relative file", to("http://h/") + "\ntoken_file = 'token'", []string{`4: mirror.token_file is no path that begins with /: write that of the file, such as "/etc/backhand/mirror.token"; a token itself never stands in this file`}},
		{"a file that is not there", to("http://h/") + "\ntoken_file = '/x'", []string{"4: mirror.token_file: open /x: no such file"}},
		{"nine of them", strings.Repeat("[[mirror]]\nto = 'http://h/'\n", 9), []string{"18: mirror is there 9 times: write at most 8"}},
		{"[mirror] that is no list", "[mirror]\nto = 'http://h/'", []string{"2: mirror may be there several times: write [[mirror]], or [ { ... } ] in one line"}},
		{"mirror that is no truth", "[athena]\nlisten = ':4446'\nmirror = 'yes'", []string{"4: athena.mirror is a string: write true or false, without quotes"}},
	})
}

func TestMistakesOfTheTokenOfAMirror(t *testing.T) {
	for _, row := range []struct {
		name, text string
		mode       fs.FileMode
		want       string
	}{
		{"a good file", secretToken, 0o600, ""},
		{"one that everybody can read", secretToken, 0o644, "f:4: mirror.token_file: the mode of /t is 0644, which lets others read it"},
		{"one without a token", "# none\n", 0o600, "f:4: mirror.token_file: /t has no token"},
		{"one with two", secretToken + "\n" + secretToken, 0o600, "f:4: mirror.token_file: /t:2: here is a second token"},
		{"one with a short token", secretToken[:15], 0o600, "f:4: mirror.token_file: /t:1: want the token alone"},
		{"one with a blank in it", "x " + secretToken, 0o600, "f:4: mirror.token_file: /t:1: want the token alone"},
	} {
		text := "cluster = 'web'\n[[mirror]]\nto = 'https://h/'\ntoken_file = '/t'"
		_, err := Parse("f", []byte(text), withTokenFile(row.text, row.mode), candidacy.Builtin())
		switch {
		case (err == nil) != (row.want == ""), err != nil && !strings.HasPrefix(err.Error(), row.want):
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		case err != nil && strings.Contains(err.Error(), "s3cr3t"):
			t.Errorf("%s: the token is shown: %v", row.name, err)
		}
	}
}

func TestWarningsAboutMirrors(t *testing.T) {
	for text, want := range map[string]string{
		"[[mirror]]\nto = 'http://10.58.4.2/athena'\ntoken_file = '/t'":                                                                              "f:4: mirror.token_file: the token goes over http, where whoever is on the way can read it",
		"[[mirror]]\nto = 'http://127.0.0.1:99/athena'\ntoken_file = '/t'":                                                                           "",
		"[[mirror]]\nto = 'https://10.58.4.2/athena'\ntoken_file = '/t'":                                                                             "",
		"[[mirror]]\nto = 'http://10.58.4.2/athena'\nserver_name = 'x'":                                                                              "f:4: mirror.server_name is not used, since mirror.to is not https://",
		"[[farm]]\nname = 'jobs'\nexpect_update = '30s'\nmember = [{ name = 'a', url = 'http://h:1' }]\n[[mirror]]\nto = 'http://h/'\nevery = '30s'": "f:8: mirror.every is 30s, and statistics of a are expected within 30s",
		"[[farm]]\nname = 'jobs'\nexpect_update = '30s'\nmember = [{ name = 'a', url = 'http://h:1' }]\n[[mirror]]\nto = 'http://h/'\nevery = '29s'": "",
		"[athena]\nlisten = ':4446'\nallow = ['10.0.0.0/8']\nallow_mirror = ['10.58.4.1']":                                                           "f:5: athena.allow_mirror does nothing as long as mirroring is not enabled",
		"[athena]\nlisten = ':4446'\nallow = ['10.0.0.0/8']\nallow_mirror = []":                                                                      "",
		"[athena]\nlisten = ':4446'\nallow_mirror = ['10.58.4.1']\nmirror = true":                                                                    "",
		"[athena]\nlisten = ':4446'\nallow = []\nallow_mirror = ['0.0.0.0/0']\nmirror=true":                                                          "f:5: athena.allow_mirror is everybody",
	} {
		c := good(t, "cluster = 'web'\n"+text, withTokenFile(secretToken, 0o600))
		got := strings.Join(c.Warnings, "\n")
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("of\n%s\nit warns %q, want %q", text, got, want)
		}
	}
}

// FuzzMirrorTo: what is taken for the URL of an engine can be connected to, and is read again as it is written.
func FuzzMirrorTo(f *testing.F) {
	for _, s := range []string{exampleMirror, "https://[::1]/", "http://h:1/a b", "http://h/%2e%2e/x", "http://h:/", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseMirror(text)
		if err != nil {
			return
		}
		if !isHost(u.Hostname()) || u.User != nil || u.RawQuery != "" || strings.HasSuffix(u.Path, "/") || node.HostPort(u) == "" {
			t.Fatalf("%q is taken for %+v", text, u)
		}
		again, err := ParseMirror(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q is written as %q, and read as %v, %v", text, u, again, err)
		}
	})
}
