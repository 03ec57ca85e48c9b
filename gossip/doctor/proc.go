package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"io/fs"
	"math/bits"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// maxProc bounds how much of a file of /proc is read: a router with all routes of the world has some 100 MB of them, of which
// the first do.
const maxProc = 4 << 20

// readKernel reads what it can of /proc, in the network namespace that we are in.
func readKernel(proc fs.FS) Kernel {
	k := Kernel{
		RPFilter: readRPFilter(proc),
		IGMP:     parseIGMP(readProc(proc, "net/igmp")),
		Routes:   parseRoutes(readProc(proc, "net/route")),
	}
	k.BufferMax, _ = strconv.Atoi(strings.TrimSpace(readProc(proc, "sys/net/core/rmem_max")))
	k.ReversePath = parseCounter(readProc(proc, "net/netstat"), "TcpExt", "IPReversePathFilter")
	k.Overrun = parseCounter(readProc(proc, "net/snmp"), "Udp", "RcvbufErrors")
	return k
}

// readProc returns the beginning of a file, or "" if it cannot be read.
func readProc(proc fs.FS, name string) string {
	f, err := proc.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxProc))
	if err != nil {
		return ""
	}
	return string(text)
}

func readRPFilter(proc fs.FS) map[string]int {
	const dir = "sys/net/ipv4/conf"
	entries, err := fs.ReadDir(proc, dir)
	if err != nil {
		return nil
	}
	modes := map[string]int{}
	for _, e := range entries {
		text := readProc(proc, path.Join(dir, e.Name(), "rp_filter"))
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
			modes[e.Name()] = n
		}
	}
	return modes
}

// parseIGMP reads net/igmp: for each interface a line "2 eth0 : 3 V3", and one that is indented for each of its groups.
func parseIGMP(text string) map[string]string {
	versions := map[string]string{}
	for line := range strings.Lines(text) {
		words := strings.Fields(strings.ReplaceAll(line, ":", " "))
		if len(words) != 4 || strings.HasPrefix(line, "\t") || !isNumber(words[0]) || !strings.HasPrefix(words[3], "V") {
			continue
		}
		versions[words[1]] = words[3]
	}
	return versions
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

// parseRoutes reads net/route, the main table of IPv4: interface, destination, gateway, flags, three counters of which
// the last is the metric, mask. Addresses are hexadecimal, in the byte order of the machine.
func parseRoutes(text string) (routes []Route) {
	const up, reject = 0x1, 0x200
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) < 8 {
			continue
		}
		dst, okDst := hexAddr(w[1])
		mask, okMask := hexAddr(w[7])
		flags, err := strconv.ParseUint(w[3], 16, 16)
		metric, errMetric := strconv.Atoi(w[6])
		if !okDst || !okMask || err != nil || errMetric != nil || flags&up == 0 || flags&reject != 0 {
			continue
		}
		m := mask.As4()
		length := bits.LeadingZeros32(^binary.BigEndian.Uint32(m[:]))
		routes = append(routes, Route{
			Network: netip.PrefixFrom(dst, length).Masked(), Interface: w[0], Metric: metric,
		})
	}
	return routes
}

// hexAddr reads an address as the kernel prints its number.
func hexAddr(s string) (netip.Addr, bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 4 {
		return netip.Addr{}, false
	}
	var a [4]byte
	binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(b))
	return netip.AddrFrom4(a), true
}

// parseCounter reads net/netstat and net/snmp: a line of names and one of numbers, both beginning with the group.
func parseCounter(text, group, name string) uint64 {
	var names []string
	for line := range strings.Lines(text) {
		rest, isGroup := strings.CutPrefix(line, group+":")
		if !isGroup {
			continue
		}
		words := strings.Fields(rest)
		if names == nil {
			names = words
			continue
		}
		for i, n := range names {
			if n == name && i < len(words) {
				v, _ := strconv.ParseUint(words[i], 10, 64) // 0 if it is none
				return v
			}
		}
		return 0
	}
	return 0
}
