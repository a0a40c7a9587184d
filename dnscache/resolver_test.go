package dnscache_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"example.org/trawl/dnscache"
	"example.org/trawl/fault"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newClock() *clock { return &clock{t: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func resolver(t *testing.T, o dnscache.Options, servers ...*server) *dnscache.Resolver {
	t.Helper()
	for _, s := range servers {
		o.Servers = append(o.Servers, s.addr)
	}
	r, err := dnscache.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func texts(addrs []netip.Addr) string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return strings.Join(s, " ")
}

func TestLookup(t *testing.T) {
	s := serve(t, zone(t,
		"both.test. 60 IN AAAA 2001:db8::1", "both.test. 60 IN A 192.0.2.1", "both.test. 60 IN A 192.0.2.2",
		"four.test. 60 IN A 192.0.2.4",
		"six.test. 60 IN AAAA 2001:db8::6",
		"alias.test. 60 IN CNAME next.test.", "next.test. 10 IN CNAME four.test.",
		"loop.test. 60 IN CNAME pool.test.", "pool.test. 60 IN CNAME loop.test.",
		"dangling.test. 60 IN CNAME gone.test.",
		"empty.test. 60 IN TXT \"no address\"",
		"short.test. 0 IN A 192.0.2.5", "long.test. 864000 IN A 192.0.2.6",
		"mapped.test. 60 IN AAAA ::ffff:127.0.0.1",
	))
	tests := []struct {
		name    string
		addrs   string
		missing bool
		ttl     time.Duration
	}{
		{"both.test", "192.0.2.1 192.0.2.2 2001:db8::1", false, time.Minute},
		{"BOTH.Test.", "192.0.2.1 192.0.2.2 2001:db8::1", false, time.Minute},
		{"four.test", "192.0.2.4", false, time.Minute},
		{"six.test", "2001:db8::6", false, time.Minute},
		{"alias.test", "192.0.2.4", false, 10 * time.Second},
		{"loop.test", "", true, time.Minute},
		{"dangling.test", "", true, 30 * time.Second},
		{"empty.test", "", true, 30 * time.Second},
		{"nowhere.test", "", true, 30 * time.Second},
		{"short.test", "192.0.2.5", false, 5 * time.Second},
		{"long.test", "192.0.2.6", false, time.Hour},
		{"mapped.test", "::ffff:127.0.0.1", false, time.Minute},
		{"", "", true, time.Hour},
		{"two words", "", true, time.Hour},
		{strings.Repeat("a", 64) + ".test", "", true, time.Hour},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			r := resolver(t, dnscache.Options{Now: c.now}, s)
			a, err := r.Lookup(t.Context(), tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if got := texts(a.Addrs); got != tt.addrs || a.Missing != tt.missing || a.Expires.Sub(c.now()) != tt.ttl {
				t.Errorf("got %q missing=%v for %s, want %q %v %s", got, a.Missing, a.Expires.Sub(c.now()), tt.addrs, tt.missing, tt.ttl)
			}
			if again, ok := r.Cached(tt.name); !ok || !cmp.Equal(a, again, cmp.Comparer(func(x, y netip.Addr) bool { return x == y })) {
				t.Errorf("cached %v, %v", again, ok)
			}
		})
	}
}

func TestWithoutServers(t *testing.T) {
	hosts := filepath.Join(t.TempDir(), "hosts")
	text := "# comment\n2001:db8::7 Printer\n192.0.2.7\tprinter printer.lan # more\nnonsense line\n192.0.2.8\n"
	if err := os.WriteFile(hosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := resolver(t, dnscache.Options{HostsFile: hosts, Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}})
	for name, want := range map[string]string{
		"printer":        "192.0.2.7 2001:db8::7",
		"PRINTER.lan.":   "192.0.2.7",
		"localhost":      "127.0.0.1 ::1",
		"localhost.":     "127.0.0.1 ::1",
		"some.localhost": "127.0.0.1 ::1",
		"192.0.2.99":     "192.0.2.99",
		"2001:db8::99":   "2001:db8::99",
		"[2001:db8::99]": "2001:db8::99",
	} {
		a, err := r.Lookup(t.Context(), name)
		if err != nil || texts(a.Addrs) != want {
			t.Errorf("%s: %q, %v; want %q", name, texts(a.Addrs), err, want)
		}
	}
}

func TestNewNeedsReadableFiles(t *testing.T) {
	if _, err := dnscache.New(dnscache.Options{HostsFile: t.TempDir()}); err == nil {
		t.Error("a directory passed for a hosts file")
	}
	if _, err := dnscache.New(dnscache.Options{HostsFile: filepath.Join(t.TempDir(), "none")}); err != nil {
		t.Errorf("without a hosts file: %v", err)
	}
}

func TestServersThatFail(t *testing.T) {
	good := zone(t, "a.test. 60 IN A 192.0.2.1", "b.test. 60 IN A 192.0.2.2")
	for name, bad := range map[string]answers{
		"silence":  silence,
		"SERVFAIL": rcode(dns.RcodeServerFailure),
		"REFUSED":  rcode(dns.RcodeRefused),
		"NOTIMP":   rcode(dns.RcodeNotImplemented),
	} {
		t.Run(name, func(t *testing.T) {
			down, up := serve(t, bad), serve(t, good)
			r := resolver(t, dnscache.Options{Timeout: 100 * time.Millisecond}, down, up)
			a, err := r.Lookup(t.Context(), "a.test")
			if err != nil || texts(a.Addrs) != "192.0.2.1" {
				t.Fatalf("with one server up: %v, %v", a, err)
			}
			before := down.count()
			if _, err := r.Lookup(t.Context(), "b.test"); err != nil {
				t.Fatal(err)
			}
			if down.count() != before {
				t.Error("the server that failed was asked first again")
			}

			alone := resolver(t, dnscache.Options{Timeout: 50 * time.Millisecond}, down)
			_, err = alone.Lookup(t.Context(), "a.test")
			if fault.KindOf(err) != fault.DNSDown {
				t.Errorf("alone: %v is %s", err, fault.KindOf(err))
			}
			if _, ok := alone.Cached("a.test"); ok {
				t.Error("a failure was cached as an answer")
			}
		})
	}
}

func TestHalfAnAnswer(t *testing.T) {
	full := zone(t, "a.test. 60 IN A 192.0.2.1", "a.test. 60 IN AAAA 2001:db8::1")
	for _, tt := range []struct {
		fails uint16
		want  string
		empty bool // the other type has no address
		kind  fault.Kind
	}{
		{fails: dns.TypeAAAA, want: "192.0.2.1"},
		{fails: dns.TypeA, want: "2001:db8::1"},
		{fails: dns.TypeAAAA, empty: true, kind: fault.DNSDown},
		{fails: dns.TypeA, empty: true, kind: fault.DNSDown},
	} {
		t.Run(fmt.Sprint(dns.TypeToString[tt.fails], tt.empty), func(t *testing.T) {
			s := serve(t, func(network string, q dns.Question) *dns.Msg {
				switch {
				case q.Qtype == tt.fails:
					return &dns.Msg{MsgHdr: dns.MsgHdr{Rcode: dns.RcodeServerFailure}}
				case tt.empty:
					return new(dns.Msg)
				}
				return full(network, q)
			})
			a, err := resolver(t, dnscache.Options{}, s).Lookup(t.Context(), "a.test")
			if tt.kind != "" {
				if fault.KindOf(err) != tt.kind {
					t.Errorf("%v, %v", a, err)
				}
			} else if err != nil || texts(a.Addrs) != tt.want {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
}

func TestTruncatedGoesToTCP(t *testing.T) {
	full := zone(t, "big.test. 60 IN A 192.0.2.1")
	s := serve(t, func(network string, q dns.Question) *dns.Msg {
		if network == "udp" {
			return &dns.Msg{MsgHdr: dns.MsgHdr{Truncated: true}}
		}
		return full(network, q)
	})
	a, err := resolver(t, dnscache.Options{}, s).Lookup(t.Context(), "big.test")
	if err != nil || texts(a.Addrs) != "192.0.2.1" {
		t.Fatalf("%v, %v", a, err)
	}
	if !slices.Contains(s.log(), "tcp A big.test.") {
		t.Errorf("asked %v", s.log())
	}
}

// A server that does not follow CNAMEs is asked on, but a denial in the answer is taken as the end.
func TestChainIsAskedOn(t *testing.T) {
	s := serve(t, func(_ string, q dns.Question) *dns.Msg {
		m := new(dns.Msg)
		text := map[string]string{
			"one.test. A": "one.test. 60 IN CNAME two.test.", "one.test. AAAA": "one.test. 60 IN CNAME two.test.",
			"two.test. A": "two.test. 60 IN A 192.0.2.2", "ring.test. A": "ring.test. 60 IN CNAME gnir.test.",
			"ring.test. AAAA": "ring.test. 60 IN CNAME gnir.test.", "gnir.test. A": "gnir.test. 60 IN CNAME ring.test.",
			"gnir.test. AAAA": "gnir.test. 60 IN CNAME ring.test.",
		}[q.Name+" "+dns.TypeToString[q.Qtype]]
		if text != "" {
			rr, err := dns.NewRR(text)
			if err != nil {
				return nil
			}
			m.Answer = []dns.RR{rr}
		}
		return m
	})
	r := resolver(t, dnscache.Options{}, s)
	if a, err := r.Lookup(t.Context(), "one.test"); err != nil || texts(a.Addrs) != "192.0.2.2" {
		t.Errorf("%v, %v", a, err)
	}
	before := s.count()
	if a, err := r.Lookup(t.Context(), "ring.test"); err != nil || !a.Missing {
		t.Errorf("a ring of CNAMEs: %v, %v", a, err)
	}
	if n := s.count() - before; n > 16 {
		t.Errorf("asked %d times round the ring", n)
	}
}

func TestExpiry(t *testing.T) {
	s := serve(t, zone(t, "a.test. 60 IN A 192.0.2.1"))
	c := newClock()
	r := resolver(t, dnscache.Options{Now: c.now}, s)
	for _, step := range []struct {
		wait  time.Duration
		asked int // questions in all: two a lookup
	}{{0, 2}, {59 * time.Second, 2}, {time.Second, 4}, {0, 4}} {
		c.add(step.wait)
		if _, err := r.Lookup(t.Context(), "a.test"); err != nil {
			t.Fatal(err)
		}
		if s.count() != step.asked {
			t.Fatalf("after %s: asked %d times, want %d", step.wait, s.count(), step.asked)
		}
	}
	c.add(time.Minute)
	if _, ok := r.Cached("a.test"); ok {
		t.Error("an answer that has expired is given")
	}
}

func TestSingleFlight(t *testing.T) {
	release := make(chan struct{})
	full := zone(t, "a.test. 60 IN A 192.0.2.1")
	s := serve(t, func(network string, q dns.Question) *dns.Msg {
		<-release
		return full(network, q)
	})
	r := resolver(t, dnscache.Options{Timeout: 10 * time.Second}, s)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if a, err := r.Lookup(t.Context(), "a.test"); err != nil || texts(a.Addrs) != "192.0.2.1" {
				t.Errorf("%v, %v", a, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if s.count() != 2 {
		t.Errorf("asked %d times, want once for each type", s.count())
	}
}

// The one who asks first may go away; who waits with it still gets an answer.
func TestLeaderLeaves(t *testing.T) {
	asked, release := make(chan struct{}, 16), make(chan struct{})
	full := zone(t, "a.test. 60 IN A 192.0.2.1")
	s := serve(t, func(network string, q dns.Question) *dns.Msg {
		asked <- struct{}{}
		<-release
		return full(network, q)
	})
	r := resolver(t, dnscache.Options{Timeout: 10 * time.Second}, s)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, err := r.Lookup(ctx, "a.test")
		if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Stopped {
			t.Errorf("the leader got %v", err)
		}
	}()
	<-asked
	var wg sync.WaitGroup
	wg.Go(func() {
		if a, err := r.Lookup(t.Context(), "a.test"); err != nil || texts(a.Addrs) != "192.0.2.1" {
			t.Errorf("the follower got %v, %v", a, err)
		}
	})
	leave()
	<-left
	close(release)
	wg.Wait()
}

func TestSizeIsBounded(t *testing.T) {
	s := serve(t, func(_ string, q dns.Question) *dns.Msg {
		rr, err := dns.NewRR(q.Name + " 60 IN A 192.0.2.1")
		if err != nil || q.Qtype != dns.TypeA {
			return new(dns.Msg)
		}
		return &dns.Msg{Answer: []dns.RR{rr}}
	})
	r := resolver(t, dnscache.Options{Size: 10}, s)
	kept := 0
	for i := range 30 {
		if _, err := r.Lookup(t.Context(), fmt.Sprintf("n%d.test", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		if _, ok := r.Cached(fmt.Sprintf("n%d.test", i)); ok {
			kept++
		}
	}
	if kept != 10 {
		t.Errorf("kept %d of 30 names, want 10", kept)
	}
}

// shared is a second cache in memory.
type shared struct {
	mu sync.Mutex
	m  map[string]dnscache.Answer
}

func (s *shared) Get(_ context.Context, name string) (dnscache.Answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.m[name]
	return a, ok
}

func (s *shared) Put(_ context.Context, name string, a dnscache.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[name] = a
}

func TestSharedCache(t *testing.T) {
	s := serve(t, zone(t, "a.test. 60 IN A 192.0.2.1"))
	c := newClock()
	between := &shared{m: map[string]dnscache.Answer{}}
	for range 2 {
		r := resolver(t, dnscache.Options{Now: c.now, Shared: between}, s)
		if a, err := r.Lookup(t.Context(), "a.test"); err != nil || texts(a.Addrs) != "192.0.2.1" {
			t.Fatalf("%v, %v", a, err)
		}
	}
	if s.count() != 2 {
		t.Errorf("asked %d times, want once for each type", s.count())
	}
	c.add(2 * time.Minute)
	if _, err := resolver(t, dnscache.Options{Now: c.now, Shared: between}, s).Lookup(t.Context(), "a.test"); err != nil {
		t.Fatal(err)
	}
	if s.count() != 4 {
		t.Error("an expired answer of the shared cache was taken")
	}
}
