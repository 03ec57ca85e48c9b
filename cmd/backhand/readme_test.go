package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"testing"
)

func TestTheReadmeNamesEveryCommand(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, commands, _ := bytes.Cut(text, []byte("\n## Commands\n"))
	commands, _, _ = bytes.Cut(commands, []byte("\n## "))
	for _, c := range newApp(io.Discard, io.Discard).Commands {
		if !c.Hidden && !regexp.MustCompile("(`|\\bbackhand )"+regexp.QuoteMeta(c.Name)+`\b`).Match(commands) {
			t.Errorf("the commands of README.md have no %s", c.Name)
		}
	}
}
