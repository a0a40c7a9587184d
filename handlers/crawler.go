// Package handlers is what is done: a file for each stage, admit, resolve, head, fetch, store and index, and the small
// interfaces that the stages need. A stage returns the tasks that follow and knows nothing of queues; it may run twice for one
// task, for its writes are keyed by page and fenced by visit.
package handlers

import (
	"context"
	"encoding/json"
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
	// Promote never hands out a page twice, in however many processes it runs at once.
	Promote(ctx context.Context, w catalog.Window) ([]catalog.Batch, error)
}

// Pages is what is known of pages. The writes return what is to be admitted next, nil for nothing, and catalog.ErrFenced when
// the visit no longer owns its page; done twice, they return the same twice.
type Pages interface {
	Store(ctx context.Context, s catalog.Storing) (*catalog.Lead, error)
	CloseVisit(ctx context.Context, c catalog.Closing) (*catalog.Lead, error)
	// PageByID returns the page with its links.
	PageByID(ctx context.Context, id int64) (catalog.Page, error)
	// Recrawl makes all closed pages of a crawl due.
	Recrawl(ctx context.Context, crawl int64, now time.Time) (int64, error)
}

// Hosts is what is known of hosts.
type Hosts interface {
	Host(ctx context.Context, name string) (catalog.Host, error)
	HostByID(ctx context.Context, id int64) (catalog.Host, error)
	// SetRobots returns catalog.ErrFenced when the visit was given up.
	SetRobots(ctx context.Context, host int64, visit string, r catalog.Robots) error
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
	Leases
	Index
}

// Gate hands out the moments at which a host may be touched. A visit reserves a slot when it is promoted, enters the host,
// starts, and leaves. Between two starts at one host there is always the delay, in however many processes they are.
type Gate interface {
	// Reserve returns the first of n moments that nobody else is given, and how far apart they are: the delay or a little more.
	Reserve(ctx context.Context, host string, l frontier.Limit, n int) (first time.Time, apart time.Duration, err error)
	// Enter takes one of the host's places, or keeps it, for frontier.Permit; it returns how long to wait before asking
	// again, or 0.
	Enter(ctx context.Context, host, visit string, l frontier.Limit) (time.Duration, error)
	// Start is called just before the request is sent; it returns how long that has to wait, or 0 when it is to go now.
	Start(ctx context.Context, host, visit string, l frontier.Limit) (time.Duration, error)
	// Leave gives the place back. Lag is the time from Start to the first byte of the answer: a request may have taken
	// up to that long to reach the host, and the next must not follow it closer than the delay.
	Leave(ctx context.Context, host, visit string, lag time.Duration) error
}

// Resolver finds addresses.
type Resolver interface {
	Lookup(ctx context.Context, name string) (dnscache.Answer, error)
	// Cached answers without asking anyone.
	Cached(name string) (dnscache.Answer, bool)
}

// Web asks the web.
type Web interface {
	// Do sends one request and does not follow redirects.
	Do(ctx context.Context, r fetch.Request) (*fetch.Response, error)
	// Decode undoes a content-coding, within bounds.
	Decode(r io.Reader, encoding string) (io.ReadCloser, error)
}

// Archive keeps exchanges as they were.
type Archive interface {
	NewSpool() *archive.Spool
	Append(ctx context.Context, x archive.Exchange) (archive.Ref, string, error)
	// Read returns a record, whose body still has its content-coding.
	Read(ref archive.Ref) (archive.Record, error)
}

// Work tells what the queue still has.
type Work interface {
	// Alive tells of each visit whether a task of it is in some queue or at work.
	Alive(ctx context.Context, visits []string) ([]bool, error)
	// Epoch changes when the queue has lost what it had.
	Epoch(ctx context.Context) (string, error)
	// Handover is how long after its promotion a visit may not have reached the queue yet.
	Handover() time.Duration
}

// Policy is what the crawler is allowed and how it names itself.
type Policy struct {
	Agent      string         // product token, as robots.txt and robots metas name it
	HasContact bool           // without one only AllowNets are crawled
	AllowNets  []netip.Prefix // private networks that may be crawled
	MaxBody    int64          // octets
	Window     int            // pages handed out in all
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
	epochs    cache[string, time.Time] // when each was first met
	bodies    bodyCache
	announced atomic.Int64 // the second for which an index task was last announced
}

// Stages returns the stages by kind, as the runners want them.
func (c *Crawler) Stages() map[tasks.Kind]pipeline.Stage {
	return map[tasks.Kind]pipeline.Stage{
		tasks.KindAdmit:     stage(c.Admit),
		tasks.KindResolve:   stage(c.Resolve),
		tasks.KindHead:      stage(c.Head),
		tasks.KindFetch:     stage(c.Fetch),
		tasks.KindStore:     stage(c.Store),
		tasks.KindIndex:     stage(c.Index),
		tasks.KindPromote:   stage(c.Promote),
		tasks.KindReconcile: stage(c.Reconcile),
	}
}

func stage[T tasks.Task](run func(context.Context, T) (tasks.Result, error)) pipeline.Stage {
	return func(ctx context.Context, t tasks.Task) (tasks.Result, error) { return run(ctx, t.(T)) }
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
