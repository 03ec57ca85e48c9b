package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestMistakesOfLabels(t *testing.T) {
	testMistakes(t, []mistakeRow{
		{
			"labels", `[node]
labels = { rack = "r1", "a b" = "x", gpu = true, "" = "x", disk = "a b" }
`,
			[]string{
				"2: node.labels has a key of 0 bytes: write 1 to 32",
				`3: node.labels has the key "a b": write only letters, digits, dots, dashes and underscores`,
				`3: node.labels.disk is "a b": leave blanks and control characters away, so that a chain can name it`,
				`3: node.labels.gpu is true or false: write a string, such as "r1"`,
			},
		},
		{
			"labels in a table of their own, that are too long", "[node.labels]\nok = ''\n" + strings.Repeat("k", 33) + " = 'x'\nrack = '" +
				strings.Repeat("v", 33) + "'",
			[]string{"4: node.labels has a key of 33 bytes: write 1 to 32", "5: node.labels.rack has 33 bytes: write at most 32"},
		},
		{"labels that are a list", "[node]\nlabels = ['gpu']", []string{"3: node.labels is there once only: write [node.labels]"}},
		{"labels that are a string", "[node]\nlabels = 'gpu'", []string{"3: node.labels is a string: write a table, [node.labels]"}},
		{
			"more labels than a node has", "[node]\nname = 'a'\n[node.labels]\n" + labelLines(17, 1),
			[]string{"4: node.labels has 17 labels: write at most 16"},
		},
		{"as many labels, and as long, as fit", "[node.labels]\n" + labelLines(16, 28), nil},
		{
			"labels that fit into no beat", "[node.labels]\n" + labelLines(16, 29),
			[]string{"2: node.labels has 496 bytes in its keys and values: write at most 480, so that they fit into a beat"},
		},
	})
}

// labelLines returns n labels, with keys of two bytes and values of so many.
func labelLines(n, value int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%02d = '%s'\n", i, strings.Repeat("v", value))
	}
	return b.String()
}
