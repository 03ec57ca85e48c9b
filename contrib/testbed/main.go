// Command testbed measures how well backhand chooses: real agents in network namespaces, each before an origin that
// sleeps, under a load that every balancer gets alike, beside HAProxy, nginx, Apache and a front that knows everything.
// See README.md.
package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"backhand/contrib/testbed/ideal"
	"backhand/contrib/testbed/load"
	"backhand/contrib/testbed/origin"
	"backhand/contrib/testbed/watch"
)

func main() {
	// SIGPIPE, too: whoever reads the progress may have seen enough, and what runs must be stopped all the same.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	err := dispatch(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "testbed:", err)
		os.Exit(1)
	}
}

// The commands by which this program starts itself at the hosts, each with a spec in JSON.
const (
	originCommand = "origin"
	idealCommand  = "ideal"
	loadCommand   = "load"
	watchCommand  = "watch"
)

func dispatch(ctx context.Context, args []string, out, say io.Writer) error {
	if len(args) == 2 {
		switch spec := []byte(args[1]); args[0] {
		case originCommand:
			var s origin.Spec
			if err := json.Unmarshal(spec, &s); err != nil {
				return err
			}
			return origin.Run(ctx, s)
		case idealCommand:
			var s ideal.Spec
			if err := json.Unmarshal(spec, &s); err != nil {
				return err
			}
			return ideal.Run(ctx, s)
		case loadCommand:
			return answer(ctx, spec, out, load.Run)
		case watchCommand:
			return answer(ctx, spec, out, watch.Run)
		}
	}
	opt, err := parseFlags(args, say)
	if err != nil {
		return err
	}
	return run(ctx, opt, args, out, say)
}

// answer runs what the spec says, and writes what comes of it for the one who started this.
func answer[S, R any](ctx context.Context, spec []byte, out io.Writer, do func(context.Context, S) (R, error)) error {
	var s S
	if err := json.Unmarshal(spec, &s); err != nil {
		return err
	}
	r, err := do(ctx, s)
	if err != nil {
		return err
	}
	return gob.NewEncoder(out).Encode(r)
}

// run does the measurements. It shows what there is, even if it was cut off.
func run(ctx context.Context, opt options, args []string, out, say io.Writer) error {
	if err := needs(programs(opt)); err != nil {
		return err
	}
	turns := plan(opt)
	if len(turns) > 0 { // loss is about seconds, and takes little: it need not have the machine for itself
		held, err := lock(ctx, say)
		if err != nil {
			return err
		}
		defer held.Close()
	}
	b, err := newBed(ctx, opt, turns, say)
	if err != nil {
		return err
	}
	fmt.Fprintf(say, "%d measurements, about %v\n", opt.measurements(turns), opt.takes(turns).Round(10*time.Second))
	r := newReport(opt, args, b.commit)
	var failed error
	for i, t := range turns {
		s, err := b.measure(ctx, t)
		if err != nil {
			failed = err
			break
		}
		fmt.Fprintf(say, "%d/%d %s\n", i+1, len(turns), s.line())
		r.Samples = append(r.Samples, s)
	}
	if opt.loses() && failed == nil {
		r.Loss, failed = b.lose(ctx)
	}
	if opt.simulate && failed == nil {
		r.Simulated, failed = b.simulated(ctx, turns)
	}
	failed = errors.Join(failed, b.close())
	if len(r.Samples) > 0 || len(r.Loss) > 0 {
		r.Targets = append(judge(opt, r.Samples), judgeLoss(r.Loss)...)
		r.write(out)
		failed = errors.Join(failed, r.save(opt.jsonFile))
	}
	return failed
}

func parseFlags(args []string, say io.Writer) (o options, err error) {
	f := flag.NewFlagSet("testbed", flag.ContinueOnError)
	f.SetOutput(say)
	scenarios := f.String("scenarios", names(choiceScenarios()), "what is measured, of "+names(allScenarios()))
	policies := f.String("policies", "", "who chooses, of "+names(builtinPolicies())+" (default: all)")
	fronts := f.String("fronts", "1,4,12,24", "numbers of fronts in the scenario main")
	secs := f.Float64("secs", 0, "seconds of each measurement, 1 to 600 (default 100, and 600 of loss)")
	warm := f.Float64("warm", 15, "seconds of load before each, 0.5 to 120")
	mean := f.Duration("mean", 50*time.Millisecond, "of the works, 5ms to 1s; half as many requests come if it is twice as long")
	seed := f.Uint("seed", 1, "of the traces; each repetition has the next one")
	f.IntVar(&o.reps, "reps", 1, "repetitions, 1 to 100")
	f.Float64Var(&o.load, "load", .85, "share of the capacity that is asked for, 0.01 to 1.5")
	f.IntVar(&o.members, "members", 24, "members, 2 to 99")
	f.IntVar(&o.slow, "slow", 5, "of which so many are three times slower")
	f.Float64Var(&o.void, "void", .6, "share of the machine's CPU time above which a measurement is void")
	f.StringVar(&o.binary, "backhand", "", "a binary to measure, instead of one built from this clone")
	f.BoolVar(&o.keep, "keep", false, "leave the folder with what was started, and what it said")
	f.BoolVar(&o.simulate, "simulate", true, "play the traces of main and gossip in the simulator, too")
	f.StringVar(&o.jsonFile, "json", "", "file for every measurement")
	var own []policy
	f.Func("chain", "NAME=STEP;STEP: measure this chain, too", func(text string) error {
		p, err := ownChain(text)
		own = append(own, p)
		return err
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.lossFor = usualLossFor
	if set(f, "secs") {
		o.lossFor = time.Duration(*secs * 1e9)
	} else {
		*secs = usualSecs
	}
	o.secs, o.warm, o.mean, o.seed = time.Duration(*secs*1e9), time.Duration(*warm*1e9), *mean, uint64(*seed)
	var errs [3]error
	o.scenarios, errs[0] = pick("-scenarios", *scenarios, allScenarios())
	o.policies, errs[1] = pick("-policies", *policies, builtinPolicies())
	if *policies == "" {
		o.policies = builtinPolicies()
	}
	o.policies = append(o.policies, own...)
	o.fronts, errs[2] = numbers("-fronts", *fronts)
	if f.NArg() > 0 {
		err = fmt.Errorf("%q: there are only flags", f.Args())
	}
	return o, errors.Join(errs[0], errs[1], errs[2], err, o.check(*secs, *warm))
}

// set reports whether the flag was given.
func set(f *flag.FlagSet, name string) (given bool) {
	f.Visit(func(one *flag.Flag) { given = given || one.Name == name })
	return given
}

func (o options) check(secs, warm float64) error {
	var errs []error
	within := func(name string, v, least, most float64) {
		if !(v >= least && v <= most) {
			errs = append(errs, fmt.Errorf("%s is %v: want %v to %v", name, v, least, most))
		}
	}
	within("-secs", secs, 1, 600)
	within("-warm", warm, .5, 120)
	within("-mean in ms", ms(o.mean), 5, 1000)
	within("-reps", float64(o.reps), 1, 100)
	within("-load", o.load, .01, 1.5)
	within("-members", float64(o.members), 2, maxHosts)
	within("-slow", float64(o.slow), 0, float64(o.members-1))
	within("-void", o.void, .01, 1)
	known := map[string]bool{}
	for _, p := range o.policies {
		if known[p.key] {
			errs = append(errs, fmt.Errorf("there are two policies %q", p.key))
		}
		known[p.key] = true
	}
	return errors.Join(errs...)
}

// named is a scenario or a policy.
type named interface{ name() string }

func names[T named](all []T) string {
	var s []string
	for _, v := range all {
		s = append(s, v.name())
	}
	return strings.Join(s, ",")
}

// pick returns those that a list names, each once.
func pick[T named](flag, list string, all []T) (chosen []T, err error) {
	var known []string
	for w := range strings.SplitSeq(list, ",") {
		if w == "" || slices.Contains(known, w) {
			continue
		}
		known = append(known, w)
		i := slices.IndexFunc(all, func(v T) bool { return v.name() == w })
		if i < 0 {
			err = errors.Join(err, fmt.Errorf("%s: there is no %q, only %s", flag, w, names(all)))
			continue
		}
		chosen = append(chosen, all[i])
	}
	return chosen, err
}

func numbers(flag, list string) (chosen []int, err error) {
	for w := range strings.SplitSeq(list, ",") {
		n, e := strconv.Atoi(w)
		if e != nil || n < 1 || n > maxHosts {
			err = errors.Join(err, fmt.Errorf("%s: %q is no number from 1 to %d", flag, w, maxHosts))
		}
		if !slices.Contains(chosen, n) {
			chosen = append(chosen, n)
		}
	}
	return chosen, err
}
