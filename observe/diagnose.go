package observe

import (
	"context"

	"example.org/trawl/signals"
	"example.org/trawl/why"
)

// unsaid is after how many ticks without a state whoever asks looks for himself.
const unsaid = 3

// Diagnose judges what the processes said. When none of them has said lately how things are, it looks for itself.
func Diagnose(ctx context.Context, past *signals.History, l Look) (why.Report, error) {
	w, _, err := past.Window(ctx)
	if err != nil {
		return why.Report{}, err
	}
	if last := signals.Over(w.Ticks[len(w.Ticks)-unsaid:]); last.State == nil {
		s := l.State(ctx)
		w.Ticks[len(w.Ticks)-1].State = &s
	}
	return why.Judge(w), nil
}
