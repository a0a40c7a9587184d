package catalogtest

import (
	"time"

	"example.org/trawl/catalog"
)

func sitemap(p *catalog.Candidate) { p.Sitemap = true }

func modified(t time.Time) func(*catalog.Candidate) {
	return func(p *catalog.Candidate) { p.Modified = t }
}

// What a sitemap lists is admitted, however far links are followed from it.
func sitemaps(w *world) {
	cr, u := w.crawl("a"), "http://a.example/sitemap.xml"
	w.admit(cr, page(u, at(2, 0), sitemap), page("http://a.example/page", at(2, 0)), page("http://a.example/moved", at(2, 0), sitemap), page("http://a.example/gone", at(2, 0), sitemap))
	w.open()
	want := map[string]bool{u: true, "http://a.example/page": false, "http://a.example/moved": true, "http://a.example/gone": true}
	got := map[string]catalog.Promoted{}
	for _, p := range w.handOut() {
		got[p.URL] = p
		if p.Sitemap != want[p.URL] || w.page("a", p.URL).Sitemap != want[p.URL] {
			w.Errorf("%s was handed out as a sitemap: %v, want %v", p.URL, p.Sitemap, want[p.URL])
		}
	}
	if lead := w.store(got["http://a.example/page"]); lead != nil {
		w.Errorf("a page that no link is followed from has a lead %+v", lead)
	}
	lead := w.store(got[u])
	w.same("lead", lead, &catalog.Lead{Page: got[u].ID, Crawl: "a", Submitter: "ann", URL: u, Depth: 2})
	w.same("leads", w.leads(w.later()), []catalog.Lead{*lead})
	w.pass(time.Second)
	moved := got["http://a.example/moved"]
	to := w.shut(catalog.Closing{Page: moved.ID, Visit: moved.Visit, State: catalog.Ended, Reason: "redirected", FinalURL: "http://b.example/", Follow: true, Now: w.now})
	w.same("lead of one that is elsewhere", to, &catalog.Lead{Page: moved.ID, Crawl: "a", Submitter: "ann", URL: moved.URL, Depth: 2})
	if lead := w.end(got["http://a.example/gone"], "not_found"); lead != nil {
		w.Errorf("a sitemap that is not there has a lead %+v", lead)
	}
	w.same("leads", w.leads(w.later()), []catalog.Lead{*lead, *to})
	for _, l := range []*catalog.Lead{lead, to} {
		w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Lead: l, Now: w.now})
	}
	w.same("leads", len(w.leads(w.later())), 0)
	// Found nearer, what it lists is nearer too.
	nearer := *lead
	nearer.Depth = 1
	w.same("admitted", w.admit(cr, page(u, at(1, 0), sitemap), page("http://a.example/page", at(1, 0))), catalog.Admitted{Leads: []catalog.Lead{nearer}})
	w.exact()
}

// closed are a page that is stored, one that ended and one that failed, as of now, by their URLs.
func (w *world) closed(cr catalog.Crawl, host string) (urls []string) {
	w.Helper()
	w.admit(cr, many(host, 1, 3)...)
	w.open()
	for i, p := range w.handOut() {
		urls = append(urls, p.URL)
		switch i {
		case 0:
			w.store(p)
		case 1:
			w.end(p, "not_found")
		case 2:
			w.fail(p, "reset")
		}
	}
	return urls
}

// A page that changed after it was visited, as a sitemap says, is visited again, and no other is.
func modifiedAgain(w *world) {
	cr, other := w.crawl("a"), w.crawl("b")
	fetched := w.now
	urls := w.closed(cr, "a")
	w.admit(other, many("a", 1, 1)...)
	w.store(w.one())
	tell := func(when time.Time) {
		w.Helper()
		for _, u := range urls {
			w.same("admitted", w.admit(cr, page(u, modified(when))), catalog.Admitted{})
		}
		w.exact()
	}
	tell(fetched.Add(time.Hour)) // a clock that is ahead says nothing of a page that was fetched this moment
	w.pass(time.Hour)
	for _, when := range []time.Time{{}, time.Unix(0, 0), fetched.Add(-time.Hour), fetched} {
		tell(when)
	}
	w.nothing("that did not change")
	changed := fetched.Add(time.Minute)
	tell(changed)
	for _, u := range urls {
		if p := w.page("a", u); p.State != catalog.Waiting || p.Reason != "" || !p.Due.Equal(w.now) {
			w.Errorf("%s, which has changed, is %s (%s), due at %v", u, p.State, p.Reason, p.Due)
		}
	}
	w.state("b", urls[0], catalog.Stored)
	since := w.now
	w.pass(time.Minute)
	tell(changed)
	w.same("due", w.page("a", urls[0]).Due, since)
	pages := w.handOut()
	w.same("handed out", sorted(urlsOf(pages)), sorted(urls))
	tell(changed)
	for _, p := range pages {
		w.owned(p.ID, p.Visit, true)
		w.store(p)
	}
	// Visited since, and told the same again.
	w.pass(time.Minute)
	tell(changed)
	w.nothing("that was visited since it changed")
	w.exact()
}

// Asked for, any closed page is visited once more, also in a crawl that is full.
func admitAgain(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = 5 })
	urls := w.closed(cr, "a")
	w.urls(cr, "http://a0.example/queued")
	queued := w.one()
	w.urls(cr, "http://a0.example/waiting")
	since := w.now
	w.pass(time.Minute)
	all := catalog.Admission{Crawl: cr.ID, Submitter: "bob", Origin: "seed", Now: w.now, Again: true}
	for _, u := range append(urls, queued.URL, "http://a0.example/waiting", "http://a0.example/new") {
		all.Pages = append(all.Pages, page(u))
	}
	once := all
	once.Again = false
	w.same("admitted, without asking for more", w.admission(once), catalog.Admitted{Over: 1})
	w.state("a", urls[0], catalog.Stored)
	all.Pages[0].Priority = 1
	w.same("over", w.admission(all).Over, 1)
	w.same("priority", w.page("a", urls[0]).Priority, 1)
	w.exact()
	for _, u := range urls {
		if p := w.page("a", u); p.State != catalog.Waiting || p.Reason != "" || p.Tries != 0 || p.Submitter != "ann" || !p.Due.Equal(w.now) {
			w.Errorf("asked for again, a page is %+v", p)
		}
	}
	w.owned(queued.ID, queued.Visit, true)
	w.same("due", w.page("a", "http://a0.example/waiting").Due, since)
	w.same("handed out", len(w.handOut()), 4)
	w.same("asked for twice", w.admission(all), catalog.Admitted{Over: 1})
	w.nothing("that is visited already")
	w.store(queued)
	w.exact()
}
