package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
)

// The TOML library tells where a key stands by the key's name alone, so that in a file with several [[route]] all that
// it says is about the last of them. Hence the text is cut into blocks, one for each table header, and each is decoded by
// itself: there a name is of one key. The result is one tree, every part of which knows its line.

// table is a TOML table, of whichever spelling.
type table struct {
	at   func() int // line of its header, or of its first key
	keys map[string]*value
}

// value is what stands behind a key, or an element of a list.
type value struct {
	at     func() int
	raw    any    // string, int64, float64, bool or time.Time; nil for a table or list
	table  *table // nil if it is none
	list   []*value
	isList bool
}

// line returns a function for table.at and value.at.
func line(n int) func() int { return func() int { return n } }

// Bounds of the search for blocks, which tries again and again.
const (
	maxBroken = 16  // blocks with bad syntax
	maxTries  = 200 // lines in one block that start with "[" and begin no other
)

// readDocument returns the tree of all that can be read of the text, and the first mistake of syntax, or nil.
func readDocument(text string) (*table, *toml.ParseError) {
	root := &table{at: line(1), keys: map[string]*value{}}
	if n := tooDeep(text); n > 0 {
		return root, &toml.ParseError{
			Message:  fmt.Sprintf("more than %d tables, lists or names within one another", maxDepth),
			Position: toml.Position{Line: n},
		}
	}
	syntax := badSyntax(text)
	all, skipped := blocks(text)
	if syntax == nil && skipped > 0 {
		syntax = &toml.ParseError{
			Message:  fmt.Sprintf("more than %d lines that start with [ and begin no table", maxTries),
			Position: toml.Position{Line: skipped},
		}
	}
	for _, b := range all {
		if !b.header {
			root.keys = b.table(b.root, nil).keys
			continue
		}
		header := b.md.Keys()[0]
		t, isList := b.headed(header)
		root.add(header, isList, t)
	}
	return root, syntax
}

// badSyntax returns the first mistake of syntax, or nil.
func badSyntax(text string) *toml.ParseError {
	_, err := toml.Decode(text, &map[string]any{})
	if err == nil {
		return nil
	}
	var e toml.ParseError
	if !errors.As(err, &e) {
		e = toml.ParseError{Message: err.Error(), Position: toml.Position{Line: 1}}
	}
	e.Message = strings.TrimSuffix(e.Message, ".")
	return &e
}

// block is a piece of the file that is whole: what stands before the first table header, or one with what belongs to it.
type block struct {
	header bool
	first  int // line in the file
	lines  []string
	root   map[string]toml.Primitive
	md     toml.MetaData
}

// cut is a place where a block may begin.
type cut struct{ offset, line int }

// cuts returns the lines that start with "[", and the end of the text.
func cuts(text string) []cut {
	var out []cut
	offset, n := 0, 1
	for l := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(l, " \t"), "[") {
			out = append(out, cut{offset, n})
		}
		offset += len(l)
		n++
	}
	return append(out, cut{len(text), n})
}

// blocks cuts the text before each table header. A line that starts with "[" is one if what stands before it, from the
// last header on, is whole; inside of a list or a long string it is not. Where the syntax is bad, we go on at the next
// line that starts with "["; skipped is where the first piece begins that is left out so, or 0.
func blocks(text string) (out []*block, skipped int) {
	at := cut{0, 1}
	for next, broken := cuts(text), 0; at.offset < len(text) && broken < maxBroken; {
		isHeader := next[0] == at
		if isHeader {
			next = next[1:]
		}
		i := slices.IndexFunc(tries(next), func(c cut) bool {
			b := newBlock(text[at.offset:c.offset], at.line, isHeader)
			if b != nil {
				out = append(out, b)
			}
			return b != nil
		})
		if i < 0 {
			i = 0
			broken++
			skipped = cmp.Or(skipped, at.line)
		}
		at, next = next[i], next[i:]
	}
	return out, skipped
}

// tries returns the places where a block is tried to end.
func tries(next []cut) []cut { return next[:min(len(next), maxTries)] }

// newBlock returns nil if the text is not whole.
func newBlock(text string, first int, header bool) *block {
	b := &block{header: header, first: first, root: map[string]toml.Primitive{}}
	var err error
	if b.md, err = toml.Decode(text, &b.root); err != nil || header && len(b.md.Keys()) == 0 {
		return nil
	}
	b.lines = strings.Split(text, "\n")
	return b
}

// headed returns the table that the block's header begins, and whether the header has two brackets.
func (b *block) headed(header toml.Key) (t *table, isList bool) {
	m := b.root
	for _, name := range header {
		p := m[name]
		var raw any
		_ = b.md.PrimitiveDecode(p, &raw) // anything fits
		_, isTable := raw.(map[string]any)
		isList = !isTable
		if isList {
			var list []toml.Primitive
			if b.md.PrimitiveDecode(p, &list) != nil || len(list) == 0 {
				return &table{at: line(b.first), keys: map[string]*value{}}, true
			}
			p = list[0]
		}
		m = nil
		_ = b.md.PrimitiveDecode(p, &m) // it is a table: a header makes no other
	}
	t = b.table(m, nil)
	t.at = line(b.first)
	return t, isList
}

// table returns the tree of a table. Inside of a list, the library does not know where keys stand: there at is the place
// of the list's element; elsewhere it is nil. Places are looked up only when they are asked for, since each costs a look at
// the whole block.
func (b *block) table(m map[string]toml.Primitive, at func() int) *table {
	t := &table{at: at, keys: map[string]*value{}}
	for name, p := range m {
		t.keys[name] = b.value(p, at)
	}
	if at == nil {
		t.at = sync.OnceValue(t.firstKey)
	}
	return t
}

// firstKey returns the line of the key that comes first.
func (t *table) firstKey() int {
	first := math.MaxInt
	for _, v := range t.keys {
		first = min(first, v.at())
	}
	return first
}

func (b *block) value(p toml.Primitive, at func() int) *value {
	v := &value{at: at}
	if at == nil {
		v.at = sync.OnceValue(func() int { return b.lineOf(p, v) })
	}
	var raw any
	_ = b.md.PrimitiveDecode(p, &raw) // anything fits
	switch raw.(type) {
	case map[string]any:
		var m map[string]toml.Primitive
		_ = b.md.PrimitiveDecode(p, &m) // it is one
		if v.table = b.table(m, at); len(m) == 0 {
			v.table.at = v.at
		}
	case []any, []map[string]any:
		b.list(v, p, at)
	default:
		v.raw = raw
	}
	return v
}

func (b *block) list(v *value, p toml.Primitive, at func() int) {
	v.isList = true
	var elements []toml.Primitive
	_ = b.md.PrimitiveDecode(p, &elements) // it is a list
	lines := sync.OnceValue(func() []int { return b.elementLines(v.at(), len(elements)) })
	for i, e := range elements {
		where := at
		if at == nil {
			where = func() int { return lines()[i] }
		}
		v.list = append(v.list, b.value(e, where))
	}
}

// add puts a table in its place. What does not fit there is a mistake of syntax, which was noted.
func (t *table) add(header toml.Key, isList bool, sub *table) {
	for _, name := range header[:len(header)-1] {
		v := t.keys[name]
		if v == nil {
			v = &value{at: sub.at, table: &table{at: sub.at, keys: map[string]*value{}}}
			t.keys[name] = v
		}
		if v.isList && len(v.list) > 0 {
			v = v.list[len(v.list)-1]
		}
		if t = v.table; t == nil {
			return
		}
	}
	name := header[len(header)-1]
	v := t.keys[name]
	switch {
	case v == nil && isList:
		t.keys[name] = &value{at: sub.at, isList: true, list: []*value{{at: sub.at, table: sub}}}
	case v == nil:
		t.keys[name] = &value{at: sub.at, table: sub}
	case isList && v.isList:
		v.list = append(v.list, &value{at: sub.at, table: sub})
	case !isList && v.table != nil:
		v.table.at = sub.at
		maps.Copy(v.table.keys, sub.keys)
	}
}
