// Package handlers is what is done: a file for each stage, admit, resolve, head, fetch, store and index, and the small
// interfaces that the stages need. A stage returns the tasks that follow and knows nothing of queues; it may run twice for one
// task, for its writes are keyed by page and fenced by visit.
package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/dnscache"
	"example.org/trawl/fetch"
	"example.org/trawl/frontier"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

// Frontier is where pages wait.
type Frontier interface {
	// Submit creates or changes a crawl; merge gets its settings, nil for a new one, and may be called more than once.
	Submit(ctx context.Context, name string, roots []string, now time.Time, merge func(old json.RawMessage) (catalog.Crawl, error)) (catalog.Crawl, error)
	// Crawl returns catalog.ErrNotFound for a name that was never submitted to.
	Crawl(ctx context.Context, name string) (catalog.Crawl, error)
	// Admit adds what is new and keeps the rest, with the least depth each page was found at.
	Admit(ctx context.Context, a catalog.Admission) (catalog.Admitted, error)
	// OpenMazes lets in what was left out, as far as the crawl's settings say by now.
	OpenMazes(ctx context.Context, crawl int64, now time.Time) (int64, error)
	// Promote never hands out a page twice, in however many processes it runs at once.
	Promote(ctx context.Context, w catalog.Window) ([]catalog.Batch, error)
}

// Pages is what is known of pages. The writes return what is to be admitted next, nil for nothing, and catalog.ErrFenced when
// the visit no longer owns its page; done twice, they return the same twice.
type Pages interface {
	Store(ctx context.Context, s catalog.Storing) (*catalog.Lead, error)
	CloseVisit(ctx context.Context, c catalog.Closing) (*catalog.Lead, error)
	// Outlinks returns where a closed page leads.
	Outlinks(ctx context.Context, page int64) (catalog.Outlinks, error)
	// Recrawl makes all closed pages of a crawl due.
	Recrawl(ctx context.Context, crawl int64, now time.Time) (int64, error)
	// Owns tells whether the page is still that visit's.
	Owns(ctx context.Context, page int64, visit string) (bool, error)
}

// Hosts is what is known of hosts.
type Hosts interface {
	Host(ctx context.Context, name string) (catalog.Host, error)
	HostByID(ctx context.Context, id int64) (catalog.Host, error)
	// SetRobots returns catalog.ErrFenced when the visit was given up.
	SetRobots(ctx context.Context, host int64, visit string, r catalog.Robots) error
	// NoteHost keeps what was found out about a host.
	NoteHost(ctx context.Context, name, addr string, pace time.Duration) error
}

// Troubles is what keeps pages waiting that could be visited otherwise.
type Troubles interface {
	// HoldHost leaves a host alone; the page of the visit that met the trouble waits again.
	HoldHost(ctx context.Context, h catalog.Hold) (catalog.Held, error)
	ReleaseHost(ctx context.Context, name string, now time.Time) error
	// Postpone returns catalog.ErrFenced when the visit no longer owns its page.
	Postpone(ctx context.Context, p catalog.Postponed) error
}

// Orders is what an operator has said, for every process to obey within a second.
type Orders interface {
	Pauses(ctx context.Context) ([]catalog.Pause, error)
	// OwnLimits are those of hosts for which there are any, by name, as they hold beside the host's robots.txt.
	OwnLimits(ctx context.Context) (map[string]catalog.HostLimits, error)
}

// Outages is what everybody needs and is down.
type Outages interface {
	Declare(ctx context.Context, o catalog.Outage, probe time.Time) error
	Outages(ctx context.Context) ([]catalog.Outage, error)
	// Probe tells whether the caller is the one, among all processes, to try whether an outage is over.
	Probe(ctx context.Context, kind string, now, next time.Time) (bool, error)
	EndOutage(ctx context.Context, kind string) error
}

// Revisits is when closed pages are looked at again.
type Revisits interface {
	// Revisit makes pages due again whose time has come, up to most and as a budget of looks a day allows for; 0 is none.
	Revisit(ctx context.Context, crawl, perDay int64, most int, now time.Time) (int, error)
	Price(ctx context.Context, crawl int64, now time.Time) (catalog.Price, error)
	SetPrice(ctx context.Context, crawl int64, since time.Time, price float64, now time.Time) error
}

// Schedules is what is submitted again and again.
type Schedules interface {
	AddSchedule(ctx context.Context, s catalog.Schedule) error
	Schedules(ctx context.Context, before time.Time) ([]catalog.Schedule, error)
	// Tick tells whether the caller is the one, among all, to see to what is due at s.Next; the schedule is due at next from then on.
	Tick(ctx context.Context, s catalog.Schedule, now, next time.Time) (bool, error)
}

// Leases is what was handed out, and to which visit.
type Leases interface {
	Leases(ctx context.Context, before time.Time, limit int) ([]catalog.Lease, error)
	Extend(ctx context.Context, l []catalog.Lease, until time.Time) error
	Requeue(ctx context.Context, l []catalog.Lease, now time.Time) (int, error)
	// Leads are the closed pages whose links still wait to be admitted, the longest first.
	Leads(ctx context.Context, before time.Time, limit int) ([]catalog.Lead, error)
}

// Index makes pages searchable.
type Index interface {
	// IndexBatch takes up to n pages into the index and returns how many it took; a batch is taken whole or not at all.
	IndexBatch(ctx context.Context, n int) (int, error)
	IndexLag(ctx context.Context) (int64, error)
	Meta(ctx context.Context, name string) (string, error)
	SetMeta(ctx context.Context, name, value string) error
}

// Catalog is all that the stages ask of the database.
type Catalog interface {
	Frontier
	Pages
	Hosts
	Troubles
	Orders
	Outages
	Schedules
	Revisits
	Leases
	Index
	// Status is how many pages each crawl has in each state.
	Status(ctx context.Context) ([]catalog.Tally, error)
}

// Gate hands out the moments at which a host may be touched. A visit reserves a slot when it is promoted, enters its units (the
// host, and where that is limited its domain and address), starts, and leaves. Between two starts at one unit there is always its
// delay, in however many processes they are.
type Gate interface {
	// Reserve returns the first of n moments at the host that nobody else is given, and how far apart they are. Visits that are
	// named as urgent get moments before those handed out earlier: until they start, or fail to come, no other is let in. It lets
	// visits in again after a hold, if holds counts that one.
	Reserve(ctx context.Context, host frontier.Unit, n int, urgent []string, holds int64) (first time.Time, apart time.Duration, err error)
	// Recall makes the moments that were handed out at the host nobody's. A visit that comes at one of them is let in if its turn is
	// not taken.
	Recall(ctx context.Context, host string) error
	// Enter takes a place at every unit, or keeps it, for frontier.Permit; it returns how long to wait before asking again, or
	// 0. frontier.ErrHeld: the host is left alone for now, except by probes.
	Enter(ctx context.Context, units []frontier.Unit, visit string, probe bool) (time.Duration, error)
	// Start is called just before the request is sent; it returns how long that has to wait, or 0 when it is to go now.
	Start(ctx context.Context, units []frontier.Unit, visit string, probe bool) (time.Duration, error)
	// Leave gives the places back and notes what the visit saw. It returns how many visits in a row ended badly at the host.
	Leave(ctx context.Context, units []frontier.Unit, visit string, s frontier.Seen) (int, error)
	// Hold keeps visits out that are on their way; holds is how often the catalog has held the host.
	Hold(ctx context.Context, host string, holds int64) error
}

// Resolver finds addresses.
type Resolver interface {
	Lookup(ctx context.Context, name string) (dnscache.Answer, error)
	// Cached answers without asking anyone.
	Cached(name string) (dnscache.Answer, bool)
	// Ping asks the servers for something that they always have an answer to.
	Ping(ctx context.Context) error
}

// Web asks the web.
type Web interface {
	// Do sends one request and does not follow redirects.
	Do(ctx context.Context, r fetch.Request) (*fetch.Response, error)
	// Decode undoes a content-coding, within bounds.
	Decode(r io.Reader, encoding string) (io.ReadCloser, error)
	// Reach connects to an address and hangs up.
	Reach(ctx context.Context, addr netip.AddrPort) error
}

// Archive keeps exchanges as they were.
type Archive interface {
	NewSpool() *archive.Spool
	Append(ctx context.Context, x archive.Exchange) (archive.Ref, string, error)
	// Read returns a record, whose body still has its content-coding.
	Read(ref archive.Ref) (archive.Record, error)
	// Check writes a little, durably, and takes it away again.
	Check(ctx context.Context) error
}

// Work tells what the queue still has.
type Work interface {
	// Alive tells of each visit whether a task of it is in some queue or at work.
	Alive(ctx context.Context, visits []string) ([]bool, error)
	// Epoch changes when the queue has lost what it had.
	Epoch(ctx context.Context) (string, error)
	// Handover is how long after its promotion a visit may not have reached the queue yet.
	Handover() time.Duration
	// Load is how much of what was handed out waits in the queue.
	Load(ctx context.Context) (pipeline.Load, error)
}

// Policy is what the crawler is allowed and how it names itself.
type Policy struct {
	Agent      string         // product token, as robots.txt and robots metas name it
	HasContact bool           // without one only AllowNets are crawled
	AllowNets  []netip.Prefix // private networks that may be crawled
	MaxBody    int64          // octets
	Window     int            // pages handed out in all, at most
	Patience   time.Duration  // how long a host may be in trouble before its pages fail
}

// Crawler is the stages with what they need.
type Crawler struct {
	Catalog Catalog
	Gate    Gate
	DNS     Resolver
	Web     Web
	Archive Archive
	Work    Work
	Policy  Policy
	Log     *slog.Logger

	crawls    crawlCache
	rules     rulesCache
	seen      seenCache
	epochs    cache[string, time.Time]   // when each was first met
	bodies    handover[[]byte]           // from fetch to store, by visit
	links     handover[catalog.Outlinks] // from store to admit, by batch
	board     board
	meter     meter
	reached   reached
	turns     turns
	promoting lock         // one at a time: each goes by what the one before handed out
	promoted  atomic.Int64 // when the newest promotion began, in Unix milliseconds
	refilling atomic.Bool  // somebody waits for the next
	announced atomic.Int64 // the second for which an index task was last announced
	atWork    atomic.Int64 // visits that are at some stage in this process
	fresh     atomic.Bool  // pages were stored since there was last nothing at work
}

// Stages returns the stages by kind, as the runners want them.
func (c *Crawler) Stages() map[tasks.Kind]pipeline.Stage {
	return map[tasks.Kind]pipeline.Stage{
		tasks.KindAdmit:     stage(c, c.Admit),
		tasks.KindResolve:   stage(c, c.Resolve),
		tasks.KindHead:      stage(c, c.Head),
		tasks.KindFetch:     stage(c, c.Fetch),
		tasks.KindStore:     stage(c, c.Store),
		tasks.KindIndex:     stage(c, c.Index),
		tasks.KindPromote:   stage(c, c.Promote),
		tasks.KindReconcile: stage(c, c.Reconcile),
		tasks.KindSchedule:  stage(c, c.Schedule),
	}
}

// stage makes a method a stage. A visit that has to wait goes back to the frontier; an error may be the first sign of an outage.
func stage[T tasks.Task](c *Crawler, run func(context.Context, T) (tasks.Result, error)) pipeline.Stage {
	return func(ctx context.Context, t tasks.Task) (res tasks.Result, err error) {
		at := time.Now()
		if t.About().ID != "" {
			c.atWork.Add(1)
			defer func() {
				if c.atWork.Add(-1) == 0 {
					c.rest(&res)
				}
			}()
		}
		res, err = run(ctx, t.(T))
		if back := (*errBack)(nil); errors.As(err, &back) {
			return c.back(ctx, t.About(), back.why)
		}
		if err != nil {
			c.suspect(ctx, t, err)
			err = &errBegan{err, at}
		}
		return res, err
	}
}

// cache is a bounded map that forgets everything when it is full: simple, and right for what can be looked up again.
type cache[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]V
}

func (c *cache[K, V]) get(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.m[k]
	return v, ok
}

func (c *cache[K, V]) put(k K, v V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= size {
		c.m = make(map[K]V)
	}
	c.m[k] = v
}

func (c *cache[K, V]) drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, k)
}
