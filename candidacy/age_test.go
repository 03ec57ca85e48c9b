package candidacy_test

import "testing"

func TestByAge(t *testing.T) {
	checkRows(t, []row{
		{"what is older is dropped", "www1 age=1s\nwww2 age=7s", []string{"byAge 6"}, "www1"},
		{"what is exactly as old stays", "www1 age=6s", []string{"byAge 6"}, "www1"},
		{"a millisecond more is too old", "www1 age=6001ms", []string{"byAge 6"}, ""},
		{"without an argument it is five seconds", "www1 age=5s\nwww2 age=5001ms", []string{"byAge"}, "www1"},
		{"a unit may be written", "www1 age=500ms\nwww2 age=501ms", []string{"byAge 500ms"}, "www1"},
		{"a fraction of seconds may be written", "www1 age=1500ms\nwww2 age=1501ms", []string{"byAge 1.5"}, "www1"},
		{"the age of the figures counts", "www1 age=5s sample=2s\nwww2 age=5s", []string{"byAge 6"}, "www2"},
		{
			"beats are the member's own", "www1 age=7s interval=1s\nwww2 age=7s interval=2s\nwww3 age=12s interval=2s",
			[]string{"byAge 6b"},
			"www2 www3",
		},
		{"self is never too old", "self www1 age=1h\nwww2 age=1h", []string{"byAge 6"}, "www1"},
		{"self is never too old in beats either", "self www1 age=1h\nwww2 age=1h", []string{"byAge 6b"}, "www1"},
		{"a physical has no beat and stays", "physical app1\nwww1 age=1h", []string{"byAge 6"}, "app1"},
		{"a physical stays in beats, too", "physical app1\nwww1 age=1h", []string{"byAge 6b"}, "app1"},
		{"a clock that went backwards makes nobody old", "www1 age=-1h", []string{"byAge 6"}, "www1"},
		{"an interval of years overflows nothing", "www1 age=7s interval=2000000h", []string{"byAge 10000b"}, "www1"},
		{"nobody is left of nobody", "", []string{"byAge 6"}, ""},
		{"the order stays", "www1\nwww2 load=1 age=9s\nwww3 load=2\nwww4", []string{"byLoad", "byAge 6"}, "www1 www4 www3"},
	})
}

func TestByAgeRefusesWhatIsNoAge(t *testing.T) {
	const want = ", want seconds (6), a duration (500ms) or beats (6b), above 0, at most 24h or 10000b (usage: byAge [SECONDS])"
	wants := map[string]string{"byAge 6 7": `byAge: "7" is one argument too many (usage: byAge [SECONDS])`}
	for _, w := range []string{
		"0", "-5", "x", "6x", "b", "0b", "-1b", "10001b", "25h", "86401", "nan", "inf", "1e300", "1e-12", "0x", "NaNb", "infb",
	} {
		wants["byAge "+w] = `byAge: SECONDS is "` + w + `"` + want
	}
	checkErrors(t, wants)
}

func Example_byAge() {
	explain("self www1\nwww2 age=1200ms\nwww3 age=8200ms\nphysical app1", "byAge 6")
	// Output:
	// byAge 6
	//   www1 (this host)
	//   www2 (age 1.2s)
	//   app1 (no beat)
	//   dropped www3 (older than 6s: age 8.2s)
}
