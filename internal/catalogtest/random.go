package catalogtest

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.org/trawl/catalog"
)

// random does what many workers do, in any order, beside a model that is a map, and compares after every step.
// A longer hunt: go test -run 'Catalog/random' -rapid.checks=2000.
func random(t *testing.T, open func(*testing.T) Catalog) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked { // each of them makes a database, and rapid's own 100 are too many for every day
		if err := flag.Set("rapid.checks", "15"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		c := open(t)
		defer func() {
			if err := c.Close(); err != nil {
				rt.Error(err)
			}
		}()
		w := &world{T: t, Catalog: c, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
		m := &model{T: rt, w: w, pages: map[string]*modelPage{}}
		for i, limit := range []int64{1000, 5} {
			m.crawls = append(m.crawls, w.crawl(fmt.Sprint("crawl", i), func(c *catalog.Crawl) { c.MaxPages = limit }))
		}
		for h := range 3 {
			for p := range 4 {
				m.urls = append(m.urls, fmt.Sprintf("http://h%d.example/%d", h, p))
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"admit": m.admit, "promote": m.promote, "store": m.store, "close": m.close, "again": m.again, "stale": m.stale, "requeue": m.requeue, "recrawl": m.recrawl,
			"pass": func(*rapid.T) { w.pass(time.Minute) }, "": m.check,
		})
	})
}

type model struct {
	*rapid.T
	w      *world
	crawls []catalog.Crawl
	urls   []string
	hosts  []int64
	pages  map[string]*modelPage // by crawl and URL
	lost   []catalog.Promoted    // visits whose page was taken from them
	closed []func() (*catalog.Lead, error)
	leads  []*catalog.Lead // of closed, before anybody admitted them
	bytes  [2]int64
}

type modelPage struct {
	state        catalog.State
	reason       string
	depth, reach int
	visit        catalog.Promoted
}

func (m *model) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *model) key(p catalog.Promoted) *modelPage { return m.pages[p.Crawl+" "+p.URL] }

func (m *model) admit(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "crawl")
	a := catalog.Admission{Crawl: m.crawls[i].ID, Submitter: rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(t, "submitter"), Origin: "link", Now: m.w.now}
	room := m.crawls[i].MaxPages
	for k := range m.pages {
		if k[:len(m.crawls[i].Name)] == m.crawls[i].Name {
			room--
		}
	}
	var fresh []string
	over := 0
	for range rapid.IntRange(0, 4).Draw(t, "pages") {
		u := rapid.SampledFrom(m.urls).Draw(t, "url")
		c := page(u, at(rapid.IntRange(0, 3).Draw(t, "depth"), rapid.IntRange(-1, 3).Draw(t, "reach")), priority(rapid.IntRange(-1, 1).Draw(t, "priority")))
		a.Pages = append(a.Pages, c)
		k := m.crawls[i].Name + " " + u
		p, known := m.pages[k]
		switch {
		case known:
			p.depth = min(p.depth, c.Depth)
			if p.reach != catalog.NoLimit && (c.Reach == catalog.NoLimit || c.Reach > p.reach) {
				p.reach = c.Reach
			}
		case room == 0:
			over++
		default:
			room--
			m.pages[k] = &modelPage{state: catalog.Waiting, depth: c.Depth, reach: c.Reach}
			fresh = append(fresh, u)
		}
	}
	got, err := m.w.Admit(t.Context(), a)
	m.ok(err)
	if !slices.Equal(got.New, fresh) || got.Over != over {
		m.Fatalf("new %v and %d over, want %v and %d", got.New, got.Over, fresh, over)
	}
	m.hosts = append(m.hosts, got.Hosts...)
	slices.Sort(m.hosts)
	m.hosts = slices.Compact(m.hosts)
	m.closed, m.leads = nil, nil // what they lead to may have been found nearer
}

func (m *model) promote(t *rapid.T) {
	win := m.w.window(func(w *catalog.Window) {
		w.Hosts = append([]int64{}, m.hosts...)
		w.Horizon = time.Minute
	})
	got, err := m.w.Promote(t.Context(), win)
	m.ok(err)
	for _, b := range got {
		if b.RobotsVisit != "" {
			m.ok(m.w.SetRobots(t.Context(), b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: m.w.now, Until: m.w.later()}))
		}
		for _, v := range b.Pages {
			p := m.key(v)
			if p == nil || p.state != catalog.Waiting {
				m.Fatalf("%s of %s was handed out, and is %+v", v.URL, v.Crawl, p)
			}
			if v.Depth != p.depth || v.Reach != p.reach {
				m.Fatalf("%s has depth %d and reach %d, want %d and %d", v.URL, v.Depth, v.Reach, p.depth, p.reach)
			}
			p.state, p.visit = catalog.Queued, v
		}
	}
}

// queued draws a visit that is under way.
func (m *model) queued(t *rapid.T) *modelPage {
	var all []string
	for k, p := range m.pages {
		if p.state == catalog.Queued {
			all = append(all, k)
		}
	}
	if len(all) == 0 {
		t.Skip("no visit is under way")
	}
	return m.pages[rapid.SampledFrom(sorted(all)).Draw(t, "visit")]
}

func (m *model) closedBy(write func() (*catalog.Lead, error)) {
	lead, err := write()
	m.ok(err)
	m.closed, m.leads = append(m.closed, write), append(m.leads, lead)
}

func (m *model) store(t *rapid.T) {
	p := m.queued(t)
	s := m.w.found(p.visit, func(s *catalog.Storing) {
		s.Size, s.Follow, s.Searchable = rapid.Int64Range(0, 9).Draw(t, "size"), rapid.Bool().Draw(t, "follow"), rapid.Bool().Draw(t, "searchable")
	})
	p.state, p.reason = catalog.Stored, ""
	for i, cr := range m.crawls {
		if cr.Name == p.visit.Crawl {
			m.bytes[i] += s.Size
		}
	}
	m.closedBy(func() (*catalog.Lead, error) { return m.w.Store(m.Context(), s) })
	if lead := m.leads[len(m.leads)-1]; (lead != nil) != (s.Follow && p.reach != 0) {
		m.Fatalf("follow %v, reach %d, and the lead is %v", s.Follow, p.reach, lead)
	}
}

func (m *model) close(t *rapid.T) {
	p := m.queued(t)
	c := catalog.Closing{
		Page: p.visit.ID, Visit: p.visit.Visit, State: rapid.SampledFrom([]catalog.State{catalog.Ended, catalog.Failed}).Draw(t, "state"),
		Reason: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "reason"), Now: m.w.now, Attempts: 1,
	}
	p.state, p.reason = c.State, c.Reason
	m.closedBy(func() (*catalog.Lead, error) { return m.w.CloseVisit(m.Context(), c) })
}

// again does a write once more, as a stage that runs twice.
func (m *model) again(t *rapid.T) {
	if len(m.closed) == 0 {
		t.Skip("no visit is over")
	}
	i := rapid.IntRange(0, len(m.closed)-1).Draw(t, "write")
	lead, err := m.closed[i]()
	m.ok(err)
	if (lead == nil) != (m.leads[i] == nil) || lead != nil && *lead != *m.leads[i] {
		m.Fatalf("the first time led to %v, the second to %v", m.leads[i], lead)
	}
}

func (m *model) stale(t *rapid.T) {
	if len(m.lost) == 0 {
		t.Skip("no visit was lost")
	}
	v := rapid.SampledFrom(m.lost).Draw(t, "visit")
	for _, write := range m.w.closers() {
		if _, err := write(v); !errors.Is(err, catalog.ErrFenced) {
			m.Fatalf("a lost visit wrote: %v", err)
		}
	}
}

func (m *model) requeue(t *rapid.T) {
	p := m.queued(t)
	n, err := m.w.Requeue(t.Context(), []catalog.Lease{{Visit: p.visit.Visit, Page: p.visit.ID}, {Visit: "nobody", Page: p.visit.ID}}, m.w.now)
	m.ok(err)
	if n != 1 {
		m.Fatalf("%d pages went back", n)
	}
	m.lost = append(m.lost, p.visit)
	p.state = catalog.Waiting
}

func (m *model) recrawl(t *rapid.T) {
	cr := rapid.SampledFrom(m.crawls).Draw(t, "crawl")
	n, err := m.w.Recrawl(t.Context(), cr.ID, m.w.now)
	m.ok(err)
	for k, p := range m.pages {
		if k[:len(cr.Name)] == cr.Name && p.state != catalog.Waiting && p.state != catalog.Queued {
			p.state, p.reason = catalog.Waiting, ""
			n--
			m.lost = append(m.lost, p.visit)
		}
	}
	if n != 0 {
		m.Fatalf("%d pages too many are to be visited again", n)
	}
	m.closed, m.leads = nil, nil
}

func (m *model) check(t *rapid.T) {
	n := 0
	m.ok(recount(t.Context(), m.w.Catalog, m.w.now, func(got catalog.Page) error {
		n++
		want := m.pages[got.Crawl+" "+got.URL]
		if want == nil || got.State != want.state || got.Reason != want.reason || got.Depth != want.depth || got.Reach != want.reach {
			return fmt.Errorf("page %+v, want %+v", got, want)
		}
		return nil
	}))
	if n != len(m.pages) {
		m.Fatalf("%d pages, want %d", n, len(m.pages))
	}
	tallies, err := m.w.Status(t.Context())
	m.ok(err)
	for _, tally := range tallies {
		for i, cr := range m.crawls {
			if tally.Crawl == cr.Name && tally.Bytes != m.bytes[i] {
				m.Fatalf("%d bytes in %s, want %d", tally.Bytes, cr.Name, m.bytes[i])
			}
		}
	}
}
