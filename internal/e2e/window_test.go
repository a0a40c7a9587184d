package e2e

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestBoundedWindow gives the queues a small Redis and the frontier far more pages than fit into it. TRAWL_E2E_PAGES says how
// many: 2,000,000 take some minutes to come in. Nothing may ever fail for want of memory, what is urgent goes first, and the
// crawl goes on.
func TestBoundedWindow(t *testing.T) {
	rig.Whole(t)
	const (
		memory = 64 << 20
		hosts  = 200
		urgent = 100
		part   = 20_000 // URLs that are submitted before the ones before them are admitted
	)
	n := 100_000
	if v := os.Getenv("TRAWL_E2E_PAGES"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil || n < 10_000 {
			t.Fatalf("TRAWL_E2E_PAGES=%s: want a number of at least 10000", v)
		}
	}
	rdb, url := redistest.Client(t)
	if err := rdb.ConfigSet(t.Context(), "maxmemory", strconv.Itoa(memory)).Err(); err != nil {
		t.Fatal(err)
	}
	w := rig.Web(t, lab.Config{Seed: 48, Hosts: hosts, Pages: n + 3*urgent, Plain: true})
	s, procs := rig.ClusterAt(t, w, url, 2)
	mostUsed := watchMemory(t, rdb)

	var urls []string
	for _, list := range rig.PagesOf(t, w, n) {
		urls = append(urls, list...)
	}
	slices.Sort(urls) // host by host, and the last hosts' pages are the urgent ones
	first := urls[n : n+urgent]
	urls = urls[:n]
	began := time.Now()
	in := 0
	for list := range slices.Chunk(urls, part) {
		s.Enqueue(list, "--delay", "0", "--max-pages", "100000000", "--index", "off")
		in += len(list)
		rig.WaitFor(t, "pages to be admitted", time.Minute, func() bool { return s.Standing().Sum().Admitted >= int64(in-part/2) })
	}
	rig.WaitFor(t, "all pages to be admitted", time.Minute, func() bool { return s.Standing().Sum().Admitted >= int64(n) })
	admitted, before := time.Since(began), s.Standing().Sum()
	s.Enqueue(first, "--priority", "high")
	came := waitStarts(s, w, first, 30*time.Second)
	urgentAt := s.Standing().Sum()
	rig.WaitFor(t, "the crawl to go on", time.Minute, func() bool { return s.Standing().Sum().Stored >= urgentAt.Stored+1000 })
	after, used := s.Standing().Sum(), mostUsed.Load()

	t.Logf("%d pages admitted in %s, %d of them stored by then; at the end %d stored, %d waiting, %d queued; Redis used at most %.1f MB",
		n, admitted.Round(time.Second), before.Stored, after.Stored, after.Waiting, after.Queued, float64(used)/1e6)
	t.Logf("%d pages of high priority: the last one started after %s, when %d of the others were stored", urgent, came.Sub(began.Add(admitted)).Round(time.Millisecond), urgentAt.Stored-before.Stored)
	if used == 0 || used >= memory/2 {
		t.Errorf("Redis used %d octets, want less than %d", used, memory/2)
	}
	if after.Failed > 0 || after.Ended > 0 || after.Waiting < int64(n)/10 {
		t.Errorf("%+v", after)
	}
	if done := urgentAt.Stored - before.Stored; done > 2000 {
		t.Errorf("%d pages came before the last of %d urgent ones", done, urgent)
	}
	for _, p := range procs {
		if !p.Running() || strings.Contains(p.Printed(), "OOM") || strings.Contains(p.Printed(), "used memory > 'maxmemory'") {
			t.Errorf("%v is out of memory", p.Cmd.Args)
		}
	}
}

// watchMemory notes, until the test ends, the most memory that Redis ever used.
func watchMemory(t *testing.T, rdb redis.UniversalClient) *atomic.Int64 {
	t.Helper()
	most := new(atomic.Int64)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-tick.C:
			}
			for line := range strings.Lines(rdb.Info(t.Context(), "memory").Val()) {
				if v, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
					if used, err := strconv.ParseInt(v, 10, 64); err == nil {
						most.Store(max(most.Load(), used))
					}
				}
			}
		}
	})
	t.Cleanup(wg.Wait)
	return most
}
