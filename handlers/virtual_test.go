package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/dnscache"
	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/fetch"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/inline"
	"example.org/trawl/pipeline"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// age is a whole crawl in synthetic time: everything is real but network and clock, so that an hour's trouble takes a moment and
// every claim about time is exact.
type age struct {
	*handlers.Crawler
	t       *testing.T
	catalog *sqlite.Catalog
	runner  *inline.Runner
	web     *paperWeb
	dns     *paperDNS
	began   time.Time
	stop    func()
}

// inAge runs test in a bubble of synthetic time.
func inAge(t *testing.T, test func(*age)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		cat, err := sqlite.Open(t.Context(), filepath.Join(dir, "catalog.db"), log)
		if err != nil {
			t.Fatal(err)
		}
		store, err := archive.Open(filepath.Join(dir, "warc"), archive.Options{Log: log})
		if err != nil {
			t.Fatal(err)
		}
		a := &age{t: t, catalog: cat, web: &paperWeb{answers: map[string]answer{}, took: 50 * time.Millisecond}, dns: &paperDNS{ttl: time.Minute}, began: time.Now()}
		a.Crawler = &handlers.Crawler{
			Catalog: cat, Gate: frontier.NewMemoryGate(time.Time{}), DNS: a.dns, Web: a.web, Archive: store, Log: log,
			Policy: handlers.Policy{Agent: "Trawl", HasContact: true, MaxBody: maxBody, Window: 4000, Patience: 24 * time.Hour},
		}
		line := pipeline.New(a.Stages(), a.Crawler, events.Nowhere{}, log)
		a.runner = inline.New(line, 64, func(ctx context.Context) (int64, error) { return a.open(), nil }, log)
		a.Work = a.runner
		defer func() { // also when the test gives up
			if a.stop != nil {
				a.stop()
			}
			if err := errors.Join(store.Close(), cat.Close()); err != nil {
				t.Error(err)
			}
		}()
		test(a)
	})
}

// long skips a test of many hours where those are not to be gone through.
func long(t *testing.T) {
	if testing.Short() {
		t.Skip("many hours of synthetic time: run it without -short")
	}
}

// start begins a crawl that goes on beside the test, until the test ends.
func (a *age) start(first ...tasks.Task) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.Watch(ctx) })
	wg.Go(func() {
		if err := a.runner.Run(ctx, first...); err != nil && !errors.Is(err, context.Canceled) {
			a.t.Error(err)
		}
	})
	a.stop = func() {
		cancel()
		wg.Wait()
	}
}

// until waits for what must come true within the given time, and returns how long that took.
func (a *age) until(within time.Duration, what string, ok func() bool) time.Duration {
	a.t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			a.t.Fatalf("%s: not within %s: %+v", what, within, a.counts())
		}
		time.Sleep(min(within/100, time.Second))
	}
	return time.Since(began)
}

func (a *age) counts() catalog.Counts {
	all, err := a.catalog.Status(context.Background())
	if err != nil {
		a.t.Fatal(err)
	}
	return catalog.Total(all)
}

// over tells whether the crawl has begun, and nothing is left to do.
func (a *age) over() bool {
	c := a.counts()
	return c.Admitted() > 0 && c.Open() == 0
}

func (a *age) open() int64 { return a.counts().Open() }

func (a *age) host(name string) catalog.Host {
	a.t.Helper()
	h, err := a.catalog.Host(context.Background(), "http://"+name+":80")
	if err != nil {
		a.t.Fatal(err)
	}
	return h
}

// urls are n addresses of a host.
func urls(host string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("http://%s/%d", host, i))
	}
	return out
}

// polite submits urls with a delay of a second.
func polite(urls ...string) tasks.Admit {
	return tasks.Admit{Batch: tasks.NewID(), Crawl: "c", Submitter: "s", Origin: tasks.OriginSeed, URLs: urls}
}

// answer is what a host of the paper web says.
type answer func(r fetch.Request) (status int, header http.Header, took time.Duration, err error)

// paperWeb is a web without a network. A host without an answer of its own answers with a short page; none has a
// robots.txt.
type paperWeb struct {
	mu      sync.Mutex
	answers map[string]answer
	asked   []asked
	took    time.Duration // for an answer
	down    bool          // no connection comes about
}

type asked struct {
	host, path string
	at         time.Time
}

func (w *paperWeb) set(host string, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[host] = a
}

func (w *paperWeb) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

// requests are the requests to a host, without those for robots.txt.
func (w *paperWeb) requests(host string) (out []time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.asked {
		if a.host == host && a.path != "/robots.txt" {
			out = append(out, a.at)
		}
	}
	return out
}

// touches are all requests to a host, with those for robots.txt and those that failed.
func (w *paperWeb) touches(host string) (n int) {
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
func (w *paperWeb) Do(ctx context.Context, r fetch.Request) (*fetch.Response, error) {
	w.mu.Lock()
	host, path := weburl.Hostname(r.URL), weburl.Path(r.URL)
	say, down := w.answers[host], w.down
	w.mu.Unlock()
	if down {
		return nil, fault.New(fault.Unreachable, errors.New("no route to host"))
	}
	if r.Go != nil {
		if err := r.Go(ctx); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.asked = append(w.asked, asked{host, path, time.Now()})
	w.mu.Unlock()
	status, header, took := http.StatusOK, http.Header{}, w.took
	var err error
	if path == "/robots.txt" {
		status = http.StatusNotFound
	}
	if say != nil && path != "/robots.txt" {
		status, header, took, err = say(r)
	}
	time.Sleep(took)
	if err != nil {
		return nil, err
	}
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "text/plain")
	return &fetch.Response{
		Status: status, Proto: "HTTP/1.1", Header: header, RequestHead: []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"),
		ResponseHead: fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\n\r\n", status, http.StatusText(status)),
		Remote:       netip.AddrPortFrom(addrOf(host), 80), Body: io.NopCloser(strings.NewReader("page " + path + " of " + host + header.Get("X-Version"))),
		Times: fetch.Times{Start: time.Now().Add(-took), FirstByte: took},
	}, nil
}

// Decode implements handlers.Web.
func (*paperWeb) Decode(r io.Reader, _ string) (io.ReadCloser, error) { return io.NopCloser(r), nil }

// Reach implements handlers.Web.
func (w *paperWeb) Reach(context.Context, netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return fault.New(fault.Unreachable, errors.New("no route to host"))
	}
	return nil
}

// paperDNS knows every name.
type paperDNS struct {
	mu    sync.Mutex
	down  bool
	asked int
	known map[string]time.Time
	ttl   time.Duration
}

// addrOf gives each name an address of its own, apart from names that share their last letter.
func addrOf(name string) netip.Addr {
	return netip.AddrFrom4([4]byte{93, 184, 1, name[0]})
}

func (d *paperDNS) cut(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

func (d *paperDNS) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// Lookup implements handlers.Resolver.
func (d *paperDNS) Lookup(_ context.Context, name string) (dnscache.Answer, error) {
	if a, ok := d.Cached(name); ok {
		return a, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.down {
		return dnscache.Answer{}, fault.New(fault.DNSDown, errors.New("REFUSED"))
	}
	if d.known == nil {
		d.known = map[string]time.Time{}
	}
	d.known[name] = time.Now().Add(d.ttl)
	return dnscache.Answer{Addrs: []netip.Addr{addrOf(name)}}, nil
}

// Cached implements handlers.Resolver.
func (d *paperDNS) Cached(name string) (dnscache.Answer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().Before(d.known[name]) {
		return dnscache.Answer{Addrs: []netip.Addr{addrOf(name)}}, true
	}
	return dnscache.Answer{}, false
}

// Ping implements handlers.Resolver.
func (d *paperDNS) Ping(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.down {
		return fault.New(fault.DNSDown, errors.New("REFUSED"))
	}
	return nil
}

// slowly answers after the given time.
func slowly(d time.Duration) answer {
	return func(fetch.Request) (int, http.Header, time.Duration, error) { return http.StatusOK, nil, d, nil }
}
