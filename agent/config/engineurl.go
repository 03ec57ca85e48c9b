package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// EngineURL returns where the agent of this host answers programs, as a file says: the first address of athena.listen, and
// athena.path. It is "" if there is no file, or no [athena] in it. Nothing else of the file is looked at, so that commands find
// a running agent while its file has mistakes.
func EngineURL(path string) (string, error) {
	text, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	env, err := System()
	if err != nil {
		return "", err
	}
	return engineURL(path, string(text), env)
}

func engineURL(name, text string, env Env) (string, error) {
	var file struct {
		Athena struct {
			Listen any    `toml:"listen"`
			Path   string `toml:"path"`
		} `toml:"athena"`
	}
	if n := tooDeep(text); n > 0 {
		return "", fmt.Errorf("%s:%d: the file is too deeply nested (--engine names the engine without it)", name, n)
	}
	if _, err := toml.Decode(text, &file); err != nil {
		return "", fmt.Errorf("%s: %w (--engine names the engine without it)", name, err)
	}
	listen, _ := file.Athena.Listen.(string)
	if list, ok := file.Athena.Listen.([]any); ok && len(list) > 0 {
		listen, _ = list[0].(string)
	}
	if listen == "" {
		return "", nil
	}
	p := &parser{findings: &findings{file: name, last: 1}, env: env}
	host, port, ok := p.hostPort("athena.listen", 1, listen)
	if !ok {
		return "", fmt.Errorf("%s: %s", name, p.mistakes[0].Message) // of no line: the file was not read by lines
	}
	switch {
	case !host.IsValid() || host == netip.IPv4Unspecified():
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case host.IsUnspecified():
		host = netip.IPv6Loopback()
	}
	at := strings.TrimSuffix(file.Athena.Path, "/")
	if at == "" {
		at = defaultAthenaPath
	}
	return "http://" + net.JoinHostPort(host.String(), strconv.Itoa(int(port))) + at, nil
}
