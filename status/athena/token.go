package athena

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Bounds of a token, in visible ASCII characters: what is shorter can be guessed.
const (
	MinToken = 16
	MaxToken = 256
)

// Token is a secret that programs send for the parts that it opens, as "Authorization: Bearer TOKEN". A part that any token opens
// is closed to whoever sends none of those that do.
type Token struct {
	Name  string            // of who has it, for logs and pages; trusted. Several tokens may have one name
	Hash  [sha256.Size]byte // SHA-256 of the token: what we hold opens nothing
	Parts []Part            // that it opens
}

// parts is a set of parts.
type parts uint8

const allParts parts = 1<<PartBalance | 1<<PartStatus | 1<<PartUpdate | 1<<PartMirror

func setOf(list ...Part) (s parts) {
	for _, p := range list {
		s |= 1 << p
	}
	return s
}

// realm is what a challenge is for, as RFC 6750 has it.
const realm = `Bearer realm="athena"`

// prove returns an error unless one of these parts needs no token, or the request has sent a token for one of them. Who may
// not by address has been refused before.
func (h *handler) prove(x *exchange, wanted parts) error {
	if wanted&^h.guarded != 0 {
		return nil
	}
	const send = "send Authorization: Bearer TOKEN, with one of athena.token_file of the agent's file"
	text, sent := bearer(x.r.Header["Authorization"])
	if !sent {
		x.challenge = realm
		return &failure{http.StatusUnauthorized, "this needs a token: " + send}
	}
	t := h.holder(text)
	switch {
	case t == nil:
		x.challenge = realm + `, error="invalid_token"`
		return &failure{http.StatusUnauthorized, "this token is not known here: " + send}
	case setOf(t.Parts...)&wanted == 0:
		x.challenge = realm + `, error="insufficient_scope"`
		return &failure{http.StatusForbidden, "the token of " + t.Name + " is not for this: " + send + " that is"}
	}
	x.holder = t.Name
	return nil
}

// holder returns the token of that text; nil if there is none. How long it takes says nothing about those there are.
func (h *handler) holder(text string) (found *Token) {
	sum := sha256.Sum256([]byte(text))
	for i := range h.cfg.Tokens {
		if t := &h.cfg.Tokens[i]; subtle.ConstantTimeCompare(sum[:], t.Hash[:]) == 1 {
			found = t
		}
	}
	return found
}

// bearer returns the token of the values of Authorization, of which there must be one; false if that is none.
func bearer(fields []string) (token string, ok bool) {
	if len(fields) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(fields[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	token = strings.Trim(token, " ")
	return token, ValidToken(token)
}

// ValidToken reports whether a text may be a token: MinToken to MaxToken visible ASCII characters.
func ValidToken(s string) bool {
	if len(s) < MinToken || len(s) > MaxToken {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
