package agent

import (
	"fmt"
	"path/filepath"
	"testing"

	"backhand/gossip/node"
)

// Two fronts over real multicast on lo, with TTL 0: what is said at one reaches the other.
func TestAthena14UpdateAtOneFrontReachesTheOther(t *testing.T) {
	cluster := "test-" + node.NewID().Short()
	farms := physes("jobs", "expect_update = \"1m\"", "app01", "app02")
	launch := func(name string) *asked { return startHearing(t, cluster, name, farms) }
	one, two := launch("www1"), launch("www2")
	one.knows("www2")
	two.knows("www1")
	one.good("/athena/update/phys?h=app01,o=off,r=disks,load1=2.5")
	two.says(phys(`h=app01,f="%o %l"`), "off 2.5\n")
	two.eventually(func() error {
		if got := two.good("/athena/balance?jobs,n=2"); got != "app02\n" {
			return fmt.Errorf("the other front chose %q", got)
		}
		return nil
	})
	two.good("/athena/update/phys?h=app01,o=drain;h=app02,u=down")
	one.says(phys(standing), "app01 drain up in\napp02 on down in\n")
	two.good("/athena/update/farm?h=jobs,o=off")
	one.says(farmsSay(`h=jobs,f="%o"`), "off\n")

	three := launch("www3") // which has heard nothing of it
	three.says(phys(standing), "app01 drain up in\napp02 on down in\n")
	three.says(farmsSay(`h=jobs,f="%o"`), "off\n")
}

// startHearing runs an agent that hears the others of its cluster by multicast on lo, and that programs can ask.
func startHearing(t *testing.T, cluster, name, text string) *asked {
	t.Helper()
	f, engine := prepare(t, ""), freePort(t)
	f.dir = filepath.Join(t.TempDir(), name)
	f.write(fmt.Sprintf("cluster = %q\n[node]\nname = %q\naddress = \"{listen}\"\nstate_dir = %q\n[gossip]\n"+
		"send = [\"239.255.221.20:4445,0\"]\naccept = [\"127.0.0.0/8\"]\ninterval = \"100ms\"\n[[listen]]\naddress = \"{listen}\"\n"+
		"[athena]\nlisten = %q\n%s", cluster, name, f.dir, engine, text))
	if err := f.open(Options{}); err != nil {
		t.Fatal(err)
	}
	f.run()
	return &asked{f, "http://" + engine}
}

// knows waits until a node is heard.
func (a *asked) knows(name string) {
	a.t.Helper()
	a.eventually(func() error {
		if !isNode(a.Snapshot(), name) {
			return fmt.Errorf("%s is not heard", name)
		}
		return nil
	})
}

// What a program pushes to its own agent, another host's chain reads.
func TestAthenaStatisticsOfANodeReachOtherHosts(t *testing.T) {
	cluster := "test-" + node.NewID().Short()
	launch := func(name, text string) *asked { return startHearing(t, cluster, name, text) }
	serve := "[[serve]]\nfarm = \"web\"\norigin = \"" + origin(t, "o").URL + "\"\n"
	busy, idle := launch("busy", serve), launch("idle", serve)
	front := launch("front", "[[farm]]\nname = \"web\"\nchain = [\"byAge 6\", \"byStat stat.queue\"]\n")
	busy.good("/athena/update/phys?h=busy,queue=7")
	idle.good("/athena/update/phys?h=idle,queue=1")
	front.says(phys(`f="%h %{queue}\n"`), "busy 7\nidle 1\n")
	for range 10 {
		front.eventually(func() error { // the snapshot is a moment behind
			if got := front.good("/athena/balance?web"); got != "idle\n" {
				return fmt.Errorf("chose %q", got)
			}
			return nil
		})
	}
}
