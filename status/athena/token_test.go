package athena

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// token returns one whose text is its name and what makes it long enough.
func token(name string, opens ...Part) Token {
	return Token{Name: name, Hash: sha256.Sum256([]byte(name + secretEnd)), Parts: opens}
}

const secretEnd = "-0123456789abcdef"

// withTokens returns a handler of which update and mirror are guarded, and the others are not.
func withTokens(f *fake) http.Handler {
	return New(Config{Engine: f, Now: fixed, Tokens: []Token{
		token("deploy", PartUpdate), token("twin", PartMirror, PartUpdate), token("apps", PartMirror),
	}})
}

// prove sends a request with these values of Authorization.
func prove(h http.Handler, target, from string, values ...string) *httptest.ResponseRecorder {
	path, raw, _ := strings.Cut(target, "?")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path, r.URL.RawQuery, r.RemoteAddr = "/athena/"+path, raw, from
	r.Header["Authorization"] = values
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestWhatTokensOpen(t *testing.T) {
	const challenge = `Bearer realm="athena"`
	for _, tt := range []struct {
		name, target, from string
		sent               []string
		status             int
		has, challenge     string
	}{
		{"a part that no token opens needs none", "balance?farm_one", "127.0.0.1:1", nil, 200, "app01", ""},
		{"and minds none that is sent", "status/farm?f=%h", "127.0.0.1:1", []string{"Basic eDp5"}, 200, "farm_one", ""},
		{"a token", "update/phys?app01", "127.0.0.1:1", []string{"Bearer deploy" + secretEnd}, 200, "", ""},
		{"the word before it may be small", "update/phys?app01", "127.0.0.1:1", []string{"bearer  deploy" + secretEnd}, 200, "", ""},
		{"another one for the same part", "update/farm?farm_two,o=off", "127.0.0.1:1", []string{"Bearer twin" + secretEnd}, 200, "", ""},
		{"none", "update/phys?app01", "127.0.0.1:1", nil, 401, "needs a token: send Authorization: Bearer TOKEN", challenge},
		{"one that nobody knows", "update/phys?app01", "127.0.0.1:1", []string{"Bearer nobody" + secretEnd}, 401, "not known here", challenge + `, error="invalid_token"`},
		{"another case", "update/phys?app01", "127.0.0.1:1", []string{"Bearer DEPLOY" + secretEnd}, 401, "not known here", challenge + `, error="invalid_token"`},
		{"one for other parts", "update/phys?app01", "127.0.0.1:1", []string{"Bearer apps" + secretEnd}, 403, "the token of apps is not for this", challenge + `, error="insufficient_scope"`},
		{"one too short to be one", "update/phys?app01", "127.0.0.1:1", []string{"Bearer deploy"}, 401, "needs a token", challenge},
		{"a password", "update/phys?app01", "127.0.0.1:1", []string{"Basic ZGVwbG95Og=="}, 401, "needs a token", challenge},
		{"two fields, one of them good", "update/phys?app01", "127.0.0.1:1", []string{"Bearer deploy" + secretEnd, "Bearer x"}, 401, "needs a token", challenge},
		{"the address still counts", "update/phys?app01", "192.0.2.7:1", []string{"Bearer deploy" + secretEnd}, 403, "192.0.2.7 may not use update", ""},
		{"and whoever may not by it hears of no token", "update/phys?app01", "192.0.2.7:1", nil, 403, "192.0.2.7 may not use update", ""},
		{"where there is nothing, as long as some part is open", "nonsense", "127.0.0.1:1", nil, 404, "there is nothing", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			w := prove(withTokens(f), tt.target, tt.from, tt.sent...)
			if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("the challenge is %q, want %q", got, tt.challenge)
			}
			if tt.status != 200 {
				refuses(t, w, tt.status, tt.has)
				if len(f.told) > 0 {
					t.Error("something was done")
				}
				return
			}
			if w.Code != 200 || !strings.Contains(w.Body.String(), tt.has) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestWhereAllNeedsATokenStrangersAreNotToldWhatThereIs(t *testing.T) {
	h := New(Config{Engine: newFake(), Tokens: []Token{token("all", PartBalance, PartStatus, PartUpdate, PartMirror)}})
	refuses(t, prove(h, "nonsense", "127.0.0.1:1"), 401, "needs a token")
	refuses(t, prove(h, "nonsense", "127.0.0.1:1", "Bearer all"+secretEnd), 404, "there is nothing")
	refuses(t, prove(h, "balance?farm_one", "127.0.0.1:1"), 401, "needs a token")
	says(t, prove(h, "balance?farm_one", "127.0.0.1:1", "Bearer all"+secretEnd), 200, "app01\n")
}

func TestWhoHasTheTokenIsSaid(t *testing.T) {
	f := newFake()
	h := New(Config{Engine: f, Tokens: []Token{token("deploy", PartUpdate), token("twin", PartUpdate)}, Allow: everybody})
	for _, tt := range []struct{ target, sent, by string }{
		{"update/phys?app01,o=off", "Bearer deploy" + secretEnd, "deploy at 10.0.0.7"},
		{"update/phys?app01,o=on", "Bearer twin" + secretEnd, "twin at 10.0.0.7"},
	} {
		if w := prove(h, tt.target, "10.0.0.7:1", tt.sent); w.Code != 200 || f.by != tt.by {
			t.Errorf("%s: %d, by %q, want %q", tt.target, w.Code, f.by, tt.by)
		}
	}
	// Exchanges are used again: what one request has proven is not the next one's.
	if prove(New(Config{Engine: f, Allow: everybody}), "update/phys?app01", "10.0.0.7:1"); f.by != "10.0.0.7" {
		t.Errorf("without tokens it is by %q", f.by)
	}
	if w := prove(h, "update/phys?app01", "10.0.0.7:1"); w.Code != 401 {
		t.Errorf("the request after one with a token: %d", w.Code)
	}
	if w := prove(h, "status/farm?f=%h", "10.0.0.7:1"); w.Header().Get("WWW-Authenticate") != "" {
		t.Error("the challenge of the request before is sent again")
	}
}

func everybody(Part, netip.Addr) bool { return true }

// FuzzBearer reads any field: whatever is taken for a token can be sent as one, and stays the same.
func FuzzBearer(f *testing.F) {
	for _, s := range []string{
		"", "Bearer", "Bearer ", "Bearer deploy" + secretEnd, "bearer   deploy" + secretEnd + "  ", "Basic x", "Bearer a b" + secretEnd,
		"Bearer \x7f" + secretEnd, "BEARER\t" + secretEnd, "Bearer " + strings.Repeat("x", MaxToken+1),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		text, ok := bearer([]string{field})
		if !ok {
			return
		}
		if !ValidToken(text) || !strings.Contains(field, text) {
			t.Errorf("%q: %q is taken for a token", field, text)
		}
		again, ok := bearer([]string{"Bearer " + text})
		if d := cmp.Diff(text, again); !ok || d != "" {
			t.Errorf("%q: sent again it is another one: %s", field, d)
		}
	})
}
