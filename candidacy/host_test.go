package candidacy_test

import (
	"strings"
	"testing"
)

func TestByHostname(t *testing.T) {
	const mixed = "alpha1\nsun2\nwww3\nphysical wwwapp"
	checkRows(t, []row{
		{"a part of the name is enough", mixed, []string{"byHostname ww"}, "www3 wwwapp"},
		{"alternatives are as in POSIX", mixed, []string{"byHostname (sun|alpha)"}, "alpha1 sun2"},
		{"anchors hold it to an end", mixed, []string{"byHostname ^www[0-9]+$"}, "www3"},
		{"POSIX classes are known", mixed, []string{"byHostname [[:alpha:]]2"}, "sun2"},
		{"upper and lower case differ", mixed, []string{"byHostname WWW"}, ""},
		{"but need not", mixed, []string{"byHostname (?i)WWW"}, "www3 wwwapp"},
		{"nothing that matches leaves nobody", mixed, []string{"byHostname none"}, ""},
		{"the order stays", "www1 load=2\nwww2 load=1\ndb load=0", []string{"byLoad", "byHostname www"}, "www2 www1"},
	})
}

func TestByHostnameRefusesBadPatterns(t *testing.T) {
	const usage = " (usage: byHostname REGEXP)"
	checkErrors(t, map[string]string{
		"byHostname":     "byHostname: REGEXP is missing" + usage,
		"byHostname (":   "byHostname: REGEXP is \"(\": error parsing regexp: missing closing ): `(`" + usage,
		"byHostname a b": `byHostname: "b" is one argument too many` + usage,

		"byHostname " + strings.Repeat("a", 257): "byHostname: REGEXP is 257 bytes long, want at most 256" + usage,
	})
}

func Example_byHostname() {
	explain("sun1\nalpha1\nwww1", "byHostname (sun|alpha)")
	// Output:
	// byHostname (sun|alpha)
	//   alpha1
	//   sun1
	//   dropped www1 (does not match)
}
