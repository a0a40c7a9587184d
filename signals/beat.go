// Package signals is what a crawl measures of itself, for the diagnosis and the dashboard. Every process counts what its stages do
// as it happens (Fold) and writes what it counted to a Redis Stream every few seconds, as a Beat. One process of all adds what is
// everybody's: queues, backlog, Redis, canaries (State). Nothing is ever found out by looking through a queue.
package signals

import (
	"maps"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/tasks"
)

// Every is how far apart the beats of a process are.
const Every = 5 * time.Second

// Beat is what one process measured since its last.
type Beat struct {
	At      time.Time            `json:"at"`   // when it ended
	Span    time.Duration        `json:"span"` // how long it was
	Process Process              `json:"p,omitzero"`
	Stages  map[tasks.Kind]*Flow `json:"s,omitempty"`
	Web     Web                  `json:"w,omitzero"`
	Top     map[string]*Top      `json:"t,omitempty"` // by measure and dimension: see Name
	Doing   []Doing              `json:"d,omitempty"` // what is under way longest
	State   *State               `json:"g,omitempty"` // of the one process that looks after it
}

// Process is a process and what it uses.
type Process struct {
	ID      string       `json:"id"` // unlike that of any other, also of its successor
	Host    string       `json:"host"`
	PID     int          `json:"pid"`
	Role    string       `json:"role"` // worker, scheduler, web or up
	Version string       `json:"v,omitempty"`
	Started time.Time    `json:"since"`
	Profile string       `json:"pprof,omitempty"`  // host:port of its profiles
	Stages  []tasks.Kind `json:"stages,omitempty"` // that it serves
	CPU     float64      `json:"cpu"`              // cores that it used
	Busy    float64      `json:"busy"`             // part of the machine's cores that anybody used
	Cores   int          `json:"cores"`
	Memory  int64        `json:"mem"` // bytes
	MemMax  int64        `json:"mem_max"`
	Files   int          `json:"fds"`
	FileMax int          `json:"fds_max"`
}

// Flow is what one stage did. Enqueued is what its tasks' predecessors said is to follow; what is submitted from outside is not in it.
type Flow struct {
	Enqueued int64                `json:"q,omitempty"`
	Started  int64                `json:"a,omitempty"`
	Done     int64                `json:"d,omitempty"`
	Ended    int64                `json:"e,omitempty"`
	Failed   int64                `json:"f,omitempty"`
	Retried  int64                `json:"r,omitempty"`
	Faults   map[fault.Kind]int64 `json:"k,omitempty"` // of Failed and Retried
	Busy     time.Duration        `json:"b,omitempty"` // that its places were taken, added up
	Active   int                  `json:"n,omitempty"` // places that are taken at the end
	Slots    int                  `json:"m,omitempty"` // places that there are
	Service  Hist                 `json:"s,omitzero"`
	Wait     Hist                 `json:"w,omitzero"` // from when a task is ready until it starts
}

// Web is what was asked of hosts, and what they answered.
type Web struct {
	Lookups   int64         `json:"l,omitempty"`  // names that were looked up, whatever came of it
	Missing   int64         `json:"x,omitempty"`  // that do not exist
	Unnamed   int64         `json:"u,omitempty"`  // lookups that failed
	Answers   int64         `json:"a,omitempty"`  // of whatever status
	Pushed    int64         `json:"p,omitempty"`  // of status 429 and 503
	Unchanged int64         `json:"c,omitempty"`  // of status 304
	Bytes     int64         `json:"b,omitempty"`  // of bodies
	DNS       Hist          `json:"h0,omitzero"`  // each only where there was such a part
	Connect   Hist          `json:"h1,omitzero"`  //
	TLS       Hist          `json:"h2,omitzero"`  //
	FirstByte Hist          `json:"h3,omitzero"`  //
	Body      Hist          `json:"h4,omitzero"`  //
	Busy      time.Duration `json:"t,omitempty"`  // that transfers took, without the wait for the host's turn; all of a short one's when it ends
	Long      int64         `json:"n,omitempty"`  // transfers that took longer than LongTransfer so far, or were larger than LargeTransfer
	LongBusy  time.Duration `json:"nb,omitempty"` // the time of this beat that went to those
}

// From these on a transfer is a large one.
const (
	LongTransfer  = 30 * time.Second
	LargeTransfer = 20 << 20 // bytes
)

// Doing is a run of a stage that is not over yet.
type Doing struct {
	Stage tasks.Kind `json:"stage"`
	URL   string     `json:"url"`
	Since time.Time  `json:"since"`
	// Process is the ID of the one that runs it; it is known from the beat.
	Process string `json:"-"`
}

// add joins what o's process measured in the same time.
func (b *Beat) add(o Beat) {
	for k, f := range o.Stages {
		if b.Stages == nil {
			b.Stages = map[tasks.Kind]*Flow{}
		}
		if b.Stages[k] == nil {
			b.Stages[k] = &Flow{}
		}
		b.Stages[k].add(f)
	}
	b.Web.add(o.Web)
	for k, t := range o.Top {
		if b.Top == nil {
			b.Top = map[string]*Top{}
		}
		if b.Top[k] == nil {
			b.Top[k] = &Top{}
		}
		b.Top[k].add(t)
	}
	b.Doing = longest(append(b.Doing, o.Doing...))
	if o.State != nil {
		b.State = o.State
	}
}

func (f *Flow) add(o *Flow) {
	f.Enqueued += o.Enqueued
	f.Started += o.Started
	f.Done += o.Done
	f.Ended += o.Ended
	f.Failed += o.Failed
	f.Retried += o.Retried
	f.Busy += o.Busy
	f.Active += o.Active
	f.Slots += o.Slots
	f.Service.Join(o.Service)
	f.Wait.Join(o.Wait)
	if len(o.Faults) > 0 {
		f.Faults = maps.Clone(f.Faults)
		for k, n := range o.Faults {
			f.fault(k, n)
		}
	}
}

func (f *Flow) fault(k fault.Kind, n int64) {
	if f.Faults == nil {
		f.Faults = map[fault.Kind]int64{}
	}
	f.Faults[k] += n
}

func (w *Web) add(o Web) {
	w.Lookups += o.Lookups
	w.Missing += o.Missing
	w.Unnamed += o.Unnamed
	w.Answers += o.Answers
	w.Pushed += o.Pushed
	w.Unchanged += o.Unchanged
	w.Bytes += o.Bytes
	w.DNS.Join(o.DNS)
	w.Connect.Join(o.Connect)
	w.TLS.Join(o.TLS)
	w.FirstByte.Join(o.FirstByte)
	w.Body.Join(o.Body)
	w.Busy += o.Busy
	w.Long += o.Long
	w.LongBusy += o.LongBusy
}
