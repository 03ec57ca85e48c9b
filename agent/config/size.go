package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// unit is one of those that sizes are written in.
type unit struct {
	name  string
	bytes int64
}

// units returns all of them. In messages a size has the first one that divides it.
func units() []unit {
	return []unit{
		{"PiB", 1 << 50},
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"PB", 1e15},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"B", 1},
	}
}

// size returns a number of bytes from low to high, or def if there is none: a whole number, or a text with a unit, such
// as "10MiB". KiB are 1024 bytes, kB 1000; case does not count.
func (s *section) size(key string, def, low, high int64) int64 {
	v := s.get(key)
	if v == nil {
		return def
	}
	var n int64
	switch raw := v.raw.(type) {
	case int64:
		n = raw
	case string:
		var err error
		if n, err = parseSize(raw); err != nil {
			s.wrong(v.at(), "%s is %q: %v", s.full(key), raw, err)
			return def
		}
	default:
		s.wrongType(key, v, `a size, such as "10MiB", or a number of bytes`)
		return def
	}
	if n < low || n > high {
		s.wrong(v.at(), "%s is %v: write a size from %s to %s", s.full(key), v.raw, sizeText(low), sizeText(high))
		return def
	}
	return n
}

// parseSize reads a size with its unit.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	unit := strings.TrimSpace(text[len(digits):])
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, errors.New(`write a whole number and a unit, such as "10MiB"`)
	}
	for _, u := range units() {
		if !strings.EqualFold(u.name, unit) {
			continue
		}
		if n > uint64(math.MaxInt64/u.bytes) {
			return 0, errors.New("that is too much")
		}
		return int64(n) * u.bytes, nil
	}
	return 0, fmt.Errorf(`write one of the units B, KiB, MiB, GiB, TiB, kB, MB, GB or TB, such as "%dMiB"`, n)
}

// sizeText writes a size as a person would.
func sizeText(n int64) string {
	for _, u := range units() {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0"
}
