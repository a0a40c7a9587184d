package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// floor is what is around a stage: it closes visits and takes events, and remembers both.
type floor struct {
	told   []string // events, in order
	closed []string
	failed pipeline.Failure
	err    error // of closing
	next   tasks.Result
}

func (f *floor) Record(e events.Event) {
	s := fmt.Sprintf("%s %s %s", e.What, e.Stage, e.URL)
	if e.Fault != "" {
		s += " " + string(e.Fault)
	} else if e.Reason != "" {
		s += " " + e.Reason
	}
	f.told = append(f.told, s)
}

func (f *floor) End(_ context.Context, v tasks.Visit, reason tasks.Reason, _ tasks.Fact) (tasks.Result, error) {
	f.closed = append(f.closed, "end "+v.ID+" "+string(reason))
	return f.next, f.err
}

func (f *floor) Fail(_ context.Context, v tasks.Visit, how pipeline.Failure) (tasks.Result, error) {
	f.closed = append(f.closed, "fail "+v.ID+" "+string(how.Kind))
	f.failed = how
	return f.next, f.err
}

func (f *floor) Postpone(_ context.Context, v tasks.Visit, how pipeline.Failure) (tasks.Result, error) {
	f.closed = append(f.closed, "postpone "+v.ID+" "+string(how.Kind))
	f.failed = how
	return f.next, f.err
}

var fetchTask = tasks.Fetch{Leg: tasks.Leg{Visit: tasks.Visit{ID: "v", URL: "http://a.test/"}}}

// run runs t through a line whose stages all are s.
func run(ctx context.Context, f *floor, t tasks.Task, failed int, s pipeline.Stage) ([]tasks.Next, error) {
	stages := map[tasks.Kind]pipeline.Stage{tasks.KindFetch: s, tasks.KindAdmit: s, tasks.KindPromote: s}
	return pipeline.New(stages, f, f, slog.New(slog.DiscardHandler)).Run(ctx, t, failed)
}

func TestRun(t *testing.T) {
	follows := tasks.Then(tasks.Store{Visit: tasks.Visit{ID: "v"}})
	page := func(u string) tasks.Visit { return tasks.Visit{URL: u} }
	for _, c := range []struct {
		name   string
		res    tasks.Result
		next   int
		told   []string
		closed []string
	}{
		{"goes on", follows.With(tasks.Fact{Reason: "because"}), 1, []string{"started fetch http://a.test/", "done fetch http://a.test/ because"}, nil},
		{"ends", tasks.End(tasks.Gone), 0, []string{"started fetch http://a.test/", "ended fetch http://a.test/ gone"}, []string{"end v gone"}},
		{
			"tells of others",
			tasks.Result{Admitted: []tasks.Visit{page("http://a.test/1"), page("http://a.test/2")}, Closed: []tasks.Closed{{Visit: page("http://a.test/3"), Reason: tasks.Robots}}},
			0,
			[]string{"started fetch http://a.test/", "done fetch http://a.test/", "admitted admit http://a.test/1", "admitted admit http://a.test/2", "ended admit http://a.test/3 robots"},
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &floor{}
			next, err := run(t.Context(), f, fetchTask, 0, func(context.Context, tasks.Task) (tasks.Result, error) { return c.res, nil })
			if err != nil || len(next) != c.next {
				t.Errorf("%d tasks follow, %v", len(next), err)
			}
			if diff := cmp.Diff(c.told, f.told); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.closed, f.closed); diff != "" {
				t.Errorf("closed (-want +got):\n%s", diff)
			}
		})
	}
}

// What is our own trouble is tried again by the queue; what is the host's goes back to the frontier; a visit that is out of tries
// is closed.
func TestFailuresFollowTheTable(t *testing.T) {
	for _, rule := range fault.Rules() {
		t.Run(string(rule.Kind), func(t *testing.T) {
			cause := errors.New("cause")
			fails := func(context.Context, tasks.Task) (tasks.Result, error) {
				return tasks.Result{}, fault.New(rule.Kind, cause)
			}
			for before := range 15 {
				f := &floor{next: tasks.Then(tasks.Promote{})}
				task, failed, ours := fetchTask, before, rule.Blame == fault.BlameOurs
				if !ours { // its page had the tries, in visits of their own
					task.Visit.Tries, failed = before, 0
				}
				next, err := run(t.Context(), f, task, failed, fails)
				told := f.told[len(f.told)-1]
				if ours && !rule.GivesUp(before+1) {
					retry := (*pipeline.Retry)(nil)
					if !errors.As(err, &retry) || retry.After != rule.Wait(before+1) || retry.Free != (rule.Retries == fault.Forever) || !errors.Is(err, cause) {
						t.Errorf("after %d failures: %+v", before+1, err)
					}
					if len(f.closed) > 0 || told != "retrying fetch http://a.test/ "+string(rule.Kind) {
						t.Errorf("told %q, closed %q", f.told, f.closed)
					}
					continue
				}
				settled, said := "postpone v ", "retrying fetch http://a.test/ "
				if rule.GivesUp(before + 1) {
					settled, said = "fail v ", "failed fetch http://a.test/ "
				}
				if err != nil || len(next) != 1 || f.failed.Attempts != before+1 || f.failed.Stage != tasks.KindFetch || !errors.Is(f.failed.Err, cause) {
					t.Errorf("after %d failures: %v, %d tasks follow, %+v", before+1, err, len(next), f.failed)
				}
				if !slices.Equal(f.closed, []string{settled + string(rule.Kind)}) || told != said+string(rule.Kind) {
					t.Errorf("told %q, closed %q", f.told, f.closed)
				}
			}
		})
	}
}

// A host whose robots.txt cannot be had is tried again and again: the visit is over, and its pages must know that they wait.
func TestRobotsVisitIsNeverGivenUp(t *testing.T) {
	robots := tasks.Fetch{Leg: tasks.Leg{Visit: tasks.Visit{ID: "r", URL: "http://a.test/robots.txt", Robots: true}}}
	for kind, closed := range map[fault.Kind]bool{fault.ServerError: true, fault.FirstByte: true, fault.CatalogDown: false, fault.Stopped: false} {
		f := &floor{}
		_, err := run(t.Context(), f, robots, 0, func(context.Context, tasks.Task) (tasks.Result, error) {
			return tasks.Result{}, fault.New(kind, errors.New("x"))
		})
		if (err == nil) != closed || closed && !slices.Equal(f.closed, []string{"postpone r " + string(kind)}) {
			t.Errorf("%s: %v, closed %q", kind, err, f.closed)
		}
	}
}

func TestPanicIsAFault(t *testing.T) {
	f := &floor{}
	_, err := run(t.Context(), f, fetchTask, 0, func(context.Context, tasks.Task) (tasks.Result, error) { panic("a bug") })
	if fault.KindOf(err) != fault.Panic || len(f.told) != 2 || f.told[1] != "retrying fetch http://a.test/ panic" {
		t.Errorf("%v, told %q", err, f.told)
	}
}

func TestTimeLimit(t *testing.T) {
	hangs := func(ctx context.Context, _ tasks.Task) (tasks.Result, error) {
		<-ctx.Done()
		return tasks.Result{}, ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		f := &floor{}
		_, err := run(t.Context(), f, fetchTask, 0, hangs)
		if took := time.Since(began); err != nil || f.failed.Kind != fault.Stalled || took != tasks.SpecOf(tasks.KindFetch).Timeout {
			t.Errorf("%v, %+v after %s", err, f.failed, took)
		}
		// A process that stops is no fault of the page's, and costs it no try.
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err = run(ctx, &floor{}, fetchTask, 0, hangs)
		if r := (*pipeline.Retry)(nil); fault.KindOf(err) != fault.Stopped || !errors.As(err, &r) || !r.Free {
			t.Errorf("%+v", err)
		}
	})
}

func TestTriesReachTheStage(t *testing.T) {
	kind := fault.Reset
	for before := range fault.Of(kind).Retries + 1 {
		task := fetchTask
		task.Visit.Tries = before
		_, _ = run(t.Context(), &floor{}, task, 0, func(ctx context.Context, _ tasks.Task) (tasks.Result, error) {
			if got, want := fault.LastTry(ctx, kind), before == fault.Of(kind).Retries; got != want {
				t.Errorf("with %d tries before: last try %v", before, got)
			}
			return tasks.Done(), nil
		})
	}
}

// What cannot be written down has not happened: the stage runs again, and that costs the visit nothing.
func TestVisitThatCannotBeClosedRunsAgain(t *testing.T) {
	down := fault.New(fault.CatalogDown, errors.New("locked"))
	for name, s := range map[string]pipeline.Stage{
		"end": func(context.Context, tasks.Task) (tasks.Result, error) { return tasks.End(tasks.Gone), nil },
		"postpone": func(context.Context, tasks.Task) (tasks.Result, error) {
			return tasks.Result{}, fault.New(fault.TLS, errors.New("x"))
		},
		"fail": func(context.Context, tasks.Task) (tasks.Result, error) {
			return tasks.Result{}, fault.New(fault.Panic, errors.New("x"))
		},
	} {
		_, err := run(t.Context(), &floor{err: down}, fetchTask, fault.Of(fault.Panic).Retries, s)
		if r := (*pipeline.Retry)(nil); !errors.As(err, &r) || !r.Free || fault.KindOf(err) != fault.CatalogDown {
			t.Errorf("%s: %+v", name, err)
		}
	}
}

// Work that belongs to no page cannot be given up: nobody would ever do it again.
func TestWorkWithoutAVisitIsNeverGivenUp(t *testing.T) {
	for _, task := range []tasks.Task{tasks.Promote{}, tasks.Admit{Batch: "b"}} {
		f := &floor{}
		_, err := run(t.Context(), f, task, 1000, func(context.Context, tasks.Task) (tasks.Result, error) { return tasks.Result{}, errors.New("bug") })
		if r := (*pipeline.Retry)(nil); !errors.As(err, &r) || len(f.closed) > 0 {
			t.Errorf("%s: %v, closed %q", task.Kind(), err, f.closed)
		}
	}
}

func TestUnknownStage(t *testing.T) {
	if _, err := run(t.Context(), &floor{}, tasks.Index{Batch: "i"}, 0, nil); err == nil {
		t.Error("a stage that is not there ran")
	}
}
