//go:build !linux

package agent

import "net"

func listenTCP(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
