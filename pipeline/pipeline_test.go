package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

func TestFailuresFollowTheTable(t *testing.T) {
	for _, rule := range fault.Rules() {
		t.Run(string(rule.Kind), func(t *testing.T) {
			cause := errors.New("cause")
			fails := func(context.Context, tasks.Task) (tasks.Result, error) {
				return tasks.Result{}, fault.New(rule.Kind, cause)
			}
			for failed := range 15 {
				f := &floor{next: tasks.Then(tasks.Promote{})}
				next, err := run(t.Context(), f, fetchTask, failed, fails)
				retry := (*pipeline.Retry)(nil)
				if rule.GivesUp(failed + 1) {
					if err != nil || len(next) != 1 || f.failed.Kind != rule.Kind || f.failed.Attempts != failed+1 || f.failed.Stage != tasks.KindFetch || !errors.Is(f.failed.Err, cause) {
						t.Errorf("after %d failures: %v, %d tasks follow, %+v", failed+1, err, len(next), f.failed)
					}
					if last := f.told[len(f.told)-1]; last != "failed fetch http://a.test/ "+string(rule.Kind) {
						t.Errorf("told %q", last)
					}
					continue
				}
				if !errors.As(err, &retry) || retry.After != rule.Wait(failed+1) || retry.Free != (rule.Retries == fault.Forever) || !errors.Is(err, cause) {
					t.Errorf("after %d failures: %+v", failed+1, err)
				}
				if len(f.closed) > 0 || f.told[len(f.told)-1] != "retrying fetch http://a.test/ "+string(rule.Kind) {
					t.Errorf("told %q, closed %q", f.told, f.closed)
				}
			}
		})
	}
}

func TestTheLongerWaitHolds(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{time.Second: fault.Of(fault.PushedBack).After, 3 * time.Hour: 3 * time.Hour} {
		_, err := run(t.Context(), &floor{}, fetchTask, 0, func(context.Context, tasks.Task) (tasks.Result, error) {
			return tasks.Result{}, &fault.Error{Kind: fault.PushedBack, Err: errors.New("429"), RetryAfter: asked}
		})
		if r := (*pipeline.Retry)(nil); !errors.As(err, &r) || r.After != want {
			t.Errorf("Retry-After %s: %+v, want %s", asked, err, want)
		}
	}
}

// Robots.txt is tried again by its host, on a longer clock: the visit gives up at once where the host is to blame.
func TestRobotsVisitGivesUpAtOnce(t *testing.T) {
	robots := tasks.Fetch{Leg: tasks.Leg{Visit: tasks.Visit{ID: "r", URL: "http://a.test/robots.txt", Robots: true}}}
	for kind, closed := range map[fault.Kind]bool{fault.ServerError: true, fault.FirstByte: true, fault.CatalogDown: false, fault.Stopped: false} {
		f := &floor{}
		_, err := run(t.Context(), f, robots, 0, func(context.Context, tasks.Task) (tasks.Result, error) {
			return tasks.Result{}, fault.New(kind, errors.New("x"))
		})
		if (err == nil) != closed || (len(f.closed) == 1) != closed {
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
		_, err := run(t.Context(), &floor{}, fetchTask, 0, hangs)
		if took := time.Since(began); fault.KindOf(err) != fault.Stalled || took != tasks.SpecOf(tasks.KindFetch).Timeout {
			t.Errorf("%v after %s", err, took)
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
	for failed := range fault.Of(kind).Retries + 1 {
		_, _ = run(t.Context(), &floor{}, fetchTask, failed, func(ctx context.Context, _ tasks.Task) (tasks.Result, error) {
			if got, want := fault.LastTry(ctx, kind), failed == fault.Of(kind).Retries; got != want {
				t.Errorf("with %d failures: last try %v", failed, got)
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
		"fail": func(context.Context, tasks.Task) (tasks.Result, error) {
			return tasks.Result{}, fault.New(fault.TLS, errors.New("x"))
		},
	} {
		_, err := run(t.Context(), &floor{err: down}, fetchTask, fault.Of(fault.TLS).Retries, s)
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
