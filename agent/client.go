package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"backhand/proxy"
	"backhand/status"
)

// What Explain takes and gives, for those who know the agent only.
type (
	Question    = proxy.Question
	Explanation = proxy.Explanation
	Mark        = proxy.Mark
	Place       = proxy.Place
)

// Client talks to the agent that runs on this host, over its control socket.
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client of the agent whose state_dir that is.
func NewClient(stateDir string) *Client {
	c := &Client{socket: filepath.Join(stateDir, ControlSocket)}
	c.http.Timeout = 30 * time.Second
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
		},
	}
	return c
}

// MistakesError is what an agent says of a file that it does not take over: a line for each mistake.
type MistakesError struct{ Lines string }

// Error returns the lines.
func (e *MistakesError) Error() string { return e.Lines }

// View returns what the agent's page shows.
func (c *Client) View(ctx context.Context) (v status.View, err error) {
	return v, c.call(ctx, http.MethodGet, "/view", nil, &v)
}

// Explain asks how the agent would choose for a request, and why.
func (c *Client) Explain(ctx context.Context, q Question) (e Explanation, err error) {
	return e, c.call(ctx, http.MethodPost, "/explain", q, &e)
}

// Do runs one of "drain", "undrain" and "reload".
func (c *Client) Do(ctx context.Context, what string) error {
	return c.call(ctx, http.MethodPost, "/"+what, nil, nil)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, &body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if res.StatusCode == http.StatusUnprocessableEntity {
			return &MistakesError{strings.TrimSpace(string(text))}
		}
		return errors.New(strings.TrimSpace(string(text)))
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// explain says what to do about an agent that does not answer.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no agent answers at %s: is one running, with this state_dir? "+
			"(--config or --state-dir names another)", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission for %s: run this as root or as the agent's user", c.socket)
	}
	return fmt.Errorf("the agent at %s: %w", c.socket, errors.Unwrap(err))
}
