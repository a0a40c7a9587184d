package dashboard

import (
	"context"
	"sync"
	"time"
)

// keepFor is how long an answer that is dear to make is good: however many look, it is made once.
const keepFor = time.Second

// kept is such an answer.
type kept[T any] struct {
	make  func(context.Context) (T, error)
	mu    sync.Mutex
	until time.Time
	value T
	err   error
}

// get returns the answer, made anew when it is too old. A failure is kept as well: those who wait for Redis wait together.
func (k *kept[T]) get(ctx context.Context) (T, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Now().Before(k.until) {
		return k.value, k.err
	}
	k.value, k.err = k.make(ctx)
	if k.until = time.Now().Add(keepFor); ctx.Err() != nil {
		k.until = time.Time{} // who asked has gone: that says nothing to the others
	}
	return k.value, k.err
}

// forget is for when something was done that the answer tells of.
func (k *kept[T]) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.until = time.Time{}
}
