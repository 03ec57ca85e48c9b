package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/gossip/node"
)

func labelled(n *node.Node, labels ...node.Label) *node.Node {
	n.Labels = labels
	return n
}

// labelsOf returns labels with keys and values of so many bytes; keys of two or more are in order.
func labelsOf(n, key, value int) []node.Label {
	var out []node.Label
	for i := range n {
		name := fmt.Sprintf("%02d", i)
		out = append(out, node.Label{Key: name + strings.Repeat("k", key-len(name)), Value: strings.Repeat("v", value)})
	}
	return out
}

// mostLabels returns as many labels, with as many bytes, as a node may have.
func mostLabels() []node.Label { return labelsOf(node.MaxLabels, 15, 15) }

func TestLabelsAreInTheFirstPartOnly(t *testing.T) {
	n := labelled(fullHouse(), mostLabels()...)
	parts := mustAppend(t, n)
	p := NewParser(web)
	for i, b := range parts {
		var beat Beat
		if err := p.Parse(b, nil, &beat); err != nil {
			t.Fatal(err)
		}
		want := n.Labels
		if i > 0 {
			want = nil
		}
		if diff := cmp.Diff(want, beat.Node.Labels, byValue); diff != "" {
			t.Errorf("part %d of %d: -want +got\n%s", i+1, len(parts), diff)
		}
		if len(beat.Node.Services) == 0 {
			t.Errorf("part %d of %d has no farm", i+1, len(parts))
		}
	}
}

func TestTheNextBeatHasNoLabelsOfTheLast(t *testing.T) {
	p, beat := NewParser(web), Beat{}
	for _, labels := range [][]node.Label{labelsOf(3, 4, 4), labelsOf(1, 5, 5), nil, labelsOf(2, 6, 6)} {
		if err := p.Parse(mustAppend(t, labelled(sample("web"), labels...))[0], nil, &beat); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(beat.Node.Labels, labels) {
			t.Errorf("%v, want %v", beat.Node.Labels, labels)
		}
	}
}

func TestParseRefusesLabels(t *testing.T) {
	// Append would refuse to write most of these.
	extension := func(labels ...node.Label) []byte { return appendLabels(nil, labels) }
	one := sample("web")
	two := append(slices.Clone(fullHouse().Services[:3]), fullHouse().Services[60:63]...)
	later := fullHouse()
	later.Services = two
	a, b := node.Label{Key: "a", Value: "1"}, node.Label{Key: "b"}
	long := strings.Repeat("x", 33)
	rest := func(n int) []byte { return []byte{labelsType, 0, byte(n)} }
	for name, tc := range map[string]struct {
		part []byte
		more []byte
		want error
	}{
		"as it should be":             {mustAppend(t, one)[0], extension(a, b), nil},
		"an empty list":               {mustAppend(t, one)[0], rest(0), nil},
		"in a later part":             {mustAppend(t, later)[1], extension(a), ErrMalformed},
		"an empty list in such a one": {mustAppend(t, later)[1], rest(0), ErrMalformed},
		"two lists":                   {mustAppend(t, one)[0], append(extension(a), extension(b)...), ErrMalformed},
		"an empty list and another":   {mustAppend(t, one)[0], append(rest(0), extension(b)...), ErrMalformed},
		"a key twice":                 {mustAppend(t, one)[0], extension(a, a), ErrMalformed},
		"keys out of order":           {mustAppend(t, one)[0], extension(b, a), ErrMalformed},
		"no key":                      {mustAppend(t, one)[0], extension(node.Label{Value: "1"}), ErrMalformed},
		"17 labels":                   {mustAppend(t, one)[0], extension(labelsOf(17, 2, 2)...), ErrMalformed},
		"100 labels":                  {mustAppend(t, one)[0], extension(labelsOf(100, 2, 0)...), ErrMalformed},
		"512 bytes":                   {mustAppend(t, one)[0], extension(labelsOf(16, 16, 16)...), ErrMalformed},
		"key of 33 bytes": {
			mustAppend(t, one)[0], append(rest(35), append(append([]byte{33}, long...), 0)...), ErrMalformed,
		},
		"value of 33 bytes": {
			mustAppend(t, one)[0], append(rest(36), append([]byte{1, 'a', 33}, long...)...), ErrMalformed,
		},
		"key without a value":    {mustAppend(t, one)[0], append(rest(2), 1, 'a'), ErrMalformed},
		"key cut short":          {mustAppend(t, one)[0], append(rest(2), 9, 'a'), ErrMalformed},
		"value cut short":        {mustAppend(t, one)[0], append(rest(4), 1, 'a', 2, '1'), ErrMalformed},
		"list longer than beat":  {mustAppend(t, one)[0], append(rest(5), 1, 'a', 1, '1'), ErrMalformed},
		"list shorter than said": {mustAppend(t, one)[0], append(extension(a), 0), ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if err := NewParser(web).Parse(append(slices.Clone(tc.part), tc.more...), nil, new(Beat)); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}
