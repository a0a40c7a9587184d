package catalogtest

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.org/trawl/catalog"
)

// random does what many workers and an operator do, in any order, beside a model that is a map, and compares after every step. In
// the end nothing is held up any more, and every page has to be handed out.
// A longer hunt: go test -run 'Catalog/random' -rapid.checks=2000.
func random(t *testing.T, open func(*testing.T) Catalog) {
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked { // each of them makes a database, and rapid's own 100 are too many for every day
		checks := "15"
		if testing.Short() {
			checks = "3"
		}
		if err := flag.Set("rapid.checks", checks); err != nil {
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
		m := &model{T: rt, w: w, pages: map[string]*modelPage{}, paused: map[catalog.Pause]bool{}, known: map[string]bool{}}
		for i, limit := range []int64{1000, 5} {
			m.crawls = append(m.crawls, w.crawl(fmt.Sprint("crawl", i), func(c *catalog.Crawl) { c.MaxPages, c.Delay = limit, hostDelay }))
			m.known["crawl "+m.crawls[i].Name] = true
		}
		for h := range 3 {
			for p := range 5 {
				m.urls = append(m.urls, fmt.Sprintf("http://h%d.example/%d", h, p))
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"admit": m.admit, "promote": m.promote, "promote again": m.promote, "store": m.store, "close": m.close, "again": m.again, "stale": m.stale, "requeue": m.requeue, "recrawl": m.recrawl,
			"postpone": m.postpone, "hold": m.hold, "release": m.release, "pause": m.pause, "resume": m.resume, "retry": m.retry, "cancel": m.cancel,
			"pass":       func(*rapid.T) { w.pass(time.Minute) },
			"pass a bit": func(t *rapid.T) { w.pass(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond) },
			"":           m.check,
		})
		m.drain(rt)
	})
}

// Of what is handed out of a host, so much fits into its window; pages of high priority may be so many more.
const (
	hostDelay  = 20 * time.Second
	hostWindow = int(time.Minute / hostDelay)
)

type model struct {
	*rapid.T
	w      *world
	crawls []catalog.Crawl
	urls   []string
	pages  map[string]*modelPage // by crawl and URL
	paused map[catalog.Pause]bool
	known  map[string]bool    // crawls, hosts and submitters that the catalog was told of
	lost   []catalog.Promoted // visits whose page was taken from them
	closed []func() (*catalog.Lead, error)
	leads  []*catalog.Lead // of closed, before anybody admitted them
	bytes  [2]int64
}

type modelPage struct {
	state            catalog.State
	reason           string
	depth, reach     int
	priority         int
	tries            int
	due              time.Time
	crawl, submitter string
	url, host        string
	visit            catalog.Promoted
}

func (m *model) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *model) key(p catalog.Promoted) *modelPage { return m.pages[p.Crawl+" "+p.URL] }

// where are the pages of a kind, in an order that is always the same.
func (m *model) where(is func(*modelPage) bool) (out []*modelPage) {
	var keys []string
	for k, p := range m.pages {
		if is(p) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		out = append(out, m.pages[k])
	}
	return out
}

func (m *model) admit(t *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(t, "crawl")
	cr := m.crawls[i].Name
	a := catalog.Admission{Crawl: m.crawls[i].ID, Submitter: rapid.SampledFrom([]string{"ann", "bob", ""}).Draw(t, "submitter"), Origin: "link", Now: m.w.now}
	m.known["submitter "+a.Submitter] = true
	room := int(m.crawls[i].MaxPages) - len(m.where(func(p *modelPage) bool { return p.crawl == cr }))
	var fresh []string
	over := 0
	for range rapid.IntRange(0, 6).Draw(t, "pages") {
		u := rapid.SampledFrom(m.urls).Draw(t, "url")
		c := page(u, at(rapid.IntRange(0, 3).Draw(t, "depth"), rapid.IntRange(-1, 3).Draw(t, "reach")), priority(rapid.IntRange(-1, 1).Draw(t, "priority")))
		a.Pages = append(a.Pages, c)
		p, known := m.pages[cr+" "+u]
		switch {
		case known:
			if c.Depth < p.depth || further(c.Reach, p.reach) != p.reach || p.state == catalog.Waiting {
				p.priority = max(p.priority, c.Priority)
			}
			p.depth, p.reach = min(p.depth, c.Depth), further(p.reach, c.Reach)
		case room <= 0:
			over++
			continue
		default:
			room--
			m.pages[cr+" "+u] = &modelPage{
				state: catalog.Waiting, depth: c.Depth, reach: c.Reach, priority: c.Priority, due: m.w.now, crawl: cr, submitter: a.Submitter, url: u, host: c.Host,
			}
			fresh = append(fresh, u)
		}
		m.known["host "+c.Host] = true
	}
	got, err := m.w.Admit(t.Context(), a)
	m.ok(err)
	if !slices.Equal(got.New, fresh) || got.Over != over {
		m.Fatalf("new %v and %d over, want %v and %d", got.New, got.Over, fresh, over)
	}
	m.closed, m.leads = nil, nil // what they lead to may have been found nearer
}

// isPaused tells whether an operator keeps the page waiting.
func (m *model) isPaused(p *modelPage) bool {
	return m.paused[catalog.Pause{What: "crawl", Name: p.crawl}] || m.paused[catalog.Pause{What: "host", Name: p.host}] || m.paused[catalog.Pause{What: "submitter", Name: p.submitter}]
}

// underWay is how many visits of the host there are.
func (m *model) underWay(host string) int {
	return len(m.where(func(p *modelPage) bool { return p.host == host && p.state == catalog.Queued }))
}

func (m *model) promote(t *rapid.T) {
	before := map[string]catalog.Trouble{}
	for name := range m.known {
		if host, ok := strings.CutPrefix(name, "host "); ok {
			h, err := m.w.Host(t.Context(), host)
			m.ok(err)
			before[host] = h.Trouble
		}
	}
	got, err := m.w.Promote(t.Context(), m.w.window(minute))
	m.ok(err)
	for _, b := range got {
		m.batch(t, b, before[b.Host])
	}
}

// batch looks whether a batch may be handed out, its host being in that trouble.
func (m *model) batch(t *rapid.T, b catalog.Batch, x catalog.Trouble) {
	troubled := x.State != catalog.HostOK
	wait := x.Until.After(m.w.now)
	others := m.underWay(b.Host)
	switch {
	case b.Probe != (troubled && !wait), (b.GivenUp != nil) != (troubled && wait):
		m.Fatalf("promoted %+v of a host in trouble %+v", b, x)
	case troubled && wait && !x.GivenUp:
		m.Fatalf("promoted %+v of a host that is left alone: %+v", b, x)
	case b.Probe && (others > 0 || len(b.Pages) > 1):
		m.Fatalf("promoted %+v as a probe beside %d visits", b, others)
	}
	if b.RobotsVisit != "" {
		m.ok(m.w.SetRobots(t.Context(), b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: m.w.now, Until: m.w.later()}))
	}
	for _, v := range b.Pages {
		p := m.key(v)
		if p == nil || p.state != catalog.Waiting || p.due.After(m.w.now) || m.isPaused(p) || v.Tries != p.tries || p.priority > 0 && !b.Urgent && b.GivenUp == nil {
			m.Fatalf("%s of %s was handed out in %+v, and is %+v", v.URL, v.Crawl, b, p)
		}
		if v.Depth != p.depth || v.Reach != p.reach {
			m.Fatalf("%s has depth %d and reach %d, want %d and %d", v.URL, v.Depth, v.Reach, p.depth, p.reach)
		}
		p.state, p.visit = catalog.Queued, v
	}
	if n := others + len(b.Pages); !b.Urgent && !b.Probe && b.GivenUp == nil && len(b.Pages) > 0 && n > hostWindow {
		m.Fatalf("%d pages of %s are handed out, and %d fit", n, b.Host, hostWindow)
	}
}

// queued draws a visit that is under way.
func (m *model) queued(t *rapid.T) *modelPage {
	all := m.where(func(p *modelPage) bool { return p.state == catalog.Queued })
	if len(all) == 0 {
		t.Skip("no visit is under way")
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "visit")]
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
	p.state, p.reason, p.tries = catalog.Stored, "", 0
	for i, cr := range m.crawls {
		if cr.Name == p.crawl {
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
	p.state, p.reason, p.tries = c.State, c.Reason, 0
	if c.State == catalog.Failed {
		p.tries = 1
	}
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
	if err := m.w.Postpone(t.Context(), catalog.Postponed{Page: v.ID, Visit: v.Visit, Due: m.w.now}); !errors.Is(err, catalog.ErrFenced) {
		m.Fatalf("a lost visit was postponed: %v", err)
	}
}

func (m *model) check(t *rapid.T) {
	n := 0
	m.ok(recount(t.Context(), m.w.Catalog, m.w.now, func(got catalog.Page) error {
		n++
		want := m.pages[got.Crawl+" "+got.URL]
		if want == nil || got.State != want.state || got.Reason != want.reason || got.Depth != want.depth || got.Reach != want.reach ||
			got.Priority != want.priority || got.Tries != want.tries || got.State == catalog.Waiting && !got.Due.Equal(want.due) {
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

// drain takes back everything that holds pages up, and waits until all of them have been handed out.
func (m *model) drain(t *rapid.T) {
	for p := range m.paused {
		m.ok(m.w.Resume(t.Context(), p.What, p.Name, m.w.now))
	}
	clear(m.paused)
	for name := range m.known {
		if host, ok := strings.CutPrefix(name, "host "); ok {
			m.ok(m.w.ReleaseHost(t.Context(), host, m.w.now))
		}
	}
	open := func(p *modelPage) bool { return p.state == catalog.Waiting || p.state == catalog.Queued }
	for range 60 {
		for _, p := range m.where(func(p *modelPage) bool { return p.state == catalog.Queued }) {
			c := catalog.Closing{Page: p.visit.ID, Visit: p.visit.Visit, State: catalog.Ended, Reason: "x", Now: m.w.now}
			_, err := m.w.CloseVisit(t.Context(), c)
			m.ok(err)
			p.state, p.reason, p.tries = c.State, c.Reason, 0
		}
		if len(m.where(open)) == 0 {
			m.check(t)
			return
		}
		m.w.pass(time.Minute)
		m.promote(t)
	}
	m.Fatalf("%d pages were not handed out although nothing holds them up", len(m.where(open)))
}
