package e2e

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestBothWays crawls one web in one process, through asynq on a redis-server, and through asynq on miniredis. All three find
// what is right, and the same to the letter.
func TestBothWays(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 7, Hosts: 3, Pages: 2000})
	truth := w.Truth()

	plain := rig.NewSite(t, w)
	plain.Must(rig.Seeded(w, "trawl", "crawl")...)
	want := plain.Export("--links", "--text")
	rig.CheckTruth(t, truth, want)

	for name, flags := range map[string][]string{"redis-server": {"up"}, "miniredis": {"up", "--miniredis"}} {
		t.Run(name, func(t *testing.T) {
			s := rig.NewSite(t, w)
			up := s.Start(append([]string{"trawl"}, flags...)...)
			s.Env = append(s.Env, "REDIS_URL="+rig.RedisURL(t, up))
			s.Must(rig.Seeded(w, "enqueue", "--wait")...)
			got := s.Export("--links", "--text")
			rig.CheckTruth(t, truth, got)
			if diff := cmp.Diff(rig.Comparable(want), rig.Comparable(got)); diff != "" {
				t.Errorf("one process (-) and the queues (+) differ:\n%s", rig.Last(diff, 3000))
			}
			up.Stop(t)
			if c := up.Cmd.ProcessState.ExitCode(); c != 0 {
				t.Errorf("trawl up ended with status %d", c)
			}
		})
	}
}

// kills is how often the crash tests kill.
const kills = 20

// TestKilledCrawl kills the one-process crawl again and again, at any moment, and then lets it end.
func TestKilledCrawl(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 21, Hosts: 3, Pages: 2500})
	s := rig.NewSite(t, w)
	args := rig.Seeded(w, "trawl", "crawl")
	killed := 0
	for killed < kills {
		p := s.Start(args...)
		select {
		case <-p.Ended:
			if c := p.Cmd.ProcessState.ExitCode(); c != 0 {
				t.Fatalf("status %d: %s", c, p.Printed())
			}
			t.Fatalf("over after %d kills: the web is too small for this test", killed)
		case <-time.After(time.Duration(50+rand.N(250)) * time.Millisecond):
			p.Kill()
			killed++
		}
	}
	s.Must(args...)
	rig.CheckTruth(t, w.Truth(), s.Export())
}

// TestKilledWorker kills the worker process again and again while the queue, the scheduler and the database live on.
func TestKilledWorker(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 22, Hosts: 3, Pages: 2000})
	s := rig.NewSite(t, w, "REDIS_URL="+redistest.Start(t))
	s.Must("trawl", "migrate")
	s.Start("trawl", "scheduler")
	s.Must(rig.Seeded(w, "enqueue")...)
	for range kills {
		p := s.Start("trawl", "worker")
		select {
		case <-p.Ended:
			t.Fatalf("the worker ended by itself: %s", p.Printed())
		case <-time.After(time.Duration(150+rand.N(300)) * time.Millisecond):
			p.Kill()
		}
	}
	s.Start("trawl", "worker")
	s.WaitDone(2 * time.Minute)
	rig.CheckTruth(t, w.Truth(), s.Export())
}

// TestFlush takes everything away from Redis in the middle of a crawl, twice.
func TestFlush(t *testing.T) {
	rig.Whole(t)
	rdb, url := redistest.Client(t)
	w := rig.Web(t, lab.Config{Seed: 23, Hosts: 3, Pages: 1200})
	s := rig.NewSite(t, w, "REDIS_URL="+url)
	s.Start("trawl", "up")
	s.Must(rig.Seeded(w, "enqueue")...)
	for _, stored := range []int64{150, 500} {
		rig.WaitFor(t, "part of the crawl", time.Minute, func() bool { return rig.StoredEvents(t, rdb) >= stored })
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	s.WaitDone(2 * time.Minute)
	rig.CheckTruth(t, w.Truth(), s.Export())
}

// TestGaps has four worker processes crawl the same hosts and asks the hosts how close the requests came.
func TestGaps(t *testing.T) {
	rig.Whole(t)
	const delay = 300 * time.Millisecond
	w := rig.Web(t, lab.Config{Seed: 24, Hosts: 6, Pages: 240})
	s := rig.NewSite(t, w, "REDIS_URL="+redistest.Start(t))
	s.Must("trawl", "migrate")
	s.Start("trawl", "scheduler")
	for range 4 {
		s.Start("trawl", "worker")
	}
	s.Must(append([]string{"enqueue", "--depth", "-1", "--head", "always", "--delay", delay.String()}, w.Seeds()...)...)
	s.WaitDone(2 * time.Minute)
	rig.CheckTruth(t, w.Truth(), s.Export())
	n := 0
	for host, gap := range w.Gaps() {
		n += gap.N
		if least := time.Duration(gap.MinMS * float64(time.Millisecond)); gap.N > 1 && least < delay {
			t.Errorf("%s: two of %d requests %s apart, less than %s", host, gap.N, least, delay)
		}
	}
	if n < 240 {
		t.Errorf("only %d requests: this proves little", n)
	}
}

// TestRecrawl visits an unchanged web again: conditional requests, no new bodies, the same catalog.
func TestRecrawl(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 25, Hosts: 2, Pages: 200, Plain: true})
	s := rig.NewSite(t, w)
	s.Must(rig.Seeded(w, "trawl", "crawl")...)
	first := rig.Comparable(s.Export())
	s.Must(rig.Seeded(w, "trawl", "crawl", "--recrawl")...)
	second := s.Export()
	for _, p := range second {
		if p["visits"].(float64) != 2 {
			t.Fatalf("%s was visited %v times", p.Str("url"), p["visits"])
		}
		p["visits"] = 1.0
	}
	if diff := cmp.Diff(first, rig.Comparable(second)); diff != "" {
		t.Errorf("first (-) and second visit (+) differ:\n%s", rig.Last(diff, 3000))
	}
	responses, revisits := 0, 0
	for _, line := range s.CDXJ() {
		if strings.Contains(line, `"mime":"warc/revisit"`) {
			revisits++
		} else if !strings.Contains(line, "robots.txt") {
			responses++
		}
	}
	if responses != len(first) || revisits != len(first) {
		t.Errorf("%d responses and %d revisits in the archive, want %d of each", responses, revisits, len(first))
	}
}
