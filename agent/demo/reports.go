package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// The farm of mod_athena's kind: servers without an agent, which say over HTTP how busy they are. Each tells another agent; all
// come to know.

const (
	reportsFarm = "reports"
	reportsPath = "/reports/"
	// reportsWork is short enough for the slots that a chore leaves of one server, at the highest rate.
	reportsWork = 8 * time.Millisecond
	pushEvery   = 250 * time.Millisecond
	// pushLimit bounds what is read of an answer. That to a good update is empty.
	pushLimit = 1 << 10

	choreSlots = toySlots - 1
	choreEvery = 20 * time.Second // from one to the next
	choreAfter = 13 * time.Second // the first; the mortal origin is back by then
	choreFor   = 5 * time.Second
)

// serverNames are the members of the farm. The first has chores to do.
func serverNames() []string { return []string{"app01", "app02"} }

// reportsChain is by what the servers said of their jobs, and by what they were given since: between two pushes the one that was the
// idlest would get all.
const reportsChain = `byExpr stat("jobs") + outstanding`

// reportsRoute is the route of the front. No balancer can know of a server's chores but by what it says.
const reportsRoute = `
[[route]]
path  = "` + reportsPath + `" # as ProxyPass had it: the farm is the host, and its members are asked for /app/...
to    = "http://` + reportsFarm + `/app/"
chain = ["byRandom", '` + reportsChain + `']
`

// addServers makes the toys that run no agent.
func (c *cluster) addServers() error {
	for i, name := range serverNames() {
		t, err := newToy(name, reportsWork, ip(len(cast)+i))
		if err != nil {
			return fmt.Errorf("toy server %s: %w", name, err)
		}
		c.servers = append(c.servers, t)
	}
	return nil
}

// reportsText is what each node's file says of the farm: the same on all, so that all can be asked and told.
func (c *cluster) reportsText(i int) string {
	var members []string
	for _, t := range c.servers {
		members = append(members, fmt.Sprintf("{ name = %q, url = \"http://%s\" }", t.name, t.addr))
	}
	return fmt.Sprintf(`
[athena] # where programs ask which server to use, and where servers without an agent say how busy they are
listen = "%s:%s"

[[farm]]
name   = %q
chain  = ['%s'] # for programs that ask; requests go by the chain of the route
expect_update = "3s"          # who has not pushed for that long is out
member = [ %s ]
`, ip(i), c.tell, reportsFarm, reportsChain, strings.Join(members, ", "))
}

// engine returns the URL under which programs ask and tell an agent.
func (c *cluster) engine(i int) string { return "http://" + ip(i) + ":" + c.tell + "/athena" }

// push tells an agent every now and then how busy a server is, until the context ends. A shell script with curl would do.
func (c *cluster) push(ctx context.Context, t *toy, engine string) {
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	failed := false
	for {
		jobs, load := t.figures(time.Now())
		err := pushOnce(ctx, &client, fmt.Sprintf("%s/update/phys?h=%s,jobs=%d,load1=%.2f", engine, t.name, jobs, load))
		if ctx.Err() == nil && (err != nil) != failed {
			failed = err != nil
			c.say("%s tells how busy it is at %s: %s", t.name, engine, outcome(err))
		}
		if !pause(ctx, pushEvery) {
			return
		}
	}
}

// outcome says how a push went that went otherwise than the one before.
func outcome(err error) string {
	if err == nil {
		return "that works again"
	}
	return err.Error()
}

// pushOnce makes one update.
func pushOnce(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, pushLimit))
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(body)))
	}
	return err
}

// chores gives the first server a job of its own, again and again.
func (c *cluster) chores(ctx context.Context) {
	busy := c.servers[0]
	for wait := choreAfter; pause(ctx, wait); wait = choreEvery - choreFor {
		c.say("%s has a job of its own to do and says so: %s goes to the other server", busy.name, reportsPath)
		job, end := context.WithTimeout(ctx, choreFor)
		busy.chore(job, choreSlots)
		end()
		if ctx.Err() == nil {
			c.say("the job on %s is done", busy.name)
		}
	}
}
