package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// usage is what processes of one kind needed.
type usage struct {
	name string
	cpu  time.Duration
	peak int64 // octets of memory
}

// process is one that runs. Its output goes to a file.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
}

// start starts a process that hears nothing of the terminal's Ctrl-C and does not outlive this one.
func start(ctx context.Context, dir, name string, env []string, argv ...string) (*process, error) {
	out, err := os.CreateTemp(dir, name+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{name: name, log: out.Name()}
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = 10 * time.Second
	return p, p.cmd.Start()
}

// wait waits until the process ends by itself.
func (p *process) wait() (usage, error) {
	err := p.cmd.Wait()
	u := p.used()
	if err != nil {
		text, _ := os.ReadFile(p.log) // for the message alone
		err = fmt.Errorf("%s: %w\n%s", p.cmd, err, last(text, 2000))
	}
	return u, err
}

// stop ends a process that runs until it is told to end.
func (p *process) stop() (usage, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return usage{}, err
	}
	return p.wait()
}

// used is what the process needed, and those that it started and waited for.
func (p *process) used() usage {
	u := usage{name: p.name}
	if s := p.cmd.ProcessState; s != nil {
		u.cpu = s.UserTime() + s.SystemTime()
		if r, ok := s.SysUsage().(*syscall.Rusage); ok {
			u.peak = r.Maxrss << 10
		}
	}
	return u
}

func last(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
