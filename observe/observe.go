// Package observe writes the beats: every process says what its stages did and what it uses, and one process of all says what is
// everybody's.
package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

// Catalog is what is asked of the database.
type Catalog interface {
	status.Catalog
	Loads
	// SetMeta writes a word: the canary of the database.
	SetMeta(ctx context.Context, name, value string) error
}

// Canary tries something small that everybody needs.
type Canary func(context.Context) error

// Look is what can be seen of a crawl by whoever looks.
type Look struct {
	Catalog  Catalog
	Queues   status.Queues
	Redis    func(context.Context) signals.Redis // nil where there is none
	Canaries map[string]Canary                   // beside that of the database
	Dirs     []string                            // whose disks are looked at
}

// Options say what is observed.
type Options struct {
	Look
	Role    string // worker, scheduler, web or up
	Version string
	Stages  []tasks.Kind // that the process serves
	Profile string       // host:port of its profiles; "" for none
	Fold    *signals.Fold
	Redis   redis.UniversalClient // where the beats are written
	Alerts  *Alerts               // who is told when something is wrong; nil: nobody
	Log     *slog.Logger
}

// Observer writes the beats of its process.
type Observer struct {
	o      Options
	self   *self
	absent int // beats in a row that nobody looked after what is everybody's
}

// New returns an observer of this process.
func New(o Options) *Observer {
	return &Observer{o: o, self: newSelf(o)}
}

// leaderKey names the process that looks after what is everybody's.
const leaderKey = "trawl:observer"

// soon is when a process says for the first time that it is there.
const soon = 500 * time.Millisecond

// Run writes a beat every few seconds until ctx is done.
func (o *Observer) Run(ctx context.Context) {
	t := time.NewTicker(soon)
	defer t.Stop()
	var alerts sync.WaitGroup
	defer alerts.Wait()
	telling := make(chan struct{}, 1) // somebody who is slow to take an alert does not hold up the beats
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			t.Reset(signals.Every)
		}
		led, err := o.beat(ctx)
		if err != nil && ctx.Err() == nil {
			o.o.Log.DebugContext(ctx, "signals", "err", err)
		}
		if !led || o.o.Alerts == nil {
			continue
		}
		select {
		case telling <- struct{}{}:
			alerts.Go(func() {
				if err := o.o.Alerts.Consider(ctx); err != nil && ctx.Err() == nil {
					o.o.Log.DebugContext(ctx, "alerts", "err", err)
				}
				<-telling
			})
		default:
		}
	}
}

// beat writes what there is to say. Led is true if that was also what is everybody's.
func (o *Observer) beat(ctx context.Context) (led bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*signals.Every)
	defer cancel()
	now := time.Now()
	var b signals.Beat
	if o.o.Fold != nil {
		b = o.o.Fold.Beat(now)
	}
	b.At, b.Process = now, o.self.measure()
	if led = o.leads(ctx); led {
		s := o.o.State(ctx)
		b.State = &s
	}
	return led, signals.Write(ctx, o.o.Redis, b)
}

// leads tells whether this process is the one. A worker has more canaries, so the others step in only where there is none.
func (o *Observer) leads(ctx context.Context) bool {
	id, rdb := o.self.process.ID, o.o.Redis
	if len(o.o.Stages) == 0 && o.absent < 2 {
		if n, err := rdb.Exists(ctx, leaderKey).Result(); err != nil || n > 0 {
			o.absent = 0
			return false
		}
		o.absent++
		return false
	}
	if ok, err := rdb.SetNX(ctx, leaderKey, id, 2*signals.Every+time.Second).Result(); err != nil || ok {
		return ok
	}
	if who, err := rdb.Get(ctx, leaderKey).Result(); err != nil || who != id {
		o.absent = 0
		return false
	}
	return rdb.Expire(ctx, leaderKey, 2*signals.Every+time.Second).Err() == nil
}
