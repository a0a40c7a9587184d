package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/dnscache"
	"example.org/trawl/events"
	"example.org/trawl/fetch"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a crawler of real parts, driven by a queue that the test can make misbehave.
type rig struct {
	*handlers.Crawler
	t       *testing.T
	dir     string
	catalog *sqlite.Catalog
	clock   *ahead
	archive *counting
	line    *pipeline.Line
	events  *recorder
	mode    mode
	last    bool // what came last goes first

	queue []*job
	known map[string]bool // kind and ID of what waits
	lost  map[string]bool
	ticks int
	epoch int

	load     pipeline.Load
	handover time.Duration
}

// mode is how often the queue runs a task.
type mode int

const (
	once        mode = iota
	inARow           // twice, and both results count: a worker that died after it had enqueued what follows
	afterwards       // and again when its successor is through: a worker that was taken for dead
	resultsLost      // twice, and the first result is lost: a worker that died before it had enqueued anything
)

type job struct {
	task   tasks.Task
	failed int
	before *job // whose result it is
}

// ahead is a catalog for which more time has gone by than for the test.
type ahead struct {
	*sqlite.Catalog
	by time.Duration
}

func (a *ahead) Promote(ctx context.Context, w catalog.Window) ([]catalog.Batch, error) {
	w.Now = w.Now.Add(a.by)
	return a.Catalog.Promote(ctx, w)
}

func (a *ahead) Leases(ctx context.Context, before time.Time, limit int) ([]catalog.Lease, error) {
	return a.Catalog.Leases(ctx, before.Add(a.by), limit)
}

// counting is an archive that counts reads.
type counting struct {
	*archive.Store
	reads atomic.Int64
}

func (c *counting) Read(ref archive.Ref) (archive.Record, error) {
	c.reads.Add(1)
	return c.Store.Read(ref)
}

type recorder struct {
	mu  sync.Mutex
	all []events.Event
}

func (r *recorder) Record(e events.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

const maxBody = 8 << 20

func newRig(t *testing.T, dnsAddr string) *rig {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	cat, err := sqlite.Open(t.Context(), filepath.Join(dir, "trawl.db"), log)
	if err != nil {
		t.Fatal(err)
	}
	store, err := archive.Open(filepath.Join(dir, "warc"), archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := dnscache.New(dnscache.Options{Servers: []netip.AddrPort{netip.MustParseAddrPort(dnsAddr)}})
	if err != nil {
		t.Fatal(err)
	}
	web := fetch.New(fetch.Options{AllowNets: loopback, MaxBody: maxBody})
	t.Cleanup(func() {
		web.Close()
		if err := errors.Join(store.Close(), cat.Close()); err != nil {
			t.Error(err)
		}
	})
	r := &rig{
		t: t, dir: dir, catalog: cat, clock: &ahead{Catalog: cat}, archive: &counting{Store: store}, events: &recorder{},
		known: map[string]bool{}, lost: map[string]bool{},
	}
	r.Crawler = &handlers.Crawler{
		Catalog: r.clock, Gate: frontier.NewMemoryGate(time.Time{}), DNS: names, Web: web, Archive: r.archive, Work: r, Log: log,
		Policy: handlers.Policy{Agent: "Trawl", HasContact: true, AllowNets: loopback, MaxBody: maxBody, Window: 4000, Patience: time.Nanosecond},
	}
	r.line = pipeline.New(r.Stages(), r.Crawler, r.events, log)
	return r
}

// Alive implements handlers.Work: a visit is alive while the queue has a task of it.
func (r *rig) Alive(_ context.Context, visits []string) ([]bool, error) {
	out := make([]bool, len(visits))
	for i, v := range visits {
		for _, j := range r.queue {
			out[i] = out[i] || j.task.About().ID == v
		}
	}
	return out, nil
}

// Epoch implements handlers.Work.
func (r *rig) Epoch(context.Context) (string, error) { return fmt.Sprint("epoch ", r.epoch), nil }

// Load implements handlers.Work.
func (r *rig) Load(context.Context) (pipeline.Load, error) { return r.load, nil }

// Handover implements handlers.Work.
func (r *rig) Handover() time.Duration { return r.handover }

// seeds submits urls with settings as a user names them; the delay is 0 unless they say otherwise.
func seeds(reach int, settings string, urls ...string) tasks.Admit {
	named := map[string]any{"delay": 0, "per_host": 16}
	if err := json.Unmarshal([]byte("{"+settings+"}"), &named); err != nil {
		panic(err)
	}
	all, _ := json.Marshal(named)
	return tasks.Admit{Batch: tasks.NewID(), Crawl: "c", Submitter: "s", Origin: tasks.OriginSeed, Reach: reach, Settings: all, URLs: urls}
}

// crawl runs first and all that follows, until every page is closed.
func (r *rig) crawl(first ...tasks.Task) {
	r.t.Helper()
	for _, t := range first {
		r.put(nil, tasks.Next{Task: t})
	}
	idle := time.NewTicker(5 * time.Millisecond)
	defer idle.Stop()
	for range 2000 {
		r.drain()
		r.runJob(&job{task: tasks.Promote{}})
		if len(r.queue) == 0 && r.mode == resultsLost {
			r.epoch++ // so that every visit is asked after, not only those whose lease ran out
			r.runJob(&job{task: tasks.Reconcile{}})
		}
		if len(r.queue) > 0 {
			continue
		}
		if r.tally().Open() == 0 {
			return
		}
		if r.tally().Queued == 0 {
			r.clock.by += time.Second // what waits for another try is due then
		}
		<-idle.C
	}
	r.t.Fatalf("nothing is left to do, and pages are open: %+v", r.tally())
}

func (r *rig) drain() {
	for len(r.queue) > 0 {
		i := 0
		if r.last {
			i = len(r.queue) - 1
		}
		j := r.queue[i]
		r.queue = append(r.queue[:i:i], r.queue[i+1:]...)
		delete(r.known, key(j.task))
		r.runJob(j)
	}
}

func key(t tasks.Task) string { return string(t.Kind()) + " " + t.ID() }

// put takes in what follows. As in asynq, an ID that waits already is not taken in again.
func (r *rig) put(before *job, next ...tasks.Next) {
	for _, n := range next {
		r.coded(n.Task)
		if k := key(n.Task); !r.known[k] {
			r.known[k] = true
			r.queue = append(r.queue, &job{task: n.Task, before: before})
		}
	}
}

// coded makes sure that what a task carries survives the queue.
func (r *rig) coded(t tasks.Task) {
	b, err := tasks.Encode(t)
	if err != nil {
		r.t.Fatal(err)
	}
	back, err := tasks.Decode(t.Kind(), b)
	if err != nil {
		r.t.Fatal(err)
	}
	if again, _ := tasks.Encode(back); !cmp.Equal(b, again) {
		r.t.Fatalf("%s: %s came back as %s", t.Kind(), b, again)
	}
}

func (r *rig) runJob(j *job) {
	periodic := j.task.ID() == string(j.task.Kind())
	switch {
	case r.mode == inARow:
		r.run(j, true)
	case r.mode == resultsLost && periodic: // not every time, or nothing would ever come of it
		if r.ticks++; r.ticks%3 == 1 {
			r.run(j, true)
			r.queue, r.known = nil, map[string]bool{}
		}
	case r.mode == resultsLost && !r.lost[key(j.task)]:
		r.lost[key(j.task)] = true
		_, _ = r.line.Run(r.t.Context(), j.task, j.failed)
	}
	r.run(j, false)
	if r.mode == afterwards && j.before != nil {
		r.run(j.before, true)
	}
}

// run runs a task and takes in what follows; an echo is a run too many, whose failure nobody waits for.
func (r *rig) run(j *job, echo bool) {
	next, err := r.line.Run(r.t.Context(), j.task, j.failed)
	retry := (*pipeline.Retry)(nil)
	switch {
	case errors.As(err, &retry):
		if !echo {
			again := *j
			if !retry.Free {
				again.failed++
			}
			r.known[key(j.task)] = true
			r.queue = append(r.queue, &again)
		}
		return
	case err != nil:
		r.t.Fatalf("%s: %v", j.task.Kind(), err)
	}
	if echo {
		j = nil
	}
	r.put(j, next...)
}

func (r *rig) tally() catalog.Counts {
	r.t.Helper()
	all, err := r.catalog.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return catalog.Total(all)
}

// page is what a crawl found out about a page, without what differs between two runs of the same.
type page struct {
	State                                                         catalog.State
	Reason, FinalURL, Digest, Payload, MIME, Charset, Title, ETag string
	Depth, Reach, Status, Visits, Tries                           int
	Size                                                          int64
	Text                                                          string
	Links                                                         []string
}

// found reads all pages of the catalog.
func (r *rig) found() map[string]page {
	r.t.Helper()
	out := map[string]page{}
	err := r.catalog.Pages(r.t.Context(), catalog.Filter{Text: true, Links: true}, func(p catalog.Page) error {
		out[p.URL] = page{
			p.State, p.Reason, p.FinalURL, p.Digest, p.Payload, p.MIME, p.Charset, p.Title, p.ETag,
			p.Depth, p.Reach, p.Status, p.Visits, p.Tries, p.Size, p.Text, p.Links,
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// states says in a word how each page stands.
func (r *rig) states() map[string]string {
	r.t.Helper()
	out := map[string]string{}
	for u, p := range r.found() {
		out[u] = string(p.State)
		if p.Reason != "" {
			out[u] += " " + p.Reason
		}
	}
	return out
}

func wantStates(t *testing.T, r *rig, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, r.states()); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
}
