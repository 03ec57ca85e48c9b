package athena

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const statusTooLarge = http.StatusRequestEntityTooLarge

// maxKnown is how many names an UnknownError tells.
const maxKnown = 32

// Error names what there is, at most 32 of it.
func (e *UnknownError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "there is no %s %s", e.What, quote(e.Name))
	switch {
	case len(e.Known) == 0:
		fmt.Fprintf(&b, "; there is no %s at all", e.What)
	case len(e.Known) > maxKnown:
		fmt.Fprintf(&b, "; there are %s and %d more", strings.Join(e.Known[:maxKnown], ", "), len(e.Known)-maxKnown)
	default:
		b.WriteString("; known: " + strings.Join(e.Known, ", "))
	}
	return b.String()
}

// quote writes what a client sent, shortened.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}

// failure is an error with the status that goes with it.
type failure struct {
	status int
	text   string
}

func (e *failure) Error() string { return e.text }

// statusOf returns the status of a reply that tells of an error.
func statusOf(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.status
	}
	if _, ok := errors.AsType[*UnknownError](err); ok {
		return http.StatusNotFound
	}
	if _, ok := errors.AsType[*RefusedError](err); ok {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// advice returns what to do about an error where the mark E is likely to be its cause, or "".
func (q *query) advice(err error) string {
	if _, ok := errors.AsType[*syntaxError](err); ok && q.looksEscaped() {
		return "; a query string that is URL-escaped begins with E"
	}
	u, ok := errors.AsType[*UnknownError](err)
	switch {
	case !ok:
		return ""
	case q.looksEscaped():
		return "; a query string that is URL-escaped begins with E"
	case q.escaped && slices.Contains(u.Known, "E"+u.Name):
		return fmt.Sprintf("; the first E says that what follows is URL-escaped: for %s write ?E%s", "E"+u.Name, "E"+u.Name)
	}
	return ""
}
