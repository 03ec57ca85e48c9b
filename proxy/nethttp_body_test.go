package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"backhand/proxy/h1"
)

// pipeBody sends a request whose body the test writes.
func pipeBody(t *testing.T, st *stand, trailer http.Header) (*io.PipeWriter, chan string) {
	t.Helper()
	r, w := io.Pipe()
	req := newRequest(t, "POST", "/", r)
	req.Trailer = trailer
	answer := make(chan string, 1)
	tr := st.h2()
	go func() {
		res, err := tr.RoundTrip(req)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answer <- string(b)
	}()
	return w, answer
}

func TestDeadlineOfABodyInterruptsAndBreaksNothing(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) {
			p := make([]byte, 3)
			read := func() string {
				n, err := f.readBody(p)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return "late"
				}
				return fmt.Sprint(string(p[:n]), err)
			}
			var got []string
			for range 3 {
				f.setBodyDeadline(time.Now().Add(time.Second))
				begun := time.Now()
				got = append(got, read())
				if took := time.Since(begun); took != time.Second {
					t.Errorf("interrupted after %v", took)
				}
			}
			f.setBodyDeadline(time.Unix(1, 0))
			got = append(got, read(), read())
			go func() { // another goroutine interrupts, and gives more time
				time.Sleep(time.Second)
				f.setBodyDeadline(time.Unix(1, 0))
			}()
			f.setBodyDeadline(time.Now().Add(time.Hour))
			got = append(got, read())
			f.setBodyDeadline(time.Time{})
			got = append(got, read(), read(), read())
			if len(f.trailers()) != 1 || string(f.trailers()[0].Value) != "1" {
				t.Errorf("trailers: %+v", f.trailers())
			}
			say(f, strings.Join(got, ", "))
		})
		w, answer := pipeBody(t, st, http.Header{"X-Sum": {"1"}})
		time.Sleep(10 * time.Second)
		_, _ = io.WriteString(w, "hello")
		time.Sleep(time.Second)
		_ = w.Close()
		if got, want := <-answer, "late, late, late, late, late, late, hel<nil>, lo<nil>, EOF"; got != want {
			t.Errorf("read %q, want %q", got, want)
		}
	})
}

func TestBodyThatNobodyReadsOnIsGivenUp(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) {
			f.setBodyDeadline(time.Now().Add(time.Second))
			if _, err := f.readBody(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			say(f, "enough") // the reading goroutine waits for the client now
		})
		w, answer := pipeBody(t, st, nil)
		if got := <-answer; got != "enough" {
			t.Errorf("answered %q", got)
		}
		_ = w.Close()
	}) // the bubble fails if a goroutine is left
}

func TestBodyOfAClientThatGoes(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		got := make(chan error, 1)
		st.asExchange(func(f front, _ *h1.Request) {
			_, err := io.ReadAll(bodyOf(f.readBody))
			got <- err
		})
		w, answer := pipeBody(t, st, nil)
		_, _ = io.WriteString(w, "hello")
		_ = w.CloseWithError(errors.New("gone"))
		if err := <-got; err != io.ErrUnexpectedEOF {
			t.Errorf("read %v", err)
		}
		<-answer
	})
}

type bodyOf func([]byte) (int, error)

func (f bodyOf) Read(p []byte) (int, error) { return f(p) }

func TestLargeBodyPassesUnchanged(t *testing.T) {
	inStand(t, ServerConfig{}, func(t *testing.T, st *stand) {
		st.asExchange(func(f front, _ *h1.Request) {
			b, err := io.ReadAll(bodyOf(f.readBody))
			if err != nil {
				t.Error(err)
			}
			_ = f.respond(response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), nil)
			for p := range slices.Chunk(b, 64<<10) {
				if err := f.write(p); err != nil {
					t.Error(err)
				}
			}
			_ = f.finish(nil)
		})
		sent := bytes.Repeat([]byte("0123456789abcde"), 200_000)
		if _, body := st.do(st.h2(), newRequest(t, "POST", "/", bytes.NewReader(sent))); body != string(sent) {
			t.Errorf("got %d bytes back, sent %d", len(body), len(sent))
		}
	})
}
