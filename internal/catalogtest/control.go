package catalogtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/catalog"
)

// pauses are what is paused, as words.
func (w *world) pauses() (out []string) {
	w.Helper()
	all, err := w.Pauses(w.Context())
	w.must(err)
	for _, p := range all {
		out = append(out, p.What+" "+p.Name)
	}
	return out
}

// A pause keeps pages of what it names waiting, and nothing else, until it is taken back.
func pauseResume(w *world) {
	ctx := w.Context()
	for _, tt := range []struct {
		what, name string
		is         func(catalog.Promoted) bool
	}{
		{"crawl", "a", func(p catalog.Promoted) bool { return p.Crawl == "a" }},
		{"host", "http://x0.example:80", func(p catalog.Promoted) bool { return hostOf(p.URL) == "http://x0.example:80" }},
		{"submitter", "bob", func(p catalog.Promoted) bool { return p.Submitter == "bob" }},
	} {
		v := &world{T: w.T, Catalog: w.Catalog, now: w.now}
		admit := func(n int, change ...func(*catalog.Candidate)) {
			for _, name := range []string{"a", "b"} {
				for _, submitter := range []string{"ann", "bob"} {
					for _, host := range []string{"x", "y"} {
						path := fmt.Sprintf("%s/%s/%d", tt.what, submitter, n)
						v.by(submitter, v.crawl(name), page("http://"+host+"0.example/"+path, change...))
					}
				}
			}
		}
		admit(1)
		if v.host("http://x0.example/").Robots.State == catalog.RobotsUnknown {
			v.open()
		}
		start := v.now
		v.must(v.Pause(ctx, tt.what, tt.name, start))
		v.pass(time.Second)
		v.must(v.Pause(ctx, tt.what, tt.name, v.now))
		all, err := v.Pauses(ctx)
		v.must(err)
		v.same("pauses", all, []catalog.Pause{{What: tt.what, Name: tt.name, Since: start}})
		handed := v.handOut()
		// Neither time nor what comes new changes that.
		v.pass(time.Hour)
		admit(2)
		admit(3, priority(1))
		handed = append(handed, v.handOut()...)
		for _, p := range handed {
			if tt.is(p) {
				v.Errorf("%s of %s by %s was handed out although the %s is paused", p.URL, p.Crawl, p.Submitter, tt.what)
			}
		}
		v.same("handed out beside a paused "+tt.what, len(handed), 12)
		v.exact()
		v.must(v.Resume(ctx, tt.what, tt.name, v.now))
		v.is(v.Resume(ctx, tt.what, tt.name, v.now), catalog.ErrNotFound)
		v.same("pauses", v.pauses(), []string(nil))
		v.same("handed out after resume", len(v.handOut()), 12)
		v.exact()
		w.now = v.now
	}
}

func pauseUnknown(w *world) {
	ctx := w.Context()
	w.urls(w.crawl("a"), "http://a.example/")
	for _, what := range []string{"crawl", "host", "submitter"} {
		w.is(w.Pause(ctx, what, "nobody", w.now), catalog.ErrNotFound)
		w.is(w.Resume(ctx, what, "nobody", w.now), catalog.ErrNotFound)
		w.is(w.Resume(ctx, what, map[string]string{"crawl": "a", "host": "http://a.example:80", "submitter": "ann"}[what], w.now), catalog.ErrNotFound)
	}
	w.same("pauses", w.pauses(), []string(nil))
	// A host that is in trouble stays so when its pause ends.
	w.open()
	p := w.one()
	w.hold(p)
	w.must(w.Pause(ctx, "host", "http://a.example:80", w.now))
	w.nothing("of a paused host")
	w.must(w.Resume(ctx, "host", "http://a.example:80", w.now))
	w.nothing("of a host in trouble")
	w.pass(time.Minute)
	w.probe()
	w.exact()
}

// nine are pages of two crawls, hosts and submitters, each of which differs from another in one of these.
func (w *world) nine() map[string]catalog.Promoted {
	w.Helper()
	for _, name := range []string{"a", "b"} {
		cr := w.crawl(name)
		for _, submitter := range []string{"ann", "bob"} {
			for _, host := range []string{"x", "y"} {
				w.by(submitter, cr, page(fmt.Sprintf("http://%s.example/%s/%s", host, name, submitter)))
			}
		}
	}
	if w.host("http://x.example/").Robots.State == catalog.RobotsUnknown {
		w.open()
	}
	out := map[string]catalog.Promoted{}
	for _, p := range w.handOut() {
		host := strings.TrimSuffix(strings.TrimPrefix(hostOf(p.URL), "http://"), ".example:80")
		out[strings.Join([]string{p.Crawl, host, p.Submitter}, " ")] = p
	}
	if len(out) != 8 {
		w.Fatalf("%d pages, want 8", len(out))
	}
	return out
}

// choices are ways to choose from nine, with the pages that they choose.
func choices() map[catalog.Choice]func(string) bool {
	has := func(parts ...string) func(string) bool {
		return func(name string) bool {
			f := strings.Fields(name)
			return (parts[0] == "" || parts[0] == f[0]) && (parts[1] == "" || parts[1] == f[1]) && (parts[2] == "" || parts[2] == f[2])
		}
	}
	const x, y = "http://x.example:80", "http://y.example:80"
	return map[catalog.Choice]func(string) bool{
		{}:                                      has("", "", ""),
		{Crawl: "a"}:                            has("a", "", ""),
		{Host: y}:                               has("", "y", ""),
		{Submitter: "bob"}:                      has("", "", "bob"),
		{Crawl: "b", Host: x}:                   has("b", "x", ""),
		{Crawl: "a", Submitter: "ann"}:          has("a", "", "ann"),
		{Host: x, Submitter: "ann"}:             has("", "x", "ann"),
		{Crawl: "b", Host: y, Submitter: "bob"}: has("b", "y", "bob"),
	}
}

// A page that failed waits again, with all its tries, and what is remembered of its failure is gone.
func retry(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 5)...)
	w.open()
	pages := w.handOut()
	w.fail(pages[0], "unreachable")
	w.fail(pages[1], "stalled")
	w.end(pages[2], "not_found")
	w.store(pages[3])
	w.exact()
	n, err := w.Retry(ctx, catalog.Choice{Fault: "tls"}, w.now)
	w.must(err)
	w.same("of another kind", n, int64(0))
	w.pass(time.Hour)
	n, err = w.Retry(ctx, catalog.Choice{Fault: "unreachable"}, w.now)
	w.must(err)
	w.same("of one kind", n, int64(1))
	w.exact()
	got := w.page("a", pages[0].URL)
	if got.State != catalog.Waiting || got.Tries != 0 || got.Reason != "" || got.Fault != "" || !got.Due.Equal(w.now) {
		w.Errorf("a page that is tried again is %+v", got)
	}
	if stage, text, err := w.Failure(ctx, got.ID); stage+text != "" || err != nil {
		w.Errorf("it is known to have failed in %q with %q (%v)", stage, text, err)
	}
	_, err = w.Store(ctx, w.found(pages[0]))
	w.is(err, catalog.ErrFenced)
	n, err = w.Retry(ctx, catalog.Choice{}, w.now)
	w.must(err)
	w.same("of any kind", n, int64(1))
	w.state("a", pages[2].URL, catalog.Ended)
	w.state("a", pages[3].URL, catalog.Stored)
	w.state("a", pages[4].URL, catalog.Queued)
	for _, p := range w.handOut() {
		if p.Tries != 0 {
			w.Errorf("%s goes out after %d tries", p.URL, p.Tries)
		}
		w.store(p)
	}
	w.exact()
	for _, ch := range []catalog.Choice{{Crawl: "x"}, {Host: "x"}, {Submitter: "x"}, {Crawl: "a", Host: "x"}} {
		_, err := w.Retry(ctx, ch, w.now)
		w.is(err, catalog.ErrNotFound)
		_, err = w.Cancel(ctx, ch, "cancelled", w.now)
		w.is(err, catalog.ErrNotFound)
		_, err = w.Failures(ctx, ch)
		w.is(err, catalog.ErrNotFound)
		_, err = w.Open(ctx, ch)
		w.is(err, catalog.ErrNotFound)
	}
	// A host that was given up is tried at once.
	w.urls(cr, "http://b.example/1", "http://b.example/2")
	w.open()
	p := w.handOut(total(3))[0]
	forever := func(h *catalog.Hold) {
		h.Patience = time.Minute
		h.Wait = func(int) time.Duration { return time.Hour }
	}
	w.hold(p, forever)
	w.now = w.trouble(p.URL).Until
	w.hold(w.probe(), forever)
	for _, b := range w.promote() {
		if b.GivenUp == nil {
			w.Errorf("promoted %+v, want pages that are to fail", b)
		}
		for _, p := range b.Pages {
			w.fail(p, "unreachable")
		}
	}
	w.pass(time.Second)
	n, err = w.Retry(ctx, catalog.Choice{Host: "http://b.example:80"}, w.now)
	w.must(err)
	w.same("of a host that was given up", n, int64(2))
	if x := w.trouble(p.URL); x.GivenUp || x.State != catalog.HostDead {
		w.Errorf("the host has %+v", x)
	}
	w.store(w.probe())
	w.exact()
}

func retryChoice(w *world) {
	pages := w.nine()
	for ch, chosen := range choices() {
		for _, p := range pages {
			w.fail(p, "unreachable")
		}
		n, err := w.Retry(w.Context(), ch, w.now)
		w.must(err)
		got, want := []string{}, []string{}
		for name, p := range pages {
			if chosen(name) {
				want = append(want, name)
			}
			if w.page(p.Crawl, p.URL).State == catalog.Waiting {
				got = append(got, name)
			}
		}
		w.same(fmt.Sprintf("%+v", ch), sorted(got), sorted(want))
		w.same(fmt.Sprintf("%+v", ch), n, int64(len(want)))
		w.exact()
		_, err = w.Retry(w.Context(), catalog.Choice{}, w.now)
		w.must(err)
		for _, p := range w.handOut() {
			for name, old := range pages {
				if old.ID == p.ID {
					pages[name] = p
				}
			}
		}
	}
}

// Cancelled, a page ends: its visit can no longer write, and its links are not followed.
func cancel(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	w.admit(cr, many("a", 1, 5)...)
	w.open()
	pages := w.handOut()
	w.end(pages[0], "not_found")
	w.fail(pages[1], "unreachable")
	w.store(pages[2])
	w.must(w.Postpone(ctx, catalog.Postponed{Page: pages[3].ID, Visit: pages[3].Visit, Due: w.now.Add(time.Hour), Spent: true, Attempt: catalog.Attempt{At: w.now, Fault: "stalled"}}))
	w.same("leads", len(w.leads(w.later())), 1)
	w.pass(time.Second)
	n, err := w.Cancel(ctx, catalog.Choice{}, "cancelled", w.now)
	w.must(err)
	w.same("cancelled", n, int64(2))
	w.exact()
	for i, want := range []string{"ended not_found", "failed unreachable", "stored ", "ended cancelled", "ended cancelled"} {
		p := w.page("a", pages[i].URL)
		w.same("page", string(p.State)+" "+p.Reason, want)
	}
	if p := w.page("a", pages[3].URL); p.Fault != "" {
		w.Errorf("a page that is over waits for another try after %s", p.Fault)
	}
	w.same("leads", len(w.leads(w.later())), 0)
	left, err := w.LeadsLeft(ctx)
	w.must(err)
	w.same("leads that are left", left, int64(0))
	for name, write := range w.closers() {
		if lead, err := write(pages[4]); lead != nil {
			w.Errorf("%s: lead %v (%v)", name, lead, err)
		} else {
			w.is(err, catalog.ErrFenced)
		}
	}
	w.is(w.Postpone(ctx, catalog.Postponed{Page: pages[4].ID, Visit: pages[4].Visit, Due: w.now}), catalog.ErrFenced)
	if owns, err := w.Owns(ctx, pages[4].ID, pages[4].Visit); owns || err != nil {
		w.Errorf("a visit of a cancelled page owns it: %v (%v)", owns, err)
	}
	w.hold(pages[4])
	w.state("a", pages[4].URL, catalog.Ended)
	w.must(w.ReleaseHost(ctx, hostOf(pages[4].URL), w.now))
	w.nothing("that was cancelled")
	when, err := w.Meta(ctx, catalog.CancelledKey)
	w.must(err)
	w.same("when", when, fmt.Sprint(w.now.UnixMilli()))
	n, err = w.Cancel(ctx, catalog.Choice{}, "cancelled", w.now)
	w.must(err)
	w.same("cancelled again", n, int64(0))
	w.exact()
	// A crawl that was cancelled can be visited again.
	again, err := w.Recrawl(ctx, cr.ID, w.now)
	w.must(err)
	w.same("visited again", again, int64(5))
	w.same("handed out", len(w.handOut()), 5)
	w.exact()
}

func cancelChoice(w *world) {
	for ch, chosen := range choices() {
		pages := w.nine()
		half := 0
		for _, name := range sortedKeys(pages) { // half of them wait, the others are under way
			if half++; half%2 == 0 {
				p := pages[name]
				w.must(w.Postpone(w.Context(), catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: w.now.Add(time.Hour)}))
			}
		}
		open, err := w.Open(w.Context(), ch)
		w.must(err)
		n, err := w.Cancel(w.Context(), ch, "cancelled", w.now)
		w.must(err)
		w.same("open before they were cancelled", open, n)
		got, want := []string{}, []string{}
		for name, p := range pages {
			if chosen(name) {
				want = append(want, name)
			}
			if w.page(p.Crawl, p.URL).State == catalog.Ended {
				got = append(got, name)
			}
		}
		w.same(fmt.Sprintf("%+v", ch), sorted(got), sorted(want))
		w.same(fmt.Sprintf("%+v", ch), n, int64(len(want)))
		w.exact()
		_, err = w.Cancel(w.Context(), catalog.Choice{}, "cancelled", w.now)
		w.must(err)
		w.pass(time.Minute)
		for _, name := range []string{"a", "b"} {
			cr, err := w.Catalog.Crawl(w.Context(), name)
			w.must(err)
			_, err = w.Recrawl(w.Context(), cr.ID, w.now)
			w.must(err)
		}
	}
}

func sortedKeys(m map[string]catalog.Promoted) (out []string) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// However many pages are chosen, each is retried or cancelled once.
func controlLarge(w *world) {
	n := 4321
	if testing.Short() {
		n = 2100
	}
	cr, other := w.crawl("a", roomy), w.crawl("b")
	w.admit(cr, many("a", 1, n)...)
	w.admit(other, many("b", 1, 3)...)
	w.open()
	pages := w.handOut()
	for i, p := range pages {
		if p.Crawl == "b" || i%2 == 0 {
			w.fail(p, "unreachable")
		}
	}
	var failed int64
	for _, t := range w.tallies() {
		failed += t.Failed
	}
	got, err := w.Retry(w.Context(), catalog.Choice{Crawl: "a"}, w.now)
	w.must(err)
	w.same("retried", got, failed-3)
	w.exact()
	got, err = w.Cancel(w.Context(), catalog.Choice{Crawl: "a"}, "cancelled", w.now)
	w.must(err)
	w.same("cancelled", got, int64(n))
	w.exact()
	w.nothing("after all of it was cancelled")
	got, err = w.Retry(w.Context(), catalog.Choice{}, w.now)
	w.must(err)
	w.same("retried", got, int64(3))
	w.exact()
}

func (w *world) tallies() []catalog.Tally {
	w.Helper()
	all, err := w.Status(w.Context())
	w.must(err)
	return all
}

// Failures are of pages that failed and are not tried again.
func failures(w *world) {
	ctx := w.Context()
	is := func(ch catalog.Choice, want ...catalog.Failures) {
		w.Helper()
		got, err := w.Failures(ctx, ch)
		w.must(err)
		for i := range got {
			if i < len(want) && want[i].Example == "" {
				if got[i].Example == "" || got[i].Err != "it did not answer" {
					w.Errorf("the example is %q, and its error %q", got[i].Example, got[i].Err)
				}
				got[i].Example, got[i].Err = "", ""
			}
		}
		w.same(fmt.Sprintf("failures of %+v", ch), got, want)
	}
	is(catalog.Choice{})
	pages := w.nine()
	start := w.now
	for _, name := range sortedKeys(pages)[:5] { // all of crawl a, and one of b: b x ann
		kind := "unreachable"
		if strings.HasSuffix(name, "bob") {
			kind = "tls"
		}
		w.fail(pages[name], kind)
		w.pass(time.Minute)
	}
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	// In order: a x ann, a x bob, a y ann, a y bob, b x ann; three tries each.
	silent := catalog.Failures{Fault: "unreachable", Pages: 3, Hosts: 2, Attempts: 9, First: at(0), Last: at(4)}
	secret := catalog.Failures{Fault: "tls", Pages: 2, Hosts: 2, Attempts: 6, First: at(1), Last: at(3)}
	is(catalog.Choice{}, silent, secret)
	is(catalog.Choice{Fault: "tls"}, secret)
	is(catalog.Choice{Fault: "reset"})
	is(catalog.Choice{Crawl: "b"}, catalog.Failures{Fault: "unreachable", Pages: 1, Hosts: 1, Attempts: 3, First: at(4), Last: at(4), Example: "http://x.example/b/ann", Err: "it did not answer"})
	is(catalog.Choice{Host: "http://y.example:80", Submitter: "bob"}, catalog.Failures{Fault: "tls", Pages: 1, Hosts: 1, Attempts: 3, First: at(3), Last: at(3), Example: "http://y.example/a/bob", Err: "it did not answer"})
	list := func(ch catalog.Choice, before int64, want ...string) int64 {
		w.Helper()
		got, err := w.FailedPages(ctx, ch, before, 2)
		w.must(err)
		var urls []string
		last := int64(0)
		for _, f := range got {
			urls, last = append(urls, f.URL), f.ID
			if p, err := w.Page(ctx, f.Crawl, f.URL); err != nil || p.ID != f.ID || p.Reason != f.Fault || f.Attempts != 3 || f.Stage != "fetch" || f.Err != "it did not answer" || f.Last.IsZero() {
				w.Errorf("%+v is listed of %+v (%v)", f, p, err)
			}
		}
		w.same(fmt.Sprintf("failed pages of %+v before %d", ch, before), urls, want)
		return last
	}
	all := sortedKeys(pages)[:5]
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(pages[b].ID, pages[a].ID) })
	for i, name := range all {
		all[i] = pages[name].URL
	}
	last := list(catalog.Choice{}, 0, all[:2]...)
	last = list(catalog.Choice{}, last, all[2:4]...)
	list(catalog.Choice{}, last, all[4])
	list(catalog.Choice{Fault: "tls", Host: "http://y.example:80"}, 0, "http://y.example/a/bob")
	list(catalog.Choice{Fault: "reset"}, 0)
	_, err := w.FailedPages(ctx, catalog.Choice{Crawl: "nowhere"}, 0, 2)
	w.is(err, catalog.ErrNotFound)
	// Those that are to be visited again have not failed, and neither have those that were cancelled then.
	cr, err := w.Catalog.Crawl(ctx, "a")
	w.must(err)
	_, err = w.Recrawl(ctx, cr.ID, w.now)
	w.must(err)
	is(catalog.Choice{Crawl: "a"})
	_, err = w.Cancel(ctx, catalog.Choice{Crawl: "a"}, "cancelled", w.now)
	w.must(err)
	is(catalog.Choice{Crawl: "a"})
	_, err = w.Retry(ctx, catalog.Choice{}, w.now)
	w.must(err)
	is(catalog.Choice{})
	w.exact()
}

// An operator's limits for a host go before those of its crawls, whether they are longer or shorter, and not before its robots.txt.
func ownLimits(w *world) {
	ctx := w.Context()
	const name, crawlDelay = "http://a0.example:80", 5 * time.Second
	cr := w.crawl("a", slow) // 10 s
	w.admit(cr, many("a", 2, 200)...)
	w.is(w.SetHost(ctx, "http://nowhere.example:80", &catalog.HostLimits{PerHost: 1}, w.now), catalog.ErrNotFound)
	for _, b := range w.promote() {
		w.must(w.SetRobots(ctx, b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsRead, CrawlDelay: crawlDelay, At: w.now, Until: w.now.Add(48 * time.Hour)}))
	}
	for _, tt := range []struct {
		own  *catalog.HostLimits
		want catalog.HostLimits
	}{
		{nil, catalog.HostLimits{Delay: 10 * time.Second, PerHost: 1}},
		{&catalog.HostLimits{Delay: 30 * time.Second, PerHost: 2}, catalog.HostLimits{Delay: 30 * time.Second, PerHost: 2}},
		{&catalog.HostLimits{Delay: 6 * time.Second, PerHost: 1}, catalog.HostLimits{Delay: 6 * time.Second, PerHost: 1}},
		{&catalog.HostLimits{Delay: time.Second, PerHost: 3}, catalog.HostLimits{Delay: crawlDelay, PerHost: 3}},
		{&catalog.HostLimits{PerHost: 16}, catalog.HostLimits{Delay: crawlDelay, PerHost: 1}}, // 16 places make no sense where a delay is asked for
		{nil, catalog.HostLimits{Delay: 10 * time.Second, PerHost: 1}},
		{nil, catalog.HostLimits{Delay: 10 * time.Second, PerHost: 1}},
	} {
		w.pass(time.Minute)
		w.must(w.SetHost(ctx, name, tt.own, w.now))
		w.same("own", w.host("http://a0.example/").Own, tt.own)
		known := map[string]catalog.HostLimits{}
		if tt.own != nil {
			known[name] = tt.want
		}
		got, err := w.OwnLimits(ctx)
		w.must(err)
		w.same("own limits", got, known)
		batches := w.promote(minute)
		w.same("batches", len(batches), 2)
		for _, b := range batches {
			want := catalog.HostLimits{Delay: 10 * time.Second, PerHost: 1}
			if b.Host == name {
				want = tt.want
			}
			w.same("limits of "+b.Host, []any{b.Delay, b.PerHost, b.Floor}, []any{want.Delay, want.PerHost, crawlDelay})
			for _, p := range b.Pages {
				w.store(p)
			}
		}
		w.exact()
	}
}

// A host whose minute is handed out is looked at again at once when its limits change; one in trouble, or paused, is not.
func ownLimitsBusy(w *world) {
	ctx := w.Context()
	const name = "http://a0.example:80"
	set := func(delay time.Duration) {
		w.Helper()
		w.must(w.SetHost(ctx, name, &catalog.HostLimits{Delay: delay, PerHost: 1}, w.now))
		w.exact()
	}
	nothing := func(when string) {
		w.Helper()
		if n := len(w.handOut(minute)); n > 0 {
			w.Errorf("%d pages were handed out %s", n, when)
		}
	}
	w.admit(w.crawl("a", slow), many("a", 1, 100)...)
	w.open()
	pages := w.handOut(minute)
	w.same("of a slow host", len(pages), 6)
	w.must(w.NoteHost(ctx, name, "", 10*time.Second))
	nothing("of a host that has its minute")
	slowestIs := func(want time.Duration) {
		w.Helper()
		got, err := w.Slowest(ctx, w.now)
		w.must(err)
		w.same("slowest", got["a"], want)
		p := w.page("a", "http://a0.example/99")
		q, err := w.Queue(ctx, p.ID, w.now)
		w.must(err)
		w.same("pace", 100*q.Pace, want)
	}
	set(20 * time.Second)
	slowestIs(2000 * time.Second)
	nothing("of one that is slower now")
	w.pass(time.Minute)
	set(3 * time.Second)
	slowestIs(300 * time.Second)
	more := w.promote(minute)
	if len(more) != 1 || more[0].Queued != 6 || len(more[0].Pages) != 14 {
		w.Fatalf("%d batches, want one of 14 pages beside 6: %+v", len(more), more)
	}
	w.must(w.Pause(ctx, "host", name, w.now))
	set(time.Second)
	nothing("of a paused host")
	w.must(w.Resume(ctx, "host", name, w.now))
	held := w.hold(pages[0])
	set(0)
	nothing("of a host in trouble")
	for _, p := range append(pages[1:], more[0].Pages...) {
		w.store(p)
	}
	w.now = held.Until
	w.probe()
	w.must(w.ReleaseHost(ctx, name, w.now))
	w.same("without a delay", len(w.handOut(minute)), 80)
	w.exact()
}
