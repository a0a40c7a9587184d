package explain_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/explain"
	"example.org/trawl/frontier"
	"example.org/trawl/tasks"
)

const host = "http://a.test:80"

// world is a catalog with one crawl, docs.
type world struct {
	*testing.T
	c     *sqlite.Catalog
	crawl catalog.Crawl
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, c: c, now: time.Now()}
	w.crawl, err = c.Submit(t.Context(), "docs", []string{frontier.Root("host", "http://a.test/")}, w.now, func(json.RawMessage) (catalog.Crawl, error) {
		return catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{Delay: time.Second, PerHost: 1}, MaxPages: 100}, nil
	})
	w.must(err)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) admit(urls ...string) {
	w.Helper()
	a := catalog.Admission{Crawl: w.crawl.ID, Submitter: "ann", Origin: "seed", Now: w.now}
	for _, u := range urls {
		a.Pages = append(a.Pages, catalog.Candidate{URL: u, Host: host, Reach: catalog.NoLimit})
	}
	_, err := w.c.Admit(w.Context(), a)
	w.must(err)
}

// visits hands out what is due, after reading robots.txt where that is due.
func (w *world) visits() map[string]catalog.Promoted {
	w.Helper()
	out := map[string]catalog.Promoted{}
	for range 2 {
		batches, err := w.c.Promote(w.Context(), catalog.Window{Now: w.now, Lease: time.Minute, Horizon: time.Hour, Total: 1000, NewID: func() string { return "robots" }})
		w.must(err)
		for _, b := range batches {
			if b.RobotsVisit != "" {
				w.must(w.c.SetRobots(w.Context(), b.HostID, b.RobotsVisit, catalog.Robots{
					State: catalog.RobotsRead, Body: []byte("User-agent: trawl\nDisallow: /private/\n"), At: w.now, Until: w.now.Add(time.Hour),
				}))
			}
			for _, p := range b.Pages {
				out[p.URL] = p
			}
		}
	}
	return out
}

// explain explains a URL, and checks that its JSON has the keys that were promised and no more.
func (w *world) explain(e explain.Explainer, url string) *explain.Explanation {
	w.Helper()
	e.Catalog, e.Agent = w.c, "Trawl"
	x, err := e.URL(w.Context(), "docs", url)
	w.must(err)
	text, err := json.Marshal(x)
	w.must(err)
	var top struct {
		Steps []map[string]any `json:"steps"`
	}
	w.must(json.Unmarshal(text, &top))
	for _, s := range top.Steps {
		if len(s) != 2 || s["what"] == nil || s["says"] == nil {
			w.Errorf("a step is %v in JSON, want what and says", s)
		}
	}
	return x
}

// says returns what a step says, with all of its name joined; "" when there is none.
func says(x *explain.Explanation, what string) string {
	var out []string
	for _, s := range x.Steps {
		if s.What == what {
			out = append(out, s.Says)
		}
	}
	return strings.Join(out, "\n")
}

func names(x *explain.Explanation) (out []string) {
	for _, s := range x.Steps {
		out = append(out, s.What)
	}
	return out
}

func TestLives(t *testing.T) {
	w := newWorld(t)
	const base = "http://a.test/"
	w.admit(base+"stored", base+"gone", base+"failed", base+"again", base+"queued")
	visits := w.visits()
	at := w.now.Add(-time.Minute)
	p := visits[base+"stored"]
	_, err := w.c.Store(t.Context(), catalog.Storing{
		Page: p.ID, Visit: p.Visit, Status: 200, MIME: "text/html", Size: 1000, Digest: "sha256:1", Payload: "sha1:1", FetchedAt: at, Title: "A page",
		Took: catalog.Took{DNS: time.Millisecond}, WARC: catalog.WARC{File: "a.warc.gz", Offset: 7, Length: 9}, Text: "text",
	})
	w.must(err)
	p = visits[base+"gone"]
	_, err = w.c.CloseVisit(t.Context(), catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "not_found", Status: 404, Now: at})
	w.must(err)
	p = visits[base+"failed"]
	_, err = w.c.CloseVisit(t.Context(), catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: "server_error", Now: at, Stage: "fetch", Attempts: 4, Err: "HTTP 500"})
	w.must(err)
	p = visits[base+"again"]
	due := w.now.Add(time.Hour)
	w.must(w.c.Postpone(t.Context(), catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: due, Spent: true, Attempt: catalog.Attempt{At: at, Stage: "fetch", Fault: "stalled", Err: "cut"}}))

	slot := w.now.Add(time.Minute)
	where := func(stage tasks.Kind, slot time.Time, found bool) explain.Where {
		return func(_ context.Context, visit string) (tasks.Kind, time.Time, bool, error) {
			if visit != visits[base+"queued"].Visit {
				t.Errorf("asked for the visit %q", visit)
			}
			return stage, slot, found, nil
		}
	}
	for _, tt := range []struct {
		name, url string
		where     explain.Where
		steps     []string // after url, scope and robots
		last      string   // in what the last of them says
		waits     string
	}{
		{"stored", "stored", nil, []string{"admitted", "stored", "archive"}, "a.warc.gz at 7, 9 octets", ""},
		{"ended", "gone", nil, []string{"admitted", "ended"}, "not found (HTTP 404)", ""},
		{"failed", "failed", nil, []string{"admitted", "attempt", "failed"}, "server error after ", ""},
		{"tried again", "again", nil, []string{"admitted", "attempt", "waiting"}, "after 1 tries, the last of which met stalled", "retry"},
		{"queued, nobody knows where", "queued", nil, []string{"admitted", "queued"}, "is under way", "ready"},
		{"between stages", "queued", where("", time.Time{}, false), []string{"admitted", "queued"}, "between two stages", "ready"},
		{"in a stage", "queued", where("fetch", w.now.Add(-time.Second), true), []string{"admitted", "queued"}, "is in fetch", "ready"},
		{"before its slot", "queued", where("fetch", slot, true), []string{"admitted", "queued"}, "waits in fetch for its slot at ", "polite"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{t, w.c, w.crawl, w.now}
			x := w.explain(explain.Explainer{Where: tt.where}, base+tt.url)
			if diff := cmp.Diff(append([]string{"url", "scope", "robots"}, tt.steps...), names(x)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if last := x.Steps[len(x.Steps)-1]; !strings.Contains(last.Says, tt.last) {
				t.Errorf("it says %q, want %q in it", last.Says, tt.last)
			}
			if x.Waits != tt.waits || x.Page == nil || x.Host == nil || x.Page.URL != base+tt.url {
				t.Errorf("got %+v", x)
			}
		})
	}
	// The moments of a life.
	x := w.explain(explain.Explainer{}, base+"again")
	for i, want := range map[int]time.Time{0: {}, 3: w.now, 4: at, 5: due} {
		if got := x.Steps[i].At; got.Sub(want).Abs() > time.Second {
			t.Errorf("the step %s is at %v, want %v", x.Steps[i].What, got, want)
		}
	}
	if x.Expected == nil || x.Expected.Sub(due).Abs() > 10*time.Second {
		t.Errorf("expected at %v, and it is due at %v", x.Expected, due)
	}
	if x = w.explain(explain.Explainer{Where: where("fetch", slot, true)}, base+"queued"); x.Expected == nil || !x.Expected.Equal(slot) {
		t.Errorf("expected at %v, and its slot is at %v", x.Expected, slot)
	}
	if got := says(w.explain(explain.Explainer{}, base+"private/x"), "robots"); !strings.HasPrefix(got, "forbidden by ") {
		t.Errorf("robots.txt: %q", got)
	}
}

func TestUnknown(t *testing.T) {
	w := newWorld(t)
	for url, want := range map[string][]string{
		"ftp://a.test/":              {"url"},
		"http://a.test/never":        {"url", "scope", "robots", "frontier"},
		"http://a.test/x?sid=0a1b2c": {"url", "scope", "robots", "frontier"},
	} {
		x := w.explain(explain.Explainer{}, url)
		got := names(x)
		if len(got) > len(want) && got[1] == "session" {
			got = append(got[:1], got[2:]...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", url, diff)
		}
		if x.Page != nil || x.Expected != nil {
			t.Errorf("%s: %+v", url, x)
		}
	}
	_, err := explain.Explainer{Catalog: w.c}.URL(t.Context(), "none", "http://a.test/")
	var no explain.NoCrawlError
	if !errors.As(err, &no) || no.Name != "none" || !errors.Is(err, catalog.ErrNotFound) || err.Error() != `there is no crawl "none"` {
		t.Errorf("of no such crawl: %v", err)
	}
}

func TestWaits(t *testing.T) {
	w := newWorld(t)
	const url = "http://a.test/"
	w.admit(url)
	waits := func(want, says0 string) {
		t.Helper()
		x := w.explain(explain.Explainer{}, url)
		if got := says(x, "waiting"); x.Waits != want || !strings.Contains(got, says0) {
			t.Errorf("it waits for %q and says %q, want %q and %q", x.Waits, got, want, says0)
		}
	}
	waits("robots", "expected to start at")
	w.must(w.c.Pause(t.Context(), "crawl", "docs", w.now))
	waits("paused", "crawl docs, which is paused")
	w.must(w.c.Resume(t.Context(), "crawl", "docs", w.now))
	w.must(w.c.Declare(t.Context(), catalog.Outage{Kind: "dns_down", Since: w.now, Err: "no answer"}, w.now))
	waits("backoff", "dns_down (no answer)")
	w.must(w.c.EndOutage(t.Context(), "dns_down"))
	p := w.visits()[url]
	_, err := w.c.HoldHost(t.Context(), catalog.Hold{
		Host: host, State: catalog.HostDead, Began: w.now, Now: w.now, Quiet: time.Hour, Page: p.ID, Visit: p.Visit, Wait: func(int) time.Duration { return time.Hour },
		Attempt: catalog.Attempt{At: w.now, Stage: "fetch", Fault: "unreachable", Err: "no\x1b[31m way"},
	})
	w.must(err)
	waits("backoff", "expected to start at")
	if got := says(w.explain(explain.Explainer{}, url), "host"); !strings.HasPrefix(got, "dead unreachable, 1 in a row") || strings.Contains(got, "\x1b") {
		t.Errorf("of its host it says %q", got)
	}
}
