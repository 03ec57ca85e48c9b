package sim

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// WriteTable writes the report for people: a line for each row, and first of it what differs between the cases.
func (r *Report) WriteTable(w io.Writer) error {
	b := new(strings.Builder)
	if r.Title != "" {
		fmt.Fprintf(b, "%s\n\n", r.Title)
	}
	columns := r.columns()
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, c := range columns {
		fmt.Fprintf(t, "%s\t", c.name)
	}
	fmt.Fprint(t, "\tpolicy\n")
	for i := range r.Rows {
		if i > 0 && r.Rows[i].differs(&r.Rows[i-1]) {
			fmt.Fprintln(t, strings.Repeat("\t", len(columns)+1))
		}
		for _, c := range columns {
			fmt.Fprintf(t, "%s\t", c.value(&r.Rows[i]))
		}
		fmt.Fprintf(t, "\t%s\n", r.Rows[i].Policy)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	r.legend(b)
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n"))
	return err
}

// legend says what the columns are.
func (r *Report) legend(b *strings.Builder) {
	seeds := "1 seed"
	if n := len(r.Seeds); n > 1 {
		seeds = fmt.Sprintf("%d seeds", n)
	}
	fmt.Fprintf(b, "\nLatencies in ms, of requests that came within %s after %s, %s. spread: how unequally the members are\n"+
		"loaded (0: alike). sent back: refusals for each request. K: requests that a member gets between two beats.\n",
		seconds(r.Measure), seconds(r.WarmUp), seeds)
	for i := range r.Rows {
		if r.Rows[i].Unfinished > 0 {
			fmt.Fprint(b, "(+): some requests were not finished a minute after the end, and count as if they were then.\n")
			return
		}
	}
}

func seconds(s float64) string { return time.Duration(s * float64(time.Second)).String() }

// column is one of the table's.
type column struct {
	name  string
	value func(r *Row) string
}

// columns returns those of the table: of what may differ between cases, only what does.
func (r *Report) columns() (out []column) {
	cases := []column{
		{"work", func(r *Row) string { return time.Duration(r.Work * float64(time.Millisecond)).String() }},
		{"beats", func(r *Row) string { return seconds(r.Interval) }},
		{"load", func(r *Row) string { return percent(r.Load, 0) }},
		{"K", func(r *Row) string { return strconv.FormatFloat(r.K, 'g', 3, 64) }},
		{"fronts", func(r *Row) string { return strconv.Itoa(r.Fronts) }},
	}
	for _, c := range cases {
		for i := range r.Rows {
			if c.name == "fronts" || c.value(&r.Rows[i]) != c.value(&r.Rows[0]) {
				out = append(out, c)
				break
			}
		}
	}
	return append(out,
		column{"mean", func(r *Row) string {
			if r.Unfinished > 0 {
				return ms(r.Mean) + "(+)"
			}
			return ms(r.Mean)
		}},
		column{"p50", func(r *Row) string { return ms(r.P50) }},
		column{"p99", func(r *Row) string { return ms(r.P99) }},
		column{"p99.9", func(r *Row) string { return ms(r.P999) }},
		column{"spread", func(r *Row) string { return strconv.FormatFloat(r.Spread, 'f', 2, 64) }},
		column{"sent back", func(r *Row) string { return strconv.FormatFloat(r.Refusals, 'f', 2, 64) }},
		column{"errors", func(r *Row) string { return percent(r.Errors, 2) }},
	)
}

// differs reports whether the row is of another case.
func (r *Row) differs(o *Row) bool {
	return r.Fronts != o.Fronts || r.Load != o.Load || r.Work != o.Work || r.Interval != o.Interval
}

// ms writes milliseconds with about three digits.
func ms(v float64) string {
	if v < 99.95 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

func percent(share float64, digits int) string {
	return strconv.FormatFloat(100*share, 'f', digits, 64) + "%"
}
