package catalogtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.org/trawl/catalog"
)

func store(w *world) {
	cr := w.crawl("a")
	many := make([]string, 3000)
	for i := range many {
		many[i] = fmt.Sprintf("http://example.org/%d?ü='\"", i)
	}
	for i, s := range []catalog.Storing{
		{
			Status: 206, FinalURL: "http://example.org/final", MIME: "text/html", Charset: "utf-8", Size: 1 << 40, Digest: "sha256:1", Payload: "sha1:2", Truncated: "length",
			Title: "Títle 'x' \"y\"", Description: "a\nb", Lang: "pt-BR", Canonical: "http://example.org/c", ETag: `W/"e"`, LastModified: "Thu, 01 Jan 2026 00:00:00 GMT",
			WARC: catalog.WARC{File: "a.warc.gz", Offset: 1 << 33, Length: 12}, Text: "Smørrebrød 日本語 🦀 '; DROP TABLE pages; --", Links: []string{"http://example.org/1", "http://example.org/2"}, Searchable: true,
		},
		{Status: 200, WARC: catalog.WARC{File: "b.warc.gz"}},
		{Status: 200, WARC: catalog.WARC{File: "a.warc.gz", Offset: 5, Length: 6}, Text: strings.Repeat("many words in a row ", 50_000), Links: many},
		{Status: 200, WARC: catalog.WARC{File: "b.warc.gz"}, Text: "\x01\u2028\ufeff\r\n ", Links: []string{"http://example.org/"}, Searchable: true},
	} {
		u := fmt.Sprintf("http://example.org/%d", i)
		p := w.seed(cr, page(u))
		s.Page, s.Visit, s.FetchedAt = p.ID, p.Visit, w.now
		_, err := w.Store(w.Context(), s)
		w.must(err)
		w.exact()

		got := w.all(catalog.Filter{Crawl: "a", Text: true, Links: true})
		got = slices.DeleteFunc(got, func(p catalog.Page) bool { return p.URL != u })
		opts := cmp.Options{cmpopts.IgnoreFields(catalog.Storing{}, "Page", "Visit"), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(s, got[0].Storing, opts); diff != "" {
			w.Errorf("what was stored and what is read (-want +got):\n%s", diff)
		}
		if got[0].State != catalog.Stored || got[0].Visits != 1 || got[0].Reason != "" || got[0].Visit != p.Visit {
			w.Errorf("stored page is %+v", got[0])
		}
		out, err := w.Outlinks(w.Context(), p.ID)
		w.must(err)
		w.same("links", out.Links, got[0].Links)
		if alone := w.page("a", u); alone.Text != "" || alone.Links != nil || alone.Title != s.Title {
			w.Errorf("page without text and links is %+v", alone)
		}
		// Another look at the page replaces everything.
		if i == 0 {
			_, err := w.Recrawl(w.Context(), cr.ID, w.now)
			w.must(err)
			p := w.one()
			w.store(p, func(s *catalog.Storing) {
				*s = catalog.Storing{Page: p.ID, Visit: p.Visit, Status: 200, FetchedAt: w.now}
			})
			got := w.page("a", u)
			w.same("stored over", got.Storing, catalog.Storing{Status: 200, FetchedAt: w.now})
			w.same("visits", got.Visits, 2)
			out, err := w.Outlinks(w.Context(), p.ID)
			w.must(err)
			w.same("links", len(out.Links), 0)
			w.exact()
		}
	}
	tally, err := w.Status(w.Context())
	w.must(err)
	w.same("bytes of all bodies ever", tally[0].Bytes, int64(1<<40))
	w.same("bytes of the host", w.host("http://example.org/").Bytes, int64(1<<40))
}

func unchanged(w *world) {
	cr := w.crawl("a")
	p := w.seed(cr, page("http://example.org/"))
	w.store(p, func(s *catalog.Storing) { s.Title, s.ETag, s.LastModified = "title", "e1", "m1" })
	before := w.page("a", p.URL)
	for i, tt := range []struct{ etag, modified, wantETag, wantModified string }{{"", "", "e1", "m1"}, {"e2", "", "e2", "m1"}, {"", "m2", "e2", "m2"}} {
		w.pass(time.Hour)
		_, err := w.Recrawl(w.Context(), cr.ID, w.now)
		w.must(err)
		p := w.one()
		for range 2 {
			_, err = w.Store(w.Context(), catalog.Storing{
				Page: p.ID, Visit: p.Visit, Unchanged: true, Status: 304, ETag: tt.etag, LastModified: tt.modified, FetchedAt: w.now, Size: 5,
			})
			w.must(err)
		}
		want := before
		want.Visit, want.Visits, want.FetchedAt, want.Due, want.ETag, want.LastModified = p.Visit, i+2, w.now, w.now, tt.wantETag, tt.wantModified
		w.same("page", w.page("a", p.URL), want)
		out, err := w.Outlinks(w.Context(), p.ID)
		w.must(err)
		w.same("links", out.Links, []string{"http://example.org/next"})
		w.exact()
	}
	tally, err := w.Status(w.Context())
	w.must(err)
	w.same("bytes", tally[0].Bytes, int64(1000))
}

func endAndFail(w *world) {
	cr := w.crawl("a")
	p := w.seed(cr, page("http://example.org/ended"))
	w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "redirected", Status: 301, FinalURL: "https://example.org/", Now: w.now})
	got := w.page("a", p.URL)
	if got.State != catalog.Ended || got.Reason != "redirected" || got.Status != 301 || got.FinalURL != "https://example.org/" || !got.FetchedAt.Equal(w.now) || got.Visits != 1 {
		w.Errorf("ended page is %+v", got)
	}
	w.exact()
	if stage, text, err := w.Failure(w.Context(), p.ID); stage+text != "" || err != nil {
		w.Errorf("an ended page has failed in %q with %q (%v)", stage, text, err)
	}
	p = w.seed(cr, page("http://example.org/failed"))
	for i, text := range []string{"connection 'reset'\n", "second"} {
		w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: "connection_reset", Now: w.now, Stage: "fetch", Attempts: 4, Err: text})
		got = w.page("a", p.URL)
		if got.State != catalog.Failed || got.Reason != "connection_reset" || got.Tries != 4 || got.Visits != i+1 {
			w.Errorf("failed page is %+v", got)
		}
		stage, said, err := w.Failure(w.Context(), p.ID)
		if stage != "fetch" || said != strings.TrimSpace(text) || err != nil {
			w.Errorf("failed in %q with %q (%v)", stage, said, err)
		}
		w.exact()
		w.pass(time.Hour)
		_, err = w.Recrawl(w.Context(), cr.ID, w.now)
		w.must(err)
		for _, q := range w.handOut() {
			if q.URL == p.URL {
				p = q
			} else {
				w.end(q, "not_found")
			}
		}
	}
	// Success forgets the failures.
	w.store(p)
	if got = w.page("a", p.URL); got.Tries != 0 || got.Reason != "" {
		w.Errorf("stored page is %+v", got)
	}
	if stage, text, err := w.Failure(w.Context(), p.ID); stage+text != "" || err != nil {
		w.Errorf("a stored page has failed in %q with %q (%v)", stage, text, err)
	}
	w.exact()
}

// closers are the ways in which a visit writes to its page.
func (w *world) closers() map[string]func(catalog.Promoted) (*catalog.Lead, error) {
	closing := func(c catalog.Closing) func(catalog.Promoted) (*catalog.Lead, error) {
		return func(p catalog.Promoted) (*catalog.Lead, error) {
			c.Page, c.Visit, c.Now = p.ID, p.Visit, w.now
			return w.CloseVisit(w.Context(), c)
		}
	}
	return map[string]func(catalog.Promoted) (*catalog.Lead, error){
		"store": func(p catalog.Promoted) (*catalog.Lead, error) { return w.Store(w.Context(), w.found(p)) },
		"unchanged": func(p catalog.Promoted) (*catalog.Lead, error) {
			return w.Store(w.Context(), catalog.Storing{Page: p.ID, Visit: p.Visit, Unchanged: true, FetchedAt: w.now})
		},
		"end":      closing(catalog.Closing{State: catalog.Ended, Reason: "not_found"}),
		"redirect": closing(catalog.Closing{State: catalog.Ended, Reason: "redirected", FinalURL: "http://elsewhere.example/", Follow: true}),
		"fail":     closing(catalog.Closing{State: catalog.Failed, Reason: "reset", Stage: "fetch", Attempts: 1, Err: "reset"}),
	}
}

// A visit that lost its page changes nothing, whatever it does and however the page was taken from it.
func fenced(w *world) {
	for name, write := range w.closers() {
		cr, u := w.crawl(name), "http://example.org/"
		old := w.seed(cr, page(u))
		try := func(when string) {
			w.Helper()
			before, index := w.page(name, u), w.lag()
			if lead, err := write(old); lead != nil {
				w.Errorf("%s %s: lead %v (%v)", name, when, lead, err)
			} else {
				w.is(err, catalog.ErrFenced)
			}
			w.same(name+" "+when, w.page(name, u), before)
			w.same(name+" "+when+": index lag", w.lag(), index)
			w.exact()
		}
		n, err := w.Requeue(w.Context(), []catalog.Lease{{Visit: old.Visit, Page: old.ID}}, w.now)
		if n != 1 || err != nil {
			w.Fatalf("%d pages went back (%v)", n, err)
		}
		try("while the page waits")
		current := w.one()
		try("while somebody else visits")
		if n, err := w.Requeue(w.Context(), []catalog.Lease{{Visit: old.Visit, Page: old.ID}}, w.now); n != 0 || err != nil {
			w.Errorf("%s: the lost visit took the page from its owner (%v)", name, err)
		}
		w.must(w.Extend(w.Context(), []catalog.Lease{{Visit: old.Visit, Page: old.ID}}, w.later()))
		w.store(current, func(s *catalog.Storing) { s.Follow = false })
		try("after somebody else's visit")
		for _, id := range []int64{0, -1, 1 << 40} {
			_, err := write(catalog.Promoted{ID: id, Visit: current.Visit})
			w.is(err, catalog.ErrFenced)
		}
		_, err = write(catalog.Promoted{ID: current.ID})
		w.is(err, catalog.ErrFenced)
		w.exact()
	}
}

func (w *world) lag() int64 {
	w.Helper()
	n, err := w.IndexLag(w.Context())
	w.must(err)
	return n
}

// A stage may run twice: the second time says the same and changes nothing.
func twice(w *world) {
	for name, write := range w.closers() {
		cr, u := w.crawl(name), "http://example.org/"
		p := w.seed(cr, page(u))
		first, err := write(p)
		w.must(err)
		before, index := w.page(name, u), w.lag()
		tally, err := w.Status(w.Context())
		w.must(err)
		w.pass(time.Second)
		for range 2 {
			again, err := write(p)
			w.must(err)
			w.same(name+": lead", again, first)
			w.same(name+": page", w.page(name, u), before)
			w.same(name+": index lag", w.lag(), index)
			after, err := w.Status(w.Context())
			w.must(err)
			w.same(name+": status", after, tally)
			w.exact()
		}
		if (first != nil) != (name == "store" || name == "redirect") {
			w.Errorf("%s leads to %v", name, first)
		}
	}
}

func leads(w *world) {
	cr := w.crawl("a")
	start := w.now
	var want []catalog.Lead
	for i, tt := range []struct {
		page catalog.Candidate
		// what the visit does: "" stores
		redirect, nofollow bool
		lead               bool
	}{
		{page("", at(2, 1)), false, false, true},
		{page("", at(0, catalog.NoLimit)), false, false, true},
		{page("", at(0, 0)), false, false, false},
		{page("", at(1, 3)), false, true, false},
		{page("", at(1, 1)), true, false, true},
		{page("", at(1, 0)), true, false, false},
		{page("", at(0, 0)), true, false, true}, // what a seed redirects to is a seed
		{page("", at(0, 0)), true, true, false},
	} {
		u := fmt.Sprintf("http://example.org/%d", i)
		tt.page.URL, tt.page.Host = u, hostOf(u)
		p := w.seed(cr, tt.page)
		w.pass(time.Second)
		var got *catalog.Lead
		if tt.redirect {
			got = w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "redirected", FinalURL: "http://elsewhere.example/", Follow: !tt.nofollow, Now: w.now})
		} else {
			got = w.store(p, func(s *catalog.Storing) { s.Follow = !tt.nofollow })
		}
		if (got != nil) != tt.lead {
			w.Errorf("case %d: lead %v, want one: %v", i, got, tt.lead)
		}
		if got != nil {
			w.same("lead", *got, catalog.Lead{Page: p.ID, Crawl: "a", Submitter: "ann", URL: u, Depth: tt.page.Depth, Reach: tt.page.Reach})
			want = append(want, *got)
		}
	}
	w.same("leads, the longest waiting first", w.leads(w.now), want)
	left, err := w.LeadsLeft(w.Context())
	w.must(err)
	w.same("leads that are left", left, int64(len(want)))
	w.same("leads of before", w.leads(start.Add(2*time.Second)), want[:2])
	w.same("leads of before", len(w.leads(start)), 0)
	two, err := w.Leads(w.Context(), w.later(), 2)
	w.must(err)
	w.same("two leads", two, want[:2])
	w.exact()
}

func leases(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	w.urls(cr, "http://a.example/1", "http://a.example/2")
	w.open()
	pages := w.handOut(func(win *catalog.Window) { win.Horizon = time.Minute })
	w.urls(cr, "http://b.example/1")
	robots := w.promote()[0]
	get := func(before time.Time, limit int) []catalog.Lease {
		w.Helper()
		l, err := w.Leases(ctx, before, limit)
		w.must(err)
		slices.SortFunc(l, func(a, b catalog.Lease) int { return strings.Compare(a.Visit, b.Visit) })
		return l
	}
	want := []catalog.Lease{{Visit: pages[0].Visit, Page: pages[0].ID}, {Visit: pages[1].Visit, Page: pages[1].ID}, {Visit: robots.RobotsVisit, Page: robots.HostID, Robots: true}}
	slices.SortFunc(want, func(a, b catalog.Lease) int { return strings.Compare(a.Visit, b.Visit) })
	w.same("leases that are good still", len(get(w.now.Add(lease), 10)), 0)
	end := w.now.Add(lease + time.Minute + time.Millisecond)
	w.same("leases that ran out", get(end, 10), want)
	w.same("two leases", len(get(end, 2)), 2)

	// Who is alive gets more time, the others lose their page.
	until := end.Add(time.Hour)
	w.must(w.Extend(ctx, []catalog.Lease{{Visit: pages[0].Visit, Page: pages[0].ID}, {Visit: robots.RobotsVisit, Page: robots.HostID, Robots: true}, {Visit: "x", Page: 1}}, until))
	w.same("leases that ran out", get(until, 10), []catalog.Lease{{Visit: pages[1].Visit, Page: pages[1].ID}})
	w.now = end
	if n, err := w.Requeue(ctx, get(until, 10), w.now); n != 1 || err != nil {
		w.Errorf("%d pages went back (%v)", n, err)
	}
	w.exact()
	if p := w.page("a", pages[1].URL); p.State != catalog.Waiting || p.Visit != "" {
		w.Errorf("the page that went back is %+v", p)
	}
	w.same("leases", len(get(until, 10)), 0)
	again := w.one()
	if again.URL != pages[1].URL || again.Visit == pages[1].Visit {
		w.Errorf("%s was handed out to visit %s, want %s to a new one", again.URL, again.Visit, pages[1].URL)
	}
	w.store(again)
	// A robots visit that was lost is made anew; the lost one can no longer write.
	if n, err := w.Requeue(ctx, []catalog.Lease{{Visit: robots.RobotsVisit, Page: robots.HostID, Robots: true}}, w.now); n != 0 || err != nil {
		w.Errorf("%d pages went back with a robots visit (%v)", n, err)
	}
	second := w.promote()
	if len(second) != 1 || second[0].RobotsVisit == "" || second[0].RobotsVisit == robots.RobotsVisit {
		w.Fatalf("promoted %+v, want a new robots visit", second)
	}
	w.is(w.SetRobots(ctx, robots.HostID, robots.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}), catalog.ErrFenced)
	w.must(w.SetRobots(ctx, robots.HostID, second[0].RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.later()}))
	w.same("page of the host", w.one().URL, "http://b.example/1")
	// The same leases once more, and those of closed pages: nothing.
	if n, err := w.Requeue(ctx, append(want, catalog.Lease{Visit: again.Visit, Page: again.ID}), w.now); n != 1 || err != nil {
		w.Errorf("%d pages went back, want the one that is under way (%v)", n, err)
	}
	w.state("a", again.URL, catalog.Stored)
	w.exact()
}

func recrawl(w *world) {
	cr, other := w.crawl("a"), w.crawl("b")
	w.urls(cr, "http://a.example/stored", "http://a.example/ended", "http://b.example/failed", "http://b.example/queued")
	w.urls(other, "http://a.example/stored")
	w.open()
	for _, p := range w.handOut() {
		switch p.URL {
		case "http://a.example/stored":
			w.store(p)
		case "http://a.example/ended":
			w.end(p, "not_found")
		case "http://b.example/failed":
			w.fail(p, "reset")
		}
	}
	w.urls(cr, "http://c.example/waiting")
	w.exact()
	w.pass(time.Hour)
	n, err := w.Recrawl(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("pages to visit again", n, int64(3))
	w.exact()
	for u, want := range map[string]catalog.State{
		"http://a.example/stored": catalog.Waiting, "http://a.example/ended": catalog.Waiting, "http://b.example/failed": catalog.Waiting,
		"http://b.example/queued": catalog.Queued, "http://c.example/waiting": catalog.Waiting,
	} {
		if p := w.page("a", u); p.State != want || p.Reason != "" {
			w.Errorf("%s is %s (%s), want %s", u, p.State, p.Reason, want)
		}
	}
	w.state("b", "http://a.example/stored", catalog.Stored)
	n, err = w.Recrawl(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("pages to visit again at once", n, int64(0))
	n, err = w.Recrawl(w.Context(), 1<<40, w.now)
	w.must(err)
	w.same("pages of no crawl", n, int64(0))
	// The hosts have nothing else to do, and are looked at all the same.
	var got []string
	for _, b := range w.promote() {
		got = append(got, urlsOf(b.Pages)...)
	}
	w.same("handed out", sorted(got), []string{"http://a.example/ended", "http://a.example/stored", "http://b.example/failed"})
	w.exact()
}

// Visited again and allowed to go further, a page leads on although it says that nothing changed.
func recrawlFurther(w *world) {
	cr, u := w.crawl("a"), "http://example.org/"
	if lead := w.store(w.seed(cr, page(u, at(0, 0)))); lead != nil {
		w.Fatalf("no link is followed, and there is a lead %v", lead)
	}
	w.pass(time.Hour)
	_, err := w.Recrawl(w.Context(), cr.ID, w.now)
	w.must(err)
	w.admit(cr, page(u, at(0, 1)))
	p := w.one()
	w.same("reach", p.Reach, 1)
	_, err = w.Store(w.Context(), catalog.Storing{Page: p.ID, Visit: p.Visit, Unchanged: true, FetchedAt: w.now})
	w.must(err)
	w.same("leads", w.leads(w.now), []catalog.Lead{{Page: p.ID, Crawl: "a", Submitter: "ann", URL: u, Reach: 1}})
	w.exact()
}

// However large a crawl is, each of its pages is made due once.
func recrawlLarge(w *world) {
	const n = 2345
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = n })
	var pages []catalog.Candidate
	for i := range n {
		pages = append(pages, page(fmt.Sprintf("http://example.org/%d", i)))
	}
	w.admit(cr, pages...)
	w.open()
	closed := 0
	for i, p := range w.handOut() {
		if i%50 == 0 {
			w.end(p, "not_found")
			closed++
		}
	}
	got, err := w.Recrawl(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("pages to visit again", got, int64(closed))
	w.exact()
}

func counts(w *world) {
	ctx := w.Context()
	if got, err := w.Status(ctx); len(got) != 0 || err != nil {
		w.Errorf("status of nothing: %v (%v)", got, err)
	}
	w.crawl("z")
	a, b := w.crawl("a"), w.crawl("b")
	w.urls(a, "http://a.example/1", "http://a.example/2", "http://a.example/3", "http://a.example/4", "http://a.example/5")
	w.urls(b, "http://a.example/1")
	w.open()
	got := append(w.handOut(total(10)), w.handOut(total(10))...)
	slices.SortFunc(got, func(a, b catalog.Promoted) int { return strings.Compare(a.Crawl+a.URL, b.Crawl+b.URL) })
	for len(got) < 5 {
		w.Fatalf("%d pages were handed out", len(got))
	}
	w.store(got[0])
	w.end(got[1], "not_found")
	w.end(got[2], "gone")
	w.fail(got[3], "reset")
	tallies, err := w.Status(ctx)
	w.must(err)
	var names []string
	for _, t := range tallies {
		names = append(names, t.Crawl)
		if t.Crawl == "a" {
			w.same("counts", []int64{t.Admitted(), t.Stored, t.Ended, t.Failed, t.Bytes}, []int64{5, 1, 2, 1, 1000})
			w.same("reasons", t.Reasons, map[string]int64{"not_found": 1, "gone": 1, "reset": 1})
		}
	}
	w.same("crawls", names, []string{"a", "b", "z"})
	h := w.host("http://a.example/")
	w.same("host", []int64{h.Admitted(), h.Stored, h.Ended, h.Failed, h.Bytes}, []int64{6, 1, 2, 1, 1000})
	w.exact()
}
