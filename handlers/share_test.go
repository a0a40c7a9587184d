package handlers_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/internal/paper"
	"example.org/trawl/tasks"
)

// spread are n addresses over as many hosts.
func spread(prefix string, hosts, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("http://%s%d.test/%d", prefix, i%hosts, i/hosts))
	}
	return out
}

func by(submitter string, priority int, urls ...string) []tasks.Task {
	var out []tasks.Task
	for part := range slices.Chunk(urls, 500) {
		out = append(out, tasks.Admit{Batch: tasks.NewID(), Crawl: "c", Submitter: submitter, Origin: tasks.OriginSeed, Priority: priority, URLs: part, Settings: []byte(`{"max_pages":1000000}`)})
	}
	return out
}

// submit hands tasks to the crawl as an intake would.
func (a *age) submit(all ...tasks.Task) {
	a.t.Helper()
	for _, t := range all {
		a.runner.Add(t)
	}
}

// Whoever floods the crawl is not in anybody's way: another's pages at other hosts start in twice the time that they need alone.
func TestFloodDelaysNobodyElse(t *testing.T) {
	long(t)
	last := func(a *age) time.Duration {
		began := time.Now()
		a.submit(by("b", 0, spread("b", 10, 100)...)...)
		started := func() (n int) {
			for i := range 10 {
				n += len(a.web.Requests(fmt.Sprintf("b%d.test", i)))
			}
			return n
		}
		a.until(10*time.Minute, "b's pages", func() bool { return started() == 100 })
		return time.Since(began)
	}
	var alone, crowded time.Duration
	// The flood has more to do than 64 workers can.
	const slow = 120 * time.Millisecond
	inAge(t, func(a *age) {
		a.web.Slow(slow)
		a.start(by("b", 0, "http://first.test/")...)
		alone = last(a)
	})
	inAge(t, func(a *age) {
		a.web.Slow(slow)
		a.start(by("a", 0, spread("a", 2000, 20_000)...)...)
		a.until(10*time.Minute, "the flood", func() bool { return a.counts().Stored > 2000 })
		crowded = last(a)
		if c := a.counts(); c.Waiting < 5000 {
			t.Fatalf("the flood is over: %+v", c)
		}
	})
	t.Logf("alone %s, beside a flood %s", alone, crowded)
	if crowded > 2*alone {
		t.Errorf("b's pages took %s beside a flood, %s alone", crowded, alone)
	}
}

// A page of high priority starts within two seconds, and what politeness asks for, whatever waits: also at a host with a long
// backlog of its own.
func TestHighPriorityStartsAtOnce(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		a.start(by("a", 0, spread("a", 200, 20_000)...)...)
		a.until(10*time.Minute, "the flood", func() bool { return a.counts().Stored > 500 })
		for _, url := range []string{"http://new.test/x", "http://a7.test/x", "http://a7.test/y"} {
			began := time.Now()
			a.submit(by("b", 1, url)...)
			p := func() catalog.Page {
				p, err := a.catalog.Page(a.t.Context(), "c", url)
				if err != nil {
					return catalog.Page{}
				}
				return p
			}
			a.until(time.Minute, url, func() bool { return p().State == catalog.Stored })
			// Two seconds, a delay for robots.txt, and one for the page.
			if took := p().FetchedAt.Sub(began); took > 4100*time.Millisecond {
				t.Errorf("%s was fetched after %s", url, took)
			}
		}
	})
}

// A quota of pages a minute is kept, and the pages wait for it.
func TestPagesAMinute(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		if err := a.catalog.SetQuota(a.t.Context(), catalog.Quota{Submitter: "a", Weight: 100, PerMinute: 60}); err != nil {
			t.Fatal(err)
		}
		a.start(by("a", 0, spread("a", 100, 1000)...)...)
		time.Sleep(time.Minute)
		before := a.counts().Stored
		time.Sleep(5 * time.Minute)
		if n := a.counts().Stored - before; n < 270 || n > 330 {
			t.Errorf("%d pages in five minutes, want 300", n)
		}
	})
}

// What an operator pauses does not start; nothing is lost, and it goes on.
func TestPause(t *testing.T) {
	for _, what := range []string{"crawl", "host", "submitter"} {
		t.Run(what, func(t *testing.T) {
			inAge(t, func(a *age) {
				name := map[string]string{"crawl": "c", "host": "http://a.test:80", "submitter": "s"}[what]
				a.start(polite(urls("a.test", 100)...))
				a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 20 })
				if err := a.catalog.Pause(a.t.Context(), what, name, time.Now()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				before := len(a.web.Requests("a.test"))
				time.Sleep(10 * time.Minute)
				if n := len(a.web.Requests("a.test")) - before; n > 0 {
					t.Errorf("%d requests after the pause", n)
				}
				if err := a.catalog.Resume(a.t.Context(), what, name, time.Now()); err != nil {
					t.Fatal(err)
				}
				a.until(4*time.Minute, "end", a.over)
				a.allStored(100)
			})
		})
	}
}

// Cancelled pages are not asked for any more, also those that were handed out.
func TestCancel(t *testing.T) {
	inAge(t, func(a *age) {
		a.start(polite(append(urls("a.test", 100), urls("b.test", 50)...)...))
		a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 20 })
		n, err := a.catalog.Cancel(a.t.Context(), catalog.Choice{Host: "http://a.test:80"}, string(tasks.Cancelled), time.Now())
		if err != nil || n < 50 {
			t.Fatalf("%d pages cancelled, %v", n, err)
		}
		time.Sleep(time.Second)
		before := len(a.web.Requests("a.test"))
		a.until(2*time.Minute, "end", a.over)
		if n := len(a.web.Requests("a.test")) - before; n > 0 {
			t.Errorf("%d requests for cancelled pages", n)
		}
		if c := a.counts(); c.Ended != n || c.Stored+c.Ended != 150 || c.Failed != 0 {
			t.Errorf("%+v, %d cancelled", c, n)
		}
	})
}

// A host that answers slowly is asked less often, unless the crawl says otherwise.
func TestDelayAdapts(t *testing.T) {
	for adapt, want := range map[bool]time.Duration{true: 6 * time.Second, false: time.Second} {
		inAge(t, func(a *age) {
			a.web.Set("a.test", paper.Slowly(3*time.Second))
			task := polite(urls("a.test", 40)...)
			task.Settings = fmt.Appendf(nil, `{"no_adapt":%v,"per_host":8}`, !adapt)
			a.start(task)
			a.until(10*time.Minute, "end", a.over)
			at := a.web.Requests("a.test")
			if gap := at[39].Sub(at[20]) / 19; gap < want-want/10 || gap > want+want/2 {
				t.Errorf("adapt %v: requests are %s apart, want %s", adapt, gap, want)
			}
		})
	}
}
