package handlers

import (
	"sync"

	"example.org/trawl/catalog"
)

// handedOver is the largest body that fetch hands to store in memory; store reads a larger one from the archive.
const handedOver = 2 << 20

// The bounds of what is being handed over, in octets.
const (
	bodiesSize = 64 << 20
	linksSize  = 16 << 20
)

// handover hands what a stage has made to the stage that follows, where both run in one process. It is a short cut and nothing more: what is
// not here is in the archive or in the catalog.
type handover[T any] struct {
	mu    sync.Mutex
	m     map[string]handed[T]
	order []string // keys in the order they came; some are gone already
	size  int
}

type handed[T any] struct {
	value T
	size  int
}

// put keeps a value of so many octets under key until it is taken, or until what is kept is more than most.
func (h *handover[T]) put(key string, v T, size, most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m = make(map[string]handed[T])
	}
	h.remove(key)
	h.m[key], h.order = handed[T]{v, size}, append(h.order, key)
	h.size += size
	for h.size > most || len(h.order) > 2*len(h.m)+1000 {
		h.remove(h.order[0])
		h.order = h.order[1:]
	}
}

// take returns the value and forgets it.
func (h *handover[T]) take(key string) (T, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, ok := h.m[key]
	h.remove(key)
	return v.value, ok
}

func (h *handover[T]) remove(key string) {
	h.size -= h.m[key].size
	delete(h.m, key)
}

// linksOf is how many octets o takes.
func linksOf(o catalog.Outlinks) (n int) {
	for _, l := range o.Links {
		n += len(l) + 16
	}
	return n + 200
}
