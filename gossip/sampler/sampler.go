package sampler

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/procfs"

	"backhand/gossip/node"
)

// Where Linux shows its figures.
const (
	ProcRoot   = "/proc"
	CgroupRoot = "/sys/fs/cgroup"
)

// A Sampler measures a host. Shares of time are of the time since the call before; now is when the figures are taken.
// With an error it returns the last figures that were good. Speed, SendLate and Dispatched are not its business and 0.
type Sampler interface {
	Sample(now time.Time) (node.Stats, error)
}

// Host is the Sampler of a Linux host. Its methods may be called at the same time by any number of goroutines.
type Host struct {
	proc    procfs.FS
	cgroups fs.FS
	numCPU  int // CPUs that this process may run on

	mu   sync.Mutex
	last reading        // that was good
	from procfs.CPUStat // where the share of idle time counts from
	at   time.Time      // when that was; zero before the first Sample
}

// reading is one look at all files.
type reading struct {
	stats    node.Stats // but for CPUIdle
	cpu      procfs.CPUStat
	capacity float64
}

// minPeriod is the shortest time over which idle time is measured. The kernel counts in ticks of 10 ms, so that the share
// over less is mostly chance. Beats that follow a change of state at once come that early.
const minPeriod = 50 * time.Millisecond

// NewHost returns a Sampler over these file systems, usually [ProcRoot] and [CgroupRoot]. It reads them once, so that
// what cannot be measured is known at the start. Without control groups (cgroupRoot is missing) there are no limits.
func NewHost(procRoot, cgroupRoot string) (*Host, error) {
	proc, err := procfs.NewFS(procRoot)
	if err != nil {
		return nil, fmt.Errorf("measuring this host needs the proc file system on %q: %w", procRoot, err)
	}
	// The runtime asks sched_getaffinity, at the start of the program.
	h := &Host{proc: proc, cgroups: os.DirFS(cgroupRoot), numCPU: runtime.NumCPU()}
	if h.last, err = h.read(); err != nil {
		return nil, err
	}
	h.last.stats.CPUIdle, _ = idle(procfs.CPUStat{}, h.last.cpu)
	return h, nil
}

// Sample measures the host. CPUIdle is the share of the time since the Sample before, or of that since boot for the
// first; within 50 ms, and where the counters stand still or have gone backwards, it stays what it was. If a file
// cannot be read or understood, it returns the figures of the last Sample that was good, and the error.
func (h *Host) Sample(now time.Time) (node.Stats, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, err := h.read()
	if err != nil {
		return h.last.stats, err
	}
	r.stats.CPUIdle = h.last.stats.CPUIdle
	if period := now.Sub(h.at); period >= minPeriod || period < 0 {
		if share, ok := idle(h.from, r.cpu); ok {
			r.stats.CPUIdle = share
		}
		h.from, h.at = r.cpu, now
	}
	h.last = r
	return r.stats, nil
}

// Capacity returns how many CPUs' worth of time this process may use: 1.5 under a quota of 150 %. It is what Stats.CPUs is
// rounded up from, as of the last Sample that was good, and always above 0.
func (h *Host) Capacity() float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last.capacity
}

func (h *Host) read() (reading, error) {
	var r reading
	for _, part := range []struct {
		what string
		read func(*reading) error
	}{
		{"load", h.readLoad},
		{"CPU time", h.readCPU},
		{"CPU pressure", h.readPressure},
		{"memory", h.readMemory},
		{"limits of the control group", h.readLimits}, // last: it cuts what the others found
	} {
		if err := part.read(&r); err != nil {
			return reading{}, fmt.Errorf("%s of this host: %w", part.what, err)
		}
	}
	return r, nil
}

func (h *Host) readLoad(r *reading) error {
	l, err := h.proc.LoadAvg()
	if err != nil {
		return err
	}
	if !(l.Load1 >= 0) || math.IsInf(l.Load1, 1) {
		return fmt.Errorf("the load average is %v, want a number from 0", l.Load1)
	}
	r.stats.Load1 = l.Load1
	return nil
}

func (h *Host) readCPU(r *reading) error {
	s, err := h.proc.Stat()
	if err != nil {
		return err
	}
	if _, ok := idle(procfs.CPUStat{}, s.CPUTotal); !ok {
		return errors.New(`no time in the line "cpu" of the file "stat"`)
	}
	r.cpu = s.CPUTotal
	return nil
}

// readPressure leaves 0 where the kernel has no PSI: it is older than 4.20, or has it switched off (psi=0), or a container
// hides the file.
func (h *Host) readPressure(r *reading) error {
	p, err := h.proc.PSIStatsForResource("cpu")
	if errors.Is(err, procfs.ErrFileRead) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.Some != nil {
		r.stats.Pressure = share(p.Some.Avg10, 100)
	}
	return nil
}

func (h *Host) readMemory(r *reading) error {
	m, err := h.proc.Meminfo()
	if err != nil {
		return err
	}
	if m.MemTotalBytes == nil || m.MemAvailableBytes == nil {
		return errors.New(`want MemTotal and MemAvailable in the file "meminfo" (Linux 3.14 or newer)`)
	}
	r.stats.MemTotal, r.stats.MemAvailable = *m.MemTotalBytes, min(*m.MemTotalBytes, *m.MemAvailableBytes)
	return nil
}

func (h *Host) readLimits(r *reading) error {
	l, err := ownLimits(h.proc, h.cgroups)
	if err != nil {
		return err
	}
	r.capacity = min(float64(h.numCPU), l.cpus)
	r.stats.CPUs = max(1, int(math.Ceil(r.capacity)))
	r.stats.MemTotal = min(r.stats.MemTotal, l.memory)
	r.stats.MemAvailable = min(r.stats.MemAvailable, l.available)
	return nil
}

// idle returns the share of the time between two readings in which the CPUs had nothing to run, and false if no time
// passed. Waiting for a disk is idle: the CPU could do something else. Time that a hypervisor gave to others is not.
//
// Each counter counts for itself: iowait may fall at any time (proc(5)), and after a suspend or a move to another machine
// all may.
func idle(before, after procfs.CPUStat) (float64, bool) {
	grown := func(before, after float64) float64 { return max(0, after-before) }
	free := grown(before.Idle, after.Idle) + grown(before.Iowait, after.Iowait)
	// Guest and GuestNice are in User and Nice already.
	busy := grown(before.User, after.User) + grown(before.Nice, after.Nice) +
		grown(before.System, after.System) + grown(before.IRQ, after.IRQ) +
		grown(before.SoftIRQ, after.SoftIRQ) + grown(before.Steal, after.Steal)
	if total := free + busy; total > 0 {
		return share(free, total), true
	}
	return 0, false
}

// share returns part/whole, from 0 to 1 whatever the kernel says.
func share(part, whole float64) float64 {
	s := part / whole
	if !(s > 0) { // NaN too
		return 0
	}
	return min(1, s)
}
