package queue

import (
	"context"

	"github.com/hibiken/asynq"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"example.org/trawl/tasks"
)

// A visit is one trace: each stage is a span below the one that it followed from, whatever process that ran in. What leads from one to
// the other is in the task's headers, in the form of W3C Trace Context. Without a tracer, which cmd/trawl sets, all this does nothing.
var carrier propagation.TraceContext

type visitKey struct{}

// follow goes on with the trace that a task's headers lead from.
func follow(ctx context.Context, at *asynq.Task) context.Context {
	return carrier.Extract(ctx, propagation.MapCarrier(at.Headers()))
}

// span begins the span of a task's run, below the one of ctx, if that is of the same visit.
func span(ctx context.Context, t tasks.Task) (context.Context, trace.Span) {
	v := t.About()
	if before, ok := ctx.Value(visitKey{}).(string); ok && before != v.ID {
		ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{})
	}
	ctx = context.WithValue(ctx, visitKey{}, v.ID)
	return otel.Tracer("example.org/trawl").Start(ctx, string(t.Kind()), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("trawl.visit", v.ID), attribute.String("trawl.crawl", v.Crawl), attribute.String("trawl.submitter", v.Submitter), attribute.String("url.full", v.URL),
	))
}

// lead has a task go on with the trace of ctx, if it belongs to the same visit.
func lead(ctx context.Context, t tasks.Task, headers map[string]string) {
	if visit, _ := ctx.Value(visitKey{}).(string); visit != "" && visit == t.About().ID {
		carrier.Inject(ctx, propagation.MapCarrier(headers))
	}
}
