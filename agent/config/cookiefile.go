package config

import (
	"fmt"
	"path/filepath"

	"github.com/BurntSushi/toml"

	"backhand/proxy"
)

// What applications say of where requests go, and by what, for those who know the file only.
type (
	Cookie      = proxy.Cookie
	Instruction = proxy.Instruction
)

// CookieOf returns the cookie of which the file names the keys, to sign and verify values by. It looks at nothing else, so that it
// works while the file has mistakes, and for a user who may not read all that it names.
func CookieOf(path string) (*Cookie, error) {
	text, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("%w (--key-file names the keys without it)", err)
	}
	var file struct {
		Cookie struct {
			KeyFile string `toml:"key_file"`
		} `toml:"cookie"`
	}
	if n := tooDeep(string(text)); n > 0 {
		return nil, fmt.Errorf("%s:%d: too deeply nested (--key-file names the keys without the file)", path, n)
	}
	if _, err := toml.Decode(string(text), &file); err != nil {
		return nil, fmt.Errorf("%s: %w (--key-file names the keys without it)", path, err)
	}
	if file.Cookie.KeyFile == "" {
		return nil, fmt.Errorf("%s has no cookie.key_file: add [cookie], or name the keys by --key-file", path)
	}
	if !filepath.IsAbs(file.Cookie.KeyFile) {
		return nil, fmt.Errorf("%s: cookie.key_file is no path that begins with /: write one, or name the keys by --key-file", path)
	}
	return ReadCookie(file.Cookie.KeyFile)
}

// ReadCookie returns the cookie of which the keys stand in that file, to sign and verify values by. Mistakes in its lines come
// as *[Errors]; any other error means that it cannot be read, that others can, or that it has no key.
func ReadCookie(file string) (*Cookie, error) {
	text, perm, err := readSecret(file)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if err := checkPerm(file, perm); err != nil {
		return nil, err
	}
	keys, err := parseCookieKeys(file, text)
	if err != nil {
		return nil, err
	}
	return proxy.NewCookie(defaultCookie, keys...), nil
}
