package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"backhand/candidacy"
	"backhand/gossip/wire"
)

// secret returns 32 bytes in base64 that no other number gives.
func secret(n byte) string {
	k := wire.Key{ID: 1}
	for i := range k.Secret {
		k.Secret[i] = n ^ byte(i*37)
	}
	return strings.Fields(k.Line())[1]
}

// withKeys gives a host key files.
func withKeys(e Env) Env {
	files := map[string]string{
		"/k/good":  "# of the cluster web\n1 " + secret(1) + "\n2 " + secret(2) + " receive-only\n",
		"/k/early": "1 " + secret(1) + " receive-only\n",
		"/k/empty": "# nothing yet\n",
		"/k/bad":   "1 " + secret(1) + "\n1 " + secret(2) + "\n\ntwo " + secret(3) + "\n3 " + secret(4)[:20] + "\n4 " + secret(5) + " recieve-only\n",
		"/k/open":  "1 " + secret(1) + "\n",
		"/k/group": "1 " + secret(1) + "\n",
		"/k/both":  "x " + secret(1) + "\n",
	}
	perm := map[string]fs.FileMode{"/k/open": 0o644, "/k/group": 0o660, "/k/both": 0o604}
	e.ReadSecret = func(file string) ([]byte, fs.FileMode, error) {
		text, ok := files[file]
		if !ok {
			return nil, 0, &fs.PathError{Op: "open", Path: file, Err: syscall.ENOENT}
		}
		mode, ok := perm[file]
		if !ok {
			mode = 0o640
		}
		return []byte(text), mode, nil
	}
	return e
}

func TestMistakesOfKeys(t *testing.T) {
	const open = "which lets others read it or its group write it: run chmod 640 %s; if somebody may have read it, make a new key"
	for _, row := range []struct {
		name, text string
		want       []string
	}{
		{"a good file, enforced by default", "keys = '/k/good'", nil},
		{"every mode by its name", "keys = '/k/good'\nkey_mode = 'permissive'", nil},
		{"a key that is only received, as long as nothing else is asked of it", "keys = '/k/early'\nkey_mode = 'receive-only'", nil},
		{
			"a key that is only received, where one has to seal", "keys = '/k/early'",
			[]string{"f:3: gossip.keys: keyring: all keys are receive-only, but in mode enforce one has to seal: take the word off that which all nodes hold"},
		},
		{
			"a mode that there is not", "keys = '/k/good'\nkey_mode = 'enforced'",
			[]string{`f:4: gossip.key_mode is "enforced": write "receive-only", "permissive" or "enforce"`},
		},
		{
			"a mode that is no string", "keys = '/k/good'\nkey_mode = 3",
			[]string{`f:4: gossip.key_mode is a number: write a string, such as "enforce"`},
		},
		{
			"a mode without keys, which would enforce nothing", "key_mode = 'enforce'",
			[]string{`f:3: gossip.key_mode without gossip.keys: there are no keys to use; write keys = "/etc/backhand/keys", which ` +
				`'backhand keygen /etc/backhand/keys' makes, or leave key_mode away`},
		},
		{
			"a key where its file should be", "keys = '1 " + secret(1) + "'",
			[]string{"f:3: gossip.keys is no path that begins with /: write that of the key file, which 'backhand keygen /etc/backhand/keys' " +
				"makes; a key itself never stands in this file"},
		},
		{
			"a list of keys where their file should be", "keys = ['1 " + secret(1) + "']",
			[]string{`f:3: gossip.keys is a list: write a string, such as "/etc/backhand/keys"`},
		},
		{
			"a secret that begins like a path", "keys = '/" + secret(1) + "'",
			[]string{"f:3: gossip.keys cannot be read: no such file or directory: correct the path, or let the user that the agent runs as read it"},
		},
		{
			"a file that everybody can read", "keys = '/k/open'",
			[]string{"f:3: gossip.keys: the mode of /k/open is 0644, " + fmt.Sprintf(open, "/k/open")},
		},
		{
			"a file that the group can write", "keys = '/k/group'",
			[]string{"f:3: gossip.keys: the mode of /k/group is 0660, " + fmt.Sprintf(open, "/k/group")},
		},
		{
			"all mistakes of a key file, with its own lines, and behind those of the file that names it",
			"keys = '/k/bad'\ninterval = 5",
			[]string{
				`f:4: gossip.interval is 5 without a unit: write "5s" for seconds`,
				"/k/bad:2: key 1 is there twice: give the newer one a number of its own",
				"/k/bad:4: want the number of the key first, from 1 to 255",
				"/k/bad:5: the secret of key 3 is not 32 bytes in base64: copy the whole of it, or take a new one from backhand keygen",
				"/k/bad:6: behind the secret of key 4 nothing may stand but receive-only",
			},
		},
		{
			"a key file that is both open and wrong", "keys = '/k/both'", []string{
				"f:3: gossip.keys: the mode of /k/both is 0604, " + fmt.Sprintf(open, "/k/both"),
				"/k/both:1: want the number of the key first, from 1 to 255",
			},
		},
		{"a key file without a key", "keys = '/k/empty'", []string{"f:3: gossip.keys: /k/empty: there is no key; backhand keygen makes one"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Parse("f", []byte("cluster = 'web'\n[gossip]\n"+row.text), withKeys(host("10.58.4.1/24")), candidacy.Builtin())
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			for n := range byte(6) {
				if err != nil && strings.Contains(err.Error(), secret(n)[:16]) {
					t.Errorf("a secret is shown: %v", err)
				}
			}
		})
	}
}

func TestKeysOfAConfig(t *testing.T) {
	text := "cluster = 'web'\n[gossip]\nkeys = '/k/good'\nkey_mode = 'permissive'"
	env := withKeys(host("10.58.4.1/24"))
	c := good(t, text, env)
	ring, err := c.Keyring()
	if err != nil || ring.Mode() != wire.Permissive || ring.Sealing() != 1 || len(ring.Held()) != 2 {
		t.Errorf("the keyring is %v, %v; want two keys, of which 1 seals", ring, err)
	}
	if c.Gossip.KeyFile != "/k/good" || len(c.Gossip.Keys) != 2 || !c.Gossip.Keys[1].ReceiveOnly {
		t.Errorf("gossip is %+v", c.Gossip)
	}
	t.Run("printed in whatever way, the configuration shows no secret", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			if s := fmt.Sprintf(verb, *c); strings.Contains(s, secret(1)[:8]) || strings.Contains(strings.ToLower(s), fmt.Sprintf("%x", c.Gossip.Keys[0].Secret[:4])) {
				t.Errorf("%s shows it", verb)
			}
		}
	})
	t.Run("the hash that nodes announce says nothing of the keys", func(t *testing.T) {
		env.ReadSecret = func(string) ([]byte, fs.FileMode, error) { return []byte("7 " + secret(9)), 0o600, nil }
		other := good(t, text, env)
		if other.Gossip.Keys[0].ID != 7 || other.Hash != c.Hash {
			t.Errorf("with other keys the hash is %x, not %x", other.Hash, c.Hash)
		}
	})
	t.Run("without a key file there is no keyring", func(t *testing.T) {
		ring, err := good(t, "cluster = 'web'", env).Keyring()
		if ring != nil || err != nil {
			t.Errorf("got %v, %v", ring, err)
		}
	})
}

func TestExposed(t *testing.T) {
	const mc = "send = ['239.255.221.20:4445']\naccept = ['0.0.0.0/0']\n"
	for _, row := range []struct {
		name, address, gossip string
		want                  bool
	}{
		{"multicast from an address of the network", "10.58.4.1:80", mc, true},
		{"multicast on loopback, as in the demo", "127.0.0.2:80", mc, false},
		{"loopback as address, and another one as source", "127.0.0.2:80", mc + "source = '10.58.4.1'", true},
		{"unicast on loopback", "127.0.0.2:80", "peers = ['127.0.0.3:4445']\naccept = ['127.0.0.0/8']", false},
		{"unicast in the network", "10.58.4.1:80", "peers = ['10.58.4.2:4445']\naccept = ['10.58.4.0/24']", true},
		{"nobody to send to", "10.58.4.1:80", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good(t, "cluster = 'web'\n[node]\naddress = '"+row.address+"'\n[gossip]\n"+row.gossip, host("10.58.4.1/24"))
			if got := c.Exposed(); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestKeyFilesOfTheRealSystem(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode fs.FileMode, text string) string {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.Chmod(file, mode)); err != nil {
			t.Fatal(err)
		}
		return file
	}
	line := "1 " + secret(1) + "\n"
	for _, mode := range []fs.FileMode{0o400, 0o440, 0o600, 0o640} {
		if keys, err := ReadKeys(write(fmt.Sprintf("good%o", mode), mode, line)); err != nil || len(keys) != 1 {
			t.Errorf("mode %04o gives %v, %v", mode, keys, err)
		}
	}
	for _, mode := range []fs.FileMode{0o644, 0o660, 0o604, 0o602, 0o601, 0o620, 0o666} {
		file := write(fmt.Sprintf("open%o", mode), mode, line)
		if _, err := ReadKeys(file); err == nil || !strings.Contains(err.Error(), "run chmod 640 "+file) {
			t.Errorf("mode %04o gives %v", mode, err)
		}
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		pipe: "is no file", dir: "is no file", filepath.Join(dir, "lost"): "no such file",
		write("large", 0o600, strings.Repeat("#\n", wire.MaxKeyFile)): "want a key file of at most 65536 bytes",
	} {
		if _, err := ReadKeys(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", file, err, want)
		}
	}
	if _, err := ReadKeys(write("empty", 0o600, "# none\n")); !errors.Is(err, wire.ErrNoKey) {
		t.Errorf("an empty file gives %v", err)
	}
	_, err := ReadKeys(write("bad", 0o600, line+line))
	if mistakes, ok := errors.AsType[*Errors](err); !ok || len(*mistakes) != 1 || (*mistakes)[0].Line != 2 {
		t.Errorf("a bad file gives %v", err)
	}
}
