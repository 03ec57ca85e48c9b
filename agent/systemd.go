package agent

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"backhand/agent/config"
)

// Inherited returns the listening sockets that this process was started with, by the protocol of systemd's socket
// activation (sd_listen_fds(3)); none without such a service manager. It removes what it was told by from the environment,
// so that it may be called once.
func Inherited() ([]net.Listener, error) {
	var out []net.Listener
	var errs []error
	for i, f := range activation.Files(true) {
		var ln net.Listener
		listens, err := unix.GetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err == nil && listens == 0 {
			err = errors.New("it does not listen; the socket unit needs ListenStream= and Accept=no")
		}
		if err == nil {
			ln, err = net.FileListener(f)
		}
		_ = f.Close() // ln has a copy
		if err != nil {
			errs = append(errs, fmt.Errorf("socket %d that the service manager passed: %w", i+1, err))
			continue
		}
		out = append(out, ln)
	}
	if err := errors.Join(errs...); err != nil {
		closeAll(out)
		return nil, err
	}
	return out, nil
}

// assign finds the [[listen]] of each socket that was passed. The result is by config.Listen.Key.
func assign(passed []net.Listener, listens []config.Listen) (map[string]net.Listener, error) {
	out := map[string]net.Listener{}
	var errs []error
	for _, ln := range passed {
		key, named := "", false
		for _, l := range listens {
			if sameAddress(l, ln.Addr()) {
				key, named = l.Key(), true
			}
		}
		switch other := out[key]; {
		case !named:
			errs = append(errs, fmt.Errorf("the service manager passed a socket of %v, which no [[listen]] names: "+
				"write one, or stop the socket unit", ln.Addr()))
		case other != nil:
			errs = append(errs, fmt.Errorf("the service manager passed two sockets, %v and %v, for one [[listen]]: "+
				"let one socket take IPv4 and IPv6 (BindIPv6Only=both)", other.Addr(), ln.Addr()))
		default:
			out[key] = ln
		}
	}
	return out, errors.Join(errs...)
}

// sameAddress reports whether a socket is the one that a [[listen]] would open. ":80" is [::]:80, and 0.0.0.0:80 as well.
func sameAddress(l config.Listen, addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.UnixAddr:
		file, isUnix := l.UnixPath()
		return isUnix && path.Clean(a.Name) == file
	case *net.TCPAddr:
		got := a.AddrPort()
		got = netip.AddrPortFrom(got.Addr().Unmap(), got.Port())
		if got.String() == l.Key() {
			return true
		}
		return got.Addr().IsUnspecified() && strings.HasPrefix(l.Address, ":") && l.Address[1:] == fmt.Sprint(got.Port())
	}
	return false
}

// Notify tells the service manager how the agent is, by sd_notify(3). Without one, nothing happens.
func Notify(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// What the service manager is told.
const (
	nowReady    = daemon.SdNotifyReady
	nowStopping = daemon.SdNotifyStopping
)

// nowReloading comes with the time, which services of Type=notify-reload must give.
func nowReloading() string {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return daemon.SdNotifyReloading
	}
	return fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000)
}

// notify tells the service manager, if there is one.
func (a *Agent) notify(state string) {
	if a.opt.Notify == nil {
		return
	}
	if err := a.opt.Notify(state); err != nil {
		a.log.Warn("the service manager cannot be told how we are", "err", err)
	}
}
