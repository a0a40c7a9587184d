package handlers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/fetch"
	"example.org/trawl/handlers"
	"example.org/trawl/internal/paper"
	"example.org/trawl/tasks"
)

// changing answers with a page that changes every so often, and with 304 to whom has the newest.
func (a *age) changing(host string, every func(path string) time.Duration) {
	a.web.Set(host, func(r fetch.Request) paper.Answer {
		_, path, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), "/")
		version := 0
		if d := every("/" + path); d > 0 {
			version = int(time.Since(a.began) / d)
		}
		tag := fmt.Sprintf(`"%s-%d"`, path, version)
		h := http.Header{"Etag": {tag}, "X-Version": {fmt.Sprint(version)}}
		if r.ETag == tag {
			return paper.Answer{Status: http.StatusNotModified, Header: h, Took: 10 * time.Millisecond}
		}
		return paper.Answer{Header: h, Took: 10 * time.Millisecond}
	})
}

func revisiting(settings string, urls ...string) tasks.Admit {
	t := polite(urls...)
	t.Settings = []byte(`{"delay":10000000,"revisit":"auto"` + settings + `}`)
	return t
}

func (a *age) page(url string) catalog.Page {
	a.t.Helper()
	p, err := a.catalog.Page(a.t.Context(), "c", url)
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

// run goes through days of looks: the runner ends whenever nothing is open, as a crawl in one process does.
func (a *age) days(n int) {
	a.t.Helper()
	for range n * 24 {
		for range 1000 { // what has become due
			if err := a.runner.Run(a.t.Context()); err != nil {
				a.t.Fatal(err)
			}
			if a.open() == 0 {
				break
			}
		}
		time.Sleep(time.Hour)
	}
}

// shelf is an archive that reads each record again once it is written, and remembers by URL what there is.
type shelf struct {
	handlers.Archive
	mu   sync.Mutex
	kept map[string]kept
}

// kept are the payloads of a URL's records.
type kept struct{ responses, revisits []string }

// Append implements handlers.Archive.
func (s *shelf) Append(ctx context.Context, x archive.Exchange) (archive.Ref, string, error) {
	ref, digest, err := s.Archive.Append(ctx, x)
	if err != nil {
		return ref, digest, err
	}
	rec, err := s.Read(ref)
	if err != nil {
		return ref, digest, err
	}
	defer rec.Body.Close()
	body, err := io.ReadAll(rec.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kept[x.URL]
	if rec.Header.Get("WARC-Type") == "revisit" {
		k.revisits = append(k.revisits, string(body))
	} else {
		k.responses = append(k.responses, string(body))
	}
	s.kept[x.URL] = k
	return ref, digest, err
}

// Pages that change often are looked at often, those that stay as they are less and less; what is unchanged costs no body, with a
// validator or without, and what is gone is looked at a few times more.
func TestRevisitsFollowTheChanges(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		shelf := &shelf{Archive: a.Archive, kept: map[string]kept{}}
		a.Archive = shelf
		gone := false
		a.changing("a.test", func(path string) time.Duration {
			return map[string]time.Duration{"/often": 6 * time.Hour, "/seldom": 10 * 24 * time.Hour}[path]
		})
		a.web.Set("b.test", func(fetch.Request) paper.Answer {
			if gone {
				return paper.Answer{Status: http.StatusGone, Took: time.Millisecond}
			}
			return paper.Answer{Took: time.Millisecond}
		})
		if err := a.runner.Run(a.t.Context(), revisiting("", "http://a.test/often", "http://a.test/seldom", "http://a.test/never", "http://b.test/x", "http://c.test/bare")); err != nil {
			t.Fatal(err)
		}
		gone = true
		a.days(60)
		often, seldom, never := a.page("http://a.test/often"), a.page("http://a.test/seldom"), a.page("http://a.test/never")
		t.Logf("looks in 60 days: %d, %d, %d", often.Visits, seldom.Visits, never.Visits)
		if often.Visits < 100 || often.Visits < 5*seldom.Visits || seldom.Visits <= never.Visits || never.Visits < 4 {
			t.Errorf("looks in 60 days: often %d, seldom %d, never %d", often.Visits, seldom.Visits, never.Visits)
		}
		if next := never.Revisit.At.Sub(never.Revisit.Last); next < 5*24*time.Hour {
			t.Errorf("a page that never changed is looked at again after %s", next)
		}
		for _, p := range []catalog.Page{often, seldom, never, a.page("http://c.test/bare")} {
			k := shelf.kept[p.URL]
			looks, bodies := len(k.responses)+len(k.revisits), len(k.responses)
			t.Logf("%s: %d looks left %d bodies in the archive", p.URL, looks, bodies)
			if stays := p.URL != often.URL && p.URL != seldom.URL; looks != p.Visits || looks == bodies || stays != (bodies == 1) {
				t.Errorf("%s: %d looks left %d bodies and %d revisits in the archive", p.URL, p.Visits, bodies, len(k.revisits))
			}
			slices.Sort(k.responses)
			if n := len(slices.Compact(k.responses)); n != bodies || strings.Join(k.revisits, "") != "" {
				t.Errorf("%s: %d of %d bodies in the archive differ, and revisits hold %.100q", p.URL, n, bodies, k.revisits)
			}
		}
		if x := a.page("http://b.test/x"); x.State != catalog.Ended || x.Reason != string(tasks.Gone) || x.Visits < 2 || x.Visits > 5 {
			t.Errorf("gone: %s %s after %d looks", x.State, x.Reason, x.Visits)
		}
	})
}

// A budget of looks a day is kept.
func TestRevisitBudget(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		a.changing("a.test", func(string) time.Duration { return time.Hour })
		if err := a.runner.Run(a.t.Context(), revisiting(`,"revisit_budget":48`, urls("a.test", 100)...)); err != nil {
			t.Fatal(err)
		}
		a.days(2)
		before := len(a.web.Requests("a.test"))
		a.days(10)
		if n := len(a.web.Requests("a.test")) - before; n > 10*48+10 || n < 5*48 {
			t.Errorf("%d looks in ten days, want about %d", n, 10*48)
		}
		if c, err := a.catalog.Crawl(a.t.Context(), "c"); err != nil || c.Price <= 0 {
			t.Errorf("a look is worth %v, %v", c.Price, err)
		}
	})
}
