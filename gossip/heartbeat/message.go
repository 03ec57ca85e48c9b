package heartbeat

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Bounds of a message.
const (
	MaxSize    = 1000    // bytes; mod_heartmonitor takes no more either
	MaxWorkers = 1000000 // of Ready and of Busy

	UsualPort = 80 // of a host that does not say its port, to mod_heartmonitor

	Interval = time.Second // between two messages of a host, as mod_heartbeat has it (HEARTBEAT_INTERVAL)
)

// Message is what a host says of itself.
type Message struct {
	Ready int    // workers that wait for a request, from 0 to MaxWorkers
	Busy  int    // workers that have one, from 0 to MaxWorkers
	Port  uint16 // of its web server; 0: not said, as mod_heartbeat does not
}

// Why a message is not taken.
var (
	errSize    = fmt.Errorf("want 1 to %d bytes", MaxSize)
	errByte    = errors.New("want a query string of printable ASCII")
	errEscape  = errors.New("want keys without escapes")
	errVersion = errors.New("want v=1")
	errMissing = errors.New("want v, ready and busy")
	errTwice   = errors.New("v, ready, busy or port is there twice")
	errNumber  = fmt.Errorf("want ready and busy from 0 to %d, and port from 1 to 65535, in plain figures", MaxWorkers)
)

// The keys that are read, a bit for each in the set of those that were there.
const (
	keyVersion = 1 << iota
	keyReady
	keyBusy
	keyPort

	keysNeeded = keyVersion | keyReady | keyBusy
)

// Parse reads a message. Keys that it does not know are passed over, as the format's makers ask for. It is stricter than
// mod_heartmonitor: that takes the last of two values, reads "7x" as 7, and -1 as a negative number of workers.
func Parse(b []byte) (Message, error) {
	if len(b) == 0 || len(b) > MaxSize {
		return Message{}, errSize
	}
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return Message{}, errByte
		}
	}
	var m Message
	seen := 0
	for pair := range bytes.SplitSeq(b, []byte("&")) {
		key, value, _ := bytes.Cut(pair, []byte("="))
		if bytes.IndexByte(key, '%') >= 0 {
			return Message{}, errEscape // to Apache it may be one of those below
		}
		bit, err := m.set(string(key), value)
		switch {
		case err != nil:
			return Message{}, err
		case seen&bit != 0:
			return Message{}, errTwice
		}
		seen |= bit
	}
	if seen&keysNeeded != keysNeeded {
		return Message{}, errMissing
	}
	return m, nil
}

// set takes one value, and returns which key that was; 0 for one that is not known.
func (m *Message) set(key string, value []byte) (bit int, err error) {
	var n int
	switch key {
	case "v":
		if n, err = number(value, MaxWorkers); err != nil || n != 1 {
			return 0, errVersion
		}
		return keyVersion, nil
	case "ready":
		m.Ready, err = number(value, MaxWorkers)
		return keyReady, err
	case "busy":
		m.Busy, err = number(value, MaxWorkers)
		return keyBusy, err
	case "port":
		if n, err = number(value, 65535); n == 0 {
			err = errNumber
		}
		m.Port = uint16(n)
		return keyPort, err
	}
	return 0, nil
}

// number reads what printf's %u writes.
func number(b []byte, most int) (int, error) {
	if len(b) == 0 || len(b) > 7 || b[0] == '0' && len(b) > 1 {
		return 0, errNumber
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, errNumber
		}
		n = 10*n + int(c-'0')
	}
	if n > most {
		return 0, errNumber
	}
	return n, nil
}

// Append appends the message as mod_heartbeat writes it, with the port behind it if there is one.
func (m Message) Append(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, "v=1&ready="...), int64(m.Ready), 10)
	dst = strconv.AppendInt(append(dst, "&busy="...), int64(m.Busy), 10)
	if m.Port != 0 {
		dst = strconv.AppendUint(append(dst, "&port="...), uint64(m.Port), 10)
	}
	return dst
}

// quartered is by how much mod_lbmethod_heartbeat divides the ready workers of a host that has no busy one, in whole numbers:
// it takes it for one that has just started.
const quartered = 4

// Announce returns what a host that is up says when busy of its total workers are: never less than what makes Apache choose
// it at all. Its chooser draws by the ready workers alone, so that a host without any gets nothing, and if no host has one
// the client gets 503, while a farm of agents would let the request wait. And of two or three idle workers a quarter is none.
func Announce(total, busy int) Message {
	total, busy = min(max(total, 0), MaxWorkers), min(max(busy, 0), MaxWorkers)
	m := Message{Ready: max(total-busy, 1), Busy: busy}
	if busy == 0 {
		m.Ready = max(m.Ready, quartered)
	}
	return m
}
