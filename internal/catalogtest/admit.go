package catalogtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"example.org/trawl/catalog"
)

func submit(w *world) {
	var olds []string
	merge := func(c catalog.Crawl) func(json.RawMessage) (catalog.Crawl, error) {
		return func(old json.RawMessage) (catalog.Crawl, error) {
			olds = append(olds, string(old))
			return c, nil
		}
	}
	limits := catalog.Limits{Delay: 1500 * time.Millisecond, PerHost: 3, PerDomain: 4, PerIP: 5, Adapt: true}
	first := catalog.Crawl{Settings: json.RawMessage(`{"a": 1}`), Limits: limits, MaxPages: 7, Name: "ignored", ID: 99}
	got, err := w.Submit(w.Context(), "größe '\"; --", []string{"host b", "host a", "host a"}, w.now, merge(first))
	w.must(err)
	want := catalog.Crawl{
		ID: got.ID, Name: "größe '\"; --", Settings: first.Settings, Limits: limits, MaxPages: 7, Roots: []string{"host a", "host b"}, Created: w.now,
	}
	check := func(got catalog.Crawl) {
		w.Helper()
		got.Roots, got.Created = sorted(got.Roots), got.Created.UTC()
		w.same("crawl", got, want)
	}
	check(got)
	again, err := w.Crawl(w.Context(), want.Name)
	w.must(err)
	check(again)

	// The last submission wins, adds its roots, and does not move the beginning.
	want.Settings, want.Limits, want.MaxPages, want.Roots = json.RawMessage(`{"b":2}`), catalog.Limits{PerHost: 1}, 8, []string{"host a", "host b", "host c"}
	got, err = w.Submit(w.Context(), want.Name, []string{"host c", "host a"}, w.now.Add(time.Hour), merge(want))
	w.must(err)
	check(got)
	if olds[0] != "" || olds[len(olds)-1] != string(first.Settings) {
		w.Errorf("merge was given %q, want nothing and then %s", olds, first.Settings)
	}
	if other := w.crawl("another"); other.ID == got.ID || len(other.Roots) != 0 {
		w.Errorf("another crawl is %+v", other)
	}
}

func submitRefused(w *world) {
	before := w.crawl("a")
	bad := errors.New("bad settings")
	for _, name := range []string{"a", "new"} {
		_, err := w.Submit(w.Context(), name, []string{"*"}, w.now, func(json.RawMessage) (catalog.Crawl, error) { return catalog.Crawl{MaxPages: 9}, bad })
		w.is(err, bad)
	}
	after, err := w.Crawl(w.Context(), "a")
	w.must(err)
	w.same("crawl", after, before)
	_, err = w.Crawl(w.Context(), "new")
	w.is(err, catalog.ErrNotFound)
}

func nothingThere(w *world) {
	ctx := w.Context()
	_, err := w.Crawl(ctx, "x")
	w.is(err, catalog.ErrNotFound)
	_, err = w.Page(ctx, "x", "http://example.org/")
	w.is(err, catalog.ErrNotFound)
	_, err = w.Outlinks(ctx, 1)
	w.is(err, catalog.ErrNotFound)
	_, err = w.Host(ctx, "http://example.org:80")
	w.is(err, catalog.ErrNotFound)
	_, err = w.HostByID(ctx, 1)
	w.is(err, catalog.ErrNotFound)
	_, err = w.Search(ctx, catalog.Query{Words: "x", Crawl: "x", Limit: 10})
	w.is(err, catalog.ErrNotFound)
	w.is(w.Pages(ctx, catalog.Filter{Crawl: "x"}, func(catalog.Page) error { return nil }), catalog.ErrNotFound)
	w.is(w.SetRobots(ctx, 1, "v", catalog.Robots{}), catalog.ErrFenced)
	_, err = w.Store(ctx, catalog.Storing{Page: 1, Visit: "v"})
	w.is(err, catalog.ErrFenced)
	_, err = w.CloseVisit(ctx, catalog.Closing{Page: 1, Visit: "v", State: catalog.Ended})
	w.is(err, catalog.ErrFenced)
	if got := w.promote(); len(got) != 0 {
		w.Errorf("promoted %v", got)
	}
	if n, err := w.IndexBatch(ctx, 10); n != 0 || err != nil {
		w.Errorf("indexed %d (%v)", n, err)
	}
	if n, err := w.IndexLag(ctx); n != 0 || err != nil {
		w.Errorf("index lag %d (%v)", n, err)
	}
	if n, err := w.Requeue(ctx, nil, w.now); n != 0 || err != nil {
		w.Errorf("requeued %d (%v)", n, err)
	}
	w.must(w.Extend(ctx, nil, w.now))
	w.must(w.Check(ctx))
	l, err := w.Leases(ctx, w.later(), 10)
	if len(l) != 0 || err != nil {
		w.Errorf("leases %v (%v)", l, err)
	}
	w.exact()
}

func admit(w *world) {
	cr := w.crawl("a")
	got := w.urls(cr, "http://a.example/1", "http://b.example/1", "http://a.example/2", "http://a.example/1")
	w.same("new", got.New, []string{"http://a.example/1", "http://b.example/1", "http://a.example/2"})
	a, b := w.host("http://a.example/"), w.host("http://b.example/")
	if a.Name != "http://a.example:80" || a.Waiting != 2 || b.Waiting != 1 {
		w.Errorf("hosts %+v and %+v", a, b)
	}
	byID, err := w.HostByID(w.Context(), a.ID)
	w.must(err)
	w.same("host by ID", byID, a)
	w.exact()

	w.pass(time.Minute)
	got = w.urls(cr, "http://a.example/1", "http://a.example/2")
	w.same("known pages", got, catalog.Admitted{})
	got = w.admission(catalog.Admission{
		Crawl: cr.ID, Submitter: "bob", Origin: "link", From: "http://a.example/1", Now: w.now,
		Pages: []catalog.Candidate{{URL: "http://a.example/ü?'\"%00", Host: "http://a.example:80", Depth: 2, Reach: 3, Priority: -1}, page("http://a.example/1", at(9, 9))},
	})
	w.same("new", got.New, []string{"http://a.example/ü?'\"%00"})
	p := w.page("a", "http://a.example/ü?'\"%00")
	w.same("page", p, catalog.Page{
		ID: p.ID, URL: "http://a.example/ü?'\"%00", Crawl: "a", Submitter: "bob", Host: "http://a.example:80", HostID: a.ID, Origin: "link", Via: "http://a.example/1",
		Depth: 2, Reach: 3, Priority: -1, State: catalog.Waiting, Due: w.now, FirstSeen: w.now,
	})
	if p := w.page("a", "http://a.example/1"); p.Submitter != "ann" || p.Origin != "seed" || p.Depth != 0 || p.Reach != catalog.NoLimit || !p.FirstSeen.Equal(w.now.Add(-time.Minute)) {
		w.Errorf("a known page was changed to %+v", p)
	}

	// The same URL in another crawl is another page, at the same host.
	other := w.crawl("b")
	got = w.urls(other, "http://a.example/1")
	w.same("new in another crawl", got.New, []string{"http://a.example/1"})
	if x, y := w.page("a", "http://a.example/1"), w.page("b", "http://a.example/1"); x.ID == y.ID || x.HostID != y.HostID {
		w.Errorf("pages %d and %d of hosts %d and %d", x.ID, y.ID, x.HostID, y.HostID)
	}
	w.same("nothing", w.admit(cr), catalog.Admitted{})
	w.exact()
}

// Whatever order pages are found in, each has the least depth, the greatest reach and the greatest priority it was found with.
func nearest(w *world) {
	type found struct{ depth, reach, prio int }
	const none = catalog.NoLimit
	for i, tt := range []struct {
		all  []found
		want found
	}{
		{[]found{{3, 2, 0}, {2, 3, 0}}, found{2, 3, 0}},
		{[]found{{2, 3, 0}, {3, 2, 0}}, found{2, 3, 0}},
		{[]found{{2, 0, 0}, {5, none, 0}}, found{2, none, 0}},
		{[]found{{5, none, 0}, {2, 0, 0}}, found{2, none, 0}},
		{[]found{{1, none, 0}, {1, none, 1}}, found{1, none, 1}},
		{[]found{{1, none, 1}, {1, none, -1}}, found{1, none, 1}},
		{[]found{{4, 1, -1}, {3, 1, 0}, {4, 2, 1}, {0, 0, 0}}, found{0, 2, 1}},
	} {
		cr, u := w.crawl(fmt.Sprint(i)), "http://example.org/"
		for j, f := range tt.all {
			got := w.admission(catalog.Admission{
				Crawl: cr.ID, Submitter: "ann", Origin: "link", From: fmt.Sprint("via ", j), Now: w.now, Pages: []catalog.Candidate{page(u, at(f.depth, f.reach), priority(f.prio))},
			})
			if isNew := len(got.New) > 0; isNew != (j == 0) || len(got.Leads) > 0 {
				w.Errorf("case %d: find %d gave %+v", i, j, got)
			}
		}
		p := w.page(cr.Name, u)
		if (found{p.Depth, p.Reach, p.Priority}) != tt.want {
			w.Errorf("found as %v, the page has depth %d, reach %d, priority %d; want %v", tt.all, p.Depth, p.Reach, p.Priority, tt.want)
		}
		for j, f := range tt.all {
			if p.Via == fmt.Sprint("via ", j) && f.depth != p.Depth {
				w.Errorf("case %d: the page has depth %d by way of find %d, which was at %d", i, p.Depth, j, f.depth)
			}
		}
	}
	w.exact()
}

// A stored page that turns out to be nearer, or to reach further, leads to its links once more; but only where they are followed
// at all.
func leadsAgain(w *world) {
	for name, tt := range map[string]struct {
		first  catalog.Candidate
		follow bool
		then   catalog.Candidate
		lead   bool
	}{
		"nearer":                    {page("", at(3, 2)), true, page("", at(1, 2)), true},
		"further":                   {page("", at(1, 2)), true, page("", at(1, 3)), true},
		"without a limit now":       {page("", at(1, 2)), true, page("", at(5, catalog.NoLimit)), true},
		"at last":                   {page("", at(1, 0)), true, page("", at(1, 1)), true},
		"neither":                   {page("", at(1, 2)), true, page("", at(2, 1)), false},
		"the same":                  {page("", at(1, 2)), true, page("", at(1, 2)), false},
		"only sooner":               {page("", at(1, 2)), true, page("", at(1, 2), priority(1)), false},
		"nearer, and nofollow":      {page("", at(3, 2)), false, page("", at(1, 2)), false},
		"nearer, but reach is zero": {page("", at(3, 0)), true, page("", at(1, 0)), false},
	} {
		cr, u := w.crawl(name), "http://example.org/"
		tt.first.URL, tt.first.Host, tt.then.URL, tt.then.Host = u, hostOf(u), u, hostOf(u)
		p := w.seed(cr, tt.first)
		if l := w.store(p, func(s *catalog.Storing) { s.Follow = tt.follow }); l != nil {
			w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "link", Lead: l, Now: w.now})
		}
		if l := w.leads(w.later()); len(l) != 0 {
			w.Fatalf("%s: leads %v before it was found again", name, l)
		}
		w.pass(time.Second)
		var want []catalog.Lead
		if tt.lead {
			want = []catalog.Lead{{Page: p.ID, Crawl: name, Submitter: "ann", URL: u, Depth: min(tt.first.Depth, tt.then.Depth), Reach: further(tt.first.Reach, tt.then.Reach)}}
		}
		got := w.admit(cr, tt.then)
		w.same(name+": admitted", got, catalog.Admitted{Leads: want})
		w.same(name+": leads", w.leads(w.now), want)
		for i := range want {
			w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "link", Lead: &want[i], Now: w.now})
		}
		w.state(name, u, catalog.Stored)
	}
	w.exact()
}

func limited(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = 3 })
	got := w.urls(cr, "http://a.example/1", "http://a.example/2")
	w.same("new", got.New, []string{"http://a.example/1", "http://a.example/2"})
	got = w.urls(cr, "http://a.example/1", "http://a.example/3", "http://b.example/4", "http://a.example/2", "http://a.example/5")
	w.same("new", got.New, []string{"http://a.example/3"})
	w.same("over", got.Over, 2)
	// A known page is no page over the limit, and is still found nearer.
	got = w.admit(cr, page("http://a.example/1", priority(1)), page("http://a.example/6"))
	w.same("full", got, catalog.Admitted{Over: 1})
	w.same("priority", w.page("a", "http://a.example/1").Priority, 1)
	_, err := w.Page(w.Context(), "a", "http://a.example/6")
	w.is(err, catalog.ErrNotFound)
	w.exact()

	// Pages that are closed count; what the limit is raised by may be admitted.
	w.open()
	for _, p := range w.handOut() {
		w.store(p)
	}
	w.same("full of stored pages", w.urls(cr, "http://a.example/6").Over, 1)
	w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = 4 })
	got = w.urls(cr, "http://a.example/6", "http://a.example/7")
	w.same("raised", got, catalog.Admitted{New: []string{"http://a.example/6"}, Over: 1})
	w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = 1 })
	w.same("lowered", w.urls(cr, "http://a.example/8", "http://a.example/1"), catalog.Admitted{Over: 1})
	w.exact()
}

func leadCleared(w *world) {
	cr := w.crawl("a")
	p := w.seed(cr, page("http://example.org/", at(2, 5)))
	lead := w.store(p)
	w.same("lead", lead, &catalog.Lead{Page: p.ID, Crawl: "a", Submitter: "ann", URL: "http://example.org/", Depth: 2, Reach: 5})
	next := func(l *catalog.Lead, u string) {
		w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "link", From: p.URL, Lead: l, Now: w.now, Pages: []catalog.Candidate{page(u, at(l.Depth+1, 4))}})
	}
	// Found nearer while its links were on their way: those were at too great a depth, and have to go again.
	again := w.admit(cr, page("http://example.org/", at(1, 5)))
	next(lead, "http://example.org/next")
	w.same("leads", w.leads(w.later()), again.Leads)
	next(&again.Leads[0], "http://example.org/next")
	w.same("leads", len(w.leads(w.later())), 0)
	w.same("depth", w.page("a", "http://example.org/next").Depth, 2)
	// Done once more, it changes nothing.
	next(&again.Leads[0], "http://example.org/next")
	w.same("leads", len(w.leads(w.later())), 0)
	w.exact()
}

// further is the greater of two reaches.
func further(a, b int) int {
	if a == catalog.NoLimit || b == catalog.NoLimit {
		return catalog.NoLimit
	}
	return max(a, b)
}
