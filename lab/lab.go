// Package lab is the simulated web that tests, the demonstration and the benchmarks crawl: hosts named h0.lab.test,
// h1.lab.test, …, each on a loopback address of its own, a DNS server that knows them, and the truth about what a crawl of
// them has to find.
//
// Everything is worked out from the seed: the same seed, numbers of hosts and pages, and port give the same bytes. Nothing is
// stored by page, so that a web of a million pages starts as quickly as one of ten. Bodies are put together from pieces of
// text rendered once at the start.
//
// The truth comes from the model that the pages are written from, never from reading the pages: it can hold a parser to account.
package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Config says which web to simulate. The zero value is a web of 3 hosts and 2,000 pages on free ports.
type Config struct {
	Seed       uint64
	Hosts      int           // 0: 3
	Pages      int           // in all, the first hosts having the most; 0: 2,000; at least one a host
	Port       int           // HTTP port on every host's address; 0: any free one
	DNSPort    int           // on 127.0.0.1, UDP and TCP; 0: any free one
	Log        *slog.Logger  // nil: silent
	Plain      bool          // only plain pages: no redirects, errors, disallowed pages, odd charsets or codings
	Errors     bool          // some pages answer 500
	NoLog      bool          // keep no log of the requests
	CrawlDelay time.Duration // in robots.txt, in seconds; 0: none
}

// Web is a running simulation.
type Web struct {
	model  *model
	hosts  []*host
	log    *slog.Logger
	codes  *codings
	rooms  buffers
	server *http.Server
	dns    []*dns.Server
	nsAddr string
	port   int
	began  time.Time
	noLog  bool

	running sync.WaitGroup
	stop    func() bool
	closing sync.Once
	closed  error
}

// host is a site being served.
type host struct {
	site    *site
	handler http.Handler // the place to wrap where a host is to misbehave
	log     requests
}

// address is where host i listens; with more than 250 hosts, some share one.
func address(i int) string { return "127.0.1." + strconv.Itoa(1+i%250) }

// Start starts the web; it runs until Close is called or ctx ends.
func Start(ctx context.Context, c Config) (*Web, error) {
	if c.Hosts <= 0 {
		c.Hosts = 3
	}
	if c.Pages <= 0 {
		c.Pages = 2000
	}
	c.Pages = max(c.Pages, c.Hosts)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	listeners, port, err := listen(ctx, min(c.Hosts, 250), c.Port)
	if err != nil {
		return nil, err
	}
	w := &Web{model: newModel(c, port), log: c.Log, codes: newCodings(), port: port, began: time.Now(), noLog: c.NoLog}
	for _, s := range w.model.sites {
		h := &host{site: s}
		h.handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.answer(rw, r, s) })
		if !c.NoLog {
			h.log.entries = make([]entry, 0, min(s.pages+s.pages/4+16, 1<<18))
		}
		w.hosts = append(w.hosts, h)
	}
	if err := w.startDNS(ctx, c.DNSPort); err != nil {
		for _, l := range listeners {
			_ = l.Close() // nothing was accepted yet
		}
		return nil, err
	}
	w.server = &http.Server{
		Handler: w, ReadHeaderTimeout: 30 * time.Second,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	for _, l := range listeners {
		w.running.Go(func() {
			if err := w.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				w.log.Error("lab stopped serving", "addr", l.Addr().String(), "err", err)
			}
		})
	}
	w.stop = context.AfterFunc(ctx, w.shut)
	w.log.Info("lab is up", "seed", c.Seed, "hosts", c.Hosts, "pages", c.Pages, "port", port, "dns", w.nsAddr)
	return w, nil
}

// listen opens the same port on n addresses. A port that the system chose for the first may be taken on another, so a few
// choices are tried.
func listen(ctx context.Context, n, port int) ([]net.Listener, int, error) {
	var err error
	for range 10 {
		var open []net.Listener
		chosen := port
		for i := range n {
			var l net.Listener
			l, err = (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort(address(i), strconv.Itoa(chosen)))
			if err != nil {
				break
			}
			open = append(open, l)
			chosen = l.Addr().(*net.TCPAddr).Port
		}
		if err == nil {
			return open, chosen, nil
		}
		for _, l := range open {
			_ = l.Close()
		}
		if port != 0 {
			break
		}
	}
	return nil, 0, fmt.Errorf("open the lab's addresses: %w", err)
}

// Close stops the web and waits for its servers; connections are cut. It may be called more than once.
func (w *Web) Close() error {
	w.stop()
	w.shut()
	w.running.Wait()
	return w.closed
}

func (w *Web) shut() {
	w.closing.Do(func() {
		w.closed = w.server.Close()
		for _, s := range w.dns {
			if err := s.Shutdown(); err != nil && w.closed == nil {
				w.closed = fmt.Errorf("stop dns: %w", err)
			}
		}
	})
}

// Seeds lists the root URL of each host.
func (w *Web) Seeds() []string {
	roots := make([]string, 0, len(w.hosts))
	for _, h := range w.hosts {
		roots = append(roots, h.site.origin+"/")
	}
	return roots
}

// DNS is the address of the lab's name server, for UDP and TCP.
func (w *Web) DNS() string { return w.nsAddr }

// DialContext dials the lab's hosts by name without asking any DNS server, and nothing else. It fits http.Transport.
func (w *Web) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	h := w.host(name)
	if h == nil {
		return nil, &net.DNSError{Err: "not in the lab", Name: name, IsNotFound: true}
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(address(h.site.index), port))
}

// host finds a host by its name, without a port.
func (w *Web) host(name string) *host {
	label, rest, _ := strings.Cut(name, ".")
	if !strings.EqualFold(rest, "lab.test") || len(label) < 2 || label[0]|0x20 != 'h' || len(label) > 2 && label[1] == '0' {
		return nil
	}
	i, err := strconv.ParseUint(label[1:], 10, 31)
	if err != nil || i >= uint64(len(w.hosts)) {
		return nil
	}
	return w.hosts[i]
}
