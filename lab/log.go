package lab

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Request is one request that a host of the lab received. Those for the lab's own addresses, below /_, are not logged.
type Request struct {
	At     time.Time `json:"at"` // when its handler started
	Host   string    `json:"host"`
	Method string    `json:"method"`
	Path   string    `json:"path"` // as sent, with the query
	Status int       `json:"status"`
	Agent  string    `json:"agent"`
}

// Gap tells how closely one host was asked.
type Gap struct {
	N     int     `json:"n"`          // requests
	MinMS float64 `json:"min_gap_ms"` // least time between two starts; 0 when there were fewer than two
}

// entry is a Request as kept: short, since there may be millions.
type entry struct {
	at                  time.Duration // since the lab began, by the lab's clock (a monotonic one unless Config.Now says otherwise)
	method, path, agent string
	status              int
}

// requests is the log of one host.
type requests struct {
	mu      sync.Mutex
	round   int // counts resets, so that an answer does not write its status into a later round
	entries []entry
}

// begin notes the start of a request; the time is taken under the lock, so that the entries are in order.
func (l *requests) begin(w *Web, r *http.Request) (round, n int, at time.Duration) {
	agent := r.UserAgent()
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = len(l.entries); n > 0 && l.entries[n-1].agent == agent {
		agent = l.entries[n-1].agent // keep one copy, not one a request
	}
	at = w.now().Sub(w.began)
	l.entries = append(l.entries, entry{at, r.Method, r.RequestURI, agent, 0})
	return l.round, n, at
}

func (l *requests) end(round, at, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.round == round {
		l.entries[at].status = status
	}
}

// Requests lists the requests so far, in the order of their starts. One that is still being answered has the status 0.
func (w *Web) Requests() []Request {
	var list []Request
	for _, h := range w.hosts {
		h.log.mu.Lock()
		for _, e := range h.log.entries {
			list = append(list, Request{w.began.Add(e.at), h.site.name, e.method, e.path, e.status, e.agent})
		}
		h.log.mu.Unlock()
	}
	slices.SortStableFunc(list, func(a, b Request) int { return cmp.Compare(a.At.Sub(w.began), b.At.Sub(w.began)) })
	return list
}

// ResetLog forgets the requests so far.
func (w *Web) ResetLog() {
	for _, h := range w.hosts {
		h.log.mu.Lock()
		h.log.entries = h.log.entries[:0]
		h.log.round++
		h.log.mu.Unlock()
	}
}

// Gaps tells for each host, by name, how many requests came and how close to each other.
func (w *Web) Gaps() map[string]Gap {
	gaps := make(map[string]Gap, len(w.hosts))
	for _, h := range w.hosts {
		h.log.mu.Lock()
		least := time.Duration(0)
		for i := 1; i < len(h.log.entries); i++ {
			if d := h.log.entries[i].at - h.log.entries[i-1].at; i == 1 || d < least {
				least = d
			}
		}
		gaps[h.site.name] = Gap{len(h.log.entries), float64(least.Microseconds()) / 1000}
		h.log.mu.Unlock()
	}
	return gaps
}

// GapsBy groups the requests by a key and tells of each group how many came and how close to each other. Requests with
// the key "" are left out, and groups without requests are not there.
func (w *Web) GapsBy(key func(Request) string) map[string]Gap {
	gaps, last := make(map[string]Gap), make(map[string]time.Time)
	for _, r := range w.Requests() {
		k := key(r)
		if k == "" {
			continue
		}
		g := gaps[k]
		if ms := float64(r.At.Sub(last[k]).Microseconds()) / 1000; g.N == 1 || g.N > 1 && ms < g.MinMS {
			g.MinMS = ms
		}
		g.N++
		gaps[k], last[k] = g, r.At
	}
	return gaps
}

// serveGaps answers at /_gaps: by=host (when nothing is said), domain or ip.
func (w *Web) serveGaps(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Query().Get("by") {
	case "", "host":
		writeJSON(rw, w.Gaps())
	case "domain":
		writeJSON(rw, w.GapsBy(func(q Request) string { return w.Domain(q.Host) }))
	case "ip":
		writeJSON(rw, w.GapsBy(func(q Request) string { return w.Address(q.Host) }))
	default:
		write(rw, r, http.StatusBadRequest, "text/plain", []byte("by is host, domain or ip\n"))
	}
}

// serveLog writes the log as JSON lines and, with reset=1, forgets it.
func (w *Web) serveLog(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/jsonl")
	enc := json.NewEncoder(rw)
	for _, q := range w.Requests() {
		if enc.Encode(q) != nil {
			return // the asker is gone
		}
	}
	if r.URL.Query().Get("reset") == "1" {
		w.ResetLog()
	}
}
