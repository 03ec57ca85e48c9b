package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"backhand/gossip/node"
)

// Bounds of asking: peers may be slow, or no agents at all.
const (
	maxAsked  = 16
	atOnce    = 4
	askTime   = 3 * time.Second
	maxPage   = 16 << 20 // bytes: 5,000 rows are half of it
	maxHead   = 64 << 10
	maxCounts = 32
	maxReason = 32 // bytes of a reason's name
)

// ask asks some of the peers that are heard what they have heard of this host.
func (x *examination) ask(ctx context.Context) []Answer {
	peers := x.toAsk()
	answers := make([]Answer, len(peers))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, p := range peers {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			answers[i] = x.askOne(ctx, p)
		})
	}
	wg.Wait()
	return answers
}

// toAsk returns the peers that are heard, by the doctor or by the agent of this host; not too many.
func (x *examination) toAsk() []Heard {
	f := x.facts
	peers := f.peersOf(f.Links)
	if f.Agent != nil {
		for _, k := range f.Agent.Nodes {
			if len(peers) >= maxAsked {
				break
			}
			known := slices.ContainsFunc(peers, func(h Heard) bool { return h.ID.String() == k.ID })
			if !known && !k.Left && !k.silent() && k.Addr.IsValid() {
				peers = append(peers, Heard{Name: k.Name, Addr: k.Addr, TLS: k.TLS, Direct: k.Direct})
			}
		}
	}
	return peers[:min(len(peers), maxAsked)]
}

// askOne fetches the page of a peer as JSON.
func (x *examination) askOne(ctx context.Context, p Heard) Answer {
	a := Answer{Name: p.Name, Addr: p.Addr}
	if p.Direct {
		a.Error = "it only announces, and has no page"
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	client := x.client()
	defer client.CloseIdleConnections()
	scheme := "http://"
	if p.TLS {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+p.Addr.String()+x.opt.Page+"view.json", nil)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	asked := time.Now()
	res, err := client.Do(req)
	if err != nil {
		a.Error = short(err)
		return a
	}
	defer res.Body.Close()
	half := time.Since(asked) / 2
	if res.StatusCode != http.StatusOK {
		a.Error = fmt.Sprintf("status %d", res.StatusCode)
		return a
	}
	if err := readPage(io.LimitReader(res.Body, maxPage), x.ids(), &a, asked.Add(half)); err != nil {
		a.Error = "what it answers is no page of an agent"
	}
	return a
}

// client connects as agents do: from the address of this node, and to nothing else than what it is told.
func (x *examination) client() *http.Client {
	dial := x.sys.dial
	if a := x.facts.Address.Addr(); a.IsValid() && x.sys.dialFrom != nil {
		dial = x.sys.dialFrom(a)
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: x.opt.TLS, DisableKeepAlives: true, MaxResponseHeaderBytes: maxHead,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// short returns what of an error of the client matters.
func short(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "nothing within " + askTime.String()
	case errors.As(err, new(*net.OpError)):
		inner, _ := errors.AsType[*net.OpError](err)
		return inner.Err.Error()
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}

// readPage reads of a page what concerns this host. The rows may be many, so they are read one by one, and no further
// than to ours. now is ours when the page was made.
func readPage(r io.Reader, ids []node.ID, a *Answer, now time.Time) error {
	d := json.NewDecoder(r)
	if err := expect(d, '{'); err != nil {
		return err
	}
	rows := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		switch key {
		case "now":
			var theirs time.Time
			err = d.Decode(&theirs)
			a.Ahead = theirs.Sub(now)
		case "beats":
			err = readBeats(d, a)
		case "rows":
			rows = true
			err = readRows(d, ids, a)
		default:
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	if !rows {
		return errors.New("no rows")
	}
	return expect(d, '}')
}

func readBeats(d *json.Decoder, a *Answer) error {
	var beats struct{ Rejected []Count }
	if err := d.Decode(&beats); err != nil {
		return err
	}
	a.Rejected = beats.Rejected[:min(len(beats.Rejected), maxCounts)]
	for i, c := range a.Rejected {
		a.Rejected[i].Name = c.Name[:min(len(c.Name), maxReason)]
	}
	return nil
}

// readRows looks for the row of this host. Of several ids the first counts, and of a node with several rows any.
func readRows(d *json.Decoder, ids []node.ID, a *Answer) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	for d.More() {
		var row struct {
			ID   string
			Host *struct {
				Age float64 `json:"age_seconds"`
			}
		}
		if err := d.Decode(&row); err != nil {
			return err
		}
		id, err := node.ParseID(row.ID)
		if err != nil || id != ids[0] || row.Host == nil {
			continue
		}
		a.Lists = true
		a.Age = time.Duration(min(max(row.Host.Age, 0), 1e6) * float64(time.Second))
	}
	return expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("want %v", want)
	}
	return nil
}

// dialFrom returns a dialer whose connections leave from the address.
func dialFrom(a netip.Addr) func(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 0))}).DialContext
}
