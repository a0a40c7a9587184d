package catalogtest

import (
	"errors"
	"time"

	"pgregory.net/rapid"

	"example.org/trawl/catalog"
)

// taken notes that a visit lost its page, which waits again.
func (m *model) taken(p *modelPage, due time.Time) {
	m.lost = append(m.lost, p.visit)
	p.state, p.due = catalog.Waiting, due
}

// opened notes that a closed page waits again with all its tries.
func (m *model) opened(p *modelPage) {
	m.taken(p, m.w.now)
	p.reason, p.tries = "", 0
	m.closed, m.leads = nil, nil
}

func (m *model) requeue(t *rapid.T) {
	p := m.queued(t)
	n, err := m.w.Requeue(t.Context(), []catalog.Lease{{Visit: p.visit.Visit, Page: p.visit.ID}, {Visit: "nobody", Page: p.visit.ID}}, m.w.now)
	m.ok(err)
	if n != 1 {
		m.Fatalf("%d pages went back", n)
	}
	m.taken(p, p.due) // it keeps its place
}

func (m *model) postpone(t *rapid.T) {
	p := m.queued(t)
	x := catalog.Postponed{
		Page: p.visit.ID, Visit: p.visit.Visit, Due: m.w.now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second),
		Spent: rapid.Bool().Draw(t, "spent"), Attempt: catalog.Attempt{At: m.w.now, Stage: "fetch", Fault: "stalled", Err: "it stalled"},
	}
	m.ok(m.w.Postpone(t.Context(), x))
	m.taken(p, x.Due)
	if x.Spent {
		p.tries++
	}
}

func (m *model) hold(t *rapid.T) {
	p := m.queued(t)
	before, err := m.w.Host(t.Context(), p.host)
	m.ok(err)
	h := m.w.holding(p.visit, func(h *catalog.Hold) {
		h.State = rapid.SampledFrom(catalog.HostStates()[1:]).Draw(t, "state")
		h.Began = m.w.now.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "ago")) * time.Second)
		h.Patience = 5 * time.Minute
	})
	got, err := m.w.HoldHost(t.Context(), h)
	m.ok(err)
	x := before.Trouble
	switch {
	case got.State != h.State || !got.Until.After(m.w.now) || got.Since.After(m.w.now):
		m.Fatalf("held as %+v", got)
	case x.State == catalog.HostOK && (got.Fails != 1 || !got.Since.Equal(m.w.now) || got.GivenUp):
		m.Fatalf("held as %+v for the first time", got)
	case x.State != catalog.HostOK && (got.Until.Before(x.Until) || got.Fails < x.Fails || got.Fails > x.Fails+1 || !got.Since.Equal(x.Since)):
		m.Fatalf("held as %+v after %+v", got, x)
	}
	m.taken(p, p.due)
}

func (m *model) release(t *rapid.T) {
	m.ok(m.w.ReleaseHost(t.Context(), hostOf(rapid.SampledFrom(m.urls).Draw(t, "host")), m.w.now))
}

// named draws something that an operator can name.
func (m *model) named(t *rapid.T) catalog.Pause {
	what := rapid.SampledFrom([]string{"crawl", "host", "submitter"}).Draw(t, "what")
	switch what {
	case "crawl":
		return catalog.Pause{What: what, Name: rapid.SampledFrom(m.crawls).Draw(t, "crawl").Name}
	case "host":
		return catalog.Pause{What: what, Name: hostOf(rapid.SampledFrom(m.urls).Draw(t, "host"))}
	}
	return catalog.Pause{What: what, Name: rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "submitter")}
}

func (m *model) pause(t *rapid.T) {
	p := m.named(t)
	err := m.w.Pause(t.Context(), p.What, p.Name, m.w.now)
	if !m.known[p.What+" "+p.Name] {
		m.notFound(err)
		return
	}
	m.ok(err)
	m.paused[p] = true
}

func (m *model) resume(t *rapid.T) {
	p := m.named(t)
	err := m.w.Resume(t.Context(), p.What, p.Name, m.w.now)
	if !m.paused[p] {
		m.notFound(err)
		return
	}
	m.ok(err)
	delete(m.paused, p)
}

func (m *model) notFound(err error) {
	m.Helper()
	if !errors.Is(err, catalog.ErrNotFound) {
		m.Fatalf("error %v, want %v", err, catalog.ErrNotFound)
	}
}

// choice draws what chooses pages, and whether all that it names is known.
func (m *model) choice(t *rapid.T) (ch catalog.Choice, known bool) {
	known = true
	for range rapid.IntRange(0, 2).Draw(t, "names") {
		p := m.named(t)
		known = known && m.known[p.What+" "+p.Name]
		switch p.What {
		case "crawl":
			ch.Crawl = p.Name
		case "host":
			ch.Host = p.Name
		default:
			ch.Submitter = p.Name
		}
	}
	return ch, known
}

// chosen are the pages that ch chooses.
func (m *model) chosen(ch catalog.Choice) []*modelPage {
	return m.where(func(p *modelPage) bool {
		return (ch.Crawl == "" || p.crawl == ch.Crawl) && (ch.Host == "" || p.host == ch.Host) && (ch.Submitter == "" || p.submitter == ch.Submitter)
	})
}

func (m *model) retry(t *rapid.T) {
	ch, known := m.choice(t)
	ch.Fault = rapid.SampledFrom([]string{"", "x"}).Draw(t, "fault")
	n, err := m.w.Retry(t.Context(), ch, m.w.now)
	if !known && err != nil { // a name that was drawn over by another need not be known
		m.notFound(err)
		return
	}
	m.ok(err)
	for _, p := range m.chosen(ch) {
		if p.state == catalog.Failed && (ch.Fault == "" || p.reason == ch.Fault) {
			m.opened(p)
			n--
		}
	}
	if n != 0 {
		m.Fatalf("%d pages too many are tried again", n)
	}
}

func (m *model) cancel(t *rapid.T) {
	ch, known := m.choice(t)
	n, err := m.w.Cancel(t.Context(), ch, "cancelled", m.w.now)
	if !known && err != nil {
		m.notFound(err)
		return
	}
	m.ok(err)
	for _, p := range m.chosen(ch) {
		if p.state == catalog.Queued {
			m.lost = append(m.lost, p.visit)
		}
		if p.state == catalog.Queued || p.state == catalog.Waiting {
			p.state, p.reason = catalog.Ended, "cancelled"
			n--
		}
	}
	if n != 0 {
		m.Fatalf("%d pages too many were cancelled", n)
	}
	m.closed, m.leads = nil, nil // they lead nowhere any more
}

func (m *model) recrawl(t *rapid.T) {
	cr := rapid.SampledFrom(m.crawls).Draw(t, "crawl")
	n, err := m.w.Recrawl(t.Context(), cr.ID, m.w.now)
	m.ok(err)
	for _, p := range m.chosen(catalog.Choice{Crawl: cr.Name}) {
		if p.state != catalog.Waiting && p.state != catalog.Queued {
			m.opened(p)
			n--
		}
	}
	if n != 0 {
		m.Fatalf("%d pages too many are to be visited again", n)
	}
	m.closed, m.leads = nil, nil
}
