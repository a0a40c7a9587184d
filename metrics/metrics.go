// Package metrics is what a crawl measures of itself as Prometheus reads it. It adds up the beats that all processes write
// (package signals), so that one scrape of the dashboard shows the whole crawl, and costs the same at any size: no queue is looked
// through, and the catalog is not asked. docs/metrics.md lists the names.
package metrics

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.org/trawl/fault"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

const (
	readTime   = 2 * time.Second // that Redis may take, or it is away
	mostScrape = 4               // at once; further ones are told to come again
)

// Collector keeps sums of the beats that it has seen, beginning with those of the history. They never fall while the process lives.
// It is safe for concurrent use.
type Collector struct {
	history *signals.History

	mu       sync.Mutex
	sum      signals.Beat // of all beats, without what is only of a moment
	seen     int64        // beats
	arrived  int64
	window   signals.Window // the last that Redis gave
	state    *signals.State // the newest; nil when there is none yet
	evicted  ever
	refused  ever
	fsyncs   ever
	speakers map[string]speaker // by process
}

// speaker is a process with what it said last.
type speaker struct {
	signals.Process
	at     time.Time
	active map[tasks.Kind]int
}

// ever sums up a number of Redis that begins again with 0 when Redis does.
type ever struct{ last, sum int64 }

func (e *ever) see(n int64) {
	if n < e.last {
		e.last = 0
	}
	e.sum += n - e.last
	e.last = n
}

// New returns a collector over h, which has to be its own: a history tells each beat once. It should reach back as far as why.Length.
func New(h *signals.History) *Collector {
	return &Collector{history: h, speakers: map[string]speaker{}}
}

// Handler answers scrapes.
func (c *Collector) Handler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: mostScrape})
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range table {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	up.send(ch, flag(c.read(now)))
	beats.send(ch, float64(c.seen))
	c.judge(ch)
	c.stages(ch)
	c.web(ch)
	c.redis(ch)
	c.processes(ch)
	if c.state != nil {
		c.everybodys(ch, now)
	}
}

// read adds what is new, and tells whether Redis answered.
func (c *Collector) read(now time.Time) bool {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	w, news, err := c.history.Window(ctx)
	if err == nil {
		c.window = w
		c.add(news)
	}
	c.window.Now = now // what was known gets older
	for id, s := range c.speakers {
		if now.Sub(s.at) > signals.Dead {
			delete(c.speakers, id)
		}
	}
	return err == nil
}

func (c *Collector) add(news []signals.Beat) {
	all := []signals.Tick{{Beat: c.sum}}
	for _, b := range news {
		c.seen++
		c.arrived += b.Top[signals.Name(signals.Arrivals, signals.ByOrigin)].Total()
		c.hear(b)
		if b.State != nil {
			c.look(b.State)
		}
		all = append(all, signals.Tick{Beat: signals.Beat{Stages: b.Stages, Web: b.Web}})
	}
	c.sum = signals.Over(all).Beat
}

// hear remembers what a process said last.
func (c *Collector) hear(b signals.Beat) {
	if b.Process.ID == "" || b.At.Before(c.speakers[b.Process.ID].at) {
		return
	}
	s := speaker{b.Process, b.At, map[tasks.Kind]int{}}
	for k, f := range b.Stages {
		s.active[k] = f.Active
	}
	c.speakers[b.Process.ID] = s
}

// look takes on a state, unless it is older than what is known: two processes may write one while the first hands over.
func (c *Collector) look(s *signals.State) {
	if c.state != nil && s.At.Before(c.state.At) {
		return
	}
	c.state = s
	if r := s.Redis; r.Err == "" {
		c.evicted.see(r.Evicted)
		c.refused.see(r.Refused)
		c.fsyncs.see(r.Fsyncs)
	}
}

// verdicts are all that package why may say.
var verdicts = []why.Verdict{
	why.Idle, why.Healthy, why.Unknown,
	why.Redis, why.WorkersMissing, why.StorageFailing, why.DNSDown, why.UplinkDown, why.Bandwidth, why.LargeDownloads, why.StorageSlow, why.PoliteHost,
	why.Pushback, why.Abuse, why.Resubmits, why.Poison, why.MachineSaturated, why.WorkerShortage, why.Burst,
}

func (c *Collector) judge(ch chan<- prometheus.Metric) {
	r := why.Judge(c.window)
	for _, v := range verdicts {
		verdict.send(ch, flag(v == r.Verdict), string(v))
	}
	alarm.send(ch, flag(r.Verdict.Alarm()))
	since.send(ch, seconds(*r.Since))
}

// seconds is a moment as Prometheus has it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// stages tells what the stages did, of every stage from the beginning, so that a rate sees its first run.
func (c *Collector) stages(ch chan<- prometheus.Metric) {
	for _, spec := range tasks.Specs() {
		name, f := string(spec.Kind), c.sum.Stages[spec.Kind]
		if f == nil {
			f = &signals.Flow{}
		}
		stageTasks.send(ch, float64(f.Done), name, "done")
		stageTasks.send(ch, float64(f.Ended), name, "ended")
		stageTasks.send(ch, float64(f.Failed), name, "failed")
		stageTasks.send(ch, float64(f.Retried), name, "retried")
		faults := map[fault.Kind]int64{}
		for k, n := range f.Faults {
			faults[fault.Of(k).Kind] += n // one that is not known, of another version, is internal
		}
		for k, n := range faults {
			stageFaults.send(ch, float64(n), name, string(k))
		}
		stageEnqueued.send(ch, float64(f.Enqueued), name)
		stageStarted.send(ch, float64(f.Started), name)
		stageBusy.send(ch, f.Busy.Seconds(), name)
		stageService.spread(ch, f.Service, name)
		stageWait.spread(ch, f.Wait, name)
		active := 0
		for _, s := range c.speakers {
			active += s.active[spec.Kind]
		}
		stageActive.send(ch, float64(active), name)
	}
}

// web tells what was asked of hosts and of the resolver.
func (c *Collector) web(ch chan<- prometheus.Metric) {
	w := c.sum.Web
	httpAnswers.send(ch, float64(w.Answers))
	httpPushbacks.send(ch, float64(w.Pushed))
	httpUnchanged.send(ch, float64(w.Unchanged))
	httpBytes.send(ch, float64(w.Bytes))
	httpLarge.send(ch, float64(w.Long))
	httpLargeBusy.send(ch, w.LongBusy.Seconds())
	httpConnect.spread(ch, w.Connect)
	httpTLS.spread(ch, w.TLS)
	httpFirstByte.spread(ch, w.FirstByte)
	httpBody.spread(ch, w.Body)
	dnsLookups.send(ch, float64(w.Lookups-w.Missing-w.Unnamed), "found")
	dnsLookups.send(ch, float64(w.Missing), "missing")
	dnsLookups.send(ch, float64(w.Unnamed), "failed")
	dnsSeconds.spread(ch, w.DNS)
	arrived.send(ch, float64(c.arrived))
}

func (c *Collector) redis(ch chan<- prometheus.Metric) {
	redisEvicted.send(ch, float64(c.evicted.sum))
	redisRefused.send(ch, float64(c.refused.sum))
	redisFsyncs.send(ch, float64(c.fsyncs.sum))
	if c.state == nil {
		return
	}
	r := c.state.Redis
	redisUp.send(ch, flag(r.Err == ""))
	if r.Err != "" {
		return
	}
	redisPing.send(ch, r.Ping.Seconds())
	redisMemory.send(ch, float64(r.Used))
	redisMax.send(ch, float64(r.Max))
}

func (c *Collector) processes(ch chan<- prometheus.Metric) {
	for id, s := range c.speakers {
		p := s.Process
		processInfo.send(ch, 1, id, p.Role, p.Host, strconv.Itoa(p.PID), p.Version)
		for m, value := range map[*metric]float64{
			processStart: seconds(p.Started), processCPU: p.CPU, processCores: float64(p.Cores), processBusy: p.Busy,
			processMemory: float64(p.Memory), processMax: float64(p.MemMax), processFiles: float64(p.Files), processFDs: float64(p.FileMax),
		} {
			m.send(ch, value, id, p.Role)
		}
	}
}

// everybodys tells what is everybody's, as one process saw it last.
func (c *Collector) everybodys(ch chan<- prometheus.Metric, now time.Time) {
	s := c.state
	stateAge.send(ch, max(now.Sub(s.At), 0).Seconds())
	pages.send(ch, float64(s.Open), "open")
	pages.send(ch, float64(s.Closed), "closed")
	indexLag.send(ch, float64(s.Unindexed))
	if s.ETA >= 0 {
		eta.send(ch, s.ETA)
	}
	outages.send(ch, float64(len(s.Outages)))
	pauses.send(ch, float64(len(s.Paused)))
	for reason, n := range s.Backlog {
		backlog.send(ch, float64(n), reason)
	}
	for state, n := range s.Troubled {
		troubled.send(ch, float64(n), state)
	}
	for _, k := range tasks.Stages() {
		q, ok := s.Queues[k]
		if !ok {
			continue
		}
		stageSlots.send(ch, float64(q.Slots), string(k))
		stageWorkers.send(ch, float64(q.Workers), string(k))
		name := tasks.SpecOf(k).Queue
		for state, n := range map[string]int{"pending": q.Pending, "active": q.Active, "scheduled": q.Scheduled, "retry": q.Retry, "archived": q.Archived} {
			queueTasks.send(ch, float64(n), name, state)
		}
		queueOldest.send(ch, q.Oldest.Seconds(), name)
		queuePaused.send(ch, flag(q.Paused), name)
	}
	paths := map[string]bool{}
	for _, d := range s.Disks {
		if paths[d.Path] {
			continue // a series may be told once
		}
		paths[d.Path] = true
		diskFree.send(ch, float64(d.Free), d.Path)
		diskSize.send(ch, float64(d.Size), d.Path)
	}
	for name, x := range s.Canaries {
		canaryUp.send(ch, flag(x.Err == ""), name)
		canaryTook.send(ch, x.Took.Seconds(), name)
	}
}
