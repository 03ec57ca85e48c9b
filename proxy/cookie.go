package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An application may say, by a cookie, where its client's next requests are to go: mod_athena 2 had that, keyed by a secret. The
// cookie is that of the application alone. It sets it in a response, which passes as it is, and the client sends it with what
// comes then. Nobody else can make one, as nobody else has the key; a client can keep one, until it expires, and give it away.
//
// The value is
//
//	v1.DO.EXPIRES.TARGET.MAC
//
// of at most 512 bytes. DO is stick, stay or farm; EXPIRES is when it ends to count, in seconds since 1970, in decimal digits, at
// most 400 days ahead. TARGET is the name of a member, or of a farm, in which all bytes are encoded as %XX but for letters,
// digits, and "-", "_", "." and "~" (rawurlencode of PHP does just that). MAC is HMAC-SHA256 by the key over all that stands
// before the last dot, in base64 of URLs without padding. The clocks of all hosts must be right, within what the times bear: this
// is the one place where it counts whether they agree.

const (
	// MaxCookie is the most bytes that the value of such a cookie may have.
	MaxCookie = 512
	// MaxCookieTarget is the most bytes that the name of its member, or farm, may have.
	MaxCookieTarget = 255
	// MaxCookieTime is the longest time for which it may count. Browsers keep no cookie for longer (RFC 6265bis).
	MaxCookieTime = 400 * 24 * time.Hour
)

// What an instruction says.
const (
	Stick = "stick" // its member takes the request, whatever befalls it (mod_athena: sticky)
	Stay  = "stay"  // its member takes the request while it is fit and can be reached (mod_athena: sticky, safely)
	Move  = "farm"  // the request is one for that farm (mod_athena: another farm, by business rules)
)

// Instruction is what such a cookie says.
type Instruction struct {
	Do      string    // Stick, Stay or Move
	Target  string    // name of a member or, for Move, of a farm; at most MaxCookieTarget bytes
	Expires time.Time // in whole seconds; from then on it does not count
}

// Cookie is the cookie by which applications say where requests go. It does not change.
type Cookie struct {
	name string
	keys [][]byte
}

// NewCookie returns the cookie of that name. Whoever knows one of the keys may write it; the first signs. There must be one.
func NewCookie(name string, keys ...[]byte) *Cookie { return &Cookie{name: name, keys: keys} }

// Format keeps the keys out of logs, whatever the verb is.
func (c *Cookie) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "cookie %s, %d keys", c.name, len(c.keys))
}

// Sign returns the value that says so. Errors are about the instruction: none of the three, no target or one that is too long,
// over by now, or for too long.
func (c *Cookie) Sign(in Instruction, now time.Time) (string, error) {
	switch left := in.Expires.Sub(now); {
	case !isInstruction(in.Do):
		return "", fmt.Errorf("%q is no instruction, want %s, %s or %s", in.Do, Stick, Stay, Move)
	case in.Target == "" || len(in.Target) > MaxCookieTarget:
		return "", fmt.Errorf("the name has %d bytes, want 1 to %d", len(in.Target), MaxCookieTarget)
	case left < time.Second || left > MaxCookieTime:
		return "", fmt.Errorf("it would count for %v, want from 1s to %v", left, MaxCookieTime)
	}
	target := strings.ReplaceAll(url.QueryEscape(in.Target), "+", "%20")
	text := "v1." + in.Do + "." + strconv.FormatInt(in.Expires.Unix(), 10) + "." + target
	mac := macOf(c.keys[0], text)
	text += "." + base64.RawURLEncoding.EncodeToString(mac[:])
	if len(text) > MaxCookie {
		return "", fmt.Errorf("the value has %d bytes, more than %d: the name has too many bytes that are encoded", len(text), MaxCookie)
	}
	return text, nil
}

// Verify returns what a value says. An error is why it does not count; of one that we have signed, and that has expired, it
// returns the instruction as well.
func (c *Cookie) Verify(value string, now time.Time) (Instruction, error) {
	in, result := c.verify(value, now)
	if result != "" {
		return in, result
	}
	return in, nil
}

// verify is Verify with a result in place of the error; "" is none. What the clock says comes last, so that nobody's forgery is
// counted as a cookie of ours that has expired.
func (c *Cookie) verify(value string, now time.Time) (Instruction, cookieResult) {
	in, text, mac, ok := parseInstruction(value)
	if !ok {
		return Instruction{}, malformedCookie
	}
	signed := false
	for _, key := range c.keys {
		own := macOf(key, text)
		signed = hmac.Equal(own[:], mac[:]) || signed
	}
	switch {
	case !signed:
		return Instruction{}, unsignedCookie
	case !now.Before(in.Expires):
		return in, expiredCookie
	case in.Expires.Sub(now) > MaxCookieTime:
		return in, farCookie
	}
	return in, ""
}

func macOf(key []byte, text string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	_, _ = h.Write([]byte(text))
	h.Sum(sum[:0])
	return sum
}

func isInstruction(do string) bool { return do == Stick || do == Stay || do == Move }

// parseInstruction takes a value apart, without trusting it. text is what mac must be of. Dots in the target are its own, as
// there are none behind it but the last.
func parseInstruction(value string) (in Instruction, text string, mac [sha256.Size]byte, ok bool) {
	last := strings.LastIndexByte(value, '.')
	if last < 0 || len(value) > MaxCookie {
		return in, "", mac, false
	}
	text = value[:last]
	version, rest, _ := strings.Cut(text, ".")
	do, rest, _ := strings.Cut(rest, ".")
	expires, target, _ := strings.Cut(rest, ".")
	seconds, isTime := parseSeconds(expires)
	name, isName := parseTarget(target)
	if version != "v1" || !isInstruction(do) || !isTime || !isName || !parseMAC(value[last+1:], &mac) {
		return in, "", mac, false
	}
	return Instruction{Do: do, Target: name, Expires: time.Unix(seconds, 0)}, text, mac, true
}

// maxSecondsDigits is enough for some thirty thousand years, and no sum with it overflows.
const maxSecondsDigits = 12

func parseSeconds(s string) (int64, bool) {
	if s == "" || len(s) > maxSecondsDigits || s[0] == '0' {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, true
}

// parseTarget returns a name without encoding. What need not be encoded may be.
func parseTarget(s string) (string, bool) {
	for i := range len(s) {
		if !isUnreserved(s[i]) && s[i] != '%' {
			return "", false
		}
	}
	name, err := url.PathUnescape(s)
	return name, err == nil && name != "" && len(name) <= MaxCookieTarget
}

func parseMAC(s string, mac *[sha256.Size]byte) bool {
	if len(s) != base64.RawURLEncoding.EncodedLen(len(mac)) {
		return false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(mac[:], []byte(s))
	return err == nil && n == len(mac)
}
