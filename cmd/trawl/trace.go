package main

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
)

// traces sends a trace of each visit to the collector that OpenTelemetry's own variables name, and does nothing without them. The
// function that it returns sends what is left.
func (a *app) traces(ctx context.Context) (stop func(), err error) {
	if a.cfg.OTLP == "" && a.cfg.OTLPTraces == "" {
		return func() {}, nil
	}
	to, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	about, err := resource.Merge(resource.Default(), resource.NewSchemaless(semconv.ServiceName("trawl"), semconv.ServiceVersion(version())))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { a.log.Warn("traces", "err", err) }))
	provider := trace.NewTracerProvider(trace.WithBatcher(to), trace.WithResource(about)) // OTEL_TRACES_SAMPLER says how many
	otel.SetTracerProvider(provider)
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			a.log.Warn("traces", "err", err)
		}
	}, nil
}
