// Package paper is a web without a network and names without a server, for crawls in synthetic time.
package paper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/fetch"
	"example.org/trawl/weburl"
)

// Answer is what a host says. The zero Status is 200.
type Answer struct {
	Status int
	Header http.Header
	Took   time.Duration // until it begins
	Body   time.Duration // and from then until it is through
	Type   string        // media type; text/plain when empty
	Text   string        // a line that names the page when empty
	Err    error
}

// Say answers requests to a host, but for robots.txt, which none has.
type Say func(fetch.Request) Answer

// Slowly says what every host says, after the given time.
func Slowly(d time.Duration) Say {
	return func(fetch.Request) Answer { return Answer{Took: d} }
}

// Web is a web in which every host is there. One without a Say of its own answers with a short page.
type Web struct {
	mu    sync.Mutex
	hosts map[string]Say
	asked []asked
	took  time.Duration
	down  bool
	line  int       // bytes a second that all bodies share; 0: any number
	free  time.Time // when the line has sent what was asked of it
	cut   chan struct{}
}

type asked struct {
	host, path string
	at         time.Time
}

// NewWeb returns a web whose hosts take that long to answer.
func NewWeb(took time.Duration) *Web {
	return &Web{hosts: map[string]Say{}, took: took, cut: make(chan struct{})}
}

// Set has a host answer as say says; nil as all do.
func (w *Web) Set(host string, say Say) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts[host] = say
}

// Slow sets how long hosts take to answer.
func (w *Web) Slow(took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = took
}

// Cut takes away all connections, or gives them back.
func (w *Web) Cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// Line lets all bodies together have so many bytes a second; 0 any number.
func (w *Web) Line(bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line, w.free = bytes, time.Time{}
}

// HangUp ends all bodies that are under way.
func (w *Web) HangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.cut)
	w.cut = make(chan struct{})
}

// Requests are the requests to a host, without those for robots.txt.
func (w *Web) Requests(host string) (out []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a.host == host && a.path != "/robots.txt" {
			out = append(out, a.at)
		}
	}
	return out
}

// Touches is how many requests a host got, with those for robots.txt.
func (w *Web) Touches(host string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a.host == host {
			n++
		}
	}
	return n
}

// Do implements handlers.Web.
func (w *Web) Do(ctx context.Context, r fetch.Request) (*fetch.Response, error) {
	w.mu.Lock()
	host, path := weburl.Hostname(r.URL), weburl.Path(r.URL)
	say, down, took, cut := w.hosts[host], w.down, w.took, w.cut
	w.mu.Unlock()
	if down {
		return nil, errNoRoute
	}
	if r.Go != nil {
		if err := r.Go(ctx); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.asked = append(w.asked, asked{host, path, time.Now()})
	w.mu.Unlock()
	a := Answer{Took: took}
	switch {
	case path == "/robots.txt":
		a.Status = http.StatusNotFound
	case say != nil:
		a = say(r)
	}
	time.Sleep(a.Took)
	if a.Err != nil {
		return nil, a.Err
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	if a.Header == nil {
		a.Header = http.Header{}
	}
	if a.Type == "" {
		a.Type = "text/plain"
	}
	if a.Text == "" {
		a.Text = "page " + path + " of " + host + a.Header.Get("X-Version")
	}
	a.Header.Set("Content-Type", a.Type)
	return &fetch.Response{
		Status: a.Status, Proto: "HTTP/1.1", Header: a.Header, RequestHead: []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"),
		ResponseHead: fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n\r\n", a.Status, http.StatusText(a.Status), a.Type),
		Remote:       netip.AddrPortFrom(AddrOf(host), 80), Body: &body{Reader: strings.NewReader(a.Text), ctx: ctx, cut: cut, wait: a.Body + w.sending(len(a.Text))},
		Times: fetch.Times{Start: time.Now().Add(-a.Took), FirstByte: a.Took},
	}, nil
}

// sending is how long the line takes for so many bytes more.
func (w *Web) sending(bytes int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.line == 0 {
		return 0
	}
	now := time.Now()
	if w.free.Before(now) {
		w.free = now
	}
	w.free = w.free.Add(time.Duration(float64(bytes) / float64(w.line) * float64(time.Second)))
	return w.free.Sub(now)
}

// body is there after a while.
type body struct {
	*strings.Reader
	ctx  context.Context
	cut  <-chan struct{}
	wait time.Duration
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.wait > 0 {
		t := time.NewTimer(b.wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-b.ctx.Done():
			return 0, b.ctx.Err()
		case <-b.cut:
			return 0, errCut
		}
		b.wait = 0
	}
	return b.Reader.Read(p)
}

// WriteTo hides the one of strings.Reader, which would not wait.
func (b *body) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, struct{ io.Reader }{b}) }

// Close implements io.Closer.
func (*body) Close() error { return nil }

// Decode implements handlers.Web.
func (*Web) Decode(r io.Reader, _ string) (io.ReadCloser, error) { return io.NopCloser(r), nil }

var errCut = fault.New(fault.Reset, errors.New("connection reset"))

var errNoRoute = fault.New(fault.Unreachable, errors.New("no route to host"))

// Reach implements handlers.Web.
func (w *Web) Reach(context.Context, netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return errNoRoute
	}
	return nil
}
