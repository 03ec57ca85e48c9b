package node

import (
	"net/url"
	"time"
)

// Limits of what may be said of a physical over HTTP.
const (
	MaxStats     = 64 // pushed statistics of one physical
	MaxFarmStats = 16 // pushed statistics of one farm of a node, which travel in its beats
	MaxStatName  = 32 // bytes of a statistic's name

	// MaxFarmStatsSize is how many bytes the names of those of one farm of a node have altogether: 16 of 24 bytes. So they
	// and the farm fit into one datagram.
	MaxFarmStatsSize = 384
)

// Standing is how a physical, or a farm, stands by what people and programs said of it: the three states of mod_athena, of which
// the first has a third value here. The zero value is on, up and in.
type Standing struct {
	Off   bool      // taken out of service; only people say so, or their scripts
	Drain bool      // neither on nor off: it keeps the sessions that it has, and gets nothing else; never of a farm
	Down  bool      // not well, as people, scripts or checks say
	Out   bool      // for as long as statistics are expected, none came; never of a farm
	Why   string    // the reason given for Off, Drain or Down, or of a check, at most MaxWhy bytes; not trusted
	Since time.Time // since when it is so, by our own clock; zero: since we know it
}

// Fit reports whether nothing speaks against giving it requests.
func (s *Standing) Fit() bool { return !s.Drain && s.fitButForDraining() }

func (s *Standing) fitButForDraining() bool { return !s.Off && !s.Down && !s.Out }

// Reason returns why it is not fit, in the words that pages and logs use; "" if it is. Off and drain go before down, and that
// before out.
func (s *Standing) Reason() string {
	word := ""
	switch {
	case s.Off:
		word = "off"
	case s.Drain:
		word = "drain"
	case s.Down:
		word = "down"
	case s.Out:
		return "out"
	default:
		return ""
	}
	if s.Why == "" {
		return word
	}
	return word + ": " + s.Why
}

// Forward is where requests go that a farm, or a physical, does not take: to another farm, or to a complete URL. The zero
// value is nowhere.
type Forward struct {
	Farm string
	URL  *url.URL
}

// IsZero reports whether it leads nowhere.
func (f Forward) IsZero() bool { return f.Farm == "" && f.URL == nil }

// Forwards are those of a farm or a physical: mod_athena told the two causes apart.
type Forwards struct {
	Off  Forward // while it is off; of a farm also while all its members are off or drain
	Down Forward // while it is down or out; of a farm also while all its members are unfit
}

// FarmInfo is what the file and its operators say of a farm as a whole.
type FarmInfo struct {
	Name     string
	Standing Standing
	Forwards Forwards
}

// Stat is a figure that a program has pushed: any number that says how busy a member is.
type Stat struct {
	Name  string  // see ValidStatName
	Value float64 // neither NaN nor infinite, and not negative
	At    time.Time
}

// ValidStatName reports whether a statistic may be called so: 1 to MaxStatName letters, digits, dots, dashes and
// underscores, the first a letter.
func ValidStatName(s string) bool {
	if s == "" || len(s) > MaxStatName || !isLetter(s[0]) {
		return false
	}
	for i := range len(s) { // it is asked of every statistic in every beat
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Update is what somebody says of one physical, one farm, or this node.
type Update struct {
	Farm  bool   // Name is a farm's; else a physical's, or this node's own
	Name  string // as the file has it
	Off   *bool  // with Drain: on, off or drain. Both nil: stays as it is; else nil is false, and off goes before drain
	Drain *bool  // true for a physical only
	Down  *bool  // nil: stays as it is
	Why   string // reason for what Off, Drain and Down say
	Stats []Stat // of a physical or this node; each replaces the one of its name. At is when it was taken, by our own clock
}

// OnOff returns what an update says of whether its entity is on, off or drains, and whether it says anything of that.
func (u *Update) OnOff() (off, drain, said bool) {
	off = u.Off != nil && *u.Off
	drain = !off && u.Drain != nil && *u.Drain
	return off, drain, u.Off != nil || u.Drain != nil
}

// SaysState reports whether an update says anything of on and off, or of up and down.
func (u *Update) SaysState() bool { return u.Off != nil || u.Drain != nil || u.Down != nil }
