package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"example.org/trawl/fault"
)

// Truth is what a crawl of the lab has to find.
type Truth struct {
	Seed   uint64 `json:"seed"`
	Hosts  int    `json:"hosts"`
	Pages  []Page `json:"pages"` // all pages of all hosts, host by host
	Counts Counts `json:"counts"`
	Traps  []Trap `json:"traps,omitempty"` // what is no page, with Config.Traps
}

// Page is the truth about one page.
type Page struct {
	URL       string     `json:"url"`               // canonical
	Allowed   bool       `json:"allowed"`           // robots.txt lets Trawl fetch it
	Reachable bool       `json:"reachable"`         // a seed, or linked, without nofollow, from a stored HTML page that is reachable itself and lets its links be followed
	Stored    bool       `json:"stored"`            // reachable, allowed, and a 2xx answer
	State     string     `json:"state,omitempty"`   // stored, ended or failed; "" when it is not reachable
	Reason    string     `json:"reason,omitempty"`  // why it ended: robots, not_found, gone, client_error, redirected, redirect_loop
	Fault     fault.Kind `json:"fault,omitempty"`   // how it failed
	Status    int        `json:"status,omitempty"`  // of the last answer on the same host; 0 when none is to be fetched
	FinalURL  string     `json:"final_url"`         // after redirects on the same host
	Digest    string     `json:"digest,omitempty"`  // sha256: of the body without content coding
	Size      int        `json:"size,omitempty"`    // of the same
	MIME      string     `json:"mime,omitempty"`    // of the body
	Charset   string     `json:"charset,omitempty"` // the name by the WHATWG encoding standard
	Title     string     `json:"title,omitempty"`
	NoIndex   bool       `json:"noindex,omitempty"` // the page asks not to be indexed; it is stored all the same
	Depth     int        `json:"depth"`             // fewest links from a seed; -1 when it is not reachable
	Version   int        `json:"version,omitempty"` // how often the body had changed, with Config.Rates
	Links     int        `json:"links"`             // different http and https URLs that it links to, followed or not
}

// Counts are sums over the pages.
type Counts struct {
	Pages     int            `json:"pages"`
	Reachable int            `json:"reachable"`
	Stored    int            `json:"stored"`
	Ended     int            `json:"ended"`
	Failed    int            `json:"failed"`
	Bytes     int64          `json:"bytes"` // of the stored bodies
	Reasons   map[string]int `json:"reasons"`
}

// Ask narrows the truth to a crawl.
type Ask struct {
	Seeds     []string  // canonical URLs of pages; none: the roots of all hosts
	AnyHost   bool      // links to all hosts of the lab are followed, not only to those of the seeds
	MaxDepth  int       // links from a seed; below 0: no limit
	Sitemaps  bool      // the pages of the sitemaps of the seeds' hosts are seeds too
	Feeds     bool      // the pages of the feeds of the seeds' hosts are seeds too
	NoDigests bool      // leave out digests and sizes, the dear part
	At        time.Time // the versions and feeds of that moment; zero: of now
}

// Truth tells what a crawl of all roots has to find. It renders every page, which takes a few seconds for 100,000.
func (w *Web) Truth() Truth {
	t, _ := w.TruthFor(Ask{MaxDepth: -1}) // the roots are always good seeds
	return t
}

// TruthFor tells what a crawl has to find; it fails when a seed is no page of the lab.
func (w *Web) TruthFor(a Ask) (Truth, error) {
	if a.At.IsZero() {
		a.At = w.now()
	}
	c := crawl{m: w.model, depth: make([]int32, 0), scope: make([]bool, len(w.hosts)), max: a.MaxDepth}
	last := w.model.sites[len(w.model.sites)-1]
	c.depth = make([]int32, last.first+last.pages)
	for i := range c.depth {
		c.depth[i] = -1
	}
	seeds := a.Seeds
	if len(seeds) == 0 {
		seeds = w.Seeds()
	}
	for _, seed := range seeds {
		s, k, ok := w.locate(seed)
		if !ok {
			return Truth{}, fmt.Errorf("%q is no page of the lab", seed)
		}
		c.scope[s.index] = true
		c.reach(s, k, 0)
	}
	for i, s := range w.model.sites {
		for k := 0; a.Sitemaps && c.scope[i] && !s.open && k < s.pages; k++ {
			if w.model.inSitemap(s, k) {
				c.reach(s, k, 0)
			}
		}
	}
	for i, s := range w.model.sites {
		if !a.Feeds || !c.scope[i] {
			continue
		}
		for _, k := range w.model.feedPages(s, a.At) {
			c.reach(s, k, 0)
		}
	}
	for i := range c.scope {
		c.scope[i] = c.scope[i] || a.AnyHost
	}
	c.run()
	return w.report(&c, a), nil
}

// locate finds the page that a URL names.
func (w *Web) locate(raw string) (*site, int, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" {
		return nil, 0, false
	}
	h := w.host(u.Hostname())
	if h == nil || u.Port() != "" && u.Port() != strconv.Itoa(w.port) || u.Port() == "" && w.port != 80 {
		return nil, 0, false
	}
	path := u.Path
	if path == "" {
		path = "/"
	}
	k, hop, ok := w.model.find(h.site, path, u.RawQuery)
	return h.site, k, ok && hop == 0
}

// crawl walks the model's links, breadth first.
type crawl struct {
	m     *model
	depth []int32 // by number among all pages; -1: not reached
	scope []bool  // by host
	max   int
	queue []place
}

type place struct {
	s *site
	k int
}

func (c *crawl) reach(s *site, k int, depth int32) {
	if at := &c.depth[s.first+k]; *at < 0 && (c.max < 0 || int(depth) <= c.max) {
		*at = depth
		c.queue = append(c.queue, place{s, k})
	}
}

func (c *crawl) run() {
	var room [64]link
	for i := 0; i < len(c.queue); i++ {
		p := c.queue[i]
		next := c.depth[p.s.first+p.k] + 1
		o := c.m.outcome(p.s, p.k)
		if o.away != nil && c.scope[o.away.s.index] {
			c.reach(o.away.s, o.away.k, next)
		}
		if o.state != "stored" || !o.kind.html() || o.kind == noFollow {
			continue
		}
		for _, l := range c.m.links(room[:0], o.at.s, o.at.k, o.kind, c.m.look(o.at.s, o.at.k, o.kind)) {
			if l.to != nil && !l.noFollow && c.scope[l.to.index] {
				c.reach(l.to, l.page, next)
			}
		}
	}
}

// outcome is how a visit of a page ends.
type outcome struct {
	at            place // the page whose answer it is, after redirects
	kind          kind
	away          *place // the page of another host that it redirects to
	state, reason string
	fault         fault.Kind
	status        int
}

func (m *model) outcome(s *site, k int) outcome {
	kd := m.kind(s, k)
	o := outcome{at: place{s, k}, kind: kd}
	if kd == moved || kd == trapdoor {
		d := m.redirection(s, k, kd)
		o.at, o.kind, o.status = place{s, d.page}, m.kind(s, d.page), d.status
	}
	if !s.allowed(o.kind) {
		o.state, o.reason = "ended", "robots"
		return o
	}
	switch o.kind {
	case away, looping:
		d := m.redirection(s, k, kd)
		o.state, o.reason, o.status = "ended", "redirected", d.status
		if kd == looping {
			o.reason = "redirect_loop"
		} else if d.to != nil {
			o.away = &place{d.to, d.page}
		}
	case missing:
		o.state, o.reason, o.status = "ended", "not_found", http.StatusNotFound
	case gone:
		o.state, o.reason, o.status = "ended", "gone", http.StatusGone
	case forbidden:
		o.state, o.reason, o.status = "ended", "client_error", http.StatusForbidden
	case broken:
		o.state, o.fault, o.status = "failed", fault.ServerError, http.StatusInternalServerError
	default:
		o.state, o.status = "stored", http.StatusOK
	}
	return o
}

// report writes the pages down.
func (w *Web) report(c *crawl, a Ask) Truth {
	t := Truth{Seed: w.model.seed, Hosts: len(w.hosts), Pages: make([]Page, 0, len(c.depth)), Counts: Counts{Reasons: make(map[string]int)}, Traps: w.model.spaces()}
	var body []byte
	for _, s := range w.model.sites {
		for k := range s.pages {
			var p Page
			p, body = c.m.truth(s, k, body, a)
			p.Depth = int(c.depth[s.first+k])
			p.Reachable = p.Depth >= 0
			if !p.Reachable {
				p.State, p.Reason, p.Fault = "", "", ""
			}
			p.Stored = p.State == "stored"
			t.Counts.add(p)
			t.Pages = append(t.Pages, p)
		}
	}
	return t
}

func (c *Counts) add(p Page) {
	c.Pages++
	if p.Reachable {
		c.Reachable++
	}
	switch p.State {
	case "stored":
		c.Stored++
		c.Bytes += int64(p.Size)
	case "ended":
		c.Ended++
		c.Reasons[p.Reason]++
	case "failed":
		c.Failed++
	}
}

// truth tells what is true of page k whoever asks; body is scratch.
func (m *model) truth(s *site, k int, body []byte, a Ask) (Page, []byte) {
	o := m.outcome(s, k)
	p := Page{
		URL: m.url(s, k), Allowed: s.allowed(m.kind(s, k)), State: o.state, Reason: o.reason, Fault: o.fault, Status: o.status,
		FinalURL: m.url(o.at.s, o.at.k), NoIndex: o.kind == noIndex,
	}
	if !o.kind.document() || o.reason == "robots" && o.at.k != k {
		return p, body
	}
	said := m.answer(o.at.s, o.at.k, o.kind)
	p.MIME, p.Charset, p.Title = said.mime, said.charset, said.title
	if o.kind.html() {
		p.Links = m.countLinks(o.at, o.kind)
	}
	p.Version = m.edition(o.at.s, o.at.k, o.kind, a.At).version
	if !a.NoDigests {
		body = m.appendVersion(body[:0], o.at.s, o.at.k, o.kind, p.Version)
		sum := sha256.Sum256(body)
		p.Size, p.Digest = len(body), "sha256:"+hex.EncodeToString(sum[:])
	}
	return p, body
}

func (m *model) countLinks(at place, kd kind) int {
	var room [64]link
	seen := make(map[place]bool, len(room))
	for _, l := range m.links(room[:0], at.s, at.k, kd, m.look(at.s, at.k, kd)) {
		seen[place{l.to, l.page}] = true
	}
	return len(seen) + len(m.lures(at.s, at.k, kd))
}

// serveTruth answers at /_truth: seed (repeatable), scope=host|any, depth, sitemaps=1, feeds=1, digests=0, at (RFC 3339),
// format=json|jsonl.
func (w *Web) serveTruth(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a := Ask{Seeds: q["seed"], AnyHost: q.Get("scope") == "any", MaxDepth: -1, Sitemaps: q.Get("sitemaps") == "1", Feeds: q.Get("feeds") == "1", NoDigests: q.Get("digests") == "0"}
	var err error
	if d := q.Get("depth"); d != "" {
		a.MaxDepth, err = strconv.Atoi(d)
	}
	if at := q.Get("at"); at != "" && err == nil {
		a.At, err = time.Parse(time.RFC3339, at)
	}
	var t Truth
	if err == nil {
		t, err = w.TruthFor(a)
	}
	switch {
	case err != nil:
		write(rw, r, http.StatusBadRequest, "text/plain", []byte(err.Error()+"\n"))
	case q.Get("format") == "jsonl":
		rw.Header().Set("Content-Type", "application/jsonl")
		enc := json.NewEncoder(rw)
		for _, p := range t.Pages {
			if enc.Encode(p) != nil {
				return // the asker is gone
			}
		}
	default:
		writeJSON(rw, t)
	}
}
