package wire

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

// marksOf returns the marks of keys with these numbers.
func marksOf(ids ...uint8) (marks []node.KeyMark) {
	for _, id := range ids {
		marks = append(marks, node.KeyMark{ID: id, Mark: 0x01020300 + uint32(id)})
	}
	return marks
}

func mostMarks() []node.KeyMark {
	return marksOf(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 255)
}

func holding(n *node.Node, marks []node.KeyMark) *node.Node {
	n.Keys = marks
	return n
}

func TestKeysAreInTheFirstPartOnly(t *testing.T) {
	n := holding(labelled(fullHouse(), mostLabels()...), mostMarks())
	parts := mustAppend(t, n)
	p := NewParser(web)
	for i, b := range parts {
		var beat Beat
		if err := p.Parse(b, nil, &beat); err != nil {
			t.Fatal(err)
		}
		want := n.Keys
		if i > 0 {
			want = nil
			if len(beat.Node.Services) == 0 {
				t.Errorf("part %d of %d has no farm", i+1, len(parts))
			}
		}
		if diff := cmp.Diff(want, beat.Node.Keys, byValue); diff != "" {
			t.Errorf("part %d of %d: -want +got\n%s", i+1, len(parts), diff)
		}
	}
}

func TestTheNextBeatHasNoKeysOfTheLast(t *testing.T) {
	p, beat := NewParser(web), Beat{}
	for _, marks := range [][]node.KeyMark{marksOf(1, 2, 3), marksOf(9), nil, marksOf(4, 5)} {
		if err := p.Parse(mustAppend(t, holding(sample("web"), marks))[0], nil, &beat); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(beat.Node.Keys, marks) {
			t.Errorf("%v, want %v", beat.Node.Keys, marks)
		}
	}
}

func TestParseRefusesKeysHeld(t *testing.T) {
	// Append would refuse to write most of these.
	extension := func(ids ...uint8) []byte { return appendKeys(nil, marksOf(ids...)) }
	rest := func(n int) []byte { return []byte{keysType, 0, byte(n)} }
	first := mustAppend(t, sample("web"))[0]
	two := fullHouse()
	two.Services = two.Services[:4]
	later := mustAppend(t, two)[1]
	upTo := func(n uint8) (ids []uint8) {
		for id := range n {
			ids = append(ids, id+1)
		}
		return ids
	}
	for name, tc := range map[string]struct {
		part, more []byte
		want       error
	}{
		"as it should be":             {first, extension(1, 2, 255), nil},
		"an empty list":               {first, rest(0), nil},
		"beside labels":               {first, append(appendLabels(nil, labelsOf(1, 4, 4)), extension(1)...), nil},
		"before labels":               {first, append(extension(1), appendLabels(nil, labelsOf(1, 4, 4))...), nil},
		"in a later part":             {later, extension(1), ErrMalformed},
		"an empty list in such a one": {later, rest(0), ErrMalformed},
		"two lists":                   {first, append(extension(1), extension(2)...), ErrMalformed},
		"an empty list and another":   {first, append(rest(0), extension(2)...), ErrMalformed},
		"number 0":                    {first, extension(0), ErrMalformed},
		"a number twice":              {first, extension(1, 1), ErrMalformed},
		"numbers out of order":        {first, extension(2, 1), ErrMalformed},
		"17 keys":                     {first, extension(upTo(17)...), ErrMalformed},
		"a mark cut short":            {first, append(rest(4), 1, 2, 3, 4), ErrMalformed},
		"a number without a mark":     {first, append(rest(6), 1, 2, 3, 4, 5, 2), ErrMalformed},
		"a list longer than the beat": {first, append(rest(10), 1, 2, 3, 4, 5), ErrMalformed},
		"a list shorter than it says": {first, append(extension(1), 0), ErrMalformed},
		"150 keys":                    {first, extension(upTo(150)...), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			b := append(slices.Clone(tc.part), tc.more...)
			if err := NewParser(web).Parse(b, nil, new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestAppendRefusesKeysHeld(t *testing.T) {
	for name, marks := range map[string][]node.KeyMark{
		"17 keys":              append(mostMarks(), node.KeyMark{ID: 16}),
		"number 0":             marksOf(0, 1),
		"numbers out of order": marksOf(2, 1),
		"a number twice":       marksOf(1, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if parts, err := Append(nil, holding(sample("web"), marks), web, nil); err == nil || parts != nil {
				t.Errorf("%d parts, %v", len(parts), err)
			}
		})
	}
}

// TestTheFirstPartHoldsAllExtensions also where there is no room for a farm beside them any more.
func TestTheFirstPartHoldsAllExtensions(t *testing.T) {
	n := holding(labelled(fullHouse(), mostLabels()...), mostMarks())
	for _, keys := range []*Keyring{nil, mustRing(t, "web", Enforce, keyOf(1))} {
		parts := mustSeal(t, n, keys)
		if len(parts) > MaxParts {
			t.Errorf("%d parts, want at most %d", len(parts), MaxParts)
		}
		got := wholeOf(t, parts, keys)
		want := *n
		want.Key = keys.Sealing()
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("-sent +got\n%s", diff)
		}
	}
}
