package lab

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ServeHTTP answers for the host that the request names.
func (w *Web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	name := r.Host
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name, _, _ = net.SplitHostPort(r.Host)
	}
	h := w.host(name)
	switch {
	case strings.HasPrefix(r.URL.Path, "/_"): // under any name: whoever asks for these need not ask the lab's resolver
		w.own(rw, r)
	case h == nil:
		write(rw, r, http.StatusMisdirectedRequest, "text/plain", []byte("not a host of the lab\n"))
	case w.noLog:
		w.attend(rw, r, h, w.now())
	default:
		round, n, at := h.log.begin(w, r)
		rec := recorder{ResponseWriter: rw}
		defer func() { h.log.end(round, n, rec.status) }()
		w.attend(&rec, r, h, w.began.Add(at))
	}
}

// attend answers for a host what is right at the moment at: with trouble where some is set, else as usual. That is the moment
// in the log, so that the log tells which version of a page was sent.
func (w *Web) attend(rw http.ResponseWriter, r *http.Request, h *host, at time.Time) {
	if w.ownClock {
		rw.Header()["Date"] = []string{at.UTC().Format(http.TimeFormat)}
	}
	rw = &sender{ResponseWriter: rw, w: w, r: r, host: h.site.index}
	if !w.misbehave(rw, r, h, at) {
		w.answer(rw, r, h.site, at)
	}
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// own answers at the lab's own addresses, the same on every host.
func (w *Web) own(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/_truth":
		w.serveTruth(rw, r)
	case "/_log":
		w.serveLog(rw, r)
	case "/_gaps":
		w.serveGaps(rw, r)
	case "/_questions":
		w.serveQuestions(rw)
	case "/_trouble":
		w.serveTrouble(rw, r)
	case "/_dead":
		w.serveDead(rw, r)
	case "/_hosts":
		rows := make([]Site, 0, len(w.hosts))
		for _, h := range w.hosts {
			rows = append(rows, Site{h.site.name, h.site.origin + "/", h.door.address(), h.site.pages})
		}
		writeJSON(rw, rows)
	default:
		write(rw, r, http.StatusNotFound, "text/plain", []byte("the lab has /_truth, /_log, /_gaps, /_questions, /_trouble, /_dead and /_hosts\n"))
	}
}

// Site is a host as the lab tells of it.
type Site struct {
	Name  string `json:"name"`
	URL   string `json:"url"` // of the root
	Addr  string `json:"addr"`
	Pages int    `json:"pages"`
}

func writeJSON(rw http.ResponseWriter, v any) {
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v) // fails only when the asker is gone
}

// write sends a whole answer.
func write(rw http.ResponseWriter, r *http.Request, status int, mime string, body []byte) {
	h := rw.Header()
	h["Content-Type"] = []string{mime}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	rw.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = rw.Write(body) // fails only when the asker is gone
	}
}

// answer answers for one site.
func (w *Web) answer(rw http.ResponseWriter, r *http.Request, s *site, at time.Time) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		rw.Header().Set("Allow", "GET, HEAD")
		write(rw, r, http.StatusMethodNotAllowed, "text/plain", []byte("GET and HEAD only\n"))
		return
	}
	if k, hop, ok := w.model.find(s, r.URL.Path, r.URL.RawQuery); ok {
		w.page(rw, r, s, k, hop, at)
		return
	}
	switch path := r.URL.Path; {
	case path == "/robots.txt" && !s.open:
		write(rw, r, http.StatusOK, "text/plain; charset=utf-8", []byte(w.model.robots(s)))
	case path == "/static/site.css":
		write(rw, r, http.StatusOK, "text/css", []byte("body { max-width: 60em }\n"))
	case path == "/static/dot.png":
		write(rw, r, http.StatusOK, "image/png", w.model.png)
	case strings.HasPrefix(path, "/sitemap") && w.sitemap(rw, r, s, at):
	case w.model.feeds && w.feed(rw, r, s, at):
	case w.model.traps && w.trap(rw, r, s):
	default:
		notice(rw, r, http.StatusNotFound)
	}
}

// notice sends the small page that goes with a status.
func notice(rw http.ResponseWriter, r *http.Request, status int) {
	text := strconv.Itoa(status) + " " + http.StatusText(status)
	write(rw, r, status, "text/html; charset=utf-8", []byte("<!DOCTYPE html>\n<title>"+text+"</title>\n<h1>"+text+"</h1>\n<p><a href=\"/\">home</a></p>\n"))
}

// page answers with page k, or with a hop of its redirect.
func (w *Web) page(rw http.ResponseWriter, r *http.Request, s *site, k, hop int, at time.Time) {
	kd := w.model.kind(s, k)
	switch {
	case kd.redirect():
		w.redirect(rw, r, s, k, kd, hop)
	case kd == missing:
		notice(rw, r, http.StatusNotFound)
	case kd == gone:
		notice(rw, r, http.StatusGone)
	case kd == forbidden:
		notice(rw, r, http.StatusForbidden)
	case kd == broken:
		notice(rw, r, http.StatusInternalServerError)
	case kd.html() && w.heavy(rw, r, s, k, kd):
	default:
		w.document(rw, r, s, k, kd, at)
	}
}

func (w *Web) redirect(rw http.ResponseWriter, r *http.Request, s *site, k int, kd kind, hop int) {
	d := w.model.redirection(s, k, kd)
	var to string
	switch {
	case hop < d.hops:
		to = "?hop=" + strconv.Itoa(hop+1)
	case kd == looping:
		to = "?hop=1"
	case d.to == nil:
		to = "http://other.example.test/"
	default:
		to = w.model.url(d.to, d.page)
		if d.to == s && k%2 == 0 {
			to = to[len(s.origin):]
		}
	}
	rw.Header()["Location"] = []string{to}
	notice(rw, r, d.status)
}

// buffers holds the memory that bodies are put together in.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, 64<<10)
	return &p
}

// document sends a page that has a body.
func (w *Web) document(rw http.ResponseWriter, r *http.Request, s *site, k int, kd kind, at time.Time) {
	d, h := w.model.delivery(s, k, kd, at), rw.Header()
	if d.tag {
		h["Etag"] = []string{d.etag}
	}
	if d.dated {
		h["Last-Modified"] = []string{d.modified.Format(http.TimeFormat)}
	}
	if d.coding != "" {
		h["Vary"] = []string{"Accept-Encoding"}
	}
	if d.fresh(r) {
		rw.WriteHeader(http.StatusNotModified)
		return
	}
	w.describe(h, s, k, kd)
	room := w.rooms.get()
	defer w.rooms.pool.Put(room)
	*room = w.model.appendVersion((*room)[:0], s, k, kd, d.version)
	body := *room
	if d.coding != "" && accepts(r.Header.Get("Accept-Encoding"), d.coding) {
		packed, err := w.packed(coded{s.first + k, d.version, d.coding}, body)
		if err != nil {
			notice(rw, r, http.StatusInternalServerError)
			return
		}
		body, h["Content-Encoding"] = packed, []string{d.coding}
	}
	if !d.chunked {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	rw.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	if d.chunked {
		_ = http.NewResponseController(rw).Flush() // without a length before the first byte, the server sends chunks
	}
	_, _ = rw.Write(body) // fails only when the asker is gone
}

// describe sets what the headers say of the content.
func (w *Web) describe(h http.Header, s *site, k int, kd kind) {
	switch kd {
	case plainText:
		h["Content-Type"] = []string{"text/plain; charset=utf-8"}
		return
	case pdf:
		h["Content-Type"] = []string{"application/pdf"}
		return
	case picture:
		h["Content-Type"] = []string{"image/png"}
		return
	}
	lk := w.model.look(s, k, kd)
	h["Content-Type"] = []string{"text/html"}
	if lk.header {
		h["Content-Type"] = []string{"text/html; charset=" + lk.charset.declared()}
	}
	switch {
	case kd == noIndex && lk.tag:
		h["X-Robots-Tag"] = []string{"noindex"}
	case kd == noFollow && lk.tag:
		h["X-Robots-Tag"] = []string{"otherbot: noindex", "Trawl: nofollow"}
	}
}

// packed returns the compressed body, from memory when it was asked for before.
func (w *Web) packed(key coded, body []byte) ([]byte, error) {
	if b, ok := w.codes.get(key); ok {
		return b, nil
	}
	b, err := compress(key.coding, body)
	if err == nil {
		w.codes.put(key, b)
	}
	return b, err
}
