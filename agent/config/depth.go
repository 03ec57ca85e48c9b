package config

import "strings"

// maxDepth is how many tables and lists may stand within one another, and how many names a dotted key may have. No file
// needs three; the TOML library takes time and memory by the square of it.
const maxDepth = 16

// tooDeep returns the line in which a text goes deeper than that, or 0. It is no parser: it knows strings and comments, and
// counts brackets and dots outside of them.
func tooDeep(text string) int {
	line, depth, dots := 1, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line++
			dots = 0
		case '#':
			i += len(text[i:]) - len(strings.TrimLeftFunc(text[i:], func(r rune) bool { return r != '\n' })) - 1
		case '"', '\'':
			n := stringLength(text[i:])
			line += strings.Count(text[i:i+n], "\n")
			i += n - 1
		case '[', '{':
			depth++
			dots = 0
		case ']', '}':
			depth = max(0, depth-1)
		case '=', ',':
			dots = 0
		case '.':
			dots++
		}
		if depth > maxDepth || dots > maxDepth {
			return line
		}
	}
	return 0
}

// stringLength returns how long the string is that a text begins with: one of four kinds. One that is not closed goes to the
// end of its line, or of the text.
func stringLength(s string) int {
	quote, end := s[:1], "\n"
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s, long) {
		quote, end = long, ""
	}
	for i := len(quote); i < len(s); i++ {
		switch {
		case s[i] == '\\' && quote[0] == '"':
			i++
		case strings.HasPrefix(s[i:], quote):
			return i + len(quote)
		case end != "" && s[i] == '\n':
			return i
		}
	}
	return len(s)
}
