package lab

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// how often Until looks.
const lookEvery = 20 * time.Millisecond

// Until calls holds every 20 ms until it returns nil, or until the context ends: then the error is its last one.
func Until(ctx context.Context, holds func() error) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// Eventually is [Until] for a time that is generous and counted from now; if it passes, the test fails and ends.
func Eventually(t testing.TB, within time.Duration, holds func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if err := Until(ctx, holds); err != nil {
		t.Fatalf("not within %v: %v", within, err)
	}
}
