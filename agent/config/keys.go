package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"backhand/gossip"
	"backhand/gossip/wire"
)

// A key file is read together with the file that names it, and by a running agent whenever it has changed.

// readKeys reads gossip.keys with the file that it names, and gossip.key_mode. What stands there is never shown, as
// somebody may write the key itself where its file should be.
func (p *parser) readKeys(s *section) {
	g := &p.cfg.Gossip
	file, ok := s.text("keys", `"/etc/backhand/keys"`)
	mode := p.readKeyMode(s)
	switch {
	case !s.has("keys"):
		if s.has("key_mode") {
			p.wrong(s.lineOf("key_mode"), `gossip.key_mode without gossip.keys: there are no keys to use; write `+
				`keys = "/etc/backhand/keys", which 'backhand keygen /etc/backhand/keys' makes, or leave key_mode away`)
		}
		return
	case !ok:
		return
	case !path.IsAbs(file):
		p.wrong(s.lineOf("keys"), `gossip.keys is no path that begins with /: write that of the key file, which `+
			`'backhand keygen /etc/backhand/keys' makes; a key itself never stands in this file`)
		return
	}
	line := s.lineOf("keys")
	text, perm, err := p.env.ReadSecret(file)
	if err != nil {
		if e, isPath := errors.AsType[*fs.PathError](err); isPath {
			err = e.Err
		}
		p.wrong(line, "gossip.keys cannot be read: %v: correct the path, or let the user that the agent runs as read it", err)
		return
	}
	if err := checkPerm(file, perm); err != nil {
		p.wrong(line, "gossip.keys: %v", err)
	}
	keys, err := parseKeys(file, text)
	if mistakes, isList := errors.AsType[*Errors](err); isList {
		p.elsewhere = append(p.elsewhere, *mistakes...)
		return
	}
	if err != nil {
		p.wrong(line, "gossip.keys: %v", err)
		return
	}
	g.KeyFile, g.Keys, g.KeyMode = file, keys, mode
	if p.cfg.Cluster == "" || mode == 0 {
		return // which is said elsewhere
	}
	if _, err := p.cfg.Keyring(); err != nil {
		p.wrong(line, "gossip.keys: %v", err)
	}
}

// readKeyMode returns the default where there is none, and 0 where it is none of the modes.
func (p *parser) readKeyMode(s *section) wire.Mode {
	text, ok := s.text("key_mode", `"enforce"`)
	if !s.has("key_mode") {
		return wire.Enforce
	}
	mode, err := wire.ParseMode(text)
	if ok && err != nil {
		p.wrong(s.lineOf("key_mode"), `gossip.key_mode is %q: write "receive-only", "permissive" or "enforce"`, text)
	}
	return mode
}

// Keyring returns the keys as they are to be used, or nil if gossip.keys names no file.
func (c *Config) Keyring() (*wire.Keyring, error) {
	g := c.Gossip
	if g.KeyFile == "" {
		return nil, nil
	}
	return wire.NewKeyring(c.Cluster, g.Keys, g.KeyMode)
}

// ReadKeys reads a key file. Mistakes in its lines come as *[Errors]; any other error means that it cannot be read, that
// others can, or that it has no key ([wire.ErrNoKey]).
func ReadKeys(file string) ([]wire.Key, error) {
	text, perm, err := readSecret(file)
	if err != nil {
		return nil, err
	}
	if err := checkPerm(file, perm); err != nil {
		return nil, err
	}
	return parseKeys(file, text)
}

// parseKeys reads the text of a key file. No error shows a secret.
func parseKeys(file string, text []byte) ([]wire.Key, error) {
	keys, err := wire.ParseKeys(text)
	if err == nil {
		return keys, nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var out Errors
	for _, err := range joined.Unwrap() {
		m := Mistake{File: file, Line: 1, Message: err.Error()}
		if e, ok := errors.AsType[*wire.LineError](err); ok {
			m.Line, m.Message = e.Line, e.Err.Error()
		}
		out = append(out, m)
	}
	return nil, &out
}

// tooOpen are the permissions that a key file must not have: writing for the group, and all for others.
const tooOpen fs.FileMode = 0o027

func checkPerm(file string, perm fs.FileMode) error {
	if perm.Perm()&tooOpen == 0 {
		return nil
	}
	return fmt.Errorf("the mode of %s is %04o, which lets others read it or its group write it: run chmod 640 %[1]s; "+
		"if somebody may have read it, make a new key", file, perm.Perm())
}

// readSecret reads a regular file of a sensible size, and tells its permissions at that moment.
func readSecret(file string) (text []byte, perm fs.FileMode, err error) {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe shall not keep us waiting
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case !st.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s is no file", file)
	}
	text, err = io.ReadAll(io.LimitReader(f, wire.MaxKeyFile+1))
	return text, st.Mode(), err
}

// Exposed reports whether beats leave this host, or may come from another one. Those of a trial do not, in which
// node.address is on loopback: multicast then stays there, too.
func (c *Config) Exposed() bool {
	beyond := func(a netip.Addr) bool { return a.IsValid() && !a.IsLoopback() }
	return c.sends() && (beyond(c.Node.Address.Addr()) || beyond(c.Gossip.Source) || beyond(c.Gossip.Listen.Addr()) ||
		c.Gossip.Memberlist != nil && beyond(c.Gossip.Memberlist.Bind.Addr()) ||
		slices.ContainsFunc(c.Gossip.Send, func(d gossip.Destination) bool {
			return !d.Addr.Addr().IsMulticast() && beyond(d.Addr.Addr())
		}))
}

func (c *Config) sends() bool { return !c.Gossip.Alone() }
