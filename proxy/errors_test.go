package proxy

import (
	"errors"
	"testing"
)

func TestProblemsNameEachReasonOnce(t *testing.T) {
	reset := errors.New("reset by peer")
	for _, row := range []struct {
		name string
		err  error
		want string
	}{
		{"without a cause", because(clientGone, nil), "client"},
		{"with a cause", because(clientGone, reset), "client: reset by peer"},
		{"caused by the same", because(clientGone, because(clientGone, nil)), "client"},
		{"caused by the same, which has a cause", because(clientGone, because(clientGone, reset)), "client: reset by peer"},
		{"caused by another", because(clientGone, because(bodyTooLong, nil)), "client: body_size"},
	} {
		if got := row.err.Error(); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		if row.name != "without a cause" && row.name != "caused by the same" && errors.Is(row.err, reset) != (row.want == "client: reset by peer") {
			t.Errorf("%s: the cause is lost", row.name)
		}
	}
}
