module backhand

go 1.26.0

require (
	github.com/BurntSushi/toml v1.6.0 // the file; its positions make the line numbers of mistakes
	github.com/chromedp/chromedp v0.15.1 // tests: the map in real Chromium
	github.com/coder/websocket v1.8.15 // tests: WebSocket through the proxy, one of two libraries
	github.com/coreos/go-systemd/v22 v22.7.0 // sockets that systemd opened, and telling it that we are ready
	github.com/expr-lang/expr v1.17.8 // byExpr: a user's own expressions, checked when they are read
	github.com/google/go-cmp v0.7.0 // tests: structs that differ, shown as a diff
	github.com/google/renameio/v2 v2.0.2 // state files are replaced whole or not at all
	github.com/gorilla/websocket v1.5.3 // tests: WebSocket through the proxy, the other
	github.com/hashicorp/go-msgpack/v2 v2.1.5 // as memberlist encodes: a guard looks at headers before the library does
	github.com/hashicorp/go-sockaddr v1.0.7 // templates for node.address and gossip.accept
	github.com/hashicorp/memberlist v0.7.0 // who is there, where no multicast reaches: membership and failure detection of gossip/memberlist
	github.com/pires/go-proxyproto v0.15.0 // headers of the PROXY protocol
	github.com/prometheus/client_golang v1.25.0 // metrics; only package status imports it
	github.com/prometheus/procfs v0.23.0 // load, CPU, memory and pressure of the host
	github.com/rogpeppe/go-internal v1.16.0 // tests: the commands, as scripts (testscript)
	github.com/urfave/cli/v2 v2.27.7 // the command line
	golang.org/x/crypto v0.58.0 // XChaCha20-Poly1305, with which beats are sealed
	golang.org/x/net v0.62.0 // ipv4: groups, interfaces and TTL of multicast
	golang.org/x/sys v0.49.0 // socket options, namespaces in tests, the width of a terminal
	google.golang.org/grpc v1.85.0 // tests: calls of gRPC through the proxy
	pgregory.net/rapid v1.3.0 // tests: laws that hold for any input
)

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/chromedp/cdproto v0.0.0-20260321001828-e3e3800016bc // indirect
	github.com/chromedp/sysutil v1.1.0 // indirect
	github.com/cpuguy83/go-md2man/v2 v2.0.7 // indirect
	github.com/go-json-experiment/json v0.0.0-20260214004413-d219187c3433 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/pool v0.2.1 // indirect
	github.com/gobwas/ws v1.4.0 // indirect
	github.com/google/btree v1.1.3 // indirect
	github.com/hashicorp/errwrap v1.1.0 // indirect
	github.com/hashicorp/go-immutable-radix v1.3.1 // indirect
	github.com/hashicorp/go-metrics v0.7.0 // indirect
	github.com/hashicorp/go-multierror v1.1.1 // indirect
	github.com/hashicorp/golang-lru v1.0.2 // indirect
	github.com/kylelemons/godebug v1.1.0 // indirect
	github.com/miekg/dns v1.1.73 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/russross/blackfriday/v2 v2.1.0 // indirect
	github.com/sean-/seed v0.0.0-20170313163322-e2103e2c3529 // indirect
	github.com/xrash/smetrics v0.0.0-20240521201337-686a1a2994c1 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
