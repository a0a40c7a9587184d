package queue_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// A visit is one trace over all its stages, through retries, in whatever process; another visit is another trace.
func TestAVisitIsATrace(t *testing.T) {
	told := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(told))
	otel.SetTracerProvider(provider)
	defer func() { _ = provider.Shutdown(context.Background()) }()
	rdb, _ := redistest.Client(t)
	failed := false
	stages := map[tasks.Kind]pipeline.Stage{
		tasks.KindResolve: func(_ context.Context, task tasks.Task) (tasks.Result, error) {
			return tasks.Then(tasks.Head{Leg: task.(tasks.Resolve).Leg}), nil
		},
		tasks.KindHead: func(_ context.Context, task tasks.Task) (tasks.Result, error) {
			return tasks.Then(tasks.Fetch{Leg: task.(tasks.Head).Leg}).With(tasks.Fact{Status: 200}), nil
		},
		tasks.KindFetch: func(_ context.Context, task tasks.Task) (tasks.Result, error) {
			if task.About().ID == "one" && !failed {
				failed = true
				return tasks.Result{}, fault.New(fault.StoreDown, errors.New("no disk"))
			}
			return tasks.Then(tasks.Store{Visit: task.About()}), nil
		},
		tasks.KindStore: func(_ context.Context, task tasks.Task) (tasks.Result, error) {
			return tasks.Then(tasks.Admit{Batch: "links of " + task.About().ID}), nil
		},
		tasks.KindAdmit: func(context.Context, tasks.Task) (tasks.Result, error) { return tasks.Done(), nil },
	}
	leg := func(v string) tasks.Leg {
		return tasks.Leg{Visit: tasks.Visit{ID: v, URL: "http://a.test/" + v, Crawl: "c"}}
	}
	stop := work(t, rdb, stages)
	enqueue(t, rdb, tasks.Next{Task: tasks.Resolve{Leg: leg("one")}}, tasks.Next{Task: tasks.Resolve{Leg: leg("two")}})
	spans := func(visit string) (out tracetest.SpanStubs) {
		for _, s := range told.GetSpans() {
			for _, a := range s.Attributes {
				if a.Key == "trawl.visit" && a.Value.AsString() == visit {
					out = append(out, s)
				}
			}
		}
		slices.SortFunc(out, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		return out
	}
	eventually(t, "both visits are through", func() bool { return len(spans("one")) == 5 && len(spans("two")) == 4 })
	stop()
	one, two := spans("one"), spans("two")
	var names []string
	for i, s := range one {
		names = append(names, s.Name)
		if s.SpanContext.TraceID() != one[0].SpanContext.TraceID() {
			t.Errorf("%s is in another trace", s.Name)
		}
		below := i - 1
		if i == 3 { // the second try follows from the same stage as the first
			below = 1
		}
		if i > 0 && s.Parent.SpanID() != one[below].SpanContext.SpanID() {
			t.Errorf("%s does not follow from %s", s.Name, one[below].Name)
		}
		if s.StartTime.After(time.Now()) || s.EndTime.Before(s.StartTime) {
			t.Errorf("%s: %s to %s", s.Name, s.StartTime, s.EndTime)
		}
	}
	if got := len(names); got != 5 || names[0] != "resolve" || names[1] != "head" || names[2] != "fetch" || names[3] != "fetch" || names[4] != "store" {
		t.Errorf("%q", names)
	}
	if one[2].Status.Code != codes.Error || one[2].Status.Description != string(fault.StoreDown) || one[3].Status.Code == codes.Error {
		t.Errorf("the tries: %+v, %+v", one[2].Status, one[3].Status)
	}
	if one[0].Parent.IsValid() || two[0].SpanContext.TraceID() == one[0].SpanContext.TraceID() {
		t.Error("two visits are one trace")
	}
	for _, s := range told.GetSpans() {
		if s.Name == "admit" && (s.SpanContext.TraceID() == one[0].SpanContext.TraceID() || s.SpanContext.TraceID() == two[0].SpanContext.TraceID()) {
			t.Error("what is not about the visit is in its trace")
		}
	}
}
