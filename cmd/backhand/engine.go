package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"backhand/agent/config"
)

// Bounds of what an engine answers, and of how long one waits for it.
const (
	maxEngineReply   = 17 << 20 // bytes; an engine writes at most about 16 MiB
	maxEngineHead    = 64 << 10
	maxEngineError   = 2000 // bytes that are shown of why it refused
	leastEngineWait  = 100 * time.Millisecond
	mostEngineWait   = 5 * time.Minute
	defaultEngineURL = "http://127.0.0.1:4446/athena"
	defaultAthena    = "/athena"
)

// engineFlags say which engine is meant, and how it is asked.
func engineFlags(more ...cli.Flag) []cli.Flag { return engineFlagsWith(configFlag(), more...) }

// engineFlagsWith are the same with another flag for the file.
func engineFlagsWith(file cli.Flag, more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{
		&cli.StringFlag{
			Name: "engine", Usage: "the `URL` of the engine: an agent's [athena]", EnvVars: []string{"BACKHAND_ENGINE"},
			DefaultText: "the first of [athena] in the configuration file, else " + defaultEngineURL,
		},
		file,
		&cli.StringFlag{
			Name: "token-file", Usage: "send the token that is in `FILE`, for an engine that wants one",
			EnvVars: []string{"BACKHAND_TOKEN_FILE"},
		},
		&cli.DurationFlag{Name: "timeout", Value: 5 * time.Second, Usage: "wait so long for an answer: a `TIME` from 100ms to 5m"},
	}, more...)
}

// engine is an engine that is asked over HTTP.
type engine struct {
	url   string // without slash at the end
	token string // "": none is sent
	wait  time.Duration
	http  http.Client
}

// engineOf returns the engine that is meant.
func engineOf(c *cli.Context) (*engine, error) {
	wait := c.Duration("timeout")
	if wait < leastEngineWait || wait > mostEngineWait {
		return nil, usagef("%s: --timeout is %v, want a time from 100ms to 5m", c.Command.Name, wait)
	}
	at, err := engineURL(c)
	if err != nil {
		return nil, err
	}
	token := ""
	if file := c.String("token-file"); file != "" {
		if token, err = config.ReadToken(file); err != nil {
			return nil, err
		}
	}
	return newEngine(at, token, wait), nil
}

// engineURL returns where the engine is: as the command line says, or else as the file does.
func engineURL(c *cli.Context) (string, error) {
	if text := c.String("engine"); text != "" {
		at, err := parseEngineURL(text)
		if err != nil {
			return "", usagef("%s: --engine is %q, %v", c.Command.Name, text, err)
		}
		return at, nil
	}
	file := c.String("config")
	if c.IsSet("config") {
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("find the engine: %w (--engine names it without a file)", err)
		}
	}
	at, err := config.EngineURL(file)
	return cmp.Or(at, defaultEngineURL), err
}

// parseEngineURL reads http://host:port/path, where the path may be missing.
func parseEngineURL(text string) (string, error) {
	const want = "want a URL such as " + defaultEngineURL
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New(want)
	case u.Port() != "" && !isPort(u.Port()):
		return "", errors.New(want + ", with a port from 1 to 65535")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(text, "#"):
		return "", errors.New(want + ", without user, query or fragment (--token-file is for tokens)")
	}
	if u.Path = strings.TrimRight(u.Path, "/"); u.Path == "" {
		u.Path = defaultAthena
	}
	u.RawPath = ""
	return u.String(), nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func newEngine(at, token string, wait time.Duration) *engine {
	e := &engine{url: at, token: token, wait: wait}
	e.http.Transport = &http.Transport{ // without a Proxy: engines are inside
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxEngineHead,
		DialContext: (&net.Dialer{Timeout: wait}).DialContext, TLSHandshakeTimeout: wait,
	}
	e.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the token is for nobody else
	return e
}

// reply is what an engine answered.
type reply struct {
	status int
	body   []byte
}

// get asks, and wants JSON. What is refused is an error.
func (e *engine) get(ctx context.Context, place string) (reply, error) {
	return e.do(ctx, http.MethodGet, place, nil)
}

// post sends arguments as JSON, and wants JSON.
func (e *engine) post(ctx context.Context, place string, arguments any) (reply, error) {
	body, err := json.Marshal(arguments)
	if err != nil {
		return reply{}, err
	}
	return e.do(ctx, http.MethodPost, place, body)
}

func (e *engine) do(ctx context.Context, method, place string, body []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, e.wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, e.url+"/"+place, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "backhand")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if e.token != "" {
		req.Header.Set("Authorization", "Bearer "+e.token)
	}
	res, err := e.http.Do(req)
	if err != nil {
		return reply{}, e.explain(err)
	}
	defer res.Body.Close()
	r := reply{status: res.StatusCode}
	if r.body, err = io.ReadAll(io.LimitReader(res.Body, maxEngineReply+1)); err != nil {
		return reply{}, e.explain(err)
	}
	if len(r.body) > maxEngineReply {
		return reply{}, fmt.Errorf("the engine at %s answers with more than %d bytes: ask for less at once", e.url, maxEngineReply)
	}
	return r, e.check(&r, res.Header)
}

// check returns an error for a reply that is no answer. 503 is one: nobody is eligible.
func (e *engine) check(r *reply, head http.Header) error {
	kind, _, _ := mime.ParseMediaType(head.Get("Content-Type"))
	if r.status == http.StatusOK && (kind == "application/json" || len(r.body) == 0) {
		return nil
	}
	var said struct {
		Error string `json:"error"`
	}
	if kind == "application/json" && json.Unmarshal(r.body, &said) == nil && said.Error != "" {
		hint := ""
		if r.status == http.StatusUnauthorized {
			hint = " (--token-file names the file with it)"
		}
		return fmt.Errorf("the engine at %s: %s%s", e.url, shown(said.Error), hint)
	}
	if kind == "application/json" && r.status == http.StatusServiceUnavailable {
		return nil
	}
	return fmt.Errorf("what answers at %s is no engine: %d %s; --engine names another URL", e.url, r.status, http.StatusText(r.status))
}

// explain says what to do about an engine that does not answer.
func (e *engine) explain(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	var late net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &late) && late.Timeout():
		return fmt.Errorf("the engine at %s did not answer within %v: is a firewall in between? (--timeout waits longer)", e.url, e.wait)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no engine answers at %s: does an agent run there, with that address in [athena]? (--engine names another URL)",
			e.url)
	}
	return fmt.Errorf("the engine at %s: %s", e.url, shown(err.Error())) // a certificate's names, say, are whatever it has
}

// decode reads the JSON of a reply.
func (e *engine) decode(r reply, into any) error {
	if err := json.Unmarshal(r.body, into); err != nil {
		return fmt.Errorf("the engine at %s answers with other JSON than this program reads; is it of another version? %s", e.url,
			shown(err.Error()))
	}
	return nil
}

// shown is what somebody else said, as one line for a terminal, shortened.
func shown(s string) string {
	if len(s) > maxEngineError {
		s = strings.ToValidUTF8(s[:maxEngineError], "") + "..."
	}
	return printable(s)
}
