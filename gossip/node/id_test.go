package node

import (
	"strings"
	"testing"
)

func TestParseIDReadsWhatStringWrites(t *testing.T) {
	for _, id := range []ID{{}, {0: 0xab, 15: 0x01}, NewID()} {
		if got, err := ParseID(id.String()); err != nil || got != id {
			t.Errorf("%v comes back as %v, %v", id, got, err)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	right := ID{1, 2, 3}.String()
	for _, s := range []string{
		"", "0", right[:31], right[:30], right + "0", right + "00", right + right, strings.Repeat("a", 1<<16), "x" + right[1:],
		" " + right, right[:31] + "\n", strings.Repeat("ü", 16), right[:16] + "-" + right[17:],
	} {
		id, err := ParseID(s)
		if err == nil || !id.IsZero() {
			t.Errorf("ParseID(%.40q...) = %v, %v", s, id, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("the error of %d bytes has %d", len(s), len(err.Error()))
		}
	}
}

func TestIDs(t *testing.T) {
	id := ID{0xde, 0xad, 0xbe, 0xef, 15: 0xff}
	if got, want := id.String(), "deadbeef0000000000000000000000ff"; got != want {
		t.Errorf("String: %s, want %s", got, want)
	}
	if got, want := id.Short(), "deadbeef"; got != want {
		t.Errorf("Short: %s, want %s", got, want)
	}
	if id.IsZero() || !(ID{}).IsZero() {
		t.Error("IsZero is wrong")
	}
	if a, b := NewID(), NewID(); a == b || a.IsZero() {
		t.Errorf("new IDs: %v and %v", a, b)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("deadbeef0000000000000000000000ff")
	f.Add("deadbeef0000000000000000000000ff00")
	f.Add("DEADBEEF0000000000000000000000FF")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseID(s); err == nil && id.String() != strings.ToLower(s) {
			t.Errorf("%q comes back as %v", s, id)
		}
	})
}
