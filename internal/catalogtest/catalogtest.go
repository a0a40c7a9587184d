// Package catalogtest holds what every catalog must do, whatever database it is in. The comments of package catalog and of the
// interfaces in handlers, status and dashboard are the contract.
//
// Every test calls exact after its steps: the pages are read and counted one by one, and what the catalog says of itself, by
// crawl, by host and by reason, has to agree.
package catalogtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/dashboard"
	"example.org/trawl/handlers"
)

// Catalog is what the suite asks of a catalog: everything that the program does.
type Catalog interface {
	handlers.Catalog
	dashboard.Catalog
	// Page returns catalog.ErrNotFound for a page that is not there.
	Page(ctx context.Context, crawl, url string) (catalog.Page, error)
	// Pages calls fn for each page, crawl by crawl, in an order that depends on the URLs alone.
	Pages(ctx context.Context, f catalog.Filter, fn func(catalog.Page) error) error
	// Failure returns the last error of a page that failed.
	Failure(ctx context.Context, page int64) (stage, text string, err error)
	// Attempts returns the tries of a page that met an error, the oldest first.
	Attempts(ctx context.Context, page int64) ([]catalog.Attempt, error)
	Control
	Close() error
}

// Control is what an operator does.
type Control interface {
	// SetHost returns catalog.ErrNotFound when there is no such host; nil takes its limits back.
	SetHost(ctx context.Context, name string, own *catalog.HostLimits, now time.Time) error
	SetQuota(ctx context.Context, q catalog.Quota) error
	Quotas(ctx context.Context) ([]catalog.Quota, error)
	// Hosts lists hosts in a state, "" for all that have pages waiting, those with the most first.
	Hosts(ctx context.Context, state catalog.HostState, limit int) ([]catalog.Host, error)
	// Queue tells what is to be visited before a page that waits.
	Queue(ctx context.Context, page int64, now time.Time) (catalog.Queue, error)
	// Mazes returns those of a crawl of which most pages were left out.
	Mazes(ctx context.Context, crawl int64, limit int) ([]catalog.Maze, error)
	// Maze returns the maze that a page is in, nil for none.
	Maze(ctx context.Context, page int64) (*catalog.Maze, error)
}

// Sound is a catalog that can look at what it is made of, where the front does not show it. It is asked after every step.
type Sound interface {
	Sound(ctx context.Context, now time.Time) error
}

// Run runs the suite. Open returns an empty catalog, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) Catalog) {
	for name, test := range map[string]func(*world){
		"submit": submit, "submit leaves a crawl as it is when refused": submitRefused, "nothing there": nothingThere,
		"admit": admit, "admit keeps the nearest": nearest, "admit leads again": leadsAgain, "admit up to a limit": limited, "admit clears a lead": leadCleared,
		"promote reads robots first": robotsFirst, "promote in order": order, "promote within a host's time": horizon, "promote within the window": window, "promote leaves room for others": roomForOthers,
		"promote by priority across hosts": priorities, "promote by due and ID": byAge, "fair turns": fairTurns, "weighted turns": weightedTurns,
		"turns are not saved up": noSavings, "turns go on beside a quota": turnsBesideQuota, "two submitters at one host": oneHost, "too many ready": tooManyReady, "urgent pages": urgent, "raise a waiting page": raised,
		"limits of a domain and an address": groups, "many lanes": manyLanes, "a shorter delay": shorterDelay, "limits of one host": ownLimits, "limits of a host that is busy": ownLimitsBusy,
		"hold a host": held, "hold a host once for a trouble": heldOnce, "push-backs": pushBacks, "give a host up": givenUp, "a single probe": singleProbe,
		"hold during robots.txt": heldRobots, "lists of hosts": hostLists, "postpone": postpone, "outages": outages,
		"pause and resume": pauseResume, "pause the unknown": pauseUnknown, "retry": retry, "retry by choice": retryChoice, "cancel": cancel, "cancel by choice": cancelChoice,
		"many at once by choice": controlLarge, "failures": failures, "max waiting": maxWaiting, "pages a minute": perMinute, "quotas": quotas, "what is ahead": ahead,
		"promote what is due": due, "promote at the slowest delay": slowest, "promote tells what is known": known, "robots": robotsStates,
		"store": store, "store unchanged": unchanged, "end and fail": endAndFail, "fenced": fenced, "twice": twice, "leads": leads,
		"leases": leases, "recrawl": recrawl, "recrawl and go further": recrawlFurther, "recrawl a large crawl": recrawlLarge, "counts": counts, "backlog": backlog,
		"index": indexing, "search": searching, "snippets": snippets, "search with hostile queries": hostile, "search with a filter": searchFilter, "a word of every page": everywhere,
		"export": export, "meta": meta,
		"schedules": schedules, "plans": plans, "no plan": noPlan, "revisits": revisits, "revisits of open pages": revisitsOpen, "revisits at once": revisitsAtOnce,
		"budget of revisits": revisitBudget, "price of a revisit": prices, "sitemaps": sitemaps, "admit what has changed": modifiedAgain, "admit again": admitAgain,
		"what is ahead in turns": aheadInTurns, "what is ahead of a late page": aheadOfLate, "slowest host": slowestHost, "owned": owned, "attempts": attempts,
		"mazes": mazes, "a maze and what is outside": mazeFoundOutside, "maze of parameters": mazeOfParameters, "maze of steps": mazeOfSteps,
		"copies": copies, "canonical": canonical, "allowances": allowances,
		"a maze within the limits of its crawl": mazeWithinLimits, "a maze within allowances": mazeWithinAllowances,
		"copies prove once": copiesProveOnce, "copies of products": copiesOfProducts, "open mazes beside failures": openMazesBesideFailures,
	} {
		t.Run(name, func(t *testing.T) { test(newWorld(t, open(t))) })
	}
	t.Run("random operations", func(t *testing.T) { random(t, open) })
	t.Run("same order of pages", func(t *testing.T) { sameOrder(newWorld(t, open(t)), newWorld(t, open(t))) })
	t.Run("many at once", func(t *testing.T) {
		c := open(t)
		newWorld(t, c)
		Concurrent(t, c, c)
	})
}

// world is a catalog with a clock, and what the tests do to it.
type world struct {
	*testing.T
	Catalog
	now    time.Time
	visits int
}

// newWorld closes c when the test ends.
func newWorld(t *testing.T, c Catalog) *world {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	// Catalogs keep milliseconds; nothing here depends on what time it is.
	return &world{T: t, Catalog: c, now: time.Date(2026, 3, 4, 5, 6, 7, 123e6, time.UTC)}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

// crawl makes or changes a crawl without a delay.
func (w *world) crawl(name string, change ...func(*catalog.Crawl)) catalog.Crawl {
	w.Helper()
	cr, err := w.Submit(w.Context(), name, nil, w.now, func(json.RawMessage) (catalog.Crawl, error) {
		cr := catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{PerHost: 1}, MaxPages: 1000}
		for _, f := range change {
			f(&cr)
		}
		return cr, nil
	})
	w.must(err)
	return cr
}

func hostOf(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	name, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + name + ":80"
}

func page(url string, change ...func(*catalog.Candidate)) catalog.Candidate {
	p := catalog.Candidate{URL: url, Host: hostOf(url), Reach: catalog.NoLimit}
	for _, f := range change {
		f(&p)
	}
	return p
}

func at(depth, reach int) func(*catalog.Candidate) {
	return func(p *catalog.Candidate) { p.Depth, p.Reach = depth, reach }
}

func priority(n int) func(*catalog.Candidate) {
	return func(p *catalog.Candidate) { p.Priority = n }
}

func (w *world) admit(cr catalog.Crawl, pages ...catalog.Candidate) catalog.Admitted {
	w.Helper()
	return w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "seed", Now: w.now, Pages: pages})
}

func (w *world) admission(a catalog.Admission) catalog.Admitted {
	w.Helper()
	got, err := w.Admit(w.Context(), a)
	w.must(err)
	return got
}

// urls admits pages at depth 0 without a limit.
func (w *world) urls(cr catalog.Crawl, urls ...string) catalog.Admitted {
	w.Helper()
	var pages []catalog.Candidate
	for _, u := range urls {
		pages = append(pages, page(u))
	}
	return w.admit(cr, pages...)
}

// The bounds of a window that bounds nothing.
const (
	lease  = 5 * time.Minute
	wide   = time.Hour
	plenty = 1_000_000
)

func (w *world) window(change ...func(*catalog.Window)) catalog.Window {
	win := catalog.Window{Now: w.now, Lease: lease, Horizon: wide, Total: plenty, NewID: func() string {
		w.visits++
		return fmt.Sprintf("robots-visit-%d", w.visits)
	}}
	for _, f := range change {
		f(&win)
	}
	return win
}

func (w *world) promote(change ...func(*catalog.Window)) []catalog.Batch {
	w.Helper()
	got, err := w.Promote(w.Context(), w.window(change...))
	w.must(err)
	return got
}

// open lets robots.txt of every host that waits for it allow everything, and returns nothing else than the hosts.
func (w *world) open() (hosts []int64) {
	w.Helper()
	for _, b := range w.promote() {
		if b.RobotsVisit == "" {
			w.Fatalf("%s was promoted before its robots.txt was read", b.Host)
		}
		w.must(w.SetRobots(w.Context(), b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: w.now, Until: w.now.Add(24 * time.Hour)}))
		hosts = append(hosts, b.HostID)
	}
	return hosts
}

// handOut promotes and returns the pages.
func (w *world) handOut(change ...func(*catalog.Window)) (out []catalog.Promoted) {
	w.Helper()
	for _, b := range w.promote(change...) {
		if b.RobotsVisit != "" {
			w.Fatalf("%s wants its robots.txt to be read", b.Host)
		}
		out = append(out, b.Pages...)
	}
	return out
}

// one hands out the only page that is due.
func (w *world) one() catalog.Promoted {
	w.Helper()
	got := w.handOut()
	if len(got) != 1 {
		w.Fatalf("%d pages were handed out, want 1: %v", len(got), got)
	}
	return got[0]
}

// seed admits url to a new crawl and hands it out.
func (w *world) seed(cr catalog.Crawl, p catalog.Candidate) catalog.Promoted {
	w.Helper()
	w.admit(cr, p)
	if h, err := w.Host(w.Context(), p.Host); err != nil || h.Robots.State == catalog.RobotsUnknown {
		w.open()
	}
	return w.one()
}

// found is what an ordinary visit of p finds.
func (w *world) found(p catalog.Promoted, change ...func(*catalog.Storing)) catalog.Storing {
	s := catalog.Storing{
		Page: p.ID, Visit: p.Visit, Status: 200, MIME: "text/html", Size: 1000, Digest: fmt.Sprintf("sha256:%016x", p.ID), Payload: "sha1:1", FetchedAt: w.now,
		WARC: catalog.WARC{File: "a.warc.gz", Offset: 1, Length: 2}, Text: "some text", Links: []string{"http://example.org/next"}, Follow: true, Searchable: true,
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func (w *world) store(p catalog.Promoted, change ...func(*catalog.Storing)) *catalog.Lead {
	w.Helper()
	lead, err := w.Store(w.Context(), w.found(p, change...))
	w.must(err)
	return lead
}

func (w *world) end(p catalog.Promoted, reason string) *catalog.Lead {
	w.Helper()
	return w.shut(catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: reason, Status: 404, Now: w.now})
}

func (w *world) fail(p catalog.Promoted, kind string) *catalog.Lead {
	w.Helper()
	return w.shut(catalog.Closing{
		Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: kind, Now: w.now, Stage: "fetch", Attempts: 3, Err: "it did not answer",
	})
}

func (w *world) shut(c catalog.Closing) *catalog.Lead {
	w.Helper()
	lead, err := w.CloseVisit(w.Context(), c)
	w.must(err)
	return lead
}

func (w *world) page(crawl, url string) catalog.Page {
	w.Helper()
	p, err := w.Page(w.Context(), crawl, url)
	w.must(err)
	return p
}

func (w *world) host(url string) catalog.Host {
	w.Helper()
	h, err := w.Host(w.Context(), hostOf(url))
	w.must(err)
	return h
}

func (w *world) all(f catalog.Filter) (out []catalog.Page) {
	w.Helper()
	w.must(w.Pages(w.Context(), f, func(p catalog.Page) error {
		out = append(out, p)
		return nil
	}))
	return out
}

func (w *world) state(crawl, url string, want catalog.State) {
	w.Helper()
	if p := w.page(crawl, url); p.State != want {
		w.Errorf("%s is %s, want %s", url, p.State, want)
	}
}

func (w *world) leads(before time.Time) []catalog.Lead {
	w.Helper()
	got, err := w.Leads(w.Context(), before, 100)
	w.must(err)
	return got
}

// later is after everything that any test does.
func (w *world) later() time.Time { return w.now.Add(1000 * time.Hour) }

func (w *world) same(what string, got, want any) {
	w.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (w *world) is(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("error %v, want %v", err, want)
	}
}

// exact counts all pages and compares.
func (w *world) exact() {
	w.Helper()
	if err := recount(w.Context(), w.Catalog, w.now, func(catalog.Page) error { return nil }); err != nil {
		w.Error(err)
	}
}

// Exact counts all pages and compares, and looks into the catalog where it can.
func Exact(t *testing.T, c Catalog, now time.Time) {
	t.Helper()
	w := &world{T: t, Catalog: c, now: now}
	w.exact()
}

// recount tells where counters and pages disagree; it shows each page to look.
func recount(ctx context.Context, c Catalog, now time.Time, look func(catalog.Page) error) error {
	byCrawl, byHost, reasons := map[string]catalog.Counts{}, map[string]catalog.Counts{}, map[string]map[string]int64{}
	var waiting int64
	bySubmitter := map[string]int64{}
	err := c.Pages(ctx, catalog.Filter{}, func(p catalog.Page) error {
		n, h := byCrawl[p.Crawl], byHost[p.Host]
		one(&n, p.State)
		one(&h, p.State)
		byCrawl[p.Crawl], byHost[p.Host] = n, h
		if p.State == catalog.Waiting {
			waiting++
			bySubmitter[p.Submitter]++
		}
		if p.Reason != "" {
			if reasons[p.Crawl] == nil {
				reasons[p.Crawl] = map[string]int64{}
			}
			reasons[p.Crawl][p.Reason]++
		}
		return look(p)
	})
	if err != nil {
		return err
	}
	tallies, err := c.Status(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range tallies {
		t.Bytes = 0 // of all visits ever: no page tells them
		if diff := cmp.Diff(byCrawl[t.Crawl], t.Counts); diff != "" {
			errs = append(errs, fmt.Errorf("counts of crawl %s (-pages +status):\n%s", t.Crawl, diff))
		}
		if diff := cmp.Diff(reasons[t.Crawl], t.Reasons); diff != "" && len(reasons[t.Crawl])+len(t.Reasons) > 0 {
			errs = append(errs, fmt.Errorf("reasons of crawl %s (-pages +status):\n%s", t.Crawl, diff))
		}
		delete(byCrawl, t.Crawl)
	}
	for name := range byCrawl {
		errs = append(errs, fmt.Errorf("crawl %s has pages and no status", name))
	}
	for name, want := range byHost {
		h, err := c.Host(ctx, name)
		if err != nil {
			return err
		}
		h.Bytes = 0
		if diff := cmp.Diff(want, h.Counts); diff != "" {
			errs = append(errs, fmt.Errorf("counts of host %s (-pages +host):\n%s", name, diff))
		}
	}
	quotas, err := c.Quotas(ctx)
	if err != nil {
		return err
	}
	for _, q := range quotas {
		if q.Waiting != bySubmitter[q.Submitter] {
			errs = append(errs, fmt.Errorf("submitter %s has %d pages waiting, of which the quotas say %d", q.Submitter, bySubmitter[q.Submitter], q.Waiting))
		}
		delete(bySubmitter, q.Submitter)
	}
	for name := range bySubmitter {
		errs = append(errs, fmt.Errorf("submitter %s has pages and no quota", name))
	}
	b, err := c.Backlog(ctx, now)
	if err != nil {
		return err
	}
	// Each host is in one of these; what else a page waits for comes on top.
	if sum := b.Robots + b.Backoff + b.DNS + b.Polite + b.Room; sum != waiting {
		errs = append(errs, fmt.Errorf("backlog %+v is %d pages in all, and %d wait", b, sum, waiting))
	}
	for _, n := range []int64{b.Later, b.Retry, b.Budget} {
		if n < 0 || n > waiting {
			errs = append(errs, fmt.Errorf("backlog %+v, and %d wait", b, waiting))
		}
	}
	if t, ok := c.(Sound); ok {
		errs = append(errs, t.Sound(ctx, now))
	}
	return errors.Join(errs...)
}

func one(c *catalog.Counts, s catalog.State) {
	switch s {
	case catalog.Waiting:
		c.Waiting++
	case catalog.Queued:
		c.Queued++
	case catalog.Stored:
		c.Stored++
	case catalog.Failed:
		c.Failed++
	case catalog.Ended:
		c.Ended++
	}
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func urlsOf(pages []catalog.Promoted) (out []string) {
	for _, p := range pages {
		out = append(out, p.URL)
	}
	return out
}
