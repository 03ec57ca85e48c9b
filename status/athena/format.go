package athena

import (
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxFormat = 1024 // bytes of a format
	maxWidth  = 200  // characters to which a value is filled up
)

// format is how an entity is written: printf's manner, with codes in place of types.
type format[T any] []piece[T]

// piece is text, or a code.
type piece[T any] struct {
	text  string
	code  *code[T] // nil: text
	width int      // characters that it takes at least; below 0: filled up on the right
}

// mistake is what is wrong with a format.
type mistake struct {
	at   int // offset
	want string
}

// parseFormat reads a format: %h or %{name} for a value, %8h and %-8h for one that is filled up with blanks, %% for a percent
// sign; \n, \t, \\ and \" as in C.
func parseFormat[T any](t *table[T], s string) (format[T], *mistake) {
	if len(s) > maxFormat {
		return nil, &mistake{maxFormat, "want at most 1024 bytes of format"}
	}
	var all format[T]
	var text []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			c, ok := escaped(s[i+1:])
			if !ok {
				return nil, &mistake{i, `want \n, \t, \\ or \"`}
			}
			text = append(text, c)
			i++
		case s[i] != '%':
			text = append(text, s[i])
		case strings.HasPrefix(s[i:], "%%"):
			text = append(text, '%')
			i++
		default:
			if len(text) > 0 {
				all, text = append(all, piece[T]{text: string(text)}), text[:0]
			}
			p, n, m := parsePiece(t, s[i+1:])
			if m != nil {
				m.at += i + 1
				return nil, m
			}
			all = append(all, p)
			i += n
		}
	}
	if len(text) > 0 {
		all = append(all, piece[T]{text: string(text)})
	}
	return all, nil
}

// escaped returns what a backslash before s stands for.
func escaped(s string) (byte, bool) {
	if s == "" {
		return 0, false
	}
	switch s[0] {
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case '\\', '"':
		return s[0], true
	}
	return 0, false
}

// parsePiece reads what follows a percent sign, and says how many bytes it takes.
func parsePiece[T any](t *table[T], s string) (p piece[T], n int, m *mistake) {
	left := strings.HasPrefix(s, "-")
	if left {
		n++
	}
	for digits := n; n < len(s) && '0' <= s[n] && s[n] <= '9'; n++ {
		if p.width = 10*p.width + int(s[n]-'0'); p.width > maxWidth {
			return p, 0, &mistake{digits, "want a width of at most 200 characters"}
		}
	}
	if left {
		p.width = -p.width
	}
	key, size, m := codeOf(s[n:])
	if m == nil {
		if p.code = t.find(key); p.code == nil {
			m = &mistake{0, t.noCode(key)}
		} else if p.code.value == nil {
			m = &mistake{0, "f is the format itself and has no value"}
		}
	}
	if m != nil {
		m.at += n
		return p, 0, m
	}
	return p, n + size, nil
}

// codeOf returns the letter, or the name in braces, that s begins with, and how many bytes it takes.
func codeOf(s string) (key string, size int, m *mistake) {
	switch {
	case s == "":
		return "", 0, &mistake{0, "want a code behind a % (a percent sign is %%)"}
	case s[0] != '{':
		_, size := utf8.DecodeRuneInString(s)
		return s[:size], size, nil
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return "", 0, &mistake{0, "want a closing brace for the one that is opened here"}
	}
	return s[1:end], end + 1, nil
}

// append writes an entity, and ends the line if the format does not.
func (f format[T]) append(dst []byte, v *T, now time.Time) []byte {
	start := len(dst)
	for i := range f {
		p := &f[i]
		if p.code == nil {
			dst = append(dst, p.text...)
			continue
		}
		begin := len(dst)
		dst = appendValue(dst, p.code.value(v, now))
		dst = fill(dst, begin, p.width)
	}
	if len(dst) == start || dst[len(dst)-1] != '\n' {
		dst = append(dst, '\n')
	}
	return dst
}

// fill brings what begins at start to a width.
func fill(dst []byte, start, width int) []byte {
	blanks := max(width, -width) - utf8.RuneCount(dst[start:])
	if blanks <= 0 {
		return dst
	}
	if width < 0 {
		return append(dst, strings.Repeat(" ", blanks)...)
	}
	value := string(dst[start:])
	dst = append(dst[:start], strings.Repeat(" ", blanks)...)
	return append(dst, value...)
}
