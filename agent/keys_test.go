package agent

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/renameio/v2"

	"backhand/agent/config"
	"backhand/gossip"
	"backhand/gossip/wire"
)

// keyText returns a key file.
func keyText(keys ...wire.Key) string {
	var text strings.Builder
	for _, k := range keys {
		text.WriteString(k.Line() + "\n")
	}
	return text.String()
}

// replaceFile replaces a file as careful programs do: whole.
func replaceFile(t *testing.T, file, text string) {
	t.Helper()
	if err := renameio.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWhenAKeyFileIsRead(t *testing.T) {
	a, b, gone := stamp{inode: 1}, stamp{inode: 2}, stamp{fault: "no such file"}
	type look struct {
		file string
		now  stamp
		want bool
	}
	for _, row := range []struct {
		name  string
		looks []look
	}{
		{"once when it has been there for two looks, and then no more", []look{{"f", a, false}, {"f", a, true}, {"f", a, false}, {"f", a, false}}},
		{"when it has changed and rests", []look{{"f", a, false}, {"f", a, true}, {"f", b, false}, {"f", b, true}, {"f", b, false}}},
		{"not as long as somebody writes it", []look{{"f", a, false}, {"f", b, false}, {"f", a, false}, {"f", b, false}, {"f", b, true}}},
		{"not when it is as it was again", []look{{"f", a, false}, {"f", a, true}, {"f", b, false}, {"f", a, false}, {"f", a, false}}},
		{"once when it is gone, and when it is back", []look{
			{"f", a, false}, {"f", a, true}, {"f", gone, false}, {"f", gone, true}, {"f", gone, false}, {"f", a, false}, {"f", a, true},
		}},
		{"another one from the beginning", []look{{"f", a, false}, {"f", a, true}, {"g", a, false}, {"g", a, true}}},
		{"not if there is none", []look{{"", gone, false}, {"", gone, false}, {"", gone, false}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var w keyWatch
			for i, l := range row.looks {
				if got := w.rests(l.file, l.now); got != l.want {
					t.Errorf("look %d: got %v", i+1, got)
				}
			}
		})
	}
}

func TestUnauthenticated(t *testing.T) {
	key := wire.NewKey(1)
	for _, row := range []struct {
		name, address string
		mode          wire.Mode
		want          bool
	}{
		{"without keys", "10.58.4.1:80", 0, true},
		{"without keys on loopback, as in the demo", "127.0.0.1:80", 0, false},
		{"as long as keys are not enforced", "10.58.4.1:80", wire.ReceiveOnly, true},
		{"as long as keys are not enforced by all", "10.58.4.1:80", wire.Permissive, true},
		{"no more once they are", "10.58.4.1:80", wire.Enforce, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := &config.Config{Cluster: "web"}
			cfg.Node.Address = netip.MustParseAddrPort(row.address)
			cfg.Gossip.Send = []gossip.Destination{{Addr: netip.MustParseAddrPort("239.255.221.20:4445"), TTL: 1}}
			if row.mode != 0 {
				cfg.Gossip.KeyFile, cfg.Gossip.Keys, cfg.Gossip.KeyMode = "/k", []wire.Key{key}, row.mode
			}
			ring, err := cfg.Keyring()
			if err != nil {
				t.Fatal(err)
			}
			if got := unauthenticated(cfg, ring); got != row.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestStampOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	if s := stampOf(file); s.fault == "" {
		t.Errorf("a file that is not there has the stamp %+v", s)
	}
	last := stampOf(file)
	for _, change := range []struct {
		name string
		do   func() error
	}{
		{"made", func() error { return os.WriteFile(file, []byte("1"), 0o600) }},
		{"longer", func() error { return os.WriteFile(file, []byte("12"), 0o600) }},
		{"replaced by one that looks alike", func() error { return renameio.WriteFile(file, []byte("34"), 0o600) }},
	} {
		if err := change.do(); err != nil {
			t.Fatal(err)
		}
		now := stampOf(file)
		if now == last || now != stampOf(file) {
			t.Errorf("%s: the stamp is %+v, it was %+v", change.name, now, last)
		}
		last = now
	}
}

func TestKeyFileOfARunningAgent(t *testing.T) {
	first, second := wire.NewKey(1), wire.NewKey(2)
	f := prepare(t, "")
	file := filepath.Join(filepath.Dir(f.dir), "keys")
	replaceFile(t, file, keyText(first))
	const farm = "[[farm]]\nname = \"web\"\nmember = [ { name = \"a\", url = \"http://127.0.0.1:1\" } ]\n"
	f.write("{head}[gossip]\nkeys = \"" + file + "\"\n" + farm)
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.keys.look = 10 * time.Millisecond
	f.run()
	holds := func(want string) {
		t.Helper()
		f.eventually(func() error {
			v, err := f.client().View(t.Context())
			got := "none"
			if err == nil && v.Keys != nil {
				got = fmt.Sprintf("%s%v%d", v.Keys.Mode, v.Keys.Holds, v.Keys.Sealing)
			}
			if got != want {
				return fmt.Errorf("the keys are %s, want %s, %v", got, want, err)
			}
			return nil
		})
	}
	found := func(want int) {
		t.Helper()
		f.eventually(func() error {
			if got := f.findings(time.Now()); len(got) != want {
				return fmt.Errorf("findings: %+v", got)
			}
			return nil
		})
	}
	holds("enforce[1]1")
	second.ReceiveOnly = true
	replaceFile(t, file, keyText(first, second))
	holds("enforce[1 2]1")

	t.Run("one that is broken changes nothing, and is said once", func(t *testing.T) {
		replaceFile(t, file, keyText(first, second)+"3 secret\n")
		found(1)
		text := f.findings(time.Now())[0].Text
		if !strings.Contains(text, "/keys:3: the secret of key 3 is not 32 bytes in base64") {
			t.Error(text)
		}
		holds("enforce[1 2]1")
		if n := strings.Count(f.logged(), "cannot be used"); n != 1 {
			t.Errorf("said %d times", n)
		}
		if err := f.client().Do(t.Context(), "reload"); err == nil || !strings.Contains(err.Error(), "/keys:3: ") {
			t.Errorf("a reload says %v", err)
		}
	})
	t.Run("so does one in which no key may seal", func(t *testing.T) {
		replaceFile(t, file, keyText(second))
		f.eventually(func() error {
			if got := f.findings(time.Now()); len(got) != 1 || !strings.Contains(got[0].Text, "all keys are receive-only") {
				return fmt.Errorf("findings: %+v", got)
			}
			return nil
		})
		holds("enforce[1 2]1")
	})
	t.Run("one that is gone too", func(t *testing.T) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		f.eventually(func() error {
			if got := f.findings(time.Now()); len(got) != 1 || !strings.Contains(got[0].Text, "no such file") {
				return fmt.Errorf("findings: %+v", got)
			}
			return nil
		})
		holds("enforce[1 2]1")
	})
	t.Run("one with the old keys again ends that", func(t *testing.T) {
		replaceFile(t, file, keyText(first, second))
		found(0)
		holds("enforce[1 2]1")
	})
	t.Run("a reload need not wait for the next look", func(t *testing.T) {
		second.ReceiveOnly = false
		replaceFile(t, file, keyText(first, second))
		f.write("{head}[gossip]\nkeys = \"" + file + "\"\nkey_mode = \"permissive\"\n" + farm)
		if err := f.Reload(); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.keys.ring.Load()); got != "2 keys, mode permissive, key 2 seals" {
			t.Errorf("the keys are %s", got)
		}
	})
	t.Run("the last key can go", func(t *testing.T) {
		f.write("{head}" + farm)
		if err := f.Reload(); err != nil {
			t.Fatal(err)
		}
		holds("none")
		f.write("{head}[gossip]\nkeys = \"" + file + "\"\n" + farm)
		if err := f.Reload(); err != nil {
			t.Fatal(err)
		}
		holds("enforce[1 2]2")
	})
	for _, k := range []wire.Key{first, second} {
		if strings.Contains(f.logged(), strings.Fields(k.Line())[1][:10]) {
			t.Error("a secret is in the log")
		}
	}
}
