package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program returns the path of backhand, and of which commit it is. It is built, unless one is named.
func program(ctx context.Context, named, dir string, say io.Writer) (path, commit string, err error) {
	if named != "" {
		path, err = filepath.Abs(named)
		if err == nil {
			_, err = os.Stat(path)
		}
		return path, "as given", err
	}
	root, err := clone()
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, "backhand")
	fmt.Fprintln(say, "building ./cmd/backhand of", root)
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", path, "./cmd/backhand")
	c.Dir, c.Stdout, c.Stderr = root, say, say
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := c.Run(); err != nil {
		return "", "", fmt.Errorf("go build ./cmd/backhand in %s: %w", root, err)
	}
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty").Output()
	if err != nil {
		return path, "unknown commit", nil // no git, or no clone
	}
	return path, strings.TrimSpace(string(out)), nil
}

// clone returns the root of the clone that the working directory is in.
func clone() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module backhand\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not in a clone of backhand: run this there, or name a binary with -backhand")
		}
		dir = filepath.Dir(dir)
	}
}
