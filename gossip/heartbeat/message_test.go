package heartbeat

import (
	"errors"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, row := range []struct {
		what, text string
		want       Message
		err        error
	}{
		{"what mod_heartbeat sends", "v=1&ready=75&busy=0", Message{Ready: 75}, nil},
		{"with a port", "v=1&ready=3&busy=4&port=8080", Message{Ready: 3, Busy: 4, Port: 8080}, nil},
		{"in another order", "busy=4&port=1&ready=3&v=1", Message{Ready: 3, Busy: 4, Port: 1}, nil},
		{"with keys that nobody knows", "v=1&load=0.3&ready=3&x&busy=4&&=&", Message{Ready: 3, Busy: 4}, nil},
		{"as long as it may be", "v=1&ready=3&busy=4&x=" + strings.Repeat("y", MaxSize-21), Message{Ready: 3, Busy: 4}, nil},
		{"with the most workers", "v=1&ready=1000000&busy=1000000&port=65535", Message{1000000, 1000000, 65535}, nil},

		{"nothing", "", Message{}, errSize},
		{"too long", "v=1&ready=3&busy=4&x=" + strings.Repeat("y", MaxSize-20), Message{}, errSize},
		{"a line break at the end", "v=1&ready=3&busy=4\n", Message{}, errByte},
		{"a zero byte", "v=1&ready=3&busy=4&x=\x00", Message{}, errByte},
		{"a letter beyond ASCII", "v=1&ready=3&busy=4&x=é", Message{}, errByte},
		{"a space", "v=1&ready= 3&busy=4", Message{}, errByte},
		{"no version", "ready=3&busy=4", Message{}, errMissing},
		{"no ready", "v=1&busy=4", Message{}, errMissing},
		{"no busy", "v=1&ready=3", Message{}, errMissing},
		{"a beat of ours", "BHND", Message{}, errMissing},
		{"version 2", "v=2&ready=3&busy=4", Message{}, errVersion},
		{"a version without number", "v&ready=3&busy=4", Message{}, errVersion},
		{"ready twice", "v=1&ready=3&busy=4&ready=3", Message{}, errTwice},
		{"the version twice", "v=1&v=1&ready=3&busy=4", Message{}, errTwice},
		{"a negative number", "v=1&ready=-1&busy=4", Message{}, errNumber},
		{"a number with a sign", "v=1&ready=+1&busy=4", Message{}, errNumber},
		{"a number with letters behind it", "v=1&ready=7x&busy=4", Message{}, errNumber},
		{"a number with zeros before it", "v=1&ready=07&busy=4", Message{}, errNumber},
		{"no number", "v=1&ready=&busy=4", Message{}, errNumber},
		{"too many workers", "v=1&ready=1000001&busy=4", Message{}, errNumber},
		{"a number that no int holds", "v=1&ready=99999999999999999999999&busy=4", Message{}, errNumber},
		{"a number in disguise", "v=1&ready=%37&busy=4", Message{}, errNumber},
		{"a key in disguise", "v=1&ready=3&busy=4&%72eady=9", Message{}, errEscape},
		{"port 0", "v=1&ready=3&busy=4&port=0", Message{}, errNumber},
		{"port 65536", "v=1&ready=3&busy=4&port=65536", Message{}, errNumber},
	} {
		got, err := Parse([]byte(row.text))
		if got != row.want || !errors.Is(err, row.err) {
			t.Errorf("%s: %.60q is %+v, %v; want %+v, %v", row.what, row.text, got, err, row.want, row.err)
		}
	}
}

func TestAppend(t *testing.T) {
	for want, m := range map[string]Message{
		"v=1&ready=75&busy=0":           {Ready: 75},
		"v=1&ready=0&busy=0":            {},
		"v=1&ready=3&busy=4&port=65535": {Ready: 3, Busy: 4, Port: 65535},
	} {
		if got := string(m.Append(nil)); got != want {
			t.Errorf("%+v is %q, want %q", m, got, want)
		}
	}
}

// What is written is read as it was, and what a forgiving reader makes of it is the same.
func TestAppendThenParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Message{
			Ready: rapid.IntRange(0, MaxWorkers).Draw(t, "ready"), Busy: rapid.IntRange(0, MaxWorkers).Draw(t, "busy"),
			Port: rapid.Uint16().Draw(t, "port"),
		}
		got, err := Parse(m.Append(nil))
		if err != nil || got != m {
			t.Errorf("%+v is read as %+v, %v", m, got, err)
		}
	})
}

func TestAnnounce(t *testing.T) {
	for _, row := range []struct {
		what        string
		total, busy int
		want        Message
	}{
		{"some are busy", 150, 30, Message{Ready: 120, Busy: 30}},
		{"none is busy", 150, 0, Message{Ready: 150}},
		{"none of a few is busy: a quarter of them must be one", 2, 0, Message{Ready: 4}},
		{"one of a few is busy", 2, 1, Message{Ready: 1, Busy: 1}},
		{"all are busy: it is up, and lets requests wait", 2, 2, Message{Ready: 1, Busy: 2}},
		{"more are busy than there are", 2, 9, Message{Ready: 1, Busy: 9}},
		{"nonsense", -5, -5, Message{Ready: 4}},
		{"more than a message may say", 5000000, 2000000, Message{Ready: 1, Busy: MaxWorkers}},
	} {
		if got := Announce(row.total, row.busy); got != row.want {
			t.Errorf("%s: %d of %d gives %+v, want %+v", row.what, row.busy, row.total, got, row.want)
		}
	}
}

// chosen is how mod_lbmethod_heartbeat weighs a host by its message.
func chosen(m Message) int {
	if m.Busy == 0 {
		return m.Ready / 4
	}
	return m.Ready
}

func TestApacheGivesEveryHostThatIsUpSomething(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		total, busy := r.IntN(20), r.IntN(30)
		if m := Announce(total, busy); chosen(m) < 1 {
			t.Fatalf("%d of %d gives %+v, of which Apache makes nothing", busy, total, m)
		}
	}
}

// The corpus is in testdata. Whatever is taken is within bounds, is what a forgiving reader makes of it, and is written so that
// it is read the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("v=1&ready=75&busy=0"))
	f.Add([]byte("port=8080&busy=4&x=y&ready=3&v=1"))
	f.Add([]byte("v=1&ready=75&busy=0&ready=1"))
	f.Add([]byte("&&v=1&ready=%37&=&busy"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			if m != (Message{}) {
				t.Errorf("%q is refused, and gives %+v", b, m)
			}
			return
		}
		if m.Ready < 0 || m.Ready > MaxWorkers || m.Busy < 0 || m.Busy > MaxWorkers || len(b) > MaxSize {
			t.Errorf("%q gives %+v", b, m)
		}
		if again, err := Parse(m.Append(nil)); err != nil || again != m {
			t.Errorf("%q gives %+v, and that %+v, %v", b, m, again, err)
		}
		// url.ParseQuery leaves out pairs that it cannot read; none of those that count here is one.
		q, _ := url.ParseQuery(strings.ReplaceAll(string(b), ";", "%3B"))
		if q.Get("v") != "1" || q.Get("ready") != strconv.Itoa(m.Ready) || q.Get("busy") != strconv.Itoa(m.Busy) {
			t.Errorf("%q gives %+v, and to others %v", b, m, q)
		}
	})
}
