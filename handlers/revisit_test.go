package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fetch"
	"example.org/trawl/tasks"
)

// changing answers with a page that changes every so often, and with 304 to whom has the newest.
func (a *age) changing(host string, every func(path string) time.Duration) {
	a.web.set(host, func(r fetch.Request) (int, http.Header, time.Duration, error) {
		_, path, _ := strings.Cut(strings.TrimPrefix(r.URL, "http://"), "/")
		version := 0
		if d := every("/" + path); d > 0 {
			version = int(time.Since(a.began) / d)
		}
		tag := fmt.Sprintf(`"%s-%d"`, path, version)
		h := http.Header{"Etag": {tag}, "X-Version": {fmt.Sprint(version)}}
		if r.ETag == tag {
			return http.StatusNotModified, h, 10 * time.Millisecond, nil
		}
		return http.StatusOK, h, 10 * time.Millisecond, nil
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

// Pages that change often are looked at often, those that stay as they are less and less; what is unchanged costs no body, and what
// is gone is looked at a few times more.
func TestRevisitsFollowTheChanges(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		gone := false
		a.changing("a.test", func(path string) time.Duration {
			return map[string]time.Duration{"/often": 6 * time.Hour, "/seldom": 10 * 24 * time.Hour}[path]
		})
		a.web.set("b.test", func(fetch.Request) (int, http.Header, time.Duration, error) {
			if gone {
				return http.StatusGone, nil, time.Millisecond, nil
			}
			return http.StatusOK, nil, time.Millisecond, nil
		})
		if err := a.runner.Run(a.t.Context(), revisiting("", "http://a.test/often", "http://a.test/seldom", "http://a.test/never", "http://b.test/x")); err != nil {
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
		before := len(a.web.requests("a.test"))
		a.days(10)
		if n := len(a.web.requests("a.test")) - before; n > 10*48+10 || n < 5*48 {
			t.Errorf("%d looks in ten days, want about %d", n, 10*48)
		}
		if c, err := a.catalog.Crawl(a.t.Context(), "c"); err != nil || c.Price <= 0 {
			t.Errorf("a look is worth %v, %v", c.Price, err)
		}
	})
}
