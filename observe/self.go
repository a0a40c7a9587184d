package observe

import (
	"cmp"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

// self measures what this process uses.
type self struct {
	process signals.Process
	proc    *process.Process // nil where the system does not tell
	at      time.Time        // of the last measurement
	cpu     float64          // seconds of processor until then
	busy    cpu.TimesStat    // of the machine, until then
}

func newSelf(o Options) *self {
	host, _ := os.Hostname()
	s := &self{process: signals.Process{
		ID: tasks.NewID(), Host: host, PID: os.Getpid(), Role: o.Role, Version: o.Version, Started: time.Now(), Stages: o.Stages, Profile: o.Profile, Cores: runtime.GOMAXPROCS(0),
	}}
	s.proc, _ = process.NewProcess(int32(os.Getpid()))
	var files syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		s.process.FileMax = int(min(files.Cur, 1<<31-1))
	}
	s.process.MemMax = memoryLimit()
	s.measure()
	return s
}

// measure returns the process as it is. What the system does not tell is 0.
func (s *self) measure() signals.Process {
	now := time.Now()
	if s.proc != nil {
		if t, err := s.proc.Times(); err == nil {
			used := t.User + t.System
			if d := now.Sub(s.at).Seconds(); !s.at.IsZero() && d > 0 {
				s.process.CPU = max(used-s.cpu, 0) / d
			}
			s.cpu = used
		}
		if m, err := s.proc.MemoryInfo(); err == nil {
			s.process.Memory = int64(m.RSS)
		}
		if n, err := s.proc.NumFDs(); err == nil {
			s.process.Files = int(n)
		}
	}
	if all, err := cpu.Times(false); err == nil && len(all) == 1 {
		t := all[0]
		if whole := total(t) - total(s.busy); !s.at.IsZero() && whole > 0 {
			s.process.Busy = 1 - (idle(t)-idle(s.busy))/whole
		}
		s.busy = t
	}
	s.at = now
	return s.process
}

func idle(t cpu.TimesStat) float64 { return t.Idle + t.Iowait }

func total(t cpu.TimesStat) float64 {
	return t.User + t.System + t.Idle + t.Nice + t.Iowait + t.Irq + t.Softirq + t.Steal
}

// memoryLimit is how much memory the process may use: what its group or the machine has.
func memoryLimit() int64 {
	var group int64
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		group = number(string(b))
	}
	if v, err := mem.VirtualMemory(); err == nil && (group == 0 || int64(v.Total) < group) {
		return int64(v.Total)
	}
	return cmp.Or(group, 0)
}
