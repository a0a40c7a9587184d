// Package lab is the simulated web that tests, the demonstration and the benchmarks crawl: hosts named h0.lab.test,
// h1.lab.test, …, each on a loopback address of its own, a DNS server that knows them, and the truth about what a crawl of
// them has to find.
//
// Everything is worked out from the seed: the same seed, numbers of hosts and pages, and port give the same bytes. Nothing is
// stored by page, so that a web of a million pages starts as quickly as one of ten. Bodies are put together from pieces of
// text rendered once at the start.
//
// The truth comes from the model that the pages are written from, never from reading the pages: it can hold a parser to account.
//
// On request the lab misbehaves: SetTrouble and /_trouble make names fail, hosts refuse, answer late, push back, drip, or send
// what is huge or hard to parse, and the line they share narrow, while a crawl is under way.
package lab

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Config says which web to simulate. The zero value is a web of 3 hosts and 2,000 pages on free ports.
type Config struct {
	Seed        uint64
	Hosts       int              // 0: 3
	Pages       int              // in all, the first hosts having the most; 0: 2,000; at least one a host
	Giant       float64          // part of all pages that the first host has, at most 1, and the others share the rest; 0: no more than its turn
	Domains     int              // host i is h<i>.d<i mod Domains>.test; 0: all are in lab.test
	Addresses   int              // loopback addresses that the hosts share in turn; 0: one a host, at most 250
	Port        int              // HTTP port on every host's address; 0: any free one
	DNSPort     int              // on 127.0.0.1, UDP and TCP; 0: any free one
	ControlPort int              // on 127.0.0.1, for the lab's own addresses alone; 0: any free one
	Log         *slog.Logger     // nil: silent
	Now         func() time.Time // the clock of the log and of what changes; nil: time.Now
	Plain       bool             // only plain pages: no redirects, errors, disallowed pages, odd charsets or codings
	Errors      bool             // some pages answer 500
	Validators  bool             // every page with a body has an ETag or a Last-Modified; else a sixth have neither
	NoLog       bool             // keep no log of the requests and questions
	CrawlDelay  time.Duration    // in robots.txt, in seconds; 0: none
	Rates       []time.Duration  // page k of a host changes its text at random moments, on average so far apart as Rates[k mod len]; 0: never
	Traps       bool             // endless spaces of addresses, linked from some pages
	Feeds       bool             // a feed on every host, and lastmod in the sitemaps
}

// Web is a running simulation.
type Web struct {
	model     *model
	hosts     []*host
	log       *slog.Logger
	codes     *codings
	rooms     buffers
	dns       []*dns.Server
	nsAddr    string
	port      int
	now       func() time.Time
	ownClock  bool // now is not the clock of everybody else
	began     time.Time
	noLog     bool
	questions questions
	trouble   atomic.Pointer[plights] // nil: none

	setting sync.Mutex // held while doors are opened and closed
	doors   []*door
	control *door
	ended   bool

	running sync.WaitGroup
	stop    func() bool
	closing sync.Once
	closed  error
}

// host is a site being served.
type host struct {
	site *site
	door *door
	log  requests
}

// Start starts the web; it runs until Close is called or ctx ends.
func Start(ctx context.Context, c Config) (*Web, error) {
	ownClock := c.Now != nil
	if !(c.Giant >= 0 && c.Giant <= 1) {
		return nil, fmt.Errorf("start the lab: giant %v: want a part of all pages, from 0 to 1", c.Giant)
	}
	c.complete()
	doors, port, err := listen(ctx, c.Addresses, c.Port)
	if err != nil {
		return nil, err
	}
	began := c.Now()
	w := &Web{
		model: newModel(c, port), log: c.Log, codes: newCodings(), port: port, now: c.Now, ownClock: ownClock, began: began, noLog: c.NoLog, doors: doors,
		control: &door{ip: "127.0.0.1", port: c.ControlPort},
	}
	w.model.began = began
	for i, s := range w.model.sites {
		h := &host{site: s, door: doors[i%len(doors)]}
		h.door.hosts = append(h.door.hosts, h)
		if !c.NoLog {
			h.log.entries = make([]entry, 0, min(s.pages+s.pages/4+16, 1<<18))
		}
		w.hosts = append(w.hosts, h)
	}
	if err := w.control.open(ctx); err != nil {
		_ = w.shutDoors() // nothing was accepted yet
		return nil, fmt.Errorf("open the lab's control address: %w", err)
	}
	if err := w.startDNS(ctx, c.DNSPort); err != nil {
		_ = w.shutDoors() // as above
		return nil, err
	}
	w.serve(w.control, http.HandlerFunc(w.own))
	for _, d := range doors {
		w.serve(d, w)
	}
	w.stop = context.AfterFunc(ctx, w.shut)
	w.log.Info("lab is up", "seed", c.Seed, "hosts", c.Hosts, "pages", c.Pages, "port", port, "dns", w.nsAddr, "control", w.Control())
	return w, nil
}

// complete puts the defaults where nothing is said.
func (c *Config) complete() {
	if c.Hosts <= 0 {
		c.Hosts = 3
	}
	if c.Pages <= 0 {
		c.Pages = 2000
	}
	c.Pages = max(c.Pages, c.Hosts)
	if c.Addresses <= 0 {
		c.Addresses = 250
	}
	c.Addresses = min(c.Addresses, c.Hosts)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
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
		w.closed = w.shutDoors()
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
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(h.door.ip, port))
}

// Control is the base URL, without a slash at its end, where the lab's own addresses (/_trouble and all that begin with /_)
// are served even while every host is down.
func (w *Web) Control() string { return "http://" + w.control.address() }

// Address is the IP address of a host, "" when the name is none of the lab's.
func (w *Web) Address(name string) string {
	if h := w.host(name); h != nil {
		return h.door.ip
	}
	return ""
}

// Domain is the registrable domain of a host, "" when the name is none of the lab's.
func (w *Web) Domain(name string) string {
	h := w.host(name)
	if h == nil {
		return ""
	}
	_, domain, _ := strings.Cut(h.site.name, ".")
	return domain
}

// host finds a host by its name, without a port.
func (w *Web) host(name string) *host {
	label, _, _ := strings.Cut(name, ".")
	if len(label) < 2 {
		return nil
	}
	i, err := strconv.ParseUint(label[1:], 10, 31)
	if err != nil || i >= uint64(len(w.hosts)) || !strings.EqualFold(name, w.hosts[i].site.name) {
		return nil
	}
	return w.hosts[i]
}
