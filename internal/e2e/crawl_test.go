package e2e

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
)

// TestBothWays crawls one web in one process, through asynq on a redis-server, and through asynq on miniredis. All three find
// what is right, and the same to the letter.
func TestBothWays(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 7, Hosts: 3, Pages: 2000})
	truth := w.Truth()

	plain := newSite(t, w)
	plain.must(seeded(w, "trawl", "crawl")...)
	want := plain.export("--links", "--text")
	checkTruth(t, truth, want)

	for name, flags := range map[string][]string{"redis-server": {"up"}, "miniredis": {"up", "--miniredis"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, w)
			up := s.start(append([]string{"trawl"}, flags...)...)
			s.env = append(s.env, "REDIS_URL="+redisURL(t, up))
			s.must(seeded(w, "enqueue", "--wait")...)
			got := s.export("--links", "--text")
			checkTruth(t, truth, got)
			if diff := cmp.Diff(comparable(want), comparable(got)); diff != "" {
				t.Errorf("one process (-) and the queues (+) differ:\n%s", last(diff, 3000))
			}
			up.stop(t)
			if c := up.cmd.ProcessState.ExitCode(); c != 0 {
				t.Errorf("trawl up ended with status %d", c)
			}
		})
	}
}

// redisURL reads from what trawl up prints where its Redis is.
func redisURL(t *testing.T, up *proc) (url string) {
	t.Helper()
	waitFor(t, "trawl up", 30*time.Second, func() bool {
		_, rest, ok := strings.Cut(up.printed(), "REDIS_URL=")
		url, _, _ = strings.Cut(rest, "\n")
		return ok && strings.Contains(rest, "\n")
	})
	return url
}

// kills is how often the crash tests kill.
const kills = 20

// TestKilledCrawl kills the one-process crawl again and again, at any moment, and then lets it end.
func TestKilledCrawl(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 21, Hosts: 3, Pages: 2500})
	s := newSite(t, w)
	args := seeded(w, "trawl", "crawl")
	killed := 0
	for killed < kills {
		p := s.start(args...)
		select {
		case <-p.ended:
			if c := p.cmd.ProcessState.ExitCode(); c != 0 {
				t.Fatalf("status %d: %s", c, p.printed())
			}
			t.Fatalf("over after %d kills: the web is too small for this test", killed)
		case <-time.After(time.Duration(50+rand.N(250)) * time.Millisecond):
			p.kill()
			killed++
		}
	}
	s.must(args...)
	checkTruth(t, w.Truth(), s.export())
}

// TestKilledWorker kills the worker process again and again while the queue, the scheduler and the database live on.
func TestKilledWorker(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 22, Hosts: 3, Pages: 2000})
	s := newSite(t, w, "REDIS_URL="+redistest.Start(t))
	s.must("trawl", "migrate")
	s.start("trawl", "scheduler")
	s.must(seeded(w, "enqueue")...)
	for range kills {
		p := s.start("trawl", "worker")
		select {
		case <-p.ended:
			t.Fatalf("the worker ended by itself: %s", p.printed())
		case <-time.After(time.Duration(150+rand.N(300)) * time.Millisecond):
			p.kill()
		}
	}
	s.start("trawl", "worker")
	s.waitDone(2 * time.Minute)
	checkTruth(t, w.Truth(), s.export())
}

// waitDone waits until the default crawl has pages and none that is open.
func (s *site) waitDone(atMost time.Duration) {
	s.t.Helper()
	waitFor(s.t, "end of the crawl", atMost, func() bool {
		r := s.run("trawl", "status", "--json")
		if r.status != 0 {
			return false // there is no database yet
		}
		var st struct {
			Crawls []struct {
				Admitted, Waiting, Queued int
			}
			IndexLag int `json:"index_lag"`
			Unread   int `json:"links_waiting"`
			Stages   []struct {
				Stage                             string
				Pending, Active, Scheduled, Retry int
			}
		}
		if err := json.Unmarshal([]byte(r.out), &st); err != nil {
			s.t.Fatal(err)
		}
		if len(st.Crawls) != 1 || st.Crawls[0].Admitted == 0 || st.Crawls[0].Waiting+st.Crawls[0].Queued > 0 || st.IndexLag+st.Unread > 0 {
			return false
		}
		for _, stage := range st.Stages {
			if stage.Stage == "admit" && stage.Pending+stage.Active+stage.Scheduled+stage.Retry > 0 {
				return false
			}
		}
		return true
	})
}

// TestFlush takes everything away from Redis in the middle of a crawl, twice.
func TestFlush(t *testing.T) {
	whole(t)
	rdb, url := redistest.Client(t)
	w := web(t, lab.Config{Seed: 23, Hosts: 3, Pages: 1200})
	s := newSite(t, w, "REDIS_URL="+url)
	s.start("trawl", "up")
	s.must(seeded(w, "enqueue")...)
	for _, stored := range []int64{150, 500} {
		waitFor(t, "part of the crawl", time.Minute, func() bool { return storedEvents(t, rdb) >= stored })
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	s.waitDone(2 * time.Minute)
	checkTruth(t, w.Truth(), s.export())
}

// storedEvents counts the stored pages that the counts published in Redis speak of.
func storedEvents(t *testing.T, rdb redis.UniversalClient) int64 {
	t.Helper()
	raw, err := rdb.HGet(context.WithoutCancel(t.Context()), "trawl:counts", "default").Bytes()
	if err != nil {
		return 0
	}
	var c struct{ Stored int64 }
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatal(err)
	}
	return c.Stored
}

// TestGaps has four worker processes crawl the same hosts and asks the hosts how close the requests came.
func TestGaps(t *testing.T) {
	whole(t)
	const delay = 300 * time.Millisecond
	w := web(t, lab.Config{Seed: 24, Hosts: 6, Pages: 240})
	s := newSite(t, w, "REDIS_URL="+redistest.Start(t))
	s.must("trawl", "migrate")
	s.start("trawl", "scheduler")
	for range 4 {
		s.start("trawl", "worker")
	}
	s.must(append([]string{"enqueue", "--depth", "-1", "--head", "always", "--delay", delay.String()}, w.Seeds()...)...)
	s.waitDone(2 * time.Minute)
	checkTruth(t, w.Truth(), s.export())
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
	whole(t)
	w := web(t, lab.Config{Seed: 25, Hosts: 2, Pages: 200, Plain: true})
	s := newSite(t, w)
	s.must(seeded(w, "trawl", "crawl")...)
	first := comparable(s.export())
	s.must(seeded(w, "trawl", "crawl", "--recrawl")...)
	second := s.export()
	for _, p := range second {
		if p["visits"].(float64) != 2 {
			t.Fatalf("%s was visited %v times", p.str("url"), p["visits"])
		}
		p["visits"] = 1.0
	}
	if diff := cmp.Diff(first, comparable(second)); diff != "" {
		t.Errorf("first (-) and second visit (+) differ:\n%s", last(diff, 3000))
	}
	responses, revisits := 0, 0
	for _, line := range s.cdxj() {
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
