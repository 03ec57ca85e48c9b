package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"backhand/contrib/testbed/watch"
)

// lossRow is what was seen of a cluster whose hosts lose beats. Times are in milliseconds, if they are not in seconds.
type lossRow struct {
	Nodes   int     `json:"nodes"`
	Loss    float64 `json:"loss"` // share of the beats that each host was made to lose
	Seconds float64 `json:"seconds"`

	Pairs    int     `json:"pairs"`     // of a node that hears, and one that is heard
	Due      int     `json:"beats_due"` // beats that were sent, each as often as there are others to hear it
	Heard    int     `json:"beats_heard"`
	Measured float64 `json:"measured_loss"`

	Alarms int     `json:"false_alarms"`
	Chance float64 `json:"by_chance"`  // false alarms that this loss makes by itself
	Unsure int     `json:"unsure"`     // that may have been alarms: nobody looked at the time
	Blind  int     `json:"blind"`      // looks that got no answer
	Over   int     `json:"overlooked"` // beats that came and went between two looks

	Requests int     `json:"requests"`
	Failed   int     `json:"failed"`
	TooOld   int     `json:"too_old"` // how often a request found a candidate too old
	Slowest  float64 `json:"slowest"` // request
	Late     float64 `json:"late"`    // how much later than planned a beat was sent, at most
	Why      string  `json:"why,omitempty"`
}

func newLossRow(nodes, percent int, lasted time.Duration, r watch.Result) lossRow {
	loss := float64(percent) / 100
	row := lossRow{
		Nodes: nodes, Loss: loss, Seconds: lasted.Seconds(), Pairs: r.Pairs, Due: r.Sent, Heard: r.Heard,
		Alarms: r.Alarms, Chance: watch.Chance(r.Sent, loss), Unsure: r.Unsure, Blind: r.Blind, Over: r.Overlooked,
		Requests: r.Requests, Failed: r.Failed, TooOld: r.Dropped, Slowest: ms(r.Slowest), Late: ms(r.Late), Why: r.Why,
	}
	if r.Sent > 0 {
		row.Measured = 1 - float64(r.Heard)/float64(r.Sent)
	}
	return row
}

func (r lossRow) title() string {
	return fmt.Sprintf("%d nodes that lose %.0f %%", r.Nodes, 100*r.Loss)
}

// line is a row for the eye.
func (r lossRow) line() string {
	text := fmt.Sprintf("loss, %s: %d false alarms, by chance %.3g, unsure %d; %.2f %% of %d beats lost, sent late by %.0f ms; "+
		"%d of %d requests failed, %d found a candidate too old, the slowest took %.0f ms",
		r.title(), r.Alarms, r.Chance, r.Unsure, 100*r.Measured, r.Due, r.Late, r.Failed, r.Requests, r.TooOld, r.Slowest)
	if r.Blind > 0 || r.Over > 0 {
		text += fmt.Sprintf("; %d looks got no answer, %d beats were overlooked", r.Blind, r.Over)
	}
	if r.Why != "" {
		text += "; one failed: " + r.Why
	}
	return text
}

// writeLoss writes a table of them, or nothing of none.
func writeLoss(w io.Writer, rows []lossRow) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n**loss: hosts lose beats, each by chance; beats every %v, `%s`**\n\n", usualGossip, strings.Join(lossChain(), "`, `"))
	fmt.Fprintln(w, "| nodes | loss | seconds | pairs | beats due | heard | loss, measured | false alarms | by chance | unsure | "+
		"requests | failed | too old | late, ms |")
	fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", 14))
	for _, r := range rows {
		fmt.Fprintf(w, "| %d | %.0f %% | %.0f | %d | %d | %d | %.2f %% | %d | %.3g | %d | %d | %d | %d | %.0f |\n",
			r.Nodes, 100*r.Loss, r.Seconds, r.Pairs, r.Due, r.Heard, 100*r.Measured, r.Alarms, r.Chance, r.Unsure,
			r.Requests, r.Failed, r.TooOld, r.Late)
	}
}

// Of so many alarms their number says something: it is off by 2 in one of a thousand runs. Of so few there should be none.
const (
	manyAlarms = 20
	noAlarms   = .1
)

// judgeLoss returns the targets of the rows: no alarm where hardly any is to be expected; as many as chance makes, or half or
// twice that, where there are many; and no request that fails.
func judgeLoss(rows []lossRow) (list []target) {
	one := func(what string, most, is float64) {
		list = append(list, newTarget(what, most, spreadOf([]float64{is})))
	}
	for _, r := range rows {
		off := func(alarms int) float64 {
			n := max(1, float64(alarms))
			return max(n/r.Chance, r.Chance/n)
		}
		switch most := r.Alarms + r.Unsure; {
		case r.Chance < noAlarms:
			one(r.title()+": false alarms", 0, float64(most))
		case r.Chance >= manyAlarms:
			one(r.title()+": false alarms by those of chance, or the inverse", 2, max(off(r.Alarms), off(most)))
		}
		one(r.title()+": failed requests", 0, float64(r.Failed))
	}
	return list
}
