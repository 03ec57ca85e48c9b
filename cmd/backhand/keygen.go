package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"backhand/agent/config"
	"backhand/gossip/wire"
)

func keygenCommand() *cli.Command {
	return &cli.Command{
		Name: "keygen", Usage: "make a key that proves beats and hops", ArgsUsage: "[FILE]",
		Description: "Without FILE, prints a line for a key file. With FILE, makes that key file with key 1 or, if it has keys,\n" +
			"adds the next one, marked receive-only: what is to be done with it is said on standard error. All hosts of a\n" +
			"cluster have the same keys; gossip.keys names the file. A running agent takes it over when it changes.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "number", Value: 1, Usage: "the `NUMBER` of the key that is printed without FILE, from 1 to 255"},
		},
		Action: withArgs(0, 1, func(c *cli.Context) error {
			n := c.Int("number")
			switch {
			case n < 1 || n > math.MaxUint8:
				return usagef("keygen: --number is %d, want one from 1 to 255", n)
			case c.Args().Present() && c.IsSet("number"):
				return usagef("keygen: a key that is added to a file gets the next number: leave --number away")
			case c.Args().Present():
				return addKey(c.Args().First(), c.App.ErrWriter)
			}
			fmt.Fprintln(c.App.Writer, wire.NewKey(uint8(n)).Line())
			return nil
		}),
	}
}

// keyFileHead is what a new key file begins with.
const keyFileHead = `# Keys of backhand, one a line: number, secret, and perhaps receive-only. The same on all hosts of the cluster. The
# highest number that is not receive-only seals. Who can read this file can pass for a node.
`

// addKey makes a key file with key 1, or adds the next key to one that is there, and tells what to do with it.
func addKey(file string, tell io.Writer) error {
	target, err := filepath.EvalSymlinks(file) // a link stays one
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := writeKeys(file, keyFileHead+wire.NewKey(1).Line()+"\n", nil); err != nil {
			return err
		}
		fmt.Fprintf(tell, firstKey, file)
		return nil
	case err != nil:
		return fmt.Errorf("key file: %w", err)
	}
	keys, err := config.ReadKeys(target)
	if err != nil && !errors.Is(err, wire.ErrNoKey) {
		return err
	}
	key, err := nextKey(target, keys)
	if err != nil {
		return err
	}
	if err := appendLine(target, key.Line()); err != nil {
		return err
	}
	if key.ID == 1 {
		fmt.Fprintf(tell, firstKey, file)
	} else {
		fmt.Fprintf(tell, nextKeys, file, key.ID)
	}
	return nil
}

// appendLine adds a line to a key file, and keeps all that is in it.
func appendLine(file, line string) error {
	st, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	text = append(text, line+"\n"...)
	if _, err := wire.ParseKeys(text); err != nil {
		return fmt.Errorf("%s cannot take another key: %w", file, err)
	}
	return writeKeys(file, string(text), st)
}

// nextKey returns one with the number after the highest, or the first.
func nextKey(file string, keys []wire.Key) (wire.Key, error) {
	highest := uint8(0)
	for _, k := range keys {
		highest = max(highest, k.ID)
	}
	if highest == math.MaxUint8 {
		return wire.Key{}, fmt.Errorf("%s has key 255, the highest number there is: begin anew with a file of another name, "+
			"step by step as with the first key", file)
	}
	key := wire.NewKey(highest + 1)
	key.ReceiveOnly = len(keys) > 0 // the mode is what keeps the first one back
	return key, nil
}

// writeKeys replaces the file whole or not at all. One that was there keeps its owner and mode.
func writeKeys(file, text string, was fs.FileInfo) (err error) {
	mode := fs.FileMode(0o600)
	if was != nil {
		mode = was.Mode().Perm()
	}
	f, err := renameio.NewPendingFile(file, renameio.WithTempDir(filepath.Dir(file)), renameio.WithStaticPermissions(mode))
	if err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }()
	if was != nil {
		if st, ok := was.Sys().(*syscall.Stat_t); ok {
			if err := f.Chown(int(st.Uid), int(st.Gid)); err != nil {
				return fmt.Errorf("key file: keep its owner: %w: run this as root or as that user", err)
			}
		}
	}
	if _, err := io.WriteString(f, text); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	return nil
}

// What to do with the first key, and with any other.
const (
	firstKey = `key 1 is in %s. It is used in three steps, each on all hosts before the next one begins:
  1. Copy the file to every host, readable for the agent and nobody else (chgrp, chmod 640), write in [gossip]
       keys     = "%[1]s"
       key_mode = "receive-only"
     and reload. The page says when all nodes hold key 1.
  2. Write key_mode = "permissive" and reload: beats leave sealed. The page names those that still send unsealed.
  3. When all nodes seal, write key_mode = "enforce" and reload: from then on nothing else is taken.
`
	nextKeys = `key %[2]d is in %[1]s, marked receive-only. A rotation has three steps, each on all hosts before the next one begins:
  1. Copy the file to every host; agents take it over by themselves. The page says when all nodes hold key %[2]d.
  2. Take receive-only off key %[2]d, which seals from then on. The page names those that still seal with an older key.
  3. When all nodes seal with key %[2]d, remove the older keys. The page names those that still hold them.
`
)
