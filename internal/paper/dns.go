package paper

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"example.org/trawl/dnscache"
	"example.org/trawl/fault"
)

// Names is a resolver that knows every name but those that end in ".gone".
type Names struct {
	mu    sync.Mutex
	down  bool
	asked int
	known map[string]time.Time
	ttl   time.Duration
}

// NewNames returns a resolver whose answers are good for that long.
func NewNames(ttl time.Duration) *Names { return &Names{ttl: ttl, known: map[string]time.Time{}} }

// AddrOf gives each name an address of its own, apart from names that share their first letter.
func AddrOf(name string) netip.Addr {
	return netip.AddrFrom4([4]byte{93, 184, 1, name[0]})
}

// Cut has the resolver refuse, or answer again.
func (d *Names) Cut(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

// Keep sets how long answers are good from now on.
func (d *Names) Keep(ttl time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ttl = ttl
}

// Questions is how many were asked.
func (d *Names) Questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

// Lookup implements handlers.Resolver.
func (d *Names) Lookup(_ context.Context, name string) (dnscache.Answer, error) {
	if a, ok := d.Cached(name); ok {
		return a, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	switch {
	case d.down:
		return dnscache.Answer{}, fault.New(fault.DNSDown, errors.New("REFUSED"))
	case strings.HasSuffix(name, ".gone"):
		return dnscache.Answer{Missing: true}, nil
	}
	d.known[name] = time.Now().Add(d.ttl)
	return dnscache.Answer{Addrs: []netip.Addr{AddrOf(name)}}, nil
}

// Cached implements handlers.Resolver.
func (d *Names) Cached(name string) (dnscache.Answer, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Now().Before(d.known[name]) {
		return dnscache.Answer{Addrs: []netip.Addr{AddrOf(name)}}, true
	}
	return dnscache.Answer{}, false
}

// Ping implements handlers.Resolver.
func (d *Names) Ping(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if d.down {
		return fault.New(fault.DNSDown, errors.New("REFUSED"))
	}
	return nil
}
