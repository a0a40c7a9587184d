package handlers_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/lab"
	"example.org/trawl/tasks"
)

// A task may run twice: a worker dies after it did its work, or is taken for dead. Whatever the queue does, the catalog has to
// be the one of a run without trouble, and that one has to be the truth.
func TestEveryStageMayRunTwice(t *testing.T) {
	w, err := lab.Start(t.Context(), lab.Config{Seed: 7, Hosts: 2, Pages: 120, Errors: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	unlimited := crawlLab(t, w, tasks.NoLimit, once, false)
	near := crawlLab(t, w, 2, once, false)
	plain := func(reach int) outcome {
		if reach == tasks.NoLimit {
			return unlimited
		}
		return near
	}
	for _, c := range []struct {
		name  string
		reach int
		mode  mode
		last  bool
	}{
		{"twice in a row", tasks.NoLimit, inARow, false},
		{"again after successor", tasks.NoLimit, afterwards, false},
		{"first result lost", tasks.NoLimit, resultsLost, false},
		{"another order, two links deep", 2, once, true},
		{"lost in another order, two links deep", 2, resultsLost, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			truth, err := w.TruthFor(lab.Ask{MaxDepth: c.reach})
			if err != nil {
				t.Fatal(err)
			}
			p := plain(c.reach)
			compareTruth(t, truth, p.pages)
			got := crawlLab(t, w, c.reach, c.mode, c.last)
			if diff := cmp.Diff(p.pages, got.pages); diff != "" {
				t.Errorf("pages (-plain run +this one):\n%s", diff)
			}
			if diff := cmp.Diff(p.tally, got.tally); diff != "" {
				t.Errorf("counts (-plain run +this one):\n%s", diff)
			}
		})
	}
}

// outcome is what a whole crawl left in the catalog.
type outcome struct {
	pages map[string]page
	tally []catalog.Tally
}

func crawlLab(t *testing.T, w *lab.Web, reach int, m mode, last bool) outcome {
	r := newRig(t, w.DNS())
	r.mode, r.last = m, last
	r.crawl(seeds(reach, "", w.Seeds()...))
	r.crawl(tasks.Index{Batch: "the rest"})
	all, err := r.catalog.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lag, err := r.catalog.IndexLag(t.Context()); lag != 0 || err != nil {
		t.Errorf("%d pages are not in the index (%v)", lag, err)
	}
	if leads, err := r.catalog.Leads(t.Context(), time.Now().Add(time.Hour), 10); len(leads) != 0 || err != nil {
		t.Errorf("links that nobody admits: %v (%v)", leads, err)
	}
	return outcome{r.found(), all}
}

func compareTruth(t *testing.T, truth lab.Truth, found map[string]page) {
	t.Helper()
	known := 0
	for _, p := range truth.Pages {
		got, ok := found[p.URL]
		if ok != p.Reachable {
			t.Errorf("%s: found %v, reachable %v", p.URL, ok, p.Reachable)
		}
		if !ok || !p.Reachable {
			continue
		}
		known++
		want := got
		want.State, want.Reason, want.Depth = catalog.State(p.State), p.Reason+string(p.Fault), p.Depth
		if p.Stored {
			want.Status, want.Digest, want.Size, want.MIME, want.Charset, want.Title = p.Status, p.Digest, int64(p.Size), p.MIME, p.Charset, p.Title
			if want.FinalURL = p.FinalURL; p.FinalURL == p.URL {
				want.FinalURL = ""
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-truth +found):\n%s", p.URL, diff)
		}
	}
	if known != len(found) || known < 50 {
		t.Errorf("%d pages found, %d of them in the truth", len(found), known)
	}
}
