package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-sockaddr"
	"golang.org/x/sys/unix"
)

// Env is what a file is checked against besides itself: the host that it is read on.
type Env struct {
	Hostname   string           // "" if not known
	Interfaces sockaddr.IfAddrs // every address of every interface
	CPUs       float64          // default of serve.capacity, above 0
	OpenFiles  int              // how many files the process may have open; 0 if not known
	Now        time.Time        // when the file is read, for what expires

	// Writable tells why files cannot be kept in a directory. It changes nothing; a directory that is not there but can
	// be made is fine.
	Writable func(dir string) error
	// ReadFile returns a file that the configuration names, such as a certificate.
	ReadFile func(file string) ([]byte, error)
	// ReadSecret returns a file with keys, of which the permissions count.
	ReadSecret func(file string) (text []byte, perm fs.FileMode, err error)
}

// System returns the host that we run on. Its CPUs are those that Go uses: limits of the cgroup count.
func System() (Env, error) {
	ifs, err := sockaddr.GetAllInterfaces()
	if err != nil {
		return Env{}, fmt.Errorf("list the network interfaces: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "" // then node.name must be in the file
	}
	return Env{
		Hostname: host, Interfaces: ifs, CPUs: float64(runtime.GOMAXPROCS(0)), OpenFiles: openFiles(), Now: time.Now(),
		Writable: writable, ReadFile: readFile, ReadSecret: readSecret,
	}, nil
}

// openFiles returns how many files the process may have open. Go has raised the limit as far as it may by now.
func openFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, math.MaxInt32)) // RLIM_INFINITY is the largest number
}

// maxFile is the most bytes that a file which the configuration names may have; the system's bundle of authorities has
// a quarter of it.
const maxFile = 1 << 20

// readFile reads a regular file. What is none, such as a pipe, might keep us waiting.
func readFile(file string) ([]byte, error) {
	st, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", file)
	case st.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes, more than %d", file, st.Size(), maxFile)
	}
	return os.ReadFile(file)
}

// writable asks the system for the directory, or for the nearest one above it that is there.
func writable(dir string) error {
	for {
		st, err := os.Stat(dir)
		if errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return err
		}
		if !st.IsDir() {
			return fmt.Errorf("%s is not a directory", dir)
		}
		if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			return fmt.Errorf("write to %s: %w", dir, err)
		}
		return nil
	}
}

// local reports whether packets to the address stay on this host.
func (e Env) local(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(e.Interfaces, func(i sockaddr.IfAddr) bool {
		return ifAddr(i) == a
	})
}

// ofFamily returns the interfaces' addresses of IPv4 or of IPv6.
func (e Env) ofFamily(is4 bool) (out sockaddr.IfAddrs) {
	for _, i := range e.Interfaces {
		if a := ifAddr(i); a.IsValid() && a.Is4() == is4 {
			out = append(out, i)
		}
	}
	return out
}

// interfaceOf returns the name of the interface that has the address, or "". All of 127.0.0.0/8 belongs to one.
func (e Env) interfaceOf(a netip.Addr) string {
	for _, i := range e.Interfaces {
		if x := ifAddr(i); x == a || x.IsLoopback() && a.IsLoopback() {
			return i.Name
		}
	}
	return ""
}

// hasFamily reports whether an interface has an address of IPv4, or of IPv6.
func (e Env) hasFamily(name string, is4 bool) bool {
	return slices.ContainsFunc(e.ofFamily(is4), func(i sockaddr.IfAddr) bool { return i.Name == name })
}

// ifAddr returns the address, or the zero Addr for what is none.
func ifAddr(i sockaddr.IfAddr) netip.Addr {
	ip := sockaddr.ToIPAddr(i.SockAddr)
	if ip == nil {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice(*(*ip).NetIP())
	return a.Unmap()
}

// maxPairs is how many addresses a message lists.
const maxPairs = 24

// pairs returns interfaces and addresses for a message: "lo 127.0.0.1, eth0 10.58.4.1".
func pairs(ifs sockaddr.IfAddrs) string {
	if len(ifs) == 0 {
		return "no address at all"
	}
	var out []string
	for i, a := range ifs {
		if i == maxPairs {
			out = append(out, fmt.Sprintf("and %d more", len(ifs)-i))
			break
		}
		out = append(out, a.Name+" "+ifAddr(a).String())
	}
	return strings.Join(out, ", ")
}
