package candidacy_test

import (
	"fmt"
	"strings"
	"testing"

	"backhand/candidacy"
	"backhand/candidacy/candidacytest"
)

func TestByZone(t *testing.T) {
	const farm = "self www1 zone=a load=1\nwww2 zone=b\nwww3 zone=a\nwww4\nphysical app1"
	checkRows(t, []row{
		{"those in this host's own zone stay", farm, []string{"byZone"}, "www1 www3"},
		{"another zone may be named", farm, []string{"byZone b"}, "www2"},
		{"if nobody is there, all stay", farm, []string{"byZone c"}, "www1 www2 www3 www4 app1"},
		{"if nobody is left there, all stay", farm, []string{"byHostname [24]$", "byZone"}, "www2 www4"},
		{"upper and lower case differ", farm, []string{"byZone B"}, "www1 www2 www3 www4 app1"},
		{"the order stays", farm, []string{"byLoad", "byZone"}, "www3 www1"},
		{"a host without a zone keeps all", "self www1\nwww2 zone=a\nwww3", []string{"byZone"}, "www1 www2 www3"},
		{"but may name one", "self www1\nwww2 zone=a\nwww3", []string{"byZone a"}, "www2"},
		{"a pure balancer has a zone, too", "self front farm=x zone=a\nwww1 zone=b\nwww2 zone=a", []string{"byZone"}, "www2"},
		{"nobody is left of nobody", "", []string{"byZone a"}, ""},
	})
	long := strings.Repeat("z", 33)
	checkErrors(t, map[string]string{
		"byZone a b":     `byZone: "b" is one argument too many (usage: byZone [ZONE])`,
		"byZone " + long: `byZone: ZONE is "` + long + `", want at most 32 bytes (usage: byZone [ZONE])`,
	})
}

func TestByLabel(t *testing.T) {
	const farm = "www1 label=disk=ssd label=gpu\nwww2 label=disk=hdd\nwww3\nwww4 label=disk\nphysical app1"
	checkRows(t, []row{
		{"those that carry it stay", farm, []string{"byLabel disk"}, "www1 www2 www4"},
		{"the value may be given", farm, []string{"byLabel disk=ssd"}, "www1"},
		{"the value may be none", farm, []string{"byLabel disk="}, "www4"},
		{"a label without a value is one", farm, []string{"byLabel gpu"}, "www1"},
		{"a part of a key is none", farm, []string{"byLabel dis"}, ""},
		{"upper and lower case differ", farm, []string{"byLabel GPU"}, ""},
		{"nobody that carries it leaves nobody", farm, []string{"byLabel none"}, ""},
		{"a physical carries those of the file", "www1\nphysical app1 labels=gpu,disk=ssd\nphysical app2 label=disk=hdd", []string{"byLabel disk=ssd"}, "app1"},
		{"beside nodes", "www1 label=gpu\nphysical app1 labels=gpu,disk=ssd\nphysical app2 label=disk", []string{"byLabel gpu"}, "www1 app1"},
		{"the order stays", "www1 label=a load=2\nwww2 label=a load=1\nwww3", []string{"byLoad", "byLabel a"}, "www2 www1"},
	})
	const usage = " (usage: byLabel KEY[=VALUE])"
	long := strings.Repeat("k", 33)
	checkErrors(t, map[string]string{
		"byLabel":            "byLabel: KEY is missing" + usage,
		"byLabel =ssd":       `byLabel: the label is "=ssd", want KEY or KEY=VALUE, each at most 32 bytes` + usage,
		"byLabel " + long:    `byLabel: the label is "` + long + `", want KEY or KEY=VALUE, each at most 32 bytes` + usage,
		"byLabel a=" + long:  `byLabel: the label is "a=` + long + `", want KEY or KEY=VALUE, each at most 32 bytes` + usage,
		"byLabel disk = ssd": `byLabel: "=" is one argument too many` + usage,
	})
}

func TestBySlowStart(t *testing.T) {
	for _, row := range []struct {
		name, cluster, step string
		want                map[string]float64 // for which part of the requests it is left
	}{
		{"a newcomer is there for its part of the time", "www1\nwww2 since=3s", "bySlowStart 30s", map[string]float64{"www1": 1, "www2": 0.1}},
		{"later it is there more often", "www1\nwww2 since=24s", "bySlowStart 30s", map[string]float64{"www1": 1, "www2": 0.8}},
		{"after that time it is there always", "www1\nwww2 since=30s", "bySlowStart 30s", map[string]float64{"www1": 1, "www2": 1}},
		{"at the very first it is not there", "www1\nwww2 since=0s", "bySlowStart 30s", map[string]float64{"www1": 1}},
		{"without an argument it is half a minute", "www1\nwww2 since=15s", "bySlowStart", map[string]float64{"www1": 1, "www2": 0.5}},
		{"a bare number is in seconds", "www1\nwww2 since=15s", "bySlowStart 60", map[string]float64{"www1": 1, "www2": 0.25}},
		{"a physical may be new, too", "www1\nphysical app1 since=15s", "bySlowStart", map[string]float64{"www1": 1, "app1": 0.5}},
		{"one alone is always there", "www1 since=0s", "bySlowStart", map[string]float64{"www1": 1}},
		{"if all are new, all stay", "www1 since=0s\nwww2 since=0s", "bySlowStart", map[string]float64{"www1": 1, "www2": 1}},
		{ // each alone for a quarter, both for a quarter, and both where neither would be left
			"if all would be dropped, all stay", "www1 since=15s\nwww2 since=15s", "bySlowStart",
			map[string]float64{"www1": 0.75, "www2": 0.75},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := candidacytest.Request(candidacytest.Cluster(row.cluster))
			c := candidacytest.Chain(candidacy.Builtin(), row.step)
			left := map[string]float64{}
			for range manyRequests {
				for _, m := range c.Select(req, c.AppendCandidates(nil, req, nil)) {
					left[m.Name] += 1. / manyRequests
				}
			}
			for _, m := range req.Farm.Members {
				if diff := left[m.Name] - row.want[m.Name]; diff > 0.04 || diff < -0.04 { // five standard deviations
					t.Errorf("%s is left for %.3f of the requests, want %.3f", m.Name, left[m.Name], row.want[m.Name])
				}
			}
		})
	}
}

func TestBySlowStartRefusesBadTimes(t *testing.T) {
	wants := map[string]string{"bySlowStart 1 2": `bySlowStart: "2" is one argument too many (usage: bySlowStart [SECONDS])`}
	for _, w := range []string{"0", "-1", "x", "2h", "6b", "NaN", "inf"} {
		wants["bySlowStart "+w] = fmt.Sprintf("bySlowStart: SECONDS is %q, want seconds (5) or a duration (500ms), above 0, at most 1h0m0s"+
			" (usage: bySlowStart [SECONDS])", w)
	}
	checkErrors(t, wants)
}

func Example_byZone() {
	explain("self www1 zone=a\nwww2 zone=b\nwww3 zone=a\nphysical app1", "byZone")
	// Output:
	// byZone
	//   www1 (zone "a")
	//   www3 (zone "a")
	//   dropped www2 (in another zone: zone "b")
	//   dropped app1 (in another zone: no zone)
}

func Example_byLabel() {
	explain("www1 label=disk=ssd\nwww2 label=disk=hdd\nwww3", "byLabel disk=ssd")
	// Output:
	// byLabel disk=ssd
	//   www1 (disk="ssd")
	//   dropped www2 (not labelled disk=ssd: disk="hdd")
	//   dropped www3 (not labelled disk=ssd)
}

func Example_bySlowStart() {
	explain("www1\nwww2 since=0s", "bySlowStart 30s")
	// Output:
	// bySlowStart 30s
	//   www1
	//   dropped www2 (too new for this request: here for 0s, stays for 0% of the requests)
}
