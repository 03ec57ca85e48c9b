//go:build !linux

package proxy

import "syscall"

// acknowledged is not known here: who is slow has to take what was written in time.
func acknowledged(syscall.RawConn) uint64 { return 0 }
