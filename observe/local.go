package observe

import (
	"context"
	"time"

	"example.org/trawl/signals"
	"example.org/trawl/why"
)

// Local judges the crawl of one process, which needs no Redis for that.
type Local struct {
	look  Look
	fold  *signals.Fold
	self  *self
	beats []signals.Beat
}

// NewLocal returns a judge of what the fold of o counts.
func NewLocal(o Options) *Local {
	return &Local{look: o.Look, fold: o.Fold, self: newSelf(o)}
}

// Judge says what is piling up, and why. It is to be called every signals.Every.
func (l *Local) Judge(ctx context.Context) why.Report {
	now := time.Now()
	b, s := l.fold.Beat(now), l.look.State(ctx)
	b.At, b.Process, b.State = now.Truncate(signals.Every), l.self.measure(), &s // it counts to the tick that is over
	l.beats = append(l.beats, b)
	if most := int(why.Length/signals.Every) + 1; len(l.beats) > most {
		l.beats = l.beats[1:]
	}
	return why.Judge(signals.NewWindow(now, why.Length, l.beats))
}
