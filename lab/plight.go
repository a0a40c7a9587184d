package lab

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// plights is a Trouble made ready for being asked at every request. A nil one is no trouble.
type plights struct {
	set   Trouble
	names map[string]string // in lower case, without a last dot
	hosts []plight          // by number
	line  *pace             // of all hosts together; nil: none
	over  chan struct{}     // closed when something else is set
}

// plight is what is set for one host.
type plight struct {
	down   bool
	slow   time.Duration
	push   *Push // nil: none
	pushed atomic.Int64
	bucket bucket
	status int    // 0: as usual
	drip   int64  // bytes a second; 0: at once
	huge   int64  // bytes; 0: pages of their own size
	poison []byte // nil: none
}

// bucket counts as rate limiters do: it fills with so many requests a second, up to those of one second, and at least one.
type bucket struct {
	mu   sync.Mutex
	used bool
	left float64
	last time.Time
}

// take tells whether there was a request left in it.
func (b *bucket) take(rate float64, at time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := max(1, rate)
	if !b.used {
		b.used, b.left, b.last = true, room, at
	}
	if d := at.Sub(b.last); d > 0 { // requests that come together may be out of order
		b.left, b.last = min(room, b.left+d.Seconds()*rate), at
	}
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// plights works t out for every host; t is right.
func (w *Web) plights(t Trouble) *plights {
	p := &plights{set: t, names: make(map[string]string, len(t.Names)), hosts: make([]plight, len(w.hosts)), line: newPace(t.Line, lineTick), over: make(chan struct{})}
	for name, what := range t.Names {
		p.names[strings.ToLower(strings.TrimSuffix(name, "."))] = what
	}
	for _, name := range t.Down {
		p.each(w, name, func(at *plight) { at.down = true })
	}
	spread(p, w, t.Slow, func(at *plight, d time.Duration) { at.slow = d })
	spread(p, w, t.Push, func(at *plight, push Push) { at.push = &push })
	spread(p, w, t.Status, func(at *plight, status int) { at.status = status })
	spread(p, w, t.Drip, func(at *plight, rate int64) { at.drip = rate })
	spread(p, w, t.Huge, func(at *plight, size int64) { at.huge = size })
	made := make(map[string][]byte)
	for _, kind := range t.Poison {
		if _, ok := made[kind]; !ok {
			made[kind] = poison(kind)
		}
	}
	spread(p, w, t.Poison, func(at *plight, kind string) { at.poison = made[kind] })
	return p
}

// spread puts what is set for all hosts first, so that what is set for one replaces it.
func spread[V any](p *plights, w *Web, set map[string]V, put func(*plight, V)) {
	if v, ok := set[everyone]; ok {
		p.each(w, everyone, func(at *plight) { put(at, v) })
	}
	for name, v := range set {
		if name != everyone {
			p.each(w, name, func(at *plight) { put(at, v) })
		}
	}
}

// each calls put for the hosts that a name means.
func (p *plights) each(w *Web, name string, put func(*plight)) {
	if name != everyone {
		put(&p.hosts[w.host(name).site.index])
		return
	}
	for i := range p.hosts {
		put(&p.hosts[i])
	}
}

func (p *plights) down(h *host) bool { return p.hosts[h.site.index].down }

// dns tells what is wrong with a name, "" for nothing.
func (p *plights) dns(name string) string {
	if p == nil {
		return ""
	}
	if what, ok := p.names[name]; ok {
		return what
	}
	return p.set.DNS
}

// misbehave does to a request what is set for its host, and tells whether that was the answer.
func (w *Web) misbehave(rw http.ResponseWriter, r *http.Request, h *host, at time.Time) bool {
	all := w.trouble.Load()
	if all == nil {
		return false
	}
	p := &all.hosts[h.site.index]
	p.wait(r)
	switch {
	case p.pushes(r, at):
		if after := p.push.RetryAfter; after != "" {
			rw.Header()["Retry-After"] = []string{w.retryAfter(after)}
		}
		notice(rw, r, p.push.Status)
	case p.status != 0:
		notice(rw, r, p.status)
	default:
		return false
	}
	return true
}

// wait lets the time of a slow host pass. It ends with the connection, and then there is nobody to answer.
func (p *plight) wait(r *http.Request) {
	if p.slow <= 0 {
		return
	}
	timer := time.NewTimer(p.slow)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler) // net/http's way to end without an answer
	}
}

// pushes tells whether a request that came at a moment is pushed back, and counts it.
func (p *plight) pushes(r *http.Request, at time.Time) bool {
	if p.push == nil || r.URL.Path == "/robots.txt" && !p.push.Robots {
		return false
	}
	if p.push.Above > 0 && p.bucket.take(p.push.Above, at) {
		return false
	}
	return p.push.Count == 0 || p.pushed.Add(1) <= int64(p.push.Count)
}

// retryAfter is the header's value: "+90s" is a moment, anything else stands as it is (RFC 9110 §10.2.3).
func (w *Web) retryAfter(text string) string {
	later, ok := strings.CutPrefix(text, "+")
	d, err := time.ParseDuration(later)
	if !ok || err != nil {
		return text
	}
	return w.now().Add(d).UTC().Format(http.TimeFormat)
}
