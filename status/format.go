package status

import (
	"fmt"
	"strconv"
	"strings"
)

// none stands where a figure is not known.
const none = "–"

// span writes a length of time in the two units that matter at most.
func span(seconds float64) string {
	s := int64(seconds)
	switch {
	case seconds < 10:
		return strconv.FormatFloat(max(0, seconds), 'f', 1, 64) + " s"
	case s < 120:
		return fmt.Sprintf("%d s", s)
	case s < 2*3600:
		return fmt.Sprintf("%d min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
	}
	return fmt.Sprintf("%d d %d h", s/86400, s/3600%24)
}

// memory writes bytes in the unit that leaves three digits.
func memory(b uint64) string {
	const units = "KMGTPE"
	if b == 0 {
		return none
	}
	v, unit := float64(b), ""
	for i := 0; v >= 1000 && i < len(units); i++ {
		v, unit = v/1024, units[i:i+1]+"i"
	}
	if v >= 10 || unit == "" {
		return fmt.Sprintf("%.0f %sB", v, unit)
	}
	return fmt.Sprintf("%.1f %sB", v, unit)
}

// number writes a count with a comma before each three digits.
func number(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ratio writes a figure that has no unit with three digits.
func ratio(v float64) string {
	switch {
	case v < 9.995 && v > -9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95 && v > -99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 1e9 && v > -1e9:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// percent writes a share.
func percent(share float64) string {
	if share != 0 && share < 0.0995 {
		return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*share, 'f', 0, 64) + " %"
}

// The cells of a row, as both the page and the terminal show them.

// age is how old what is known of the member is.
func (r Row) age() string {
	switch {
	case r.Host != nil:
		return span(r.Host.Age)
	case r.UpdateAge != nil:
		return span(*r.UpdateAge)
	}
	return none
}

// workers are the ready and all the processes of the origin.
func (r Row) workers() string {
	if r.Service == nil || r.Service.Workers == 0 {
		return none
	}
	return fmt.Sprintf("%d/%d", r.Service.Idle, r.Service.Workers)
}

// serveTime is the ancestor's "~ms/req [#req]".
func (r Row) serveTime() string {
	if r.Service == nil || r.Service.Served == 0 {
		return none
	}
	return fmt.Sprintf("%s [%s]", ratio(1000*r.Service.ServeTime), number(r.Service.Served))
}

func (r Row) speed() string {
	if r.Host == nil || r.Host.Speed == 0 {
		return none
	}
	return ratio(r.Host.Speed)
}

func (r Row) inFlight() string {
	if r.Service == nil {
		return none
	}
	return strconv.Itoa(r.Service.InFlight)
}

// requests are those that this agent handed to the member, and their share of the farm's.
func (r Row) requests() string {
	if r.Farm == "" {
		return none
	}
	return fmt.Sprintf("%s (%s)", number(r.Chosen), percent(r.Share))
}

// choice says in a word whether chains start with the member. They do with one that is stale; byAge drops it.
func (r Row) choice() string {
	switch {
	case r.Farm == "":
		return none
	case r.Candidate && r.PutLast:
		return "last"
	case r.Candidate && r.State == Stale:
		return "byAge"
	case r.Candidate:
		return "yes"
	}
	return "no"
}

// hostCell returns a figure of the host, or none where nothing is announced.
func (r Row) hostCell(f func(*Host) string) string {
	if h := r.figures(); h != nil {
		return f(h)
	}
	return none
}

// figures are those of the host; nil where nothing is announced, or nothing but how busy its workers are.
func (r Row) figures() *Host {
	if r.Untrusted {
		return nil
	}
	return r.Host
}

// k writes a route's K.
func (r RouteView) k() string {
	if r.K == nil {
		return none
	}
	return ratio(*r.K)
}

// headline says in a sentence what the cluster consists of.
func (v View) headline() string {
	var text strings.Builder
	text.WriteString(plural(v.Nodes, "node"))
	if v.Physicals > 0 {
		text.WriteString(", " + plural(v.Physicals, "physical"))
	}
	for i, c := range v.States {
		if i == 0 {
			text.WriteString(": ")
		} else {
			text.WriteString(", ")
		}
		text.WriteString(number(c.N) + " " + c.Name)
	}
	return text.String()
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return number(uint64(n)) + " " + word + "s"
}

// highWater writes the load that counts as full, which is a power of two.
func highWater(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
