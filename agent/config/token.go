package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Token is a secret that programs send to use parts of the engine's interface, beside having the right address. The token itself
// is not kept.
type Token struct {
	Name  string            // of who has it: 1 to 32 letters, digits, dots, dashes and underscores
	Hash  [sha256.Size]byte // SHA-256 of it
	Parts []string          // that it opens: balance, status, update and mirror, at least one, in that order
}

const (
	maxTokens     = 64
	maxTokenName  = 32
	maxTokenFile  = 64 << 10 // bytes
	exampleTokens = `"/etc/backhand/tokens"`
	// A token has so many visible ASCII characters.
	minToken, maxToken = 16, 256
	// tokenLine is what a line of the file looks like.
	tokenLine = "NAME TOKEN PART[,PART], as in 'deploy Fq3... update,status'"
)

// tokenParts are what a token may open.
func tokenParts() []string { return []string{"balance", "status", "update", "mirror"} }

// Opened reports whether some token opens a part, which is then closed to whoever sends none.
func (a *Athena) Opened(part string) bool {
	return slices.ContainsFunc(a.Tokens, func(t Token) bool { return slices.Contains(t.Parts, part) })
}

// readTokens reads athena.token_file with the file that it names. What stands there is never shown.
func (p *parser) readTokens(s *section) {
	const key = "token_file"
	file, ok := s.text(key, exampleTokens)
	if !ok {
		return
	}
	if !path.IsAbs(file) {
		p.wrong(s.lineOf(key), "athena.token_file is no path that begins with /: write that of a file such as %s; a token itself never "+
			"stands in this file", exampleTokens)
		return
	}
	text, perm, err := p.env.ReadSecret(file)
	if err != nil {
		if e, isPath := errors.AsType[*fs.PathError](err); isPath {
			err = e.Err
		}
		p.wrong(s.lineOf(key), "athena.token_file cannot be read: %v: correct the path, or let the user that the agent runs as read it", err)
		return
	}
	if err := checkTokenPerm(file, perm); err != nil {
		p.wrong(s.lineOf(key), "athena.token_file: %v", err)
	}
	tokens, err := parseTokens(file, text)
	if mistakes, isList := errors.AsType[*Errors](err); isList {
		p.elsewhere = append(p.elsewhere, *mistakes...)
		return
	}
	if err != nil {
		p.wrong(s.lineOf(key), "athena.token_file: %v", err)
		return
	}
	p.cfg.Athena.TokenFile, p.cfg.Athena.Tokens = file, tokens
}

func checkTokenPerm(file string, perm fs.FileMode) error {
	if perm.Perm()&tooOpen == 0 {
		return nil
	}
	return fmt.Errorf("the mode of %s is %04o, which lets others read it or its group write it: run chmod 640 %[1]s; "+
		"if somebody may have read it, make new tokens", file, perm.Perm())
}

// parseTokens reads the text of a file of tokens: a line each, of name, token and parts. Mistakes in its lines come as *[Errors];
// none shows what stands there, as the token may stand anywhere.
func parseTokens(file string, text []byte) ([]Token, error) {
	if len(text) > maxTokenFile {
		return nil, fmt.Errorf("%s has more than %d bytes: keep it below", file, maxTokenFile)
	}
	var all []Token
	var mistakes Errors
	lines := map[[sha256.Size]byte]int{} // of tokens
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		t, want := parseTokenLine(words)
		if want == "" && lines[t.Hash] > 0 {
			want = fmt.Sprintf("the token stands in line %d already: make another one, so that it is known who sends it", lines[t.Hash])
		}
		if want == "" && len(all) == maxTokens {
			want = fmt.Sprintf("this is one token too many: keep at most %d", maxTokens)
		}
		if want != "" {
			if len(mistakes) < maxMistakes {
				mistakes = append(mistakes, Mistake{File: file, Line: number, Message: want})
			}
			continue
		}
		all, lines[t.Hash] = append(all, t), number
	}
	if err := mistakes.orNil(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no token: write lines of %s, or leave token_file away, and addresses are all that counts", file,
			tokenLine)
	}
	return all, nil
}

// parseTokenLine reads the words of a line, or says what they could have been.
func parseTokenLine(words []string) (t Token, want string) {
	if len(words) != 3 {
		return t, "want " + tokenLine
	}
	name, token := words[0], words[1]
	switch {
	case len(name) > maxTokenName || !onlyOf(name, "-._"):
		return t, fmt.Sprintf("want first who has the token, in at most %d letters, digits, dots, dashes and underscores: %s",
			maxTokenName, tokenLine)
	case !isToken(token):
		return t, fmt.Sprintf("want a token of %d to %d visible ASCII characters behind the name, as 'openssl rand -hex 32' makes one",
			minToken, maxToken)
	}
	t = Token{Name: name, Hash: sha256.Sum256([]byte(token))}
	opens := map[string]bool{}
	for word := range strings.SplitSeq(words[2], ",") {
		switch {
		case word == "all":
			for _, part := range tokenParts() {
				opens[part] = true
			}
		case !slices.Contains(tokenParts(), word):
			return t, "want balance, status, update, mirror or all as the parts that the token opens, with commas between them"
		}
		opens[word] = true
	}
	for _, part := range tokenParts() {
		if opens[part] {
			t.Parts = append(t.Parts, part)
		}
	}
	return t, ""
}

// isToken is what status/athena takes for one.
func isToken(s string) bool {
	return len(s) >= minToken && len(s) <= maxToken && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// ReadToken reads a file with the one token that a program sends: a line, beside empty ones and such as begin with #. No error
// shows it.
func ReadToken(file string) (string, error) {
	text, perm, err := readSecret(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if err := checkTokenPerm(file, perm); err != nil {
		return "", err
	}
	return parseOneToken(file, text)
}

// parseOneToken reads the text of a file with one token.
func parseOneToken(file string, text []byte) (token string, err error) {
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case token != "":
			return "", fmt.Errorf("%s:%d: here is a second token: keep the one that is to be sent", file, number)
		case !isToken(line):
			return "", fmt.Errorf("%s:%d: want the token alone, %d to %d visible ASCII characters", file, number, minToken, maxToken)
		}
		token = line
	}
	if token == "" {
		return "", fmt.Errorf("%s has no token: write the one that is to be sent into it", file)
	}
	return token, nil
}
