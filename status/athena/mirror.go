package athena

import (
	"net/http"
	"time"

	"backhand/gossip/node"
)

// Mirror takes in what another engine tells of farms, or of physicals, at most 1,000 of them: of those that are listed here,
// what is newer than what is known. It returns how many are listed, and in what the two engines differ, a sentence each. The error
// is that something cannot be, which is a mistake of who sends it (400): then nothing was taken. by is who sends it, as of updates.
type Mirror func(by string, said []node.Said) (listed int, differences []string, err error)

const (
	notEnabled = "mirroring is not enabled"
	difference = "difference: " // begins a line of the reply
)

// mirrored is the reply to another engine.
type mirrored struct {
	Engine      string   `json:"engine"` // another one after a restart
	Listed      int      `json:"listed"`
	Differences []string `json:"differences"`
}

// readMirror reads the body for a place of mirror.
func (h *handler) readMirror(x *exchange, w http.ResponseWriter) (err error) {
	x.came = h.cfg.Now() // ages count from here: a body may take long
	_, x.body, err = readBody(w, x.r, kindJSON)
	return err
}

func (h *handler) mirrorFarm(x *exchange) error { return h.mirror(x, true) }
func (h *handler) mirrorPhys(x *exchange) error { return h.mirror(x, false) }

// mirror hands on what another engine tells, once all of it is understood.
func (h *handler) mirror(x *exchange, farms bool) error {
	listed, differences, err := h.takeMirror(x, farms)
	if err != nil {
		return err
	}
	h.counts.Mirrored.Add(uint64(listed))
	for i := range differences {
		differences[i] = clean(differences[i])
	}
	if x.json {
		return x.writeJSON(mirrored{h.incarnation(x.came), listed, append([]string{}, differences...)})
	}
	for _, d := range differences {
		x.out = append(append(append(x.out, difference...), d...), '\n')
	}
	return nil
}

// takeMirror takes one body at a time: understood, it may take many times the memory that it did as text.
func (h *handler) takeMirror(x *exchange, farms bool) (listed int, differences []string, err error) {
	h.mirroring.Lock()
	defer h.mirroring.Unlock()
	said, err := parseSaid(x.body, farms, x.came)
	if err != nil {
		return 0, nil, err
	}
	return h.cfg.Mirror(x.by(), said)
}

// incarnation returns what is another after each start of the engine: then it has forgotten statistics.
func (h *handler) incarnation(now time.Time) string {
	s := h.cfg.Engine.Self(now)
	return s.ID + "-" + s.Started.UTC().Format("20060102T150405.000")
}
