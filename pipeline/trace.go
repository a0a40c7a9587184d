package pipeline

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.org/trawl/events"
)

// record tells what came of a run to whoever listens, and to the span of ctx, if there is one.
func (l *Line) record(ctx context.Context, e events.Event) {
	l.events.Record(e)
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("trawl.outcome", string(e.What)))
	for key, v := range map[string]string{"trawl.reason": e.Reason, "trawl.fault": string(e.Fault)} {
		if v != "" {
			span.SetAttributes(attribute.String(key, v))
		}
	}
	if e.Status > 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", e.Status))
	}
	if e.Bytes > 0 {
		span.SetAttributes(attribute.Int64("http.response.body.size", e.Bytes))
	}
	if e.Fault != "" {
		span.SetStatus(codes.Error, string(e.Fault))
	}
}
