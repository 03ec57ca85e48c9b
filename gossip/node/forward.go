package node

import "fmt"

// Forward returns where requests go for which nobody of the farm was chosen, and why they do, in words for pages: to the
// forward for off while the farm is off, or all its members are; else to the one for down, whatever the cause. Neither takes the
// place of the other (mod_athena told the two apart).
func (f *Farm) Forward() (to Forward, why string) {
	switch {
	case !f.Standing.Fit():
		why = "it is " + f.Standing.Reason()
	case len(f.Candidates) > 0:
		why = fmt.Sprintf("none of its %d candidates is left", len(f.Candidates))
	case f.allOff():
		return f.Forwards.Off, "all its members are off or drain"
	default:
		why = "none of its members is fit"
	}
	if f.Standing.Off {
		return f.Forwards.Off, why
	}
	return f.Forwards.Down, why
}

// allOff reports whether people have taken all members out of service. To drain one is to do so.
func (f *Farm) allOff() bool {
	for _, m := range f.Members {
		switch {
		case m.Physical != nil && (m.Physical.Standing.Off || m.Physical.Standing.Drain):
		case m.Node != nil && m.Node.State == Draining:
		default:
			return false
		}
	}
	return len(f.Members) > 0 && f.Others.Members == 0
}
