package handlers

import (
	"context"
	"sync"
	"time"
)

// turns has the visits of this process wait for a host one behind the other, and no more of them ask the gate than there are places at
// it: hundreds that ask again and again for one place cost more than the visits themselves.
type turns struct {
	mu sync.Mutex
	at map[turnKey]*turn
}

// turnKey is a host and how many places it has, which may change.
type turnKey struct {
	host   string
	places int
}

type turn struct {
	places chan struct{}
	users  int
}

// take waits for a turn, for a time. The function it returns gives it back, and is to be called once.
func (t *turns) take(ctx context.Context, host string, places int, wait time.Duration) (give func(), err error) {
	k := turnKey{host, max(places, 1)}
	t.mu.Lock()
	if t.at == nil {
		t.at = map[turnKey]*turn{}
	}
	u := t.at[k]
	if u == nil {
		u = &turn{places: make(chan struct{}, k.places)}
		t.at[k] = u
	}
	u.users++
	t.mu.Unlock()
	left := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if u.users--; u.users == 0 {
			delete(t.at, k)
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case u.places <- struct{}{}:
		return func() { <-u.places; left() }, nil
	case <-timer.C:
		err = &errLater{at: time.Now().Add(wait)}
	case <-ctx.Done():
		err = ctx.Err()
	}
	left()
	return nil, err
}
