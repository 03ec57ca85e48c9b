package status

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxCell is how many characters of a name a column of the table shows.
const maxCell = 32

// column is one of the table for a terminal.
type column struct {
	title string
	right bool // figures stand under their last digit
	// rank says which columns go first if the terminal is too narrow: those with the highest.
	rank int
	cell func(v *View, r Row) string
}

func columns() []column {
	host := func(f func(v *View, h *Host) string) func(*View, Row) string {
		return func(v *View, r Row) string { return r.hostCell(func(h *Host) string { return f(v, h) }) }
	}
	row := func(f func(Row) string) func(*View, Row) string {
		return func(_ *View, r Row) string { return f(r) }
	}
	return []column{
		{"#", true, 2, row(func(r Row) string { return strconv.Itoa(r.Entry) })},
		{"HOSTNAME", false, 0, row(Row.label)},
		{"FARM", false, 3, row(func(r Row) string { return orNone(r.Farm) })},
		{"STATE", false, 0, row(func(r Row) string { return string(r.State) })},
		{"CANDIDATE", false, 1, row(Row.choice)},
		{"AGE", true, 1, row(Row.age)},
		{"KEY", false, 4, row(Row.seal)},
		{"ADDRESS", false, 5, row(func(r Row) string { return orNone(r.Address) })},
		{"TOTAL MEM", true, 11, host(func(_ *View, h *Host) string { return memory(h.MemTotal) })},
		{"AVAIL MEM", true, 8, host(func(_ *View, h *Host) string { return memory(h.MemAvailable) })},
		{"READY/TOTAL", true, 9, row(Row.workers)},
		{"~MS/REQ [#REQ]", true, 7, row(Row.serveTime)},
		{"SPEED", true, 12, row(Row.speed)},
		{"CPUS", true, 10, host(func(_ *View, h *Host) string { return strconv.Itoa(h.CPUs) })},
		{"LOAD/HWM", true, 5, host(func(v *View, h *Host) string { return ratio(h.Load) + "/" + highWater(v.HighWater) })},
		{"CPU IDLE", true, 6, host(func(_ *View, h *Host) string { return percent(h.CPUIdle) })},
		{"IN FLIGHT", true, 5, row(Row.inFlight)},
		{"FROM HERE", true, 8, row(Row.fromHere)},
		{"SHARE", true, 2, row(Row.requests)},
		{"STANDING", false, 6, row(Row.standing)},
		{"PUSHED", false, 12, row(Row.pushed)},
		{"ZONE, LABELS", false, 13, row(Row.place)},
		{"WHY", false, 4, row(func(r Row) string { return r.Why })},
	}
}

// WriteTable writes the view as a table for a terminal of that many characters a line; 0 is as many as it takes. What does
// not fit loses the columns that tell least. Nothing that came in a beat can move the cursor: the view may have come from
// an agent of who knows which version, so it is cleaned once more.
func (v View) WriteTable(w io.Writer, width int) error {
	b := bufio.NewWriter(w)
	line := func(format string, args ...any) { wrap(b, clean(fmt.Sprintf(format, args...)), width) }
	line("%s as %s sees it: %s", v.Cluster, v.Agent.Name, v.headline())
	line("backhand %s, up for %s, %s requests, %s beats sent, %s heard%s", v.Agent.Version, span(v.Agent.Uptime),
		number(v.Requests), number(v.Beats.Sent), number(v.Beats.Received), v.Beats.refused())
	if v.Note != "" {
		line("note: %s", v.Note)
	}
	for _, f := range v.Findings {
		line("finding: %s", strings.TrimSpace(f.Text+" "+inBrackets(v.forHow(f))))
	}
	for _, w := range v.Warnings {
		line("warning: %s", w)
	}
	if v.Keys != nil {
		line("keys: %s", v.Keys.headline())
		for _, s := range v.Keys.Summary {
			line("keys: %s", s)
		}
	}
	fmt.Fprintln(b)
	if len(v.Rows) == 0 {
		line("No member is known yet.")
	} else {
		writeRows(b, v.memberCells(), width)
	}
	if v.Unlisted > 0 {
		line("%s more nodes are not listed: no chain of this agent looks at them.", number(uint64(v.Unlisted)))
	}
	if v.Omitted > 0 {
		line("%s more rows are not shown.", number(uint64(v.Omitted)))
	}
	if len(v.Farms) > 0 {
		fmt.Fprintln(b)
		writeRows(b, v.farmCells(), width)
	}
	if v.MoreFarms > 0 {
		line("%s more farms are not shown.", number(uint64(v.MoreFarms)))
	}
	if len(v.Routes) > 0 {
		fmt.Fprintln(b)
		writeRows(b, v.routeCells(), width)
	}
	return b.Flush()
}

// grid is a table before it is written: each row has a cell for each column.
type grid struct {
	columns []column
	rows    [][]string
}

func (v *View) memberCells() grid {
	has := map[string]bool{"KEY": v.Keys != nil}
	for _, r := range v.Rows {
		has["ZONE, LABELS"] = has["ZONE, LABELS"] || r.place() != ""
		has["STANDING"] = has["STANDING"] || r.standing() != ""
		has["PUSHED"] = has["PUSHED"] || len(r.Stats) > 0
	}
	g := grid{columns: columns()}
	for _, title := range []string{"KEY", "STANDING", "PUSHED", "ZONE, LABELS"} {
		if !has[title] {
			g.columns = slices.DeleteFunc(g.columns, func(c column) bool { return c.title == title })
		}
	}
	for _, r := range v.Rows {
		cells := make([]string, len(g.columns))
		for i, c := range g.columns {
			cells[i] = clean(c.cell(v, r))
			if c.title != "WHY" && c.title != "PUSHED" {
				cells[i] = cut(cells[i], maxCell)
			}
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

func (v *View) routeCells() grid {
	g := grid{columns: []column{
		{title: "ROUTE"},
		{title: "FARM", rank: 1},
		{title: "CANDIDATES", right: true, rank: 1},
		{title: "REQUESTS", right: true, rank: 2},
		{title: "NOBODY LEFT", right: true, rank: 3},
		{title: "THEN", rank: 4},
		{title: "K", right: true, rank: 5},
		{title: "CHAIN", rank: 6},
	}}
	for _, r := range v.Routes {
		g.rows = append(g.rows, []string{
			cut(clean(r.Name), maxCell), cut(clean(r.farm()), maxCell), fmt.Sprintf("%d of %d", r.Candidates, r.Members),
			number(r.Requests), number(r.Empty), clean(orNone(r.WhenEmpty)), r.k(), clean(strings.Join(r.Chain, ", ")),
		})
	}
	return g
}

// writeRows writes a table, less the columns that it has no room for. The last column is cut off rather than left out.
func writeRows(b *bufio.Writer, g grid, width int) {
	widths := make([]int, len(g.columns))
	for i, c := range g.columns {
		widths[i] = utf8.RuneCountInString(c.title)
		for _, r := range g.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(r[i]))
		}
	}
	shown := fit(g.columns, widths, width)
	titles := make([]string, len(g.columns))
	for i, c := range g.columns {
		titles[i] = c.title
	}
	for _, cells := range append([][]string{titles}, g.rows...) {
		var l strings.Builder
		for i, cell := range cells {
			if !shown[i] {
				continue
			}
			if l.Len() > 0 {
				l.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if g.columns[i].right {
				l.WriteString(pad + cell)
			} else {
				l.WriteString(cell + pad)
			}
		}
		fmt.Fprintln(b, cut(strings.TrimRight(l.String(), " "), width))
	}
}

// fit returns which columns there is room for.
func fit(columns []column, widths []int, width int) []bool {
	shown := make([]bool, len(columns))
	need := -2
	for i := range shown {
		shown[i] = true
		need += 2 + widths[i]
	}
	last := len(columns) - 1 // text of any length: what is cut off of it does not count
	const least = 12
	need -= max(0, widths[last]-least)
	for width > 0 && need > width {
		worst := -1
		for i, c := range columns {
			if shown[i] && c.rank > 0 && (worst < 0 || c.rank > columns[worst].rank) {
				worst = i
			}
		}
		if worst < 0 {
			break // the rest is cut off
		}
		shown[worst] = false
		need -= 2 + widths[worst]
		if worst == last {
			need += max(0, widths[last]-least)
		}
	}
	return shown
}

// wrap writes a text in lines of that many characters, all but the first indented; 0 is one line.
func wrap(b *bufio.Writer, text string, width int) {
	const indent = "    "
	l, n := "", 0 // the line so far and its characters
	for word := range strings.SplitSeq(text, " ") {
		word = cut(word, max(0, width-len(indent)))
		w := utf8.RuneCountInString(word)
		if width > 0 && n > len(indent) && n+1+w > width {
			fmt.Fprintln(b, cut(l, width))
			l, n = indent+word, len(indent)+w
			continue
		}
		if n > 0 {
			l, n = l+" ", n+1
		}
		l, n = l+word, n+w
	}
	fmt.Fprintln(b, cut(l, width))
}

// cut shortens a text to that many characters; 0 is all.
func cut(s string, width int) string {
	if width <= 0 || utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// label is the name with what is special about the row.
func (r Row) label() string {
	switch {
	case r.Self:
		return cut(r.Name, maxCell-7) + " (self)"
	case r.Physical:
		return cut(r.Name, maxCell-11) + " (physical)"
	case r.Untrusted:
		return cut(r.Name, maxCell-12) + " (untrusted)"
	case r.Direct:
		return cut(r.Name, maxCell-9) + " (direct)"
	}
	return r.Name
}

func (r Row) fromHere() string {
	if r.Farm == "" {
		return none
	}
	return strconv.FormatInt(r.Outstanding, 10)
}

// refused lists the beats that were not taken.
func (b Beats) refused() string {
	var text strings.Builder
	for _, c := range b.Rejected {
		if c.N > 0 {
			text.WriteString(fmt.Sprintf(", %s refused: %s", number(c.N), c.Name))
		}
	}
	return text.String()
}
