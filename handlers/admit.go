package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/frontier"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// Admit brings URLs to the frontier: canonical form, scope, traps and limits; then one write that passes over known pages.
// New pages are promoted at once, so that a small crawl need not wait for the scheduler.
func (c *Crawler) Admit(ctx context.Context, t tasks.Admit) (tasks.Result, error) {
	if load, err := c.Work.Load(ctx); err == nil && load.Memory >= memoryAdmit {
		return tasks.Result{}, fault.New(fault.RedisDown, fmt.Errorf("the queue's memory is %.0f %% full: nothing is admitted", 100*load.Memory))
	}
	lead, err := c.load(ctx, &t)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("admit to %s: %w", t.Crawl, err)
	}
	crawl, err := c.crawlOf(ctx, t)
	if err == nil && t.Every != "" {
		err = c.schedule(ctx, t)
	}
	if err != nil {
		return tasks.Result{}, fmt.Errorf("admit to %s: %w", t.Crawl, err)
	}
	pages := c.candidates(crawl, t)
	if len(pages) == 0 && lead == nil {
		return tasks.Done().With(tasks.Fact{Reason: "nothing new"}), nil
	}
	got, err := c.admit(ctx, catalog.Admission{
		Crawl: crawl.ID, Submitter: t.Submitter, Origin: string(t.Origin), From: t.From, Finder: finder(t), FinderForm: frontier.LookAt(t.From).Form, Lead: lead, Now: time.Now(), Again: t.Again, Pages: pages,
	})
	if err != nil {
		return tasks.Result{}, fmt.Errorf("admit to %s: %w", t.Crawl, err)
	}
	if got.Over+got.Quota+got.Held == 0 {
		c.seen.add(crawl.ID, pages)
	}
	res := tasks.Done().With(tasks.Fact{Reason: admitted(len(pages), got), Origin: t.Origin})
	for _, u := range got.New {
		res.Admitted = append(res.Admitted, tasks.Visit{URL: u, Crawl: t.Crawl, Submitter: t.Submitter, Depth: t.Depth})
	}
	for _, l := range got.Leads {
		res = res.And(expand(&l)...)
	}
	if got.Quota > 0 && t.Page == 0 { // links wait in the catalog, a submission has nowhere to wait but here
		return tasks.Result{}, fault.New(fault.QuotaFull, fmt.Errorf("admit to %s: %d of %d URLs are over the quota of %s", t.Crawl, got.Quota, len(pages), t.Submitter))
	}
	if len(got.New) > 0 || t.Again {
		c.refill(ctx, &res, min(max(crawl.Delay/10, refillSoon), refillEvery), true)
	}
	return res, nil
}

// admitAtOnce bounds one write: a sitemap lists up to 50,000 pages, and others want to write too.
const admitAtOnce = 1000

// admit writes an admission in parts, the last of which takes its lead off.
func (c *Crawler) admit(ctx context.Context, a catalog.Admission) (all catalog.Admitted, err error) {
	lead, pages := a.Lead, a.Pages
	for {
		n := min(admitAtOnce, len(pages))
		a.Pages, pages, a.Lead = pages[:n], pages[n:], nil
		if len(pages) == 0 && all.Quota == 0 {
			a.Lead = lead
		}
		got, err := c.Catalog.Admit(ctx, a)
		if err != nil {
			return all, err
		}
		all.New, all.Leads = append(all.New, got.New...), append(all.Leads, got.Leads...)
		all.Over, all.Quota, all.Held = all.Over+got.Over, all.Quota+got.Quota, all.Held+got.Held
		if len(pages) == 0 {
			return all, nil
		}
	}
}

// load fills t with where its page leads, at the depth that the page has by now: to its links, or to another host. What a seed
// redirects to is a seed too: otherwise a crawl of http://example.org would end at its redirect to https.
func (c *Crawler) load(ctx context.Context, t *tasks.Admit) (*catalog.Lead, error) {
	if t.Page == 0 {
		return nil, nil
	}
	p, ok := c.links.take(t.Batch)
	if !ok {
		var err error
		if p, err = c.Catalog.Outlinks(ctx, t.Page); err != nil {
			return nil, err
		}
	}
	t.From, t.Origin, t.URLs = p.URL, tasks.OriginLink, p.Links
	t.Depth, t.Reach = p.Depth+1, oneLess(p.Reach)
	if p.Sitemap { // what it lists is as near as it is itself
		t.Origin, t.Depth, t.Reach = tasks.OriginSitemap, p.Depth, p.Reach
	}
	if p.Reason == string(tasks.Redirected) {
		t.Origin, t.URLs, t.Sitemap = tasks.OriginRedirect, []string{p.FinalURL}, p.Sitemap
		if p.Depth == 0 {
			t.Origin, t.Depth, t.Reach = tasks.OriginSeed, 0, p.Reach
		}
	}
	return &catalog.Lead{Page: p.Page, Depth: p.Depth, Reach: p.Reach}, nil
}

// expand is the task that admits where a page leads; none for none.
func expand(l *catalog.Lead) []tasks.Task {
	if l == nil {
		return nil
	}
	return []tasks.Task{tasks.Admit{Batch: batch(l), Crawl: l.Crawl, Submitter: l.Submitter, Page: l.Page, From: l.URL}}
}

// batch names page, depth and reach, so that the task is not there twice.
func batch(l *catalog.Lead) string { return fmt.Sprintf("page-%d-%d-%d", l.Page, l.Depth, l.Reach) }

func admitted(asked int, got catalog.Admitted) string {
	s := fmt.Sprintf("%d of %d new", len(got.New), asked)
	if got.Over > 0 {
		s += fmt.Sprintf(", %d over a page limit", got.Over)
	}
	if got.Held > 0 {
		s += fmt.Sprintf(", %d left out for they look endless", got.Held)
	}
	if got.Quota > 0 {
		s += fmt.Sprintf(", %d wait for their submitter's quota", got.Quota)
	}
	return s
}

// crawlOf returns the crawl that t is for; a submission creates or changes it first.
func (c *Crawler) crawlOf(ctx context.Context, t tasks.Admit) (*crawl, error) {
	if t.Origin != tasks.OriginSeed {
		return c.crawl(ctx, t.Crawl)
	}
	var settings tasks.Settings
	merge := func(old json.RawMessage) (catalog.Crawl, error) {
		was, err := tasks.Defaults().Merge(old)
		s := was
		if err == nil {
			s, err = was.Merge(t.Settings)
		}
		// These decide which links are let in.
		readmit := len(old) > 0 && (s.Include != was.Include || s.Exclude != was.Exclude || s.MaxPages != was.MaxPages ||
			s.MaxHostPages != was.MaxHostPages || !maps.Equal(s.MaxPathPages, was.MaxPathPages))
		settings = s
		settings.Recrawl, s.Recrawl = s.Recrawl, false // an order, not a property of the crawl
		all, jerr := json.Marshal(s)
		limits := catalog.Limits{Delay: s.Delay, PerHost: s.PerHost, PerDomain: s.PerDomain, PerIP: s.PerIP, Adapt: !s.NoAdapt}
		return catalog.Crawl{Settings: all, Limits: limits, MaxPages: s.MaxPages, MazePages: s.MazePages, Readmit: readmit}, errors.Join(err, jerr)
	}
	kind := tasks.Defaults()
	if old, err := c.Catalog.Crawl(ctx, t.Crawl); err == nil {
		kind, _ = kind.Merge(old.Settings)
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	kind, err := kind.Merge(t.Settings)
	if err != nil {
		return nil, err
	}
	row, err := c.Catalog.Submit(ctx, t.Crawl, roots(t, kind.Scope), time.Now(), merge)
	if err != nil {
		return nil, err
	}
	c.crawls.drop(t.Crawl)
	// Less may be left out by now. Not only when this run has said so: one that did may have died on its way here.
	if _, err := c.Catalog.OpenMazes(ctx, row.ID, time.Now()); err != nil {
		return nil, err
	}
	if settings.Recrawl {
		n, err := c.Catalog.Recrawl(ctx, row.ID, time.Now())
		if err != nil {
			return nil, err
		}
		c.Log.InfoContext(ctx, "visiting stored pages again", "crawl", t.Crawl, "pages", n)
	}
	return newCrawl(row)
}

// roots is what the seeds of t add to the crawl's scope: nothing where no link is to be followed.
func roots(t tasks.Admit, kind tasks.Scope) []string {
	if t.Reach == 0 && !t.Sitemap {
		return nil
	}
	var out []string
	for _, raw := range t.URLs {
		if u, err := weburl.Canonical(raw); err == nil {
			out = append(out, frontier.Root(string(kind), u))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// candidates are the URLs of t that may be new: canonical, in scope, no trap, and not seen a moment ago.
func (c *Crawler) candidates(crawl *crawl, t tasks.Admit) []catalog.Candidate {
	out := make([]catalog.Candidate, 0, len(t.URLs))
	from, _, _ := strings.Cut(frontier.LookAt(t.From).Form, "?")
	for _, line := range t.URLs {
		if t.Origin == tasks.OriginLink && c.seen.plain(crawl.ID, line, t) {
			continue
		}
		l := parseListed(line)
		raw := l.url
		u, err := weburl.Canonical(raw)
		if err != nil {
			if t.Origin == tasks.OriginSeed {
				c.Log.Warn("refused", "crawl", t.Crawl, "url", raw, "err", err)
			}
			continue
		}
		if t.Origin == tasks.OriginLink || t.Origin == tasks.OriginSitemap { // where a site redirects to, it wants to be asked
			u = frontier.Bare(u)
		}
		p := catalog.Candidate{
			URL: u, Host: weburl.Host(u), Depth: t.Depth, Reach: t.Reach, Priority: t.Priority, Sitemap: l.sitemap || t.Sitemap, Modified: l.modified,
		}
		if t.Origin != tasks.OriginSeed {
			// A sitemap may be elsewhere: it is the site that names it.
			if ok, _ := crawl.scope.Holds(u); !ok && !p.Sitemap {
				continue
			}
		}
		if frontier.Trap(u) != "" {
			continue
		}
		looks := frontier.LookAt(u)
		path, _, has := strings.Cut(looks.Form, "?")
		p.Maze, p.Form, p.Beside = looks.Maze, looks.Form, has && path == from
		p.Within = crawl.within(u, p.Host)
		if t.Again || !p.Modified.IsZero() || !c.seen.has(crawl.ID, p) {
			out = append(out, p)
		}
	}
	return out
}

// finder is the page that leads to the URLs of t, unless it is one that is there to list what there is.
func finder(t tasks.Admit) int64 {
	if t.Origin == tasks.OriginSitemap {
		return 0
	}
	return t.Page
}

// within lists the bounded parts of the crawl that a page of host belongs to.
func (cr *crawl) within(u, host string) (out []catalog.Allowance) {
	if n := cr.settings.MaxHostPages; n > 0 {
		out = append(out, catalog.Allowance{Name: host, Most: n})
	}
	for folder, n := range cr.settings.MaxPathPages {
		path := weburl.Path(u)
		if strings.HasPrefix(folder, "/") {
			folder = strings.TrimSuffix(u, path) + folder
		}
		if n > 0 && strings.HasPrefix(u, folder) {
			out = append(out, catalog.Allowance{Name: folder, Most: n})
		}
	}
	return out
}

// oneLess is the reach of a page's links.
func oneLess(reach int) int {
	if reach == tasks.NoLimit {
		return reach
	}
	return max(reach-1, 0)
}

// crawl is a crawl as the stages use it.
type crawl struct {
	catalog.Crawl
	settings tasks.Settings
	scope    *frontier.Scope
	read     time.Time
}

func newCrawl(row catalog.Crawl) (*crawl, error) {
	s, err := tasks.Defaults().Merge(row.Settings)
	if err != nil {
		return nil, fmt.Errorf("crawl %s: %w", row.Name, err)
	}
	scope, err := frontier.NewScope(row.Roots, s.Include, s.Exclude)
	if err != nil {
		return nil, fmt.Errorf("crawl %s: %w", row.Name, err)
	}
	return &crawl{Crawl: row, settings: s, scope: scope, read: time.Now()}, nil
}

type crawlCache = cache[string, *crawl]

// crawlFresh is how long a change of a crawl's settings may go unnoticed by a worker.
const crawlFresh = time.Second

func (c *Crawler) crawl(ctx context.Context, name string) (*crawl, error) {
	if cr, ok := c.crawls.get(name); ok && time.Since(cr.read) < crawlFresh {
		return cr, nil
	}
	row, err := c.Catalog.Crawl(ctx, name)
	if err != nil {
		return nil, err
	}
	cr, err := newCrawl(row)
	if err != nil {
		return nil, err
	}
	c.crawls.put(name, cr, 1000)
	return cr, nil
}

// seenCache keeps most of the links that everybody knows from the database. It holds only what the catalog is known to have.
type seenCache struct {
	cache[uint64, nearness]
}

type nearness struct{ depth, reach int }

// seenSize bounds the cache: 24 octets an entry.
const seenSize = 500_000

var seenSeed = maphash.MakeSeed()

func seenKey(crawl int64, url string) uint64 {
	return maphash.Comparable(seenSeed, struct {
		crawl int64
		url   string
	}{crawl, url})
}

func (s *seenCache) has(crawl int64, p catalog.Candidate) bool {
	n, ok := s.get(seenKey(crawl, p.URL))
	return ok && n.depth <= p.Depth && (n.reach == tasks.NoLimit || p.Reach != tasks.NoLimit && n.reach >= p.Reach) && p.Priority == 0
}

// plain tells whether a link is known as it is written, without a look at what else it may be: nearly all are.
func (s *seenCache) plain(crawl int64, link string, t tasks.Admit) bool {
	return !t.Again && !strings.ContainsAny(link, "?#") && s.has(crawl, catalog.Candidate{URL: link, Depth: t.Depth, Reach: t.Reach, Priority: t.Priority})
}

func (s *seenCache) add(crawl int64, pages []catalog.Candidate) {
	for _, p := range pages {
		s.put(seenKey(crawl, p.URL), nearness{p.Depth, p.Reach}, seenSize)
	}
}
