package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// sampleOf is a sample, its stack written from the root to the leaf.
func sampleOf(stack string, took time.Duration) *profile.Sample {
	s := &profile.Sample{Value: []int64{1, int64(took)}}
	for f := range strings.FieldsSeq(stack) {
		l := &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: f}}}}
		s.Location = append([]*profile.Location{l}, s.Location...)
	}
	return s
}

func TestProfileIsSharedOut(t *testing.T) {
	const fetch, store = "example.org/trawl/handlers.(*Crawler).Fetch", "example.org/trawl/handlers.(*Crawler).Store"
	var sum time.Duration
	p := &profile.Profile{}
	for i, c := range []struct{ stack, part, stage string }{
		{"github.com/hibiken/asynq.(*processor).exec " + fetch + " net/http.(*Client).Do runtime.memmove", "HTTP", "fetch"},
		{"net/http.(*persistConn).readLoop net.(*conn).Read syscall.Syscall", reads, "fetch"},
		{fetch + " example.org/trawl/archive.(*Store).Append github.com/klauspost/compress/flate.(*Writer).Close", "WARC: gzip", "fetch"},
		{fetch + " example.org/trawl/queue.(*Worker).runAlong " + store + " example.org/trawl/extract.HTML", "parse", "store"},
		{store + " example.org/trawl/simhash.Of example.org/trawl/words.Each", "near-duplicates", "store"},
		{"example.org/trawl/catalog/sqlite.(*writer).loop modernc.org/sqlite/lib._sqlite3VdbeExec", "catalog: SQL", "the catalog's writer, for all stages"},
		{"example.org/trawl/handlers.(*Crawler).Index example.org/trawl/catalog/sqlite.(*Catalog).IndexBatch modernc.org/sqlite.(*conn).step", "full-text index", "index"},
		{store + " runtime.mallocgc runtime.gcAssistAlloc runtime.gcDrainN", collects, collects},
		{"github.com/redis/go-redis/v9.(*Client).Process net.(*conn).Write syscall.Syscall", "Redis client", "between stages: queue, events, signals"},
		{"runtime.mcall runtime.schedule", "runtime: scheduler", "runtime: scheduler"},
		{"os.Exit", other, other},
	} {
		s := sampleOf(c.stack, time.Duration(i+1)*time.Millisecond)
		p.Sample, sum = append(p.Sample, s), sum+time.Duration(i+1)*time.Millisecond
		one := &profile.Profile{Sample: []*profile.Sample{s}}
		if got := shares(one, partOf); got[c.part] == 0 {
			t.Errorf("%s is %v, want %s", c.stack, got, c.part)
		}
		if got := shares(one, stageOf); got[c.stage] == 0 {
			t.Errorf("%s is in %v, want %s", c.stack, got, c.stage)
		}
	}
	for _, of := range []func([]string) string{partOf, stageOf} {
		var got time.Duration
		for _, d := range shares(p, of) {
			got += d
		}
		if got != sum {
			t.Errorf("the shares of %s are %s in all", sum, got)
		}
	}
	var out strings.Builder
	if err := printProfile(&out, "x", p, 10); err != nil || !strings.Contains(out.String(), "x: network reads are 3.0 % of the CPU time") {
		t.Errorf("%v, %s", err, out.String())
	}
}
