package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/BurntSushi/toml"
)

// StateDir returns the state_dir that a file names, or the default. It looks at nothing else, so that the commands that talk
// to a running agent work while its file has mistakes, or is not there.
func StateDir(path string) (string, error) {
	text, err := read(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var file struct {
		Node struct {
			StateDir string `toml:"state_dir"`
		} `toml:"node"`
	}
	if n := tooDeep(string(text)); n > 0 {
		return "", fmt.Errorf("%s:%d: %w", path, n, errTooDeep)
	}
	if _, err := toml.Decode(string(text), &file); err != nil {
		return "", fmt.Errorf("%s: %w (--state-dir names the directory without it)", path, err)
	}
	if file.Node.StateDir == "" {
		return defaultStateDir, nil
	}
	return file.Node.StateDir, nil
}

var errTooDeep = errors.New("too deeply nested (--state-dir names the directory without the file)")

// read returns a file, or of one that is too large a little more than MaxSize bytes.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return text, nil
}
