// Command bench measures backhand side by side with HAProxy, and if asked with nginx, Apache and Caddy: what a request
// costs each of them on the same machine, in the same minutes, under the same load. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	// SIGPIPE, too: whoever reads the progress may have seen enough, and what runs must be stopped all the same.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errBad is what the run found out, not a failure of it.
var errBad = errors.New("backhand gave bad answers")

// run returns the exit code: 1 if backhand gave a bad answer, 2 if the run could not be done.
func run(ctx context.Context, args []string, out, say io.Writer) int {
	err := dispatch(ctx, args, out, say)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errBad):
		fmt.Fprintln(say, "bench:", err)
		return 1
	}
	fmt.Fprintln(say, "bench:", err)
	return 2
}

func dispatch(ctx context.Context, args []string, out, say io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case launcher:
			return launch(args[1:])
		case generator:
			return generate(args[1:])
		}
	}
	opt, file, err := parseFlags(args, say)
	if err != nil {
		return err
	}
	b, err := newBench(opt, say)
	if err != nil {
		return err
	}
	defer b.close()
	return b.finish(b.run(ctx), file, out, args)
}

// finish shows what there is, even if the run was cut off.
func (b *bench) finish(failed error, file string, out io.Writer, args []string) error {
	if len(b.samples) > 0 {
		b.report(out, args)
		if file != "" {
			failed = errors.Join(failed, b.save(file))
		}
	}
	if failed == nil && len(b.complaints) > 0 {
		return errBad
	}
	return failed
}

func parseFlags(args []string, say io.Writer) (opt options, file string, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(say)
	rows := f.String("rows", names(allRows()), "farms")
	tests := f.String("tests", names(allTests()), "loads")
	against := f.String("against", "haproxy", "proxies to measure beside, of "+names(allPeers())+"; empty: none")
	secs := f.Float64("secs", 1.8, "seconds of each measurement, 0.1 to 60")
	cpu := f.String("cpu", "auto", "where CPU time is read: auto (cgroup v1 where there is one), or proc (/proc/PID/stat)")
	f.IntVar(&opt.reps, "reps", 9, "repetitions, 1 to 100")
	f.StringVar(&opt.binary, "backhand", "", "a binary to measure, instead of one built from this clone")
	f.StringVar(&file, "json", "", "file for every sample")
	if err := f.Parse(args); err != nil {
		return opt, "", err
	}
	var errs [3]error
	opt.rows, errs[0] = pick("-rows", *rows, allRows())
	opt.tests, errs[1] = pick("-tests", *tests, allTests())
	opt.against, errs[2] = pick("-against", *against, allPeers())
	err = errors.Join(errs[:]...)
	if len(opt.rows) == 0 || len(opt.tests) == 0 {
		err = errors.Join(err, errors.New("-rows and -tests: want at least one each"))
	}
	is := func(key string) func(row) bool { return func(r row) bool { return r.key == key } }
	if slices.ContainsFunc(opt.rows, is("hop")) && !slices.ContainsFunc(opt.rows, is(oneHop)) {
		err = errors.Join(err, fmt.Errorf("-rows: hop is compared with %s: want that, too", oneHop))
	}
	if opt.reps < 1 || opt.reps > 100 {
		err = errors.Join(err, fmt.Errorf("-reps is %d: want 1 to 100", opt.reps))
	}
	if opt.secs = time.Duration(*secs * float64(time.Second)); *secs < .1 || *secs > 60 {
		err = errors.Join(err, fmt.Errorf("-secs is %v: want 0.1 to 60", *secs))
	}
	if opt.proc = *cpu == "proc"; !opt.proc && *cpu != "auto" {
		err = errors.Join(err, fmt.Errorf("-cpu is %q: want auto or proc", *cpu))
	}
	if f.NArg() > 0 {
		err = errors.Join(err, fmt.Errorf("%q: there are only flags", f.Args()))
	}
	return opt, file, err
}

// named is a row, a test or a peer.
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
