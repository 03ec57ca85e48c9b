package gossip_test

import (
	"context"
	"math"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"backhand/gossip/gossiptest"
	"backhand/gossip/node"
)

// missed is how many beats in a row byAge 6b bears the loss of.
const missed = 6

// falseAlarms runs so many nodes for ten minutes on a network that loses that share of what is sent, and returns how often
// one was too old for another that lives on.
func falseAlarms(t *testing.T, nodes int, loss float64, seed uint64) (alarms, pairs int) {
	const run = 10 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		network := gossiptest.NewNetwork(seed)
		all := make([]*agent, nodes)
		for i := range all {
			a := &agent{}
			cfg := a.config(byte(i+1), network.Transport(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 58, 4, byte(i + 1)}), 4445)))
			all[i] = a.run(t, cfg)
		}
		time.Sleep(3 * time.Second) // in the bubble; all have heard of all
		network.Set(gossiptest.Conditions{Loss: loss})
		old := map[[2]node.ID]bool{}
		ctx, cancel := context.WithTimeout(t.Context(), run)
		defer cancel()
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; {
			now := <-tick.C
			for _, a := range all {
				for _, n := range a.Nodes(now) {
					pair := [2]node.ID{a.id, n.ID}
					tooOld := n.Age(now) > n.Beats(missed)
					if tooOld && !old[pair] {
						alarms++
					}
					old[pair] = tooOld
				}
			}
		}
		for _, a := range all {
			if n := len(a.Nodes(time.Now())); n != nodes-1 {
				t.Errorf("%v knows %d nodes, want %d", a.addr, n, nodes-1)
			}
			a.stop()
		}
	})
	return alarms, nodes * (nodes - 1)
}

func TestFalseAlarms(t *testing.T) {
	if alarms, _ := falseAlarms(t, 4, 0.1, 1); alarms != 0 {
		t.Errorf("four nodes that lose a tenth: %d false alarms in 10 minutes, want none", alarms)
	}
	// Of many the number is that of six losses in a row: each beat that came may be followed by them.
	const loss, beats = 0.3, 600
	alarms, pairs := falseAlarms(t, 16, loss, 2)
	want := (1 - loss) * math.Pow(loss, missed) * beats * float64(pairs)
	t.Logf("16 nodes that lose 30 %%: %d false alarms in 10 minutes, by chance %.0f", alarms, want)
	if got := float64(alarms); got < want/2 || got > want*2 {
		t.Errorf("16 nodes that lose 30 %%: %d false alarms in 10 minutes, want %.0f, or half or twice that", alarms, want)
	}
}
