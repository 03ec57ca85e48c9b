package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"backhand/agent/config"
	"backhand/proxy"
)

// ControlSocket is the name, within state_dir, of the socket that commands reach a running agent by. Who may write to it
// may do all that commands do; it never listens on TCP.
const ControlSocket = "control.sock"

// control answers the commands of this host.
type control struct {
	ln   net.Listener
	http *http.Server
}

// listenControl opens the control socket, or returns nil if there is no directory for it. The lock on the directory makes
// sure that a socket found there is a dead agent's.
func (a *Agent) listenControl() (*control, error) {
	path := a.state.controlSocket()
	if path == "" {
		return nil, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		ln.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &control{ln: ln, http: &http.Server{Handler: a.controlHandler(), ReadHeaderTimeout: time.Second}}, nil
}

func (c *control) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = c.http.Close() })
	defer stop()
	if err := c.http.Serve(c.ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (a *Agent) controlHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /view", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, a.View()) })
	mux.HandleFunc("POST /explain", func(w http.ResponseWriter, r *http.Request) {
		var q proxy.Question
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, a.handler.Explain(q))
	})
	mux.HandleFunc("POST /mirror", a.serveMirror)
	for name, do := range map[string]func() error{"drain": a.Drain, "undrain": a.Undrain, "reload": a.Reload} {
		mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, _ *http.Request) {
			switch err := do(); {
			case err == nil:
			case errors.As(err, new(*config.Errors)):
				http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			default:
				http.Error(w, err.Error(), http.StatusConflict)
			}
		})
	}
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // an error means that the client has gone
}
