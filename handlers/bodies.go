package handlers

import "sync"

// handedOver is the largest body that fetch hands to store in memory; store reads a larger one from the archive.
const handedOver = 2 << 20

// bodiesSize bounds what is being handed over, in octets.
const bodiesSize = 64 << 20

// bodyCache hands decoded bodies from fetch to store where both run in one process. It is a short cut and nothing more: a body
// that is not here is in the archive.
type bodyCache struct {
	mu    sync.Mutex
	m     map[string][]byte
	order []string // visits in the order they came; some are gone already
	size  int
}

func (b *bodyCache) put(visit string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.m == nil {
		b.m = make(map[string][]byte)
	}
	b.remove(visit)
	b.m[visit], b.order = body, append(b.order, visit)
	b.size += len(body)
	for b.size > bodiesSize || len(b.order) > 2*len(b.m)+1000 {
		b.remove(b.order[0])
		b.order = b.order[1:]
	}
}

// take returns the body and forgets it.
func (b *bodyCache) take(visit string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body, ok := b.m[visit]
	b.remove(visit)
	return body, ok
}

func (b *bodyCache) remove(visit string) {
	b.size -= len(b.m[visit])
	delete(b.m, visit)
}
