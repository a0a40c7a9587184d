package rig

import (
	"bytes"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Proc is a program that goes on.
type Proc struct {
	Cmd    *exec.Cmd
	Ended  chan struct{} // closed when the program has ended
	mu     sync.Mutex
	output bytes.Buffer
}

// Write gathers what the program prints.
func (p *Proc) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// Printed is what the program has printed so far.
func (p *Proc) Printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// Stop asks the program to end, and makes it.
func (p *Proc) Stop(t *testing.T) {
	t.Helper()
	if !p.Running() {
		return
	}
	_ = p.Cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.Ended:
	case <-time.After(30 * time.Second):
		_ = p.Cmd.Process.Kill()
		<-p.Ended
		t.Errorf("%v did not end within 30 s of SIGTERM", p.Cmd.Args)
	}
}

// Kill ends the program at once, as the kernel does.
func (p *Proc) Kill() {
	_ = p.Cmd.Process.Kill()
	<-p.Ended
}

// Running tells whether the program has not ended.
func (p *Proc) Running() bool {
	select {
	case <-p.Ended:
		return false
	default:
		return true
	}
}

// WaitFor polls until ok, and fails the test when that takes too long.
func WaitFor(t *testing.T, what string, atMost time.Duration, ok func() bool) {
	t.Helper()
	atMost *= time.Duration(Slack())
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, atMost)
		}
	}
}

// RedisURL reads from what trawl up prints where its Redis is.
func RedisURL(t *testing.T, up *Proc) (url string) {
	t.Helper()
	WaitFor(t, "trawl up", 30*time.Second, func() bool {
		_, rest, ok := strings.Cut(up.Printed(), "REDIS_URL=")
		url, _, _ = strings.Cut(rest, "\n")
		return ok && strings.Contains(rest, "\n")
	})
	return url
}
