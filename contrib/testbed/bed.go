package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"backhand/contrib/testbed/load"
)

// bed is what the measurements of a run have in common.
type bed struct {
	opt    options
	say    io.Writer // progress
	self   string    // this program
	dir    string    // all that is written
	binary string
	commit string
	net    *network
}

func newBed(ctx context.Context, opt options, turns []turn, say io.Writer) (b *bed, err error) {
	b = &bed{opt: opt, say: say}
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "backhand-testbed-"); err != nil {
		return nil, err
	}
	if err := b.prepare(ctx, turns); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

func (b *bed) prepare(ctx context.Context, turns []turn) (err error) {
	if err := os.Chmod(b.dir, 0o755); err != nil { // for servers that drop root
		return err
	}
	if b.binary, b.commit, err = program(ctx, b.opt.binary, b.dir, b.say); err != nil {
		return err
	}
	if len(turns) > 0 {
		b.net, err = newNetwork(b.opt.members, mostFronts(turns))
	}
	return err
}

func (b *bed) close() error {
	var err error
	if b.net != nil {
		err = b.net.close()
	}
	if b.opt.keep {
		fmt.Fprintln(b.say, "kept:", b.dir)
		return err
	}
	return errors.Join(err, os.RemoveAll(b.dir))
}

// measure does one measurement: everything is started for it, and ended after it.
func (b *bed) measure(ctx context.Context, t turn) (sample, error) {
	p := &processes{dir: b.dir}
	defer p.stop()
	spec := load.Spec{Trace: t.trace, Members: b.origins(), Warm: b.opt.warm, For: b.opt.secs}
	if err := b.startOrigins(p, t); err != nil {
		return sample{}, err
	}
	if t.policy.kind != kindRival {
		if err := b.startAgents(p, t); err != nil {
			return sample{}, err
		}
	}
	var err error
	switch t.policy.kind {
	case kindIdeal:
		spec.Ideal = address(frontHost(0)) + controlPort
		spec.Fronts, err = b.startIdeal(p, t)
	case kindAgent:
		spec.Agents = b.opt.members
		spec.Fronts, err = b.startFronts(p, t)
	case kindRival:
		spec.Fronts, err = b.startRivals(p, t)
	}
	if err != nil {
		return sample{}, err
	}
	var result load.Result
	if err := b.ask(ctx, p, loadCommand, spec, &result); err != nil {
		return sample{}, fmt.Errorf("%s: %w", t.name(), err)
	}
	return b.sample(t, result, p.cpuTimes()), nil
}

// ask runs a command of this program at the client's host, and reads its result.
func (b *bed) ask(ctx context.Context, p *processes, command string, spec, result any) error {
	text, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	cmd := b.net.command(clientHost, b.self, command, string(text))
	out, err := os.Create(filepath.Join(b.dir, "result"))
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout = out
	x, err := p.start(command, roleLoad, cmd)
	if err != nil {
		return err
	}
	if err := b.await(ctx, p, x); err != nil {
		return err
	}
	if !x.cmd.ProcessState.Success() {
		return fmt.Errorf("%s", x.tail())
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return gob.NewDecoder(out).Decode(result)
}

// await waits until the command has ended, or something else has.
func (b *bed) await(ctx context.Context, p *processes, x *process) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-x.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := p.fallen(x); err != nil {
			return err
		}
	}
}
