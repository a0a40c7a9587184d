// Package dnscache finds the addresses of hosts. It asks the configured servers itself, because the standard library's resolver
// tells neither how long an answer is good nor whether "no answer" means that the name does not exist or that the server is down:
// the first ends a page, the second must not.
package dnscache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"example.org/trawl/fault"
)

// Answer is what is known of a name.
type Answer struct {
	Addrs   []netip.Addr // IPv4 before IPv6; not to be changed
	Expires time.Time    // when the answer is no longer good
	Missing bool         // the name does not exist, or has no address
}

// Shared is a second cache, behind the resolver's own, that several processes share. It is an aid and never a reason to fail:
// an implementation keeps its errors to itself and answers quickly.
type Shared interface {
	// Get returns what some process put for name; ok is false when there is nothing. The resolver drops what has expired.
	Get(ctx context.Context, name string) (a Answer, ok bool)
	// Put keeps a for name until a.Expires.
	Put(ctx context.Context, name string, a Answer)
}

// Options are the settings of a Resolver; a zero field has the default named beside it.
type Options struct {
	Servers     []netip.AddrPort // those of /etc/resolv.conf
	HostsFile   string           // usually "/etc/hosts"; empty: none. It is read once.
	Timeout     time.Duration    // for one question to one server (2 s)
	Log         *slog.Logger     // nothing is logged
	Now         func() time.Time // time.Now
	MinTTL      time.Duration    // answers are kept at least this long (5 s)
	MaxTTL      time.Duration    // and at most this long (1 h)
	NegativeTTL time.Duration    // at most this long when there is no address (1 min)
	Size        int              // names kept (100,000)
	Shared      Shared           // none
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Timeout, 2*time.Second)
	def(&o.MinTTL, 5*time.Second)
	def(&o.MaxTTL, time.Hour)
	def(&o.NegativeTTL, time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Size <= 0 {
		o.Size = 100_000
	}
	return o
}

// Resolver answers from its cache, from the hosts file, or from the servers. It is safe for concurrent use and needs no closing.
type Resolver struct {
	o     Options
	hosts map[string][]netip.Addr

	mu      sync.Mutex
	servers []netip.AddrPort // in the order in which they are asked
	cache   map[string]Answer
	flights map[string]*flight
}

// flight is a name being asked for; done is closed when the rest is set.
type flight struct {
	done   chan struct{}
	answer Answer
	err    error
	left   bool // the one who asked went away first: this is no answer for those who waited
}

// New returns a Resolver. It fails when a file that it needs is there and cannot be read.
func New(o Options) (*Resolver, error) {
	o = o.withDefaults()
	r := &Resolver{
		o: o, servers: slices.Clone(o.Servers),
		cache: map[string]Answer{}, flights: map[string]*flight{},
	}
	if len(r.servers) == 0 {
		var err error
		if r.servers, err = readServers("/etc/resolv.conf"); err != nil {
			return nil, err
		}
	}
	if o.HostsFile != "" {
		var err error
		if r.hosts, err = readHosts(o.HostsFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return r, nil
}

// Lookup returns the addresses of name, which may be an address itself. A name that does not exist or has no address is an
// Answer with Missing set, not an error. Errors: fault.DNSDown when no server gave a usable answer in time; a cancelled ctx.
//
// Names are taken as complete: the search list of resolv.conf is not used. However many ask for a name at a time, it is
// asked for once.
func (r *Resolver) Lookup(ctx context.Context, name string) (Answer, error) {
	name = clean(name)
	for {
		a, ok, f, leads := r.join(name)
		if ok {
			return a, nil
		}
		if leads {
			return r.lead(ctx, name, f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return Answer{}, fmt.Errorf("resolve %s: %w", name, ctx.Err())
		}
		if !f.left { // else one of those who waited asks again
			return f.answer, f.err
		}
	}
}

// Cached returns a fresh answer if there is one without asking anybody.
func (r *Resolver) Cached(name string) (Answer, bool) {
	name = clean(name)
	if a, ok := r.local(name); ok {
		return a, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fresh(name)
}

// join returns the answer, or the flight to wait for, or a new flight to lead.
func (r *Resolver) join(name string) (a Answer, ok bool, f *flight, leads bool) {
	if a, ok = r.local(name); ok {
		return a, true, nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok = r.fresh(name); ok {
		return a, true, nil, false
	}
	if f = r.flights[name]; f != nil {
		return Answer{}, false, f, false
	}
	f = &flight{done: make(chan struct{})}
	r.flights[name] = f
	return Answer{}, false, f, true
}

func (r *Resolver) lead(ctx context.Context, name string, f *flight) (Answer, error) {
	f.left = true // what the others find should this one panic
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.flights, name)
		if f.err == nil && !f.left {
			r.keep(name, f.answer)
		}
		close(f.done)
	}()
	f.answer, f.err = r.find(ctx, name)
	f.left = f.err != nil && ctx.Err() != nil
	return f.answer, f.err
}

// find asks the shared cache, then the servers.
func (r *Resolver) find(ctx context.Context, name string) (Answer, error) {
	if r.o.Shared != nil {
		if a, ok := r.o.Shared.Get(ctx, name); ok {
			now := r.o.Now()
			if a.Expires.After(now) && (a.Missing || len(a.Addrs) > 0) {
				if latest := now.Add(r.o.MaxTTL); a.Expires.After(latest) {
					a.Expires = latest
				}
				return a, nil
			}
		}
	}
	a, err := r.query(ctx, name)
	if err != nil {
		err = fmt.Errorf("resolve %s: %w", name, err)
		if errors.Is(ctx.Err(), context.Canceled) {
			return Answer{}, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return Answer{}, fault.New(fault.DNSDown, err)
	}
	if r.o.Shared != nil {
		r.o.Shared.Put(ctx, name, a)
	}
	return a, nil
}

// local answers what needs no server: addresses, names of the hosts file, localhost (RFC 6761 §6.3), and what is no name.
func (r *Resolver) local(name string) (Answer, bool) {
	a := Answer{Expires: r.o.Now().Add(r.o.MaxTTL)}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil {
		a.Addrs = []netip.Addr{ip}
		return a, true
	}
	if addrs := r.hosts[name]; len(addrs) > 0 {
		a.Addrs = addrs
		return a, true
	}
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		a.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
		return a, true
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" || strings.ContainsAny(name, "\\ \t\r\n/@:") {
		a.Missing = true
		return a, true
	}
	return a, false
}

// fresh looks into the cache, whose lock the caller holds.
func (r *Resolver) fresh(name string) (Answer, bool) {
	a, ok := r.cache[name]
	if ok && !a.Expires.After(r.o.Now()) {
		delete(r.cache, name)
		return Answer{}, false
	}
	return a, ok
}

// keep puts an answer into the cache, whose lock the caller holds. When it is full, the one of a few entries that would
// expire first goes: the map gives them in no order, which is as good as a list of all of them by time, and costs nothing.
func (r *Resolver) keep(name string, a Answer) {
	if _, there := r.cache[name]; !there && len(r.cache) >= r.o.Size {
		victim, seen := "", 0
		for n, c := range r.cache {
			if victim == "" || c.Expires.Before(r.cache[victim].Expires) {
				victim = n
			}
			if seen++; seen == 8 {
				break
			}
		}
		delete(r.cache, victim)
	}
	r.cache[name] = a
}

// clean is the key of a name: lower case, without the root's dot.
func clean(name string) string { return strings.TrimSuffix(strings.ToLower(name), ".") }

// Ping asks each server once for the root's name servers, which every one of them knows of, until one answers: any answer but a
// refusal or a failure, also that there is no such thing, shows that it works.
func (r *Resolver) Ping(ctx context.Context) error {
	var errs []error
	for _, server := range r.order() {
		_, err := r.exchange(ctx, server, ".", dns.TypeNS)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("server %s: %w", server, err))
	}
	return fault.New(fault.DNSDown, errors.Join(errs...))
}
