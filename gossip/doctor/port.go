package doctor

import (
	"io/fs"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxHolders is how many programs of one port are named.
const maxHolders = 8

// holders returns the programs that have sockets at a UDP port, "dnsmasq (pid 7)", as far as one may know: those of other
// users only root sees.
func holders(proc fs.FS, port uint16) (names []string) {
	inodes := map[string]bool{}
	for _, file := range []string{"net/udp", "net/udp6"} {
		for _, inode := range parseSockets(readProc(proc, file), port) {
			inodes["socket:["+inode+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return nil
	}
	pids, err := fs.ReadDir(proc, ".")
	if err != nil {
		return nil
	}
	for _, p := range pids {
		if isNumber(p.Name()) && hasSocket(proc, p.Name(), inodes) {
			name := strings.TrimSpace(readProc(proc, path.Join(p.Name(), "comm")))
			names = append(names, name+" (pid "+p.Name()+")")
		}
		if len(names) == maxHolders {
			break
		}
	}
	slices.Sort(names)
	return names
}

// hasSocket reports whether a process has one of the sockets open.
func hasSocket(proc fs.FS, pid string, inodes map[string]bool) bool {
	dir := path.Join(pid, "fd")
	files, err := fs.ReadDir(proc, dir)
	if err != nil {
		return false // another user's, or it has just ended
	}
	return slices.ContainsFunc(files, func(e fs.DirEntry) bool {
		to, err := fs.ReadLink(proc, path.Join(dir, e.Name()))
		return err == nil && inodes[to]
	})
}

// parseSockets reads net/udp or net/udp6, and returns the inodes of the sockets that are bound to the port.
func parseSockets(text string, port uint16) (inodes []string) {
	for line := range strings.Lines(text) {
		w := strings.Fields(line) // number, local address, remote address, state, queues, timer, retransmits, user, timeout, inode
		if len(w) < 10 {
			continue
		}
		_, digits, hasPort := strings.Cut(w[1], ":")
		n, err := strconv.ParseUint(digits, 16, 16)
		if hasPort && err == nil && uint16(n) == port && isNumber(w[9]) && w[9] != "0" {
			inodes = append(inodes, w[9])
		}
	}
	return inodes
}

// heldByAgent reports whether an agent of this host has the address for beats of peers. It says so by a socket with this
// name: see gossip.ListenUnicast.
func heldByAgent(proc fs.FS, addr netip.AddrPort) bool {
	name := "@backhand/" + addr.String()
	for line := range strings.Lines(readProc(proc, "net/unix")) {
		line = strings.TrimSpace(line)
		if strings.HasSuffix(line, " "+name) || strings.HasSuffix(line, " @"+name) {
			return true
		}
	}
	return false
}
