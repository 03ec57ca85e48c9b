package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"backhand/contrib/testbed/watch"
)

func TestLossIsMeasuredWhenNamed(t *testing.T) {
	o := flags(t, "-scenarios", "loss")
	if turns := plan(o); len(turns) != 0 || o.measurements(turns) != 1 || o.takes(turns) < 10*time.Minute || o.takes(turns) > 11*time.Minute {
		t.Errorf("loss is %d measurements in %v: %v", o.measurements(turns), o.takes(turns), turns)
	}
	if s := strings.Join(programs(o), " "); s != "ip nft" {
		t.Errorf("needs %s, want ip nft", s)
	}
	if o := flags(t, "-scenarios", "main,loss", "-secs", "20"); o.lossFor != 20*time.Second || o.secs != 20*time.Second {
		t.Errorf("%v, and loss %v, want 20 s", o.secs, o.lossFor)
	}
	if o := flags(t); o.loses() || o.secs != 100*time.Second {
		t.Errorf("with no flag: loss %v, and %v each", o.loses(), o.secs)
	}
	if p := packageOf("nft"); p != "nftables" {
		t.Errorf("nft is of the package %s", p)
	}
}

func TestLossReport(t *testing.T) {
	few := newLossRow(4, 10, 600*time.Second, watch.Result{
		Pairs: 12, Sent: 7200, Heard: 6480, Requests: 48000, Late: 3 * time.Millisecond,
	})
	many := newLossRow(16, 30, 600*time.Second, watch.Result{
		Pairs: 240, Sent: 144000, Heard: 100080, Alarms: 70, Unsure: 1, Requests: 192000, Failed: 2, Dropped: 1200,
		Late: 21 * time.Millisecond, Why: "a timeout", Blind: 5,
	})
	r := &report{opt: flags(t, "-scenarios", "loss"), Loss: []lossRow{few, many}}
	r.Targets = judgeLoss(r.Loss)
	var out strings.Builder
	r.write(&out)
	for _, want := range []string{
		"beats every 1s, `byAge 6b`, `byRandom`",
		"| 4 | 10 % | 600 | 12 | 7200 | 6480 | 10.00 % | 0 | 0.00648 | 0 | 48000 | 0 | 0 | 3 |\n",
		"| 16 | 30 % | 600 | 240 | 144000 | 100080 | 30.50 % | 70 | 73.5 | 1 | 192000 | 2 | 1200 | 21 |\n",
		"| 4 nodes that lose 10 %: false alarms | at most 0 | 0.000 | kept |\n",
		"| 4 nodes that lose 10 %: failed requests | at most 0 | 0.000 | kept |\n",
		"| 16 nodes that lose 30 %: false alarms by those of chance, or the inverse | at most 2 | 1.050 | kept |\n",
		"| 16 nodes that lose 30 %: failed requests | at most 0 | 2.000 | **missed** |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("missing: %s", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
	for _, want := range []string{
		"70 false alarms, by chance 73.5", "5 looks got no answer, 0 beats were overlooked; one failed: a timeout",
	} {
		if s := many.line(); !strings.Contains(s, want) {
			t.Errorf("%s: want %s", s, want)
		}
	}
}

func TestLossIsJudged(t *testing.T) {
	for _, row := range []struct {
		name    string
		row     lossRow
		verdict string // of the false alarms; "none": they are not judged
	}{
		{"none where none is expected", lossRow{Chance: .01}, "kept"},
		{"one where none is expected", lossRow{Chance: .01, Alarms: 1}, "**missed**"},
		{"perhaps one where none is expected", lossRow{Chance: .01, Unsure: 1}, "**missed**"},
		{"too few are expected", lossRow{Chance: 2, Alarms: 9}, "none"},
		{"half of them", lossRow{Chance: 80, Alarms: 40}, "kept"},
		{"less than half", lossRow{Chance: 80, Alarms: 39}, "**missed**"},
		{"twice as many", lossRow{Chance: 80, Alarms: 160}, "kept"},
		{"perhaps more than twice", lossRow{Chance: 80, Alarms: 160, Unsure: 1}, "**missed**"},
		{"none where there should be many", lossRow{Chance: 80}, "**missed**"},
	} {
		verdict := "none"
		for _, target := range judgeLoss([]lossRow{row.row}) {
			if strings.Contains(target.What, "false alarms") {
				verdict = target.verdict()
			}
		}
		if verdict != row.verdict {
			t.Errorf("%s: %s, want %s", row.name, verdict, row.verdict)
		}
	}
}

func TestAgentFile(t *testing.T) {
	const serve, route, keys = "[[serve]]", "[[route]]", `keys     = "/k"`
	for _, row := range []struct {
		name string
		v    values
		want []string
	}{
		{"a member", values{Member: true, Slots: 4}, []string{serve}},
		{"a front", values{}, []string{route}},
		{"a front with a chain", values{Chain: []string{"byRandom"}}, []string{route, `chain = ["byRandom"]`}},
		{
			"both, with keys",
			values{Member: true, Chain: lossChain(), Keys: "/k"},
			[]string{serve, route, `chain = ["byAge 6b", "byRandom"]`, keys, `key_mode = "enforce"`},
		},
	} {
		file, err := fill("agent.toml", t.TempDir(), row.v)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, part := range []string{serve, route, "chain = ", "keys     =", "key_mode ="} {
			found += strings.Count(string(text), part)
		}
		for _, part := range row.want {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s: no %s in %s", row.name, part, text)
			}
		}
		if found != len(row.want) {
			t.Errorf("%s: %d parts, want %d: %s", row.name, found, len(row.want), text)
		}
	}
}

// Real agents on hosts that lose beats: all are heard, as often as the loss lets them, and every request is answered.
func TestHostsThatLoseBeats(t *testing.T) {
	r := command(t, "-scenarios", keyLoss, "-secs", "5", "-warm", "1")
	if len(r.Loss) != 2 {
		t.Fatalf("%d clusters, want 2", len(r.Loss))
	}
	for _, row := range r.Loss {
		if row.Late > 200 { // milliseconds; what stands still for so long may well fail, too
			missing(t, fmt.Errorf("the machine is too busy to judge: %s", row.line()))
		}
		if row.Pairs != row.Nodes*(row.Nodes-1) || row.Failed > 0 || row.Requests < row.Nodes*20 || row.Due < 4*row.Pairs {
			t.Errorf("%s", row.line())
		}
	}
	if m := r.Loss[1].Measured; m < .2 || m > .4 {
		t.Errorf("%.1f %% of the beats lost, want 30 %%", 100*m)
	}
}
