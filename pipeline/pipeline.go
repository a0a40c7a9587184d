// Package pipeline runs one stage once. Both runners, queue and inline, wrap every stage run in it, so that time limit, events,
// retry and the end of a visit are the same whether a task came through Redis or not.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// Stage is one step of a visit: it gets its task and says what follows. It may run twice for one task.
type Stage func(context.Context, tasks.Task) (tasks.Result, error)

// Settler closes a visit in the catalog. Both methods are harmless for a visit that no longer owns its page.
type Settler interface {
	// End closes the visit by policy. It may say what follows: a host whose robots.txt is settled has pages to promote.
	End(ctx context.Context, v tasks.Visit, reason tasks.Reason, f tasks.Fact) (tasks.Result, error)
	// Fail closes the visit after its last try.
	Fail(ctx context.Context, v tasks.Visit, f Failure) (tasks.Result, error)
	// Postpone ends the visit without closing its page, which has further tries: the trouble is the host's or the network's.
	Postpone(ctx context.Context, v tasks.Visit, f Failure) (tasks.Result, error)
}

// Failure is how a visit failed.
type Failure struct {
	Stage    tasks.Kind
	Kind     fault.Kind
	Attempts int
	Err      error
	Fact     tasks.Fact // as far as the stage came
}

// Load is how much of what was handed out waits in a runner's queue.
type Load struct {
	Ready  int     // visits that wait for a worker to ask their host
	Store  int     // visits whose answer waits to be stored
	Memory float64 // part of the queue's memory that is used; 0 when it has no bound
}

// Recorder is told what happens. It must not block.
type Recorder interface {
	Record(events.Event)
}

// Line is the pipeline: the stages by kind, with what wraps them.
type Line struct {
	stages  map[tasks.Kind]Stage
	settler Settler
	events  Recorder
	log     *slog.Logger
	told    sync.Map // fault.Kind → when it was last logged
	runs    atomic.Uint64
}

// New returns a pipeline of stages.
func New(stages map[tasks.Kind]Stage, s Settler, r Recorder, log *slog.Logger) *Line {
	return &Line{stages: stages, settler: s, events: r, log: log}
}

// Recorders tells several.
type Recorders []Recorder

// Record implements Recorder.
func (all Recorders) Record(e events.Event) {
	for _, r := range all {
		r.Record(e)
	}
}

type readyKey struct{}

// WithReady tells Run, through ctx, when the task was ready to run.
func WithReady(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, readyKey{}, at)
}

func waited(ctx context.Context, now time.Time) time.Duration {
	at, ok := ctx.Value(readyKey{}).(time.Time)
	if !ok {
		return 0
	}
	return max(now.Sub(at), 0)
}

// Retry is the error for a task that is to run again. A Free retry is not counted among the visit's tries.
type Retry struct {
	After time.Duration
	Free  bool
	Err   error
}

func (r *Retry) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Retry) Unwrap() error { return r.Err }

// Run runs t, which has failed before as often as failed says, and returns what follows. Its only error is *Retry.
func (l *Line) Run(ctx context.Context, t tasks.Task, failed int) ([]tasks.Next, error) {
	e := l.event(t)
	e.What, e.Run, e.Waited = events.Started, l.runs.Add(1), waited(ctx, e.At)
	l.events.Record(e)
	began := time.Now()
	res, err := l.stage(fault.WithTries(ctx, t.About().Tries), t)
	e.Took, e.At = time.Since(began), time.Now()
	e.Net, e.Type, e.Addr = res.Fact.Took, res.Fact.Type, res.Fact.Addr
	if err == nil && res.End != "" {
		var follows tasks.Result
		follows, err = l.settler.End(ctx, t.About(), res.End, res.Fact)
		res.Next = append(res.Next, follows.Next...)
	}
	if err != nil {
		return l.failed(ctx, t, e, failed+1, res.Fact, err)
	}
	e.What, e.Reason = events.Done, res.Fact.Reason
	if res.End != "" {
		e.What, e.Reason = events.Ended, string(res.End)
	}
	e.Bytes, e.Status, e.Digest, e.WARC = res.Fact.Bytes, res.Fact.Status, res.Fact.Digest, res.Fact.WARC
	for _, n := range res.Next {
		e.Follows = append(e.Follows, n.Task.Kind())
	}
	l.record(ctx, e)
	l.others(res)
	return res.Next, nil
}

// failed decides by the fault table. What is our own trouble, the queue tries again; what is the host's waits in the frontier,
// where it takes no room from others; n is how often the task failed in the queue.
func (l *Line) failed(ctx context.Context, t tasks.Task, e events.Event, n int, fact tasks.Fact, err error) ([]tasks.Next, error) {
	kind, v := fault.KindOf(err), t.About()
	rule := fault.Of(kind)
	e.Fault, e.Reason, e.Status = kind, err.Error(), fact.Status
	ours := rule.Blame == fault.BlameOurs
	if !ours {
		n = v.Tries + 1
	}
	if v.ID == "" || ours && !rule.GivesUp(n) {
		e.What = events.Retrying
		l.record(ctx, e)
		l.retrying(ctx, t, kind, n, err)
		return nil, &Retry{After: rule.Wait(n), Free: rule.Retries == fault.Forever, Err: err}
	}
	f := Failure{Stage: t.Kind(), Kind: kind, Attempts: n, Err: err, Fact: fact}
	settle := l.settler.Postpone
	if e.What = events.Retrying; rule.GivesUp(n) && !v.Robots {
		settle, e.What = l.settler.Fail, events.Failed
	}
	follows, serr := settle(ctx, v, f)
	if serr != nil {
		return nil, &Retry{After: fault.Of(fault.KindOf(serr)).Wait(1), Free: true, Err: serr}
	}
	l.record(ctx, e)
	if e.What == events.Failed {
		l.log.WarnContext(ctx, "gave up", "stage", t.Kind(), "visit", v.ID, "url", v.URL, "fault", kind, "tries", n, "err", err)
	} else {
		l.retrying(ctx, t, kind, n, err)
	}
	l.others(follows)
	return follows.Next, nil
}

// quiet is how long an outage of ours, which every task meets, is not told again.
const quiet = 30 * time.Second

// retrying logs that there will be another try. A page's own trouble is told each time; what stops many is told now and then.
func (l *Line) retrying(ctx context.Context, t tasks.Task, kind fault.Kind, n int, err error) {
	level := slog.LevelWarn
	switch rule := fault.Of(kind); {
	case rule.Retries == fault.Forever && rule.Blame == fault.BlameHost:
		level = slog.LevelDebug // the settler tells of the host
	case rule.Retries == fault.Forever:
		now := time.Now()
		last, _ := l.told.Load(kind)
		if at, ok := last.(time.Time); kind == fault.Stopped || ok && now.Sub(at) < quiet {
			level = slog.LevelDebug
		} else {
			l.told.Store(kind, now)
		}
	}
	l.log.Log(ctx, level, "will try again: "+fault.Of(kind).Means, "stage", t.Kind(), "visit", t.About().ID, "url", t.About().URL, "fault", kind, "tries", n, "err", err)
}

// stage runs the stage within its time limit; a panic is an error of kind Panic.
func (l *Line) stage(ctx context.Context, t tasks.Task) (res tasks.Result, err error) {
	run, ok := l.stages[t.Kind()]
	if !ok {
		return res, fmt.Errorf("no stage %q in this process", t.Kind())
	}
	limit := tasks.SpecOf(t.Kind()).Timeout
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			l.log.ErrorContext(ctx, "stage panicked", "stage", t.Kind(), "visit", t.About().ID, "url", t.About().URL, "panic", p, "stack", string(debug.Stack()))
			err = fault.New(fault.Panic, fmt.Errorf("%s: %v", t.Kind(), p))
		}
	}()
	res, err = run(timed, t)
	asks := t.Kind() == tasks.KindHead || t.Kind() == tasks.KindFetch // others are slow by themselves
	if err != nil && asks && ctx.Err() == nil && errors.Is(timed.Err(), context.DeadlineExceeded) && fault.KindOf(err) == fault.Internal {
		err = fault.New(fault.Stalled, fmt.Errorf("%s: not through within %s: %w", t.Kind(), limit, err))
	}
	return res, err
}

func (l *Line) event(t tasks.Task) events.Event {
	v := t.About()
	e := events.Event{At: time.Now(), Stage: t.Kind(), Visit: v.ID, Crawl: v.Crawl, Submitter: v.Submitter, URL: v.URL}
	if v.URL != "" {
		e.Host = weburl.Host(v.URL)
	}
	switch {
	case v.Tries > 0:
		e.Origin = tasks.OriginRetry
	case v.Prior != nil:
		e.Origin = tasks.OriginRevisit
	}
	return e
}

// others records what happened to further pages.
func (l *Line) others(res tasks.Result) {
	for _, v := range res.Admitted {
		l.events.Record(events.Event{
			At: time.Now(), What: events.Admitted, Stage: tasks.KindAdmit, Crawl: v.Crawl, Submitter: v.Submitter, URL: v.URL, Host: weburl.Host(v.URL),
			Tally: events.Tally{Origin: res.Fact.Origin},
		})
	}
	for _, c := range res.Closed {
		v := c.Visit
		e := events.Event{
			At: time.Now(), What: events.Ended, Stage: tasks.KindAdmit, Visit: v.ID, Crawl: v.Crawl, Submitter: v.Submitter, URL: v.URL, Host: weburl.Host(v.URL),
			Reason: string(c.Reason), Fault: fault.Kind(c.Fault),
		}
		if c.Fault != "" {
			e.What = events.Failed
		}
		l.events.Record(e)
	}
}
