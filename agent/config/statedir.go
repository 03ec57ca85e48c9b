package config

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/BurntSushi/toml"
)

// StateDir returns the state_dir that a file names, or the default. It looks at nothing else, so that the commands that talk
// to a running agent work while its file has mistakes, or is not there.
func StateDir(path string) (string, error) {
	var file struct {
		Node struct {
			StateDir string `toml:"state_dir"`
		} `toml:"node"`
	}
	if _, err := toml.DecodeFile(path, &file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s: %w (--state-dir names the directory without it)", path, err)
	}
	if file.Node.StateDir == "" {
		return defaultStateDir, nil
	}
	return file.Node.StateDir, nil
}
