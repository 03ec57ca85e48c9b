package node

import "time"

// Said is what is said of one farm or physical, as one engine tells it to another one: mirroring. All times are by our own
// clock; ages travel, so that no two wall clocks are compared.
type Said struct {
	Farm    bool // Name is a farm's; else a physical's
	Name    string
	Members []string   // of a farm: the physicals that the file lists in it, sorted
	OnOff   *SaidState // nil: nobody ever said it
	UpDown  *SaidState // the same
	Stats   []Stat     // of a physical: those that were pushed, by name; at most MaxStats. Shared: nobody writes to them
	Updated time.Time  // of a physical: when statistics were pushed last, or it was said to be alive; zero: not known
}

// SaidState is what was said last of on/off, or of up/down. Of two the one of the newer version counts: that with the higher
// counter or, if these are equal, with the higher node id.
type SaidState struct {
	State   string // "on", "off", "up" and so on, as updates have it
	Why     string // at most MaxWhy bytes; not trusted
	By      string // who said it; not trusted
	Since   time.Time
	Counter uint64 // ms since 1970, or more
	Node    ID     // that was told
}
