package memberlist

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

const testLabel = "backhand-0011223344556677"

// labeled puts the label before a message.
func labeled(rest ...byte) []byte {
	return append(append([]byte{labelMsg, byte(len(testLabel))}, testLabel...), rest...)
}

// compound puts several messages into one.
func compound(parts ...[]byte) []byte {
	b := []byte{compoundMsg, byte(len(parts))}
	for _, p := range parts {
		b = binary.BigEndian.AppendUint16(b, uint16(len(p)))
	}
	return append(b, bytes.Join(parts, nil)...)
}

func sealed(size int) []byte {
	b := make([]byte, size)
	b[0] = encryptedVersion
	return b
}

func TestGuardPacket(t *testing.T) {
	other := labeled(pingMsg)
	other[5]++
	crc := func(b []byte) []byte { return append([]byte{crcMsg, 1, 2, 3, 4}, b...) }
	for _, c := range []struct {
		name                string
		packet              []byte
		mayPlain, maySealed bool // where nothing need be encrypted; where all must be
	}{
		{"a ping", labeled(pingMsg, 0x80), true, false},
		{"an announcement", labeled(aliveMsg, 0x80), true, false},
		{"one with a checksum", labeled(crc([]byte{aliveMsg, 0x80})...), true, false},
		{"several in one", labeled(compound([]byte{pingMsg, 1}, []byte{deadMsg, 2})...), true, false},
		{"several with a checksum", labeled(crc(compound([]byte{pingMsg, 1}, []byte{deadMsg, 2}))...), true, false},
		{"what is encrypted", labeled(sealed(60)...), true, true},
		{"what is too short to be encrypted", labeled(sealed(encryptedExtra)...), true, false},
		{"what is encrypted with padding, of old", labeled(make([]byte, 60)...), true, false},
		{"nothing", nil, false, false},
		{"only the label", labeled(), false, false},
		{"half a label", labeled()[:9], false, false},
		{"another cluster", other, false, false},
		{"no label", []byte{pingMsg, 0x80}, false, false},
		{"a compressed message", labeled(9, 0x80), false, false},
		{"a compressed one among several", labeled(compound([]byte{pingMsg, 1}, []byte{9, 2})...), false, false},
		{"a compressed one behind a checksum", labeled(crc([]byte{9, 2})...), false, false},
		{"several in one of several", labeled(compound(compound([]byte{pingMsg}))...), false, false},
		{"two checksums", labeled(crc(crc([]byte{pingMsg}))...), false, false},
		{"a checksum of nothing", labeled(crc(nil)...), false, false},
		{"a message for programs", labeled(8, 'x'), false, false},
		{"a state", labeled(pushPullMsg), false, false},
		{"several, cut short", labeled(compound([]byte{pingMsg, 1, 2})[:5]...), false, false},
		{"several, without lengths", labeled(compoundMsg, 200, 0, 0), false, false},
		{"several, without a number", labeled(compoundMsg), false, false},
		{"several, one of them empty", labeled(compound(nil)...), false, false},
		{"what is too long", labeled(append(sealed(60), make([]byte, maxPacket)...)...), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := (guard{label: testLabel}).packet(c.packet); (err == nil) != c.mayPlain {
				t.Errorf("without encryption: %v", err)
			}
			if err := (guard{label: testLabel, encrypted: true}).packet(c.packet); (err == nil) != c.maySealed {
				t.Errorf("where all must be encrypted: %v", err)
			}
		})
	}
}

// message is one of the library's.
func message(t testing.TB, kind byte, body any) []byte {
	t.Helper()
	b := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(b, &codec.MsgpackHandle{}).Encode(body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// state is the head of a stream that tells of members.
func state(t testing.TB, nodes, user int) []byte {
	t.Helper()
	return message(t, pushPullMsg, &struct {
		Nodes, UserStateLen int
		Join                bool
	}{nodes, user, true})
}

func encrypted(size uint32) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{encryptMsg}, size), encryptedVersion, 1, 2, 3)
}

func TestGuardStream(t *testing.T) {
	for _, c := range []struct {
		name                string
		head                []byte
		mayPlain, maySealed bool
	}{
		{"a state", state(t, 3, 0), true, false},
		{"a state of a large cluster", state(t, maxStreamNodes, 0), true, false},
		{"a state of more members than there can be", state(t, maxStreamNodes+1, 0), false, false},
		{"a state of less than none", state(t, -1, 0), false, false},
		{"a state with more for programs", state(t, 3, 20<<20), false, false},
		{"a ping", []byte{pingMsg, 0x80}, true, false},
		{"its answer", []byte{ackMsg, 0x80}, true, false},
		{"an error", []byte{errorMsg, 0x80}, true, false},
		{"what is encrypted", encrypted(3000), true, true},
		{"what is encrypted and as large as may be", encrypted(maxStream), true, true},
		{"what is encrypted and larger", encrypted(maxStream + 1), false, false},
		{"nothing, encrypted", encrypted(encryptedExtra), false, false},
		{"what is encrypted with padding, of old", []byte{encryptMsg, 0, 0, 1, 0, 0, 1, 2}, false, false},
		{"compressed", []byte{9, 0x80}, false, false},
		{"a message for programs", []byte{8, 0x80}, false, false},
		{"nothing", nil, false, false},
		{"half a length", []byte{encryptMsg, 0, 0}, false, false},
		{"no head at all", append([]byte{pushPullMsg}, make([]byte, 500)...), false, false},
		{"a head that never ends", append([]byte{pushPullMsg, 0xdf, 255, 255, 255, 255}, bytes.Repeat([]byte{0xa1, 'x', 1}, 500)...), false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, fromThem := range []bool{true, false} { // who began it: they put the label before it
				stream := c.head
				if fromThem {
					stream = labeled(c.head...)
				}
				head, err := guard{label: testLabel}.stream(bytes.NewReader(stream), fromThem)
				if (err == nil) != c.mayPlain {
					t.Errorf("without encryption: %v", err)
				}
				if err == nil && !bytes.HasPrefix(stream, head) {
					t.Errorf("it was read as %x, of %x", head, stream)
				}
				_, err = guard{label: testLabel, encrypted: true}.stream(bytes.NewReader(stream), fromThem)
				if (err == nil) != c.maySealed {
					t.Errorf("where all must be encrypted: %v", err)
				}
			}
		})
	}
	t.Run("another cluster", func(t *testing.T) {
		other := labeled(state(t, 3, 0)...)
		other[5]++
		if _, err := (guard{label: testLabel}).stream(bytes.NewReader(other), true); !errors.Is(err, errCluster) {
			t.Errorf("got %v, want %v", err, errCluster)
		}
	})
}

// endless is a connection that brings zeros for ever, behind a head.
type endless struct {
	stubConn
	head io.Reader
}

func (e *endless) Read(b []byte) (int, error) {
	if n, err := e.head.Read(b); err == nil {
		return n, nil
	}
	clear(b)
	return len(b), nil
}

func TestStreamEnds(t *testing.T) {
	s := guardedStream{
		Conn: &endless{head: bytes.NewReader(labeled(state(t, 3, 0)...))}, guard: guard{label: testLabel}, labeled: true,
	}
	n, err := io.Copy(io.Discard, &s)
	if !errors.Is(err, errTooMuch) || n != maxStream {
		t.Errorf("%d bytes and %v, want %d and %v", n, err, maxStream, errTooMuch)
	}
}

func FuzzPacket(f *testing.F) {
	f.Add(labeled(pingMsg, 0x80))
	f.Add(labeled(compound([]byte{pingMsg, 1}, []byte{deadMsg, 2})...))
	f.Add(labeled(sealed(60)...))
	f.Add(labeled(append([]byte{crcMsg, 1, 2, 3, 4}, compound([]byte{aliveMsg})...)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		plain, all := (guard{label: testLabel}).packet(b), (guard{label: testLabel, encrypted: true}).packet(b)
		if !bytes.Equal(b, before) {
			t.Error("it was changed")
		}
		if (plain == nil || all == nil) && !strings.HasPrefix(string(b), string(labeled())) {
			t.Error("it passes without the label")
		}
		if all == nil && b[len(labeled())] != encryptedVersion {
			t.Error("it passes without being encrypted")
		}
	})
}

func FuzzStream(f *testing.F) {
	f.Add(labeled(state(f, 3, 0)...))
	f.Add(labeled(encrypted(3000)...))
	f.Add(labeled(pingMsg))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		head, err := guard{label: testLabel}.stream(r, true)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r) // of a bytes.Reader
		if !bytes.Equal(append(head, rest...), b) {
			t.Error("what was looked at is not what came")
		}
		if len(head) > maxStreamHead {
			t.Errorf("%d bytes were looked at", len(head))
		}
	})
}
