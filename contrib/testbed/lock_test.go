package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var said strings.Builder
	first, err := lock(t.Context(), &said)
	if err != nil || said.Len() > 0 {
		t.Fatalf("%v, %q", err, &said)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := lock(ctx, &said); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(said.String(), "is running") {
		t.Errorf("while it is held: %v, %q", err, &said)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := lock(t.Context(), &said)
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
}
