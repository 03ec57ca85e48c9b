package athena

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"backhand/gossip/node"
)

const (
	mirrorWithin = 5 * time.Second // for one request and its reply
	maxAnswer    = 1 << 20         // bytes of a reply that are read
	maxSentence  = 256             // bytes of what another engine says that are kept
	maxSentences = 1001
)

// Target is another engine to which this one is mirrored. Its methods may be called by any number of goroutines.
type Target struct {
	URL    *url.URL     // of the engine, its path included: http://10.58.4.2:4446/athena
	Token  string       // is sent as Authorization: Bearer; "": none is
	Client *http.Client // follows no redirects
}

// Told is what another engine said to what it was told.
type Told struct {
	Engine      string   // is another one after each start of it; "" if it was not told anything
	Listed      int      // of what it was told of, how many farms and physicals its file lists
	Differences []string // of the two files, a sentence each; not trusted, but on one line of visible characters
}

// Tell tells the engine all of that, farms before physicals, in as many requests as it takes, each within 5 s. After an error it
// has perhaps taken some of it, which does no harm. Where there is nothing to tell, it only looks who answers.
func (t *Target) Tell(ctx context.Context, said []node.Said) (told Told, err error) {
	if len(said) == 0 {
		return told, t.post(ctx, false, []byte("[]"), &told)
	}
	for _, farms := range []bool{true, false} {
		var some []node.Said
		for i := range said {
			if said[i].Farm == farms {
				some = append(some, said[i])
			}
		}
		for len(some) > 0 {
			body, n, err := encodeSaid(some, time.Now()) // now: ages would grow while they wait
			if err != nil {
				return told, err
			}
			if err := t.post(ctx, farms, body, &told); err != nil {
				return told, err
			}
			some = some[n:]
		}
	}
	return told, nil
}

// post sends a body, and adds the reply to what was said before.
func (t *Target) post(ctx context.Context, farms bool, body []byte, told *Told) error {
	ctx, cancel := context.WithTimeout(ctx, mirrorWithin)
	defer cancel()
	place := "mirror/phys"
	if farms {
		place = "mirror/farm"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL.JoinPath(place).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kindJSON)
	req.Header.Set("Accept", kindJSON)
	req.Header.Set("User-Agent", "backhand")
	if t.Token != "" {
		req.Header.Set("Authorization", "Bearer "+t.Token)
	}
	res, err := t.Client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // who calls names the engine
		}
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("its reply: %w", err)
	}
	return told.add(res.StatusCode, text)
}

// add takes a reply in.
func (t *Told) add(status int, text []byte) error {
	var reply struct {
		mirrored
		Error string `json:"error"`
	}
	err := json.Unmarshal(text, &reply)
	switch {
	case status != http.StatusOK && err == nil && reply.Error == notEnabled:
		return errors.New("it answers 403: mirroring is not enabled: write mirror = true, and the address of this host into " +
			"allow_mirror, under [athena] of its file")
	case status != http.StatusOK && err == nil && reply.Error != "":
		return fmt.Errorf("it answers %d: %s", status, sentence(reply.Error))
	case status != http.StatusOK:
		return fmt.Errorf("it answers %d, as an engine does not: is the URL that of its path, such as http://10.58.4.2:4446/athena?", status)
	case err != nil || reply.Engine == "" || reply.Listed < 0 || reply.Listed > maxRequests:
		return errors.New("its reply is not that of an engine: is the URL that of its path, such as http://10.58.4.2:4446/athena?")
	}
	t.Engine = sentence(reply.Engine)
	t.Listed += reply.Listed
	for _, d := range reply.Differences[:min(len(reply.Differences), maxSentences)] {
		if len(t.Differences) < maxSentences {
			t.Differences = append(t.Differences, sentence(d))
		}
	}
	return nil
}

// sentence returns what another engine says as one that may be shown.
func sentence(s string) string {
	return clean(strings.Clone(strings.ToValidUTF8(s[:min(len(s), maxSentence)], "")))
}
