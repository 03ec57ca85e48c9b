package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"backhand/gossip/node"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file of testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -update writes it", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (go test -update writes it anew, if that is meant):\n%s", path, d)
	}
}

// render returns the page of a view.
func render(t interface {
	Helper()
	Fatal(...any)
}, v View, refresh int,
) []byte {
	t.Helper()
	tmpl, err := parsePage()
	if err != nil {
		t.Fatal(err)
	}
	body, err := renderPage(tmpl, v, refresh)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestGolden(t *testing.T) {
	inRotation, rotatingInfo := rotating()
	demo := seedInfo()
	demo.Note, demo.Viewer, demo.Routes = "The load figures of the five nodes are made up.", "127.0.0.1 for 10.58.4.99", nil
	for name, v := range map[string]View{
		"seed":  NewView(seedCluster(), seedInfo(), now),
		"empty": NewView(snapshot(node.NewLiveSet(), nil), Info{}, now),
		"demo":  NewView(snapshot(node.NewLiveSet(), []*node.Node{aNode(1, "balancer", "web")}), demo, now),
		"keys":  NewView(inRotation, rotatingInfo, now),
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".html", render(t, v, 0))
			text, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", append(text, '\n'))
			for width, file := range map[int]string{0: name + ".txt", 80: name + "-80.txt"} {
				var b bytes.Buffer
				if err := v.WriteTable(&b, width); err != nil {
					t.Fatal(err)
				}
				golden(t, file, b.Bytes())
			}
		})
	}
}

// elements returns all elements of a page by tag name.
func elements(t *testing.T, page []byte) map[string][]*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]*html.Node{}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			out[n.Data] = append(out[n.Data], n)
		}
	}
	return out
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// evilView is of a cluster in which every text that comes from somebody else is hostile.
func evilView() View {
	n := aNode(2, evil(), evil()[:node.MaxFarm])
	n.Zone = evil()[:node.MaxZone]
	n.Labels = []node.Label{{Key: evil()[:node.MaxLabel], Value: evil()[node.MaxLabel : 2*node.MaxLabel]}}
	n.Services[0].Ready, n.Services[0].Why = false, evil()[:node.MaxWhy]
	info := seedInfo()
	info.Warnings, info.Note, info.Viewer = []string{evil()}, evil(), evil()
	info.Routes = []Route{{Name: evil(), Farm: evil(), Chain: []string{evil()}, WhenEmpty: evil()}}
	info.Beats.Rejected = []Count{{evil(), 1}}
	info.Keys, info.Findings = &Keys{Mode: evil(), Sealing: 1, Held: marks(1)}, []Finding{{Kind: evil(), Text: evil()}}
	n.Services[0].Pushed = []node.Stat{{Name: evil()[:node.MaxStatName], Value: 1}}
	app := physical("web", evil(), "http://h/")
	app.Standing = node.Standing{Off: true, Down: true, Why: evil()[:node.MaxWhy]}
	app.Labels, app.Stats = n.Labels, n.Services[0].Pushed
	app.Forwards = node.Forwards{Off: node.Forward{Farm: evil()}, Down: node.Forward{URL: &url.URL{Scheme: "http", Host: evil(), Path: "/" + evil()}}}
	return NewView(node.NewSnapshot(node.Parts{
		Taken: now, Self: id(1), Nodes: []*node.Node{n}, Physicals: []node.Physical{app}, Live: node.NewLiveSet(),
		Farms: []node.FarmInfo{{Name: evil(), Standing: app.Standing, Forwards: app.Forwards}},
	}), info, now)
}

func TestNamesFromTheNetworkStayText(t *testing.T) {
	page := render(t, evilView(), 0)
	all := elements(t, page)
	if n := len(all["script"]); n != 1 || attr(all["script"][0], "src") != "page.js" || text(all["script"][0]) != "" {
		t.Errorf("%d scripts, want page.js alone", n)
	}
	if len(all["img"]) > 0 {
		t.Error("a name became an image")
	}
	for tag, list := range all {
		for _, n := range list {
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
					t.Errorf("<%s> has the attribute %s", tag, a.Key)
				}
			}
		}
	}
	if i := bytes.IndexFunc(page, func(r rune) bool { return r != '\n' && r < ' ' || r == 0x9b || r == 0x202e }); i >= 0 {
		t.Errorf("a control character at byte %d: %q", i, page[max(0, i-20):i+5])
	}
	cell := all["tbody"][0].FirstChild.NextSibling // its first row
	if got := attr(cell, "data-name"); !strings.HasPrefix(got, "</td><script>alert(1)</script>") {
		t.Errorf("the name is shown as %q", got)
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	all := elements(t, render(t, NewView(seedCluster(), seedInfo(), now), 0))
	for _, tag := range []string{"link", "script", "a"} {
		for _, n := range all[tag] {
			to := attr(n, "href") + attr(n, "src")
			if strings.Contains(to, ":") || strings.HasPrefix(to, "/") {
				t.Errorf("<%s> points to %q, want a path relative to the page", tag, to)
			}
		}
	}
	if len(all["style"]) > 0 {
		t.Error("inline style, which the policy forbids")
	}
}

func TestTheTableCanBeHeard(t *testing.T) {
	theTablesCanBeHeard(t, NewView(seedCluster(), seedInfo(), now))
	s, info := farmsCluster()
	theTablesCanBeHeard(t, NewView(s, info, now))
}

func theTablesCanBeHeard(t *testing.T, v View) {
	t.Helper()
	all := elements(t, render(t, v, 0))
	if len(all["table"]) != len(all["caption"]) {
		t.Errorf("%d tables, %d captions", len(all["table"]), len(all["caption"]))
	}
	for _, th := range all["th"] {
		if s := attr(th, "scope"); s != "col" && s != "row" {
			t.Errorf("heading %q has scope %q", text(th), s)
		}
	}
	for _, td := range all["td"] {
		if attr(td, "data-label") == "" {
			t.Errorf("cell %q has no label for narrow screens", text(td))
		}
	}
	for _, tr := range all["tr"] {
		if state := attr(tr, "data-state"); state != "" && !strings.Contains(text(tr), state) {
			t.Errorf("row %q is %s by colour only", attr(tr, "data-name")+attr(tr, "data-of-farm"), state)
		}
	}
}

func TestRowsTellTheirStateToStyleSheets(t *testing.T) {
	rows := elements(t, render(t, NewView(seedCluster(), seedInfo(), now), 0))["tr"]
	got := map[string]string{}
	for _, tr := range rows {
		if name := attr(tr, "data-name"); name != "" {
			got[name] = attr(tr, "class")
		}
	}
	want := map[string]string{
		"balancer": "up self", "www1": "up", "www2": "draining", "www3": "stale", "www4": "down", "www5": "leaving", "www6": "left",
		"www7": "up", "app01": "up", "app02": "unreachable",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestThePageMarksTheSameCandidatesAsTheView(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		v := NewView(drawCluster(rt), Info{}, now)
		var want, got []string
		for _, r := range v.Rows {
			if r.Candidate {
				want = append(want, r.Farm+" "+r.Name)
			}
		}
		for _, tr := range elements(t, render(rt, v, 0))["tr"] {
			if attr(tr, "data-candidate") == "true" {
				got = append(got, attr(tr, "data-farm")+" "+attr(tr, "data-name"))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestRefreshForBrowsersWithoutScript(t *testing.T) {
	for query, want := range map[string]int{"": 0, "5": 5, "0": 0, "-1": 0, "1": 1, "3600": 3600, "3601": 0, "5;url=http://evil/": 0, "x": 0} {
		n := refresh(query)
		if n != want {
			t.Errorf("?refresh=%s is %d, want %d", query, n, want)
		}
		has := false
		for _, m := range elements(t, render(t, View{Agent: Agent{ID: "0123456789", ConfigHash: "0123456789"}}, n))["meta"] {
			has = has || attr(m, "http-equiv") == "refresh"
		}
		if has != (want > 0) {
			t.Errorf("?refresh=%s: the page says so: %v", query, has)
		}
	}
}

func TestABrokenPageIsAnErrorAndNotHalfAPage(t *testing.T) {
	tmpl, err := parsePage()
	if err != nil {
		t.Fatal(err)
	}
	// An id that is too short makes the template fail in the middle.
	if body, err := renderPage(tmpl, View{}, 0); err == nil || body != nil {
		t.Errorf("%d bytes, error %v", len(body), err)
	}
}
