package config

import (
	"hash/fnv"
	"strings"

	"backhand/candidacy"
)

// MaxSize is the most bytes a file may have.
const MaxSize = 256 << 10

// maxCluster is the most bytes a cluster's name may have.
const maxCluster = 64

// Option changes what a file is checked for.
type Option func(*parser)

// ForRun is for an agent that takes requests: there must be a [[listen]].
func ForRun() Option { return func(p *parser) { p.run = true } }

// ForAnnounce is for an agent that measures and announces only: node.address is then that of the web server itself,
// [[listen]] does not count, and there must be something to announce and somewhere to send it.
func ForAnnounce() Option { return func(p *parser) { p.announce = true } }

// WithAdvice also warns of what is wrong only in a busy cluster. It is for 'backhand check': a running agent knows how busy
// the cluster is, and says so itself.
func WithAdvice() Option { return func(p *parser) { p.advice = true } }

// Load reads the file and checks it against this host. Mistakes in what it says come as *[Errors], all of them; any other
// error means that it could not be read.
func Load(path string, reg *candidacy.Registry, opts ...Option) (*Config, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	env, err := System()
	if err != nil {
		return nil, err
	}
	c, err := Parse(path, text, env, reg, opts...)
	if err != nil {
		return nil, err
	}
	c.Path = path
	return c, nil
}

// Parse reads a file's text, whose name is only for messages, and checks it. The error is always an *[Errors].
func Parse(name string, text []byte, env Env, reg *candidacy.Registry, opts ...Option) (*Config, error) {
	s := strings.TrimPrefix(string(text), "\ufeff")
	p := &parser{
		findings: &findings{file: name, last: max(1, strings.Count(strings.TrimSuffix(s, "\n"), "\n")+1)},
		env:      env,
		reg:      reg,
		cfg:      &Config{Hash: hashOf(text)},
	}
	for _, o := range opts {
		o(p)
	}
	if len(text) > MaxSize {
		p.wrong(1, "the file is too large: keep it below %d bytes", MaxSize)
		return nil, Errors(p.mistakes).orNil()
	}
	p.parse(s)
	if err := append(byLine(p.mistakes), p.elsewhere...).orNil(); err != nil {
		return nil, err
	}
	for _, w := range byLine(p.warnings) {
		p.cfg.Warnings = append(p.cfg.Warnings, w.String())
	}
	return p.cfg, nil
}

func hashOf(text []byte) uint64 {
	h := fnv.New64a()
	h.Write(text)
	return h.Sum64()
}

// parser reads one file. What is wrong with a key is noted where it is read; what is wrong between tables, in
// between.go.
type parser struct {
	*findings
	env      Env
	reg      *candidacy.Registry
	run      bool
	announce bool
	advice   bool
	broken   bool // the syntax is bad: parts of the file are not known
	cfg      *Config
	listens  []listener

	// The tables as they were read, for the lines of what is judged after all of them; serve, farm and route have the order
	// that cfg has.
	node, gossip       *section
	heartbeat          *section // nil: there is none
	agentCheck         *section // nil: there is none
	athena             *section // nil: there is none
	athenaAt           []listener
	serve, farm, route []*section
	member             [][]*section // by farm
	goals              []goal       // by route; of those that do not rewrite, the zero value
	sendLines          []int        // of cfg.Gossip.Send
	peerLines          []int        // of cfg.Gossip.Peers
	acceptLines        []int        // of cfg.Gossip.Accept
}

func (p *parser) parse(text string) {
	root, syntax := readDocument(text)
	if syntax != nil {
		p.broken = true
		p.wrong(syntax.Position.Line,
			"this is no good TOML: %s: correct it first, the rest of the file may then be read", syntax.Message)
	}
	top := &section{findings: p.findings, table: root}
	p.readCluster(top)
	p.node, p.gossip = top.section("node"), top.section("gossip")
	p.readNode(p.node)
	p.readGossip(p.gossip)
	p.serve, p.farm, p.route = top.sections("serve"), top.sections("farm"), top.sections("route")
	for _, s := range p.serve {
		p.readServe(s)
	}
	for _, s := range p.farm {
		p.readFarm(s)
	}
	for _, s := range p.route {
		p.readRoute(s)
	}
	for _, s := range top.sections("listen") {
		p.readListen(s)
	}
	p.readStatus(top.section("status"))
	p.readLog(top.section("log"))
	p.readProxy(top.section("proxy"))
	p.readHeartbeat(top.section("heartbeat"))
	p.readAgentCheck(top.section("agent_check"))
	p.readAthena(top.section("athena"))
	p.readCookie(top.section("cookie"))
	p.readMirrors(top.sections("mirror"))
	p.setGoals()
	if !p.broken { // otherwise what looks like a table may be a piece of something else
		top.close()
		p.checkNode()
		p.checkSource()
		p.checkPeers()
		p.checkUse(top)
		p.checkHeartbeat()
		p.checkWhenEmpty()
		p.checkForwards()
	}
	p.checkOverlaps()
	p.checkOrigins()
	p.warn()
}

func (p *parser) readCluster(top *section) {
	name, ok := top.text("cluster", `"web"`)
	switch {
	case !ok:
		if !top.has("cluster") && !p.broken {
			top.missing("cluster", `"web", alike on all hosts`)
		}
	case name == "":
		p.wrong(top.lineOf("cluster"), `cluster is empty: write a name, such as "web", alike on all hosts`)
	case len(name) > maxCluster:
		p.wrong(top.lineOf("cluster"), "cluster has %d bytes: write at most %d", len(name), maxCluster)
	}
	p.cfg.Cluster = name
}
