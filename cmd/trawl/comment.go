package main

import (
	"context"
	"sync"
	"time"

	"example.org/trawl/inline"
	"example.org/trawl/observe"
	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// comment says what is wrong with the crawl of this process, as trawl why does of one of many processes.
type comment struct {
	mu     sync.Mutex
	report why.Report
}

// startComment judges the crawl until stop is called. What turns out to be wrong is logged once, and so is its end.
func (a *app) startComment(ctx context.Context, p *parts, fold *signals.Fold, r *inline.Runner, workers int) (c *comment, stop func()) {
	c = &comment{report: why.Report{Verdict: why.Idle}}
	judge := observe.NewLocal(observe.Options{
		Role: "up", Version: version(), Stages: tasks.Stages(), Fold: fold,
		Look: observe.Look{
			Catalog: p.catalog, Queues: inlineQueues{r, workers}, Dirs: a.dirs(), Canaries: a.canaries(p),
		},
	})
	return c, background(ctx, func(ctx context.Context) {
		t := time.NewTicker(signals.Every)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			report := judge.Judge(ctx)
			if ctx.Err() != nil {
				return
			}
			was := c.last()
			switch now := report.Verdict; {
			case now.Alarm() && now != was.Verdict:
				a.log.WarnContext(ctx, "why", "verdict", now, "summary", report.Summary)
			case was.Verdict.Alarm() && !now.Alarm():
				a.log.InfoContext(ctx, "why", "verdict", now, "over", was.Verdict)
			}
			c.mu.Lock()
			c.report = report
			c.mu.Unlock()
		}
	})
}

func (c *comment) last() why.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report
}

// inLine is how much of what is wrong the line of progress has room for; the log has all of it.
const inLine = 60

// String is what is wrong, for the end of a line; "" while all is well.
func (c *comment) String() string {
	r := c.last()
	if !r.Verdict.Alarm() {
		return ""
	}
	s := []rune(status.Printable(r.Summary))
	if len(s) > inLine {
		s = append(s[:inLine-1], '…')
	}
	return " · " + string(s)
}

// inlineQueues tells how the stages stand where all of them share the workers of one process.
type inlineQueues struct {
	r       *inline.Runner
	workers int
}

// Stages implements status.Queues.
func (q inlineQueues) Stages(context.Context) (out []status.Stage, err error) {
	all := q.r.Tasks()
	for _, k := range tasks.Stages() {
		s := all[k]
		out = append(out, status.Stage{Stage: k, Pending: s.Ready, Sched: s.Later, Active: s.Working, Oldest: s.Oldest.Seconds(), Workers: 1, Slots: q.workers})
	}
	return out, nil
}
