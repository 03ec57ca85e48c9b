package status

import (
	"math"
	"testing"
)

func TestFigures(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{"no time", span(0), "0.0 s"},
		{"a clock that went back", span(-3), "0.0 s"},
		{"tenths of seconds", span(0.34), "0.3 s"},
		{"seconds", span(45.7), "45 s"},
		{"minutes", span(300), "5 min"},
		{"hours", span(3*3600 + 120), "3 h 2 min"},
		{"the ancestor's dead node", span(258949), "2 d 23 h"},
		{"no memory", memory(0), none},
		{"bytes", memory(17), "17 B"},
		{"a little memory", memory(1536), "1.5 KiB"},
		{"a host's memory", memory(8 << 30), "8.0 GiB"},
		{"a large host's", memory(512 << 30), "512 GiB"},
		{"all memory", memory(math.MaxUint64), "16 EiB"},
		{"a small count", number(957), "957"},
		{"a count", number(1234567), "1,234,567"},
		{"a small ratio", ratio(0.5), "0.50"},
		{"a ratio", ratio(12.34), "12.3"},
		{"a speed", ratio(308168), "308168"},
		{"an absurd one", ratio(1e30), "1e+30"},
		{"nothing of all", percent(0), "0 %"},
		{"a hair", percent(0.012), "1.2 %"},
		{"a third", percent(1.0 / 3), "33 %"},
		{"all", percent(1), "100 %"},
		{"one", plural(1, "node"), "1 node"},
		{"several", plural(3, "node"), "3 nodes"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestBarsStayInTheirCells(t *testing.T) {
	for share, want := range map[float64]int{-1: 0, 0: 0, 0.5: 50, 1: 100, 1e300: 100} {
		if got := bar(share); got != want {
			t.Errorf("bar(%v) is %d, want %d", share, got, want)
		}
	}
}

func TestCleanLeavesVisibleTextAlone(t *testing.T) {
	for in, want := range map[string]string{
		"www1":                "www1",
		"größe 猫":             "größe 猫",
		"a\x1b[2Jb":           "a\uFFFD[2Jb",
		"a\nb":                "a\uFFFDb",
		"\u009b31m":           "\uFFFD31m",
		"www\u202egpj":        "www\uFFFDgpj",
		"zero\u200bwidth":     "zero\uFFFDwidth",
		"\xff\xfe":            "\uFFFD\uFFFD",
		"tab\tand\u00a0space": "tab\uFFFDand\uFFFDspace",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
}
