package status

import (
	"slices"
	"strconv"
	"time"

	"backhand/gossip/node"
)

// FarmView is a farm of which the file, or somebody, says something beyond who serves it: it has physicals or forwards, or was
// taken out of service.
type FarmView struct {
	Name       string    `json:"name"`
	State      State     `json:"state"`         // up, off or down
	Why        string    `json:"why,omitempty"` // why and for how long it is off or down, in words
	Standing   *Standing `json:"standing"`
	Forwards   *Forwards `json:"forwards,omitempty"` // nil: none
	Members    int       `json:"members"`
	Candidates int       `json:"candidates"` // none while it is off or down
}

// maxFarms is of how many farms a View tells. They all stand in the file.
const maxFarms = 1000

// newFarms returns the farms of which there is something to say, and how many there are beyond maxFarms.
func newFarms(s *node.Snapshot, now time.Time) (farms []FarmView, omitted int) {
	farms = []FarmView{}
	for _, f := range s.Farms {
		switch {
		case !isTold(f):
		case len(farms) == maxFarms:
			omitted++
		default:
			farms = append(farms, newFarm(f, now))
		}
	}
	return farms, omitted
}

// isTold reports whether there is something to say of a farm. What strangers announce is no reason.
func isTold(f *node.Farm) bool {
	isPhysical := func(m *node.Member) bool { return m.Node == nil }
	return f.Standing != (node.Standing{}) || f.Forwards != (node.Forwards{}) || slices.ContainsFunc(f.Members, isPhysical)
}

func newFarm(f *node.Farm, now time.Time) FarmView {
	v := FarmView{
		Name: clean(f.Name), State: farmState(f), Standing: newStanding(&f.Standing), Forwards: newForwards(f.Forwards),
		Members: len(f.Members) + f.Others.Members, Candidates: candidatesOf(f),
	}
	if v.State != Up {
		v.Why = because(&f.Standing, now)
	}
	return v
}

// candidatesOf returns how many members of the farm may be chosen, those that are not listed included.
func candidatesOf(f *node.Farm) int {
	if !f.Standing.Fit() {
		return 0
	}
	return len(f.Candidates) + f.Others.Candidates
}

// forwardOff and forwardDown write where requests of the farm go then.
func (v FarmView) forwardOff() string {
	if v.Forwards == nil {
		return none
	}
	return orNone(v.Forwards.Off)
}

func (v FarmView) forwardDown() string {
	if v.Forwards == nil {
		return none
	}
	return orNone(v.Forwards.Down)
}

// farmCells is the table of farms for a terminal.
func (v *View) farmCells() grid {
	g := grid{columns: []column{
		{title: "FARM"},
		{title: "STATE"},
		{title: "CANDIDATES", right: true, rank: 1},
		{title: "FORWARD IF OFF", rank: 3},
		{title: "FORWARD IF DOWN", rank: 2},
		{title: "WHY", rank: 4},
	}}
	for _, f := range v.Farms {
		cells := []string{
			f.Name, string(f.State), strconv.Itoa(f.Candidates) + " of " + strconv.Itoa(f.Members), f.forwardOff(), f.forwardDown(), f.Why,
		}
		for i := range cells {
			cells[i] = clean(cells[i])
			if g.columns[i].title != "WHY" {
				cells[i] = cut(cells[i], maxCell)
			}
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

// farm writes the farm of a route, with how it stands if it takes no requests: "reports (off)".
func (r RouteView) farm() string {
	if r.FarmState == "" {
		return r.Farm
	}
	return r.Farm + " (" + string(r.FarmState) + ")"
}
