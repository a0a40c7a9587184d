// Package status gathers what the catalog, the queues and the event feed know into one answer, which the terminal, JSON and the
// dashboard show alike.
package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
)

// Status is what is going on.
type Status struct {
	Crawls   []Crawl          `json:"crawls"`
	Backlog  map[string]int64 `json:"backlog"`       // pages that are not closed, by what they wait for
	IndexLag int64            `json:"index_lag"`     // stored pages that are not searchable yet
	Unread   int64            `json:"links_waiting"` // closed pages whose links are not admitted yet: a crawl is done when there are none
	Stages   []Stage          `json:"stages"`
	Outages  []Outage         `json:"outages,omitempty"` // what everybody needs and is down: nothing is handed out
	Paused   []catalog.Pause  `json:"paused,omitempty"`  // by an operator
}

// Outage is something that everybody needs and that is down.
type Outage struct {
	Fault string    `json:"fault"`
	Since time.Time `json:"since"`
	Err   string    `json:"error"`
}

// Crawl is a crawl in numbers of pages.
type Crawl struct {
	Name     string `json:"name"`
	Admitted int64  `json:"admitted"`
	catalog.Counts
	ETA     float64          `json:"eta_s"` // seconds; 0 when there is nothing to do, -1 when it cannot be told
	Reasons map[string]int64 `json:"reasons,omitempty"`
}

// Stage is a stage in numbers of tasks. Rates and times are of the last seconds.
type Stage struct {
	Stage    tasks.Kind `json:"stage"`
	Pending  int        `json:"pending"`
	Active   int        `json:"active"`
	Sched    int        `json:"scheduled"`
	Retry    int        `json:"retry"`
	InPerS   float64    `json:"in_per_s"` // tasks that came in
	DonePerS float64    `json:"done_per_s"`
	ErrPerS  float64    `json:"errors_per_s"`
	P50      float64    `json:"p50_ms"`
	P95      float64    `json:"p95_ms"`
	Workers  int        `json:"workers"`            // processes that serve it
	Slots    int        `json:"slots"`              // tasks that they run at once
	Oldest   float64    `json:"oldest_s"`           // how long the oldest pending task has been ready
	Archived int        `json:"archived,omitempty"` // tasks that asynq has given up: bugs
	Paused   bool       `json:"paused,omitempty"`
}

// Catalog is what is asked of the database.
type Catalog interface {
	Status(ctx context.Context) ([]catalog.Tally, error)
	Backlog(ctx context.Context, now time.Time) (catalog.Backlog, error)
	IndexLag(ctx context.Context) (int64, error)
	LeadsLeft(ctx context.Context) (int64, error)
	Outages(ctx context.Context) ([]catalog.Outage, error)
	Pauses(ctx context.Context) ([]catalog.Pause, error)
	// Slowest is how long each crawl's slowest host will take, by crawl.
	Slowest(ctx context.Context, now time.Time) (map[string]time.Duration, error)
}

// Queues is what runs the stages.
type Queues interface {
	// Stages says how each stage stands.
	Stages(ctx context.Context) ([]Stage, error)
}

// rateWindow is how far back rates are taken: two beats of every process.
const rateWindow = 2*signals.Every + signals.Every/2

// Collect gathers the status. Without queues (nil) it has what the database knows.
func Collect(ctx context.Context, c Catalog, q Queues) (Status, error) {
	s := Status{Crawls: []Crawl{}, Backlog: map[string]int64{}, Stages: []Stage{}}
	all, err := c.Status(ctx)
	if err != nil {
		return s, err
	}
	if s.IndexLag, err = c.IndexLag(ctx); err != nil {
		return s, err
	}
	if s.Unread, err = c.LeadsLeft(ctx); err != nil {
		return s, err
	}
	if q != nil {
		if s.Stages, err = q.Stages(ctx); err != nil {
			return s, err
		}
	}
	var queued, open int64
	for _, t := range all {
		queued += t.Queued
		open += t.Open()
		s.Crawls = append(s.Crawls, Crawl{Name: t.Crawl, Admitted: t.Admitted(), Counts: t.Counts, Reasons: t.Reasons})
	}
	now := time.Now()
	b, err := c.Backlog(ctx, now)
	if err != nil {
		return s, err
	}
	if s.Paused, err = c.Pauses(ctx); err != nil {
		return s, err
	}
	down, err := c.Outages(ctx)
	if err != nil {
		return s, err
	}
	for _, o := range down {
		s.Outages = append(s.Outages, Outage{o.Kind, o.Since.UTC(), o.Err})
	}
	slowest, err := c.Slowest(ctx, now)
	if err != nil {
		return s, err
	}
	s.backlog(b, queued, open)
	s.eta(slowest)
	return s, nil
}

// Reasons are the reasons of the backlog, in the order in which they are shown.
func Reasons() []string {
	return []string{"ready", "polite", "backoff", "dns", "robots", "retry", "budget", "paused", "backpressure", "revisit"}
}

// outageReasons says under which reason pages wait while something is down.
var outageReasons = map[string]string{string(fault.DNSDown): "dns", string(fault.UplinkDown): "backoff"}

// backlog splits the open pages by reason. What could be told in more than one way is told in the way that comes first. The queues
// are read a moment after the database, so what does not add up by then is counted as ready: the sum is always waiting + queued.
func (s *Status) backlog(b catalog.Backlog, queued, open int64) {
	for _, r := range Reasons() {
		s.Backlog[r] = 0
	}
	left := open - queued
	take := func(reason string, n int64) {
		n = max(min(n, left), 0)
		s.Backlog[reason] += n
		left -= n
	}
	take("paused", b.Paused)
	if len(s.Outages) > 0 {
		take(cmp.Or(outageReasons[s.Outages[0].Fault], "backpressure"), left)
	}
	take("dns", b.DNS)
	take("backoff", b.Backoff)
	take("robots", b.Robots)
	take("budget", b.Budget)
	take("retry", b.Retry)
	take("revisit", b.Later)
	take("polite", b.Polite)
	take("backpressure", left)
	left = queued
	var scheduled, retry int64
	for _, st := range s.Stages {
		if st.Stage == tasks.KindAdmit || st.Stage == tasks.KindIndex {
			continue
		}
		scheduled += int64(st.Sched)
		retry += int64(st.Retry)
	}
	take("retry", retry)
	take("polite", scheduled)
	take("ready", left)
}

// eta is how long a crawl will take: as long as its slowest host, whose starts have to be a delay apart, or as all open pages
// together take at the rate of the last seconds.
func (s *Status) eta(slowest map[string]time.Duration) {
	rate := 0.0
	for _, st := range s.Stages {
		if st.Stage == tasks.KindStore {
			rate = st.DonePerS
		}
	}
	var open int64
	for _, c := range s.Crawls {
		open += c.Open()
	}
	for i, c := range s.Crawls {
		switch {
		case c.Open() == 0:
		case rate == 0 && slowest[c.Name] == 0:
			s.Crawls[i].ETA = -1
		case rate == 0:
			s.Crawls[i].ETA = slowest[c.Name].Seconds()
		default:
			s.Crawls[i].ETA = max(float64(open)/rate, slowest[c.Name].Seconds())
		}
	}
}

// NewQueues returns the queues of the workers at rdb; nil without one.
func NewQueues(rdb redis.UniversalClient) Queues {
	if rdb == nil {
		return nil
	}
	return asynqQueues{rdb}
}

type asynqQueues struct{ rdb redis.UniversalClient }

// Stages implements Queues.
func (q asynqQueues) Stages(ctx context.Context) ([]Stage, error) {
	rdb := q.rdb
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	servers, err := inspector.Servers()
	if err != nil {
		return nil, fmt.Errorf("queues: %w", err)
	}
	recent, err := signals.Read(ctx, rdb, time.Now().Add(-rateWindow))
	if err != nil {
		return nil, err
	}
	known, err := inspector.Queues() // GetQueueInfo's error for a queue that is not there yet cannot be told from others
	if err != nil {
		return nil, fmt.Errorf("queues: %w", err)
	}
	var out []Stage
	for _, k := range tasks.Stages() {
		st := Stage{Stage: k}
		st.Workers, st.Slots = serving(servers, tasks.SpecOf(k).Queue)
		if slices.Contains(known, tasks.SpecOf(k).Queue) {
			q, err := inspector.GetQueueInfo(tasks.SpecOf(k).Queue)
			if err != nil {
				return nil, fmt.Errorf("queue %s: %w", k, err)
			}
			st.Pending, st.Active, st.Sched, st.Retry, st.Archived = q.Pending, q.Active, q.Scheduled, q.Retry, q.Archived
			st.Oldest, st.Paused = q.Latency.Seconds(), q.Paused
		}
		st.rates(recent)
		out = append(out, st)
	}
	return out, nil
}

// serving is how many processes serve a queue, and how many tasks they run at once.
func serving(servers []*asynq.ServerInfo, queue string) (processes, slots int) {
	seen := map[string]bool{}
	for _, s := range servers {
		if _, ok := s.Queues[queue]; ok {
			seen[fmt.Sprintf("%s %d", s.Host, s.PID)] = true
			slots += s.Concurrency
		}
	}
	return len(seen), slots
}

// rates takes rates and times from what the processes said last.
func (st *Stage) rates(recent []signals.Beat) {
	type sums struct {
		in, done, bad int64
		span          time.Duration
	}
	by := map[string]*sums{} // by process: each has begun when it has
	var took signals.Hist
	for _, b := range recent {
		p := by[b.Process.ID]
		if p == nil {
			p = &sums{}
			by[b.Process.ID] = p
		}
		p.span += b.Span
		if f := b.Stages[st.Stage]; f != nil {
			if p.in += f.Enqueued; st.Stage == tasks.KindAdmit { // what is submitted comes from outside
				p.in += f.Started - f.Enqueued
			}
			p.done += f.Done + f.Ended
			p.bad += f.Failed + f.Retried
			took.Join(f.Service)
		}
	}
	for _, p := range by {
		if s := p.span.Seconds(); s > 0 {
			st.InPerS += float64(p.in) / s
			st.DonePerS += float64(p.done) / s
			st.ErrPerS += float64(p.bad) / s
		}
	}
	ms := func(q float64) float64 { return float64(took.Quantile(q).Microseconds()) / 1000 }
	st.P50, st.P95 = ms(0.5), ms(0.95)
}
