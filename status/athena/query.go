package athena

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what one request over HTTP may ask.
const (
	maxEmbedded = 16   // embedded requests of a GET; mod_athena's ATH_MAX_EMBED
	maxRequests = 1000 // embedded requests of a POST, and updates of either
	maxArgs     = 128  // arguments of one embedded request
	maxQuery    = 8192 // bytes of a query string
)

// query is what one request over HTTP holds: embedded requests, each a list of arguments. Query strings, forms and JSON all
// become this. It is used again for other requests.
type query struct {
	args    []arg
	ends    []int  // where in args each embedded request ends
	raw     string // the query string as it was sent; "" for a body
	text    string // the query string that args point into, escapes resolved
	escaped bool   // raw begins with E
}

// arg is one argument.
type arg struct {
	key     string // "" for a word that stands alone
	value   string // the word, or what follows the equals sign; of quoted ones what is between the quotes, backslashes included
	quoted  bool
	stat    bool // it stands among statistics, and is nothing else
	at      int  // offset of the argument
	valueAt int  // offset of the value
}

// syntaxError says what is wrong with the arguments, and where.
type syntaxError struct {
	position int // byte of the query string or the body as it was sent, from 1
	want     string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: %s", e.position, e.want) }

// wrong returns an error about what is at an offset.
func (q *query) wrong(at int, format string, args ...any) error {
	return &syntaxError{position: q.position(at), want: fmt.Sprintf(format, args...)}
}

// position returns which byte of what was sent, from 1, stands at an offset.
func (q *query) position(at int) int {
	if !q.escaped {
		return at + 1
	}
	i := 1 // behind the mark
	for ; at > 0 && i < len(q.raw); at-- {
		i += width(q.raw[i:])
	}
	return i + 1
}

// reset empties the query for a body, or for a query string if there is one.
func (q *query) reset(raw string) {
	clear(q.args)
	*q = query{args: q.args[:0], ends: q.ends[:0], raw: raw, text: raw}
}

// parseString reads a query string, all that follows the question mark. An empty one holds no request.
func (q *query) parseString(raw string) error {
	q.reset(raw)
	if len(raw) > maxQuery {
		return &failure{status: statusTooLarge, text: fmt.Sprintf("the query string has %d bytes, of which %d are read: send a POST",
			len(raw), maxQuery)}
	}
	if rest, ok := strings.CutPrefix(raw, "E"); ok {
		q.escaped, q.text = true, unescape(rest)
	}
	if bad := badText(q.text); bad >= 0 {
		return q.wrong(bad, "want text in UTF-8 without control characters")
	}
	if q.text == "" {
		return nil
	}
	return q.scan()
}

// scan takes the text of a query string apart.
func (q *query) scan() error {
	for at := 0; ; at++ {
		a, end, err := q.argument(at)
		if err == nil {
			err = q.add(a)
		}
		if err != nil {
			return err
		}
		if at = end; at == len(q.text) {
			q.finish()
			return nil
		}
		if q.text[at] == ';' {
			if q.finish(); len(q.ends) == maxEmbedded {
				return q.wrong(at+1, "here begins request %d of this GET; at most %d are taken, and none was: send several, or a POST",
					maxEmbedded+1, maxEmbedded)
			}
		}
	}
}

// argument reads one argument, and returns the offset of what follows it.
func (q *query) argument(at int) (a arg, end int, err error) {
	a = arg{at: at, valueAt: at}
	for end = at; end < len(q.text) && !ends(q.text[end]) && q.text[end] != '"' && q.text[end] != '='; end++ {
	}
	if end < len(q.text) && q.text[end] == '=' {
		if a.key = q.text[at:end]; a.key == "" {
			return arg{}, 0, q.wrong(at, "want a name before the equals sign")
		}
		a.valueAt = end + 1
	}
	if strings.HasPrefix(q.text[a.valueAt:], `"`) {
		return q.quotedValue(a)
	}
	for end = a.valueAt; end < len(q.text) && !ends(q.text[end]); end++ {
		if q.text[end] == '"' {
			return arg{}, 0, q.wrong(end, `want no " inside of a value: one with commas is quoted as a whole`)
		}
	}
	if a.value = q.text[a.valueAt:end]; a.value == "" {
		if a.key == "" {
			return arg{}, 0, q.wrong(at, "want a name, or key=value")
		}
		return arg{}, 0, q.wrong(end, `want a value for %.40q (an empty one is "")`, a.key)
	}
	return a, end, nil
}

// ends reports whether an argument ends before that byte.
func ends(c byte) bool { return c == ',' || c == ';' }

// quotedValue reads the rest of an argument whose value begins with a quote.
func (q *query) quotedValue(a arg) (arg, int, error) {
	a.quoted = true
	a.valueAt++
	for i := a.valueAt; i < len(q.text); i++ {
		switch q.text[i] {
		case '\\':
			i++ // whatever it is, it does not end the value
		case '"':
			a.value = q.text[a.valueAt:i]
			if i++; i < len(q.text) && !ends(q.text[i]) {
				return arg{}, 0, q.wrong(i, "want a comma, a semicolon or the end behind a closing quote")
			}
			return a, i, nil
		}
	}
	return arg{}, 0, q.wrong(a.valueAt-1, "want a closing quote for the one that is opened here")
}

// add appends an argument to the request that is being read.
func (q *query) add(a arg) error {
	if len(q.args)-q.begin(len(q.ends)) == maxArgs {
		return q.wrong(a.at, "want at most %d arguments in one request", maxArgs)
	}
	q.args = append(q.args, a)
	return nil
}

// finish ends the request that is being read.
func (q *query) finish() { q.ends = append(q.ends, len(q.args)) }

// begin returns where in args an embedded request begins.
func (q *query) begin(i int) int {
	if i == 0 {
		return 0
	}
	return q.ends[i-1]
}

// request returns the arguments of an embedded request, counted from 0.
func (q *query) request(i int) []arg { return q.args[q.begin(i):q.ends[i]] }

// plain returns a value that is no format: in quotes, a backslash stands before another one, or before a quote.
func (q *query) plain(a *arg) (string, error) {
	if !a.quoted || strings.IndexByte(a.value, '\\') < 0 {
		return a.value, nil
	}
	var b strings.Builder
	for i := 0; i < len(a.value); i++ {
		if a.value[i] == '\\' {
			if i++; a.value[i] != '\\' && a.value[i] != '"' { // there is one more: quotedValue saw to it
				return "", q.wrong(a.valueAt+i-1, `want \\ or \": in this value a backslash stands before nothing else`)
			}
		}
		b.WriteByte(a.value[i])
	}
	return b.String(), nil
}

// unescape resolves %XX, and plus signs, which most clients write for blanks. A percent sign without two digits stays one: the
// manual's own example, Eh=app01,f="%h,%c", has two of these.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for s != "" {
		c, n := s[0], width(s)
		switch {
		case n > 1:
			c = byte(hexDigit(s[1])<<4 | hexDigit(s[2]))
		case c == '+':
			c = ' '
		}
		b.WriteByte(c)
		s = s[n:]
	}
	return b.String()
}

// width returns how many bytes of an escaped text its first byte takes.
func width(s string) int {
	if s[0] == '%' && len(s) > 2 && hexDigit(s[1]) >= 0 && hexDigit(s[2]) >= 0 {
		return 3
	}
	return 1
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// badText returns the offset of the first control character, or byte that is no UTF-8; -1 if there is none.
func badText(s string) int {
	for i, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return -1
}

// looksEscaped reports whether a query string without the mark holds what a client is likely to have escaped.
func (q *query) looksEscaped() bool {
	if q.escaped {
		return false
	}
	for _, sign := range []string{"%22", "%25", "%2C", "%2c", "%20", "%3D", "%3d", "%3B", "%3b", "%7B", "%7b"} {
		if strings.Contains(q.raw, sign) {
			return true
		}
	}
	return false
}
