package config

import (
	"os"
	"strings"
	"testing"

	"backhand/candidacy"
)

// Every file in the README must be one that an agent takes, without a mistake.
func TestFilesInTheReadmeLoad(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Split(string(text), "```toml\n")[1:]
	if len(files) < 3 {
		t.Fatalf("%d files in the README", len(files))
	}
	for i, f := range files {
		f, _, _ := strings.Cut(f, "```")
		env := withAnyFile(t, host("10.58.4.1/24", "10.58.4.2/24"))
		if _, err := Parse("README", []byte(f), env, candidacy.Builtin(), ForRun()); err != nil {
			t.Errorf("file %d:\n%v", i+1, err)
		}
	}
}

func TestReadmeNamesEveryFunction(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Candidacy functions")
	table, _, _ = strings.Cut(table, "## Commands")
	for _, s := range candidacy.Builtin().Specs() {
		if !strings.Contains(table, "`"+s.Name) {
			t.Errorf("the README does not name %s", s.Name)
		}
	}
}
