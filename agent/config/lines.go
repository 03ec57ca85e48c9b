package config

import (
	"errors"
	"strings"

	"github.com/BurntSushi/toml"
)

// nowhere is a type whose decoding fails, since only then does the library tell where it is.
type nowhere struct{}

var errNowhere = errors.New("nowhere")

// UnmarshalTOML always fails.
func (*nowhere) UnmarshalTOML(any) error { return errNowhere }

// lineOf returns where in the file the value of a key begins.
func (b *block) lineOf(p toml.Primitive, v *value) int {
	var e toml.ParseError
	known := errors.As(b.md.PrimitiveDecode(p, &nowhere{}), &e) && e.Position.Line > 0
	_, isText := v.raw.(string)
	switch at := b.first - 1 + e.Position.Line; {
	case known && isText:
		return b.stringLine(at)
	case known:
		return at
	case v.table != nil && len(v.table.keys) > 0: // only dotted keys make it
		return v.table.at()
	}
	return b.first
}

// maxLines bounds the search for lines that the library does not know.
const maxLines = 1000

// stringLine returns the line on which a string begins. Of a long one, which has several, the library knows the last: we go
// up from there, to where the text is whole.
func (b *block) stringLine(last int) int {
	end := last - b.first
	if !strings.Contains(b.lines[end], `"""`) && !strings.Contains(b.lines[end], "'''") {
		return last
	}
	for i := end; i >= max(0, end-maxLines); i-- {
		if _, err := toml.Decode(strings.Join(b.lines[i:end+1], "\n")+"\n", &map[string]any{}); err == nil {
			return b.first + i
		}
	}
	return last
}

// elementLines returns on which line of the file each of the n elements of a list ends that begins on the line at; those
// too far down are said to be there. The library does not know: so the list is closed after one line, after two and so on,
// and its elements are counted.
func (b *block) elementLines(at, n int) []int {
	out := make([]int, 0, n)
	lines := b.lines[at-b.first:]
	for i := 1; i <= min(len(lines), maxLines) && len(out) < n; i++ {
		root := map[string]any{}
		text := strings.Join(lines[:i], "\n") + "\n"
		if _, err := toml.Decode(text+"]", &root); err != nil {
			if _, err = toml.Decode(text, &root); err != nil {
				continue
			}
		}
		for have := len(onlyList(root)); len(out) < min(have, n); {
			out = append(out, at+i-1)
		}
	}
	for len(out) < n {
		out = append(out, at)
	}
	return out
}

// onlyList returns the list behind a key that may be dotted, in a text that has no other.
func onlyList(v any) []any {
	for {
		m, isTable := v.(map[string]any)
		if !isTable {
			break
		}
		if len(m) != 1 {
			return nil
		}
		for _, v = range m {
		}
	}
	switch list := v.(type) {
	case []any:
		return list
	case []map[string]any:
		return make([]any, len(list))
	}
	return nil
}
