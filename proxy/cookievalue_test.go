package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	cookieKey = "correct-horse-battery-staple"
	olderKey  = "0123456789abcdef"
)

// testCookie is signed by one of two keys.
func testCookie() *Cookie { return NewCookie("athena", []byte(cookieKey), []byte(olderKey)) }

// cookieTime is when the cookies of the tables are looked at, and cookieUntil when they expire.
var cookieTime, cookieUntil = time.Unix(1_790_000_000, 0), time.Unix(1_790_003_600, 0)

// The values were made by Python's hmac and urllib.parse.
func TestCookieValues(t *testing.T) {
	for _, tc := range []struct {
		in    Instruction
		value string
	}{
		{Instruction{Stick, "app1", cookieUntil}, "v1.stick.1790003600.app1.1DyPq0HpIPqNvBreH1ybr8uY2lm5j99TPLNJGLBIlyY"},
		{Instruction{Stay, "www1.example.com", cookieUntil}, "v1.stay.1790003600.www1.example.com.dGV3KHCeDIz9Wpz6w8RmwlXxwXZcIYVJ4DzZOfx-cZM"},
		{
			Instruction{Move, "gold/ü &+%~", cookieUntil},
			"v1.farm.1790003600.gold%2F%C3%BC%20%26%2B%25~.FdyyR5xqcaSKcsBxL7A7GiyEUx0euSU5n5XnyAmKAlM",
		},
	} {
		if got, err := testCookie().Sign(tc.in, cookieTime); got != tc.value || err != nil {
			t.Errorf("%+v is signed as %q, %v; want %q", tc.in, got, err, tc.value)
		}
		if got, err := testCookie().Verify(tc.value, cookieTime); got != tc.in || err != nil {
			t.Errorf("%q is read as %+v, %v; want %+v", tc.value, got, err, tc.in)
		}
	}
}

// signedText signs what may be no instruction.
func signedText(key, text string) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestCookiesThatDoNotCount(t *testing.T) {
	good := signedText(cookieKey, "v1.stick.1790003600.app1")
	mac := good[strings.LastIndexByte(good, '.')+1:]
	sign := func(text string) string { return signedText(cookieKey, text) }
	for _, tc := range []struct {
		what, value string
		want        cookieResult
	}{
		{"a good one", good, ""},
		{"signed by the older key", signedText(olderKey, "v1.stay.1790003600.app1"), ""},
		{"signed by another key", signedText("somebody-elses-key", "v1.stick.1790003600.app1"), unsignedCookie},
		{"a target that was changed", strings.Replace(good, "app1", "app2", 1), unsignedCookie},
		{"an instruction that was changed", strings.Replace(good, "stick", "farm", 1), unsignedCookie},
		{"a time that was changed", strings.Replace(good, "1790003600", "1790003601", 1), unsignedCookie},
		{"the last second", sign("v1.stick.1790000001.app1"), ""},
		{"a second later", sign("v1.stick.1790000000.app1"), expiredCookie},
		{"1970", sign("v1.stick.1.app1"), expiredCookie},
		{"400 days ahead", sign(fmt.Sprint("v1.stick.", 1_790_000_000+400*86400, ".app1")), ""},
		{"a second more", sign(fmt.Sprint("v1.stick.", 1_790_000_001+400*86400, ".app1")), farCookie},
		{"the end of time", sign("v1.stick.999999999999.app1"), farCookie},
		{"a forgery that has expired as well", "v1.stick.1." + "app1." + mac, unsignedCookie},

		{"encoded, where it need not be", sign("v1.stick.1790003600.%61pp%2e1"), ""},
		{"nothing", "", malformedCookie},
		{"no dot", "stick", malformedCookie},
		{"dots alone", "....", malformedCookie},
		{"another version", sign("v2.stick.1790003600.app1"), malformedCookie},
		{"another instruction", sign("v1.Stick.1790003600.app1"), malformedCookie},
		{"no time", sign("v1.stick..app1"), malformedCookie},
		{"a time with a sign", sign("v1.stick.+1790003600.app1"), malformedCookie},
		{"a time that begins with 0", sign("v1.stick.01790003600.app1"), malformedCookie},
		{"a time of 13 digits", sign("v1.stick.1790003600000.app1"), malformedCookie},
		{"no target", sign("v1.stick.1790003600."), malformedCookie},
		{"no target, and no dot before it", sign("v1.stick.1790003600"), malformedCookie},
		{"a target that is not encoded", sign("v1.stick.1790003600.app 1"), malformedCookie},
		{"a plus for a space", sign("v1.stick.1790003600.app+1"), malformedCookie},
		{"encoding that is cut off", sign("v1.stick.1790003600.app%2"), malformedCookie},
		{"a target of 255 bytes", sign("v1.stick.1790003600." + strings.Repeat("a", 255)), ""},
		{"a target of 256 bytes", sign("v1.stick.1790003600." + strings.Repeat("a", 256)), malformedCookie},
		{"more than 512 bytes", sign("v1.stick.1790003600." + strings.Repeat("%61", 160)), malformedCookie},
		{"no MAC", "v1.stick.1790003600.app1.", malformedCookie},
		{"a MAC that is cut off", good[:len(good)-1], malformedCookie},
		{"a MAC that goes on", good + "A", malformedCookie},
		{"a MAC with padding", good + "=", malformedCookie},
		{"a MAC in the other base64", "v1.stick.1790003600.app1." + strings.Repeat("+", 43), malformedCookie},
		{"a MAC with bits that say nothing", good[:len(good)-1] + "Z", malformedCookie}, // for Y
	} {
		_, err := testCookie().Verify(tc.value, cookieTime)
		var got cookieResult
		if errors.As(err, &got); got != tc.want {
			t.Errorf("%s: %q gives %q, want %q", tc.what, tc.value, got, tc.want)
		}
	}
}

// An expired one tells what it said; nobody else's says anything.
func TestCookieThatHasExpiredIsTold(t *testing.T) {
	in, err := testCookie().Verify(signedText(cookieKey, "v1.farm.1789999999.gold"), cookieTime)
	if in != (Instruction{Move, "gold", time.Unix(1_789_999_999, 0)}) || err == nil || err.Error() != "it does not count: it has expired" {
		t.Errorf("%+v, %v", in, err)
	}
	if in, err := testCookie().Verify(signedText("somebody-elses-key", "v1.farm.1790003600.gold"), cookieTime); in != (Instruction{}) || err == nil {
		t.Errorf("a forgery: %+v, %v", in, err)
	}
}

func TestSignRefuses(t *testing.T) {
	for _, tc := range []struct {
		in   Instruction
		want string
	}{
		{Instruction{"sticky", "app1", cookieUntil}, `"sticky" is no instruction, want stick, stay or farm`},
		{Instruction{Stick, "", cookieUntil}, "the name has 0 bytes, want 1 to 255"},
		{Instruction{Stick, strings.Repeat("a", 256), cookieUntil}, "the name has 256 bytes, want 1 to 255"},
		{Instruction{Stick, "app1", cookieTime}, "it would count for 0s, want from 1s to 9600h0m0s"},
		{Instruction{Stick, "app1", cookieTime.Add(9601 * time.Hour)}, "it would count for 9601h0m0s, want from 1s to 9600h0m0s"},
		{
			Instruction{Stick, strings.Repeat("/", 200), cookieUntil},
			"the value has 664 bytes, more than 512: the name has too many bytes that are encoded",
		},
	} {
		if got, err := testCookie().Sign(tc.in, cookieTime); err == nil || err.Error() != tc.want {
			t.Errorf("%+v: %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
}

func TestCookieKeepsItsKeysOutOfLogs(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, testCookie()); got != "cookie athena, 2 keys" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// Whatever is signed is read as it was meant, by either key, and by no other.
func TestSignedCookiesAreReadAsTheyWereMeant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Instruction{
			Do:      rapid.SampledFrom([]string{Stick, Stay, Move}).Draw(t, "do"),
			Target:  string(rapid.SliceOfN(rapid.Byte(), 1, 120).Draw(t, "target")),
			Expires: cookieTime.Add(time.Duration(rapid.Int64Range(1, 400*86400).Draw(t, "seconds")) * time.Second),
		}
		value, err := testCookie().Sign(in, cookieTime)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(value, " \t\";,\\\r\n") {
			t.Errorf("%q is no value of a cookie", value)
		}
		for _, c := range []*Cookie{testCookie(), NewCookie("x", []byte(olderKey), []byte(cookieKey))} {
			if got, err := c.Verify(value, cookieTime); got != in || err != nil {
				t.Errorf("%q is read as %+v, %v; want %+v", value, got, err, in)
			}
		}
		if _, err := NewCookie("athena", []byte(olderKey)).Verify(value, cookieTime); !errors.Is(err, unsignedCookie) {
			t.Errorf("%q counts with another key: %v", value, err)
		}
	})
}

// What can be read at all says the same when it is signed anew; whatever a client sends, nothing counts that is not signed.
func FuzzCookie(f *testing.F) {
	f.Add("v1.stick.1790003600.app1.1DyPq0HpIPqNvBreH1ybr8uY2lm5j99TPLNJGLBIlyY")
	f.Add("v1.farm.1790003600.%67old..AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, value string) {
		in, text, _, ok := parseInstruction(value)
		if _, err := NewCookie("athena", []byte("a key that nobody knows")).Verify(value, cookieTime); err == nil {
			t.Errorf("%q counts", value)
		}
		if !ok {
			return
		}
		if !isInstruction(in.Do) || in.Target == "" || len(in.Target) > MaxCookieTarget || !strings.HasPrefix(value, text+".") {
			t.Errorf("%q is read as %+v of %q", value, in, text)
		}
		again, err := testCookie().Sign(in, in.Expires.Add(-time.Minute))
		if err != nil {
			if len(in.Target) < 100 {
				t.Errorf("%+v cannot be signed: %v", in, err)
			}
			return
		}
		if got, err := testCookie().Verify(again, in.Expires.Add(-time.Minute)); got != in || err != nil {
			t.Errorf("%q is %+v, signed anew as %q, and read as %+v, %v", value, in, again, got, err)
		}
	})
}
