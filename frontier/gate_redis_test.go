package frontier_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/embedded"
	"example.org/trawl/fault"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/internal/gatetest"
	"example.org/trawl/internal/redistest"
)

// fresh empties a Redis and says that it has been in use since 1970, and that nobody touched any host.
func fresh(t *testing.T, rdb redis.UniversalClient) {
	t.Helper()
	if err := rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := rdb.Set(t.Context(), frontier.EpochKey, 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestRedisGate(t *testing.T) {
	rdb, _ := redistest.Client(t)
	gatetest.Run(t, func(t *testing.T) handlers.Gate {
		fresh(t, rdb)
		return frontier.NewRedisGate(rdb)
	})
}

// The Redis that is part of the program is another one.
func TestRedisGateOnMiniredis(t *testing.T) {
	r, err := embedded.Mini()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o, err := redis.ParseURL(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	gatetest.Run(t, func(t *testing.T) handlers.Gate {
		fresh(t, rdb)
		return frontier.NewRedisGate(rdb)
	})
}

// mini returns the Redis that is part of the program, whose clock and the age of its keys can be moved.
func mini(t *testing.T) (redis.UniversalClient, func(time.Duration)) {
	t.Helper()
	m := miniredis.RunT(t)
	now := time.Now()
	m.SetTime(now)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() {
		if err := rdb.Close(); err != nil {
			t.Error(err)
		}
	})
	fresh(t, rdb)
	return rdb, func(d time.Duration) {
		now = now.Add(d)
		m.SetTime(now)
		m.FastForward(d)
	}
}

func TestRedisGateForLong(t *testing.T) {
	gatetest.RunLong(t, func(t *testing.T) (handlers.Gate, func(time.Duration)) {
		rdb, pass := mini(t)
		return frontier.NewRedisGate(rdb), pass
	})
}

func TestRedisGateAfterRedisLostEverything(t *testing.T) {
	rdb, _ := redistest.Client(t)
	g := frontier.NewRedisGate(rdb)
	for range 2 { // a new Redis has as little to say as one that was flushed
		since := time.Now()
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		gatetest.FirstTouch(t, g, since)
		h := frontier.Unit{Name: "http://start.example:80", Delay: gatetest.Delay, Places: 1}
		if _, _, err := g.Reserve(t.Context(), h, 50, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// What a gate leaves behind in Redis goes away by itself, but not before the last moment that it handed out. All of it has the
// same hash tag.
func TestRedisGateForgetsUnitsThatAreLeftAlone(t *testing.T) {
	rdb, pass := mini(t)
	g := frontier.NewRedisGate(rdb)
	const n = 600
	units := []frontier.Unit{
		{Name: "http://example.org:80", Delay: time.Minute, Places: n},
		{Name: "domain example.org", Delay: time.Minute, Places: n},
		{Name: "ip 192.0.2.1", Delay: time.Minute, Places: n},
	}
	if _, _, err := g.Reserve(t.Context(), units[0], n, nil, 0); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := g.Enter(t.Context(), units, fmt.Sprint("v", i), false); err != nil {
			t.Fatal(err)
		}
	}
	keys := func() []string {
		keys, err := rdb.Keys(t.Context(), "*").Result()
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	if all := keys(); len(all) != 1+3+3+2 {
		t.Errorf("keys %v, want the epoch, three hashes, three sets of visits and two of moments", all)
	}
	for _, k := range keys() {
		if !strings.HasPrefix(k, "trawl:{gate}:") {
			t.Errorf("%s: a Redis Cluster may keep it on another node", k)
		}
	}
	pass((n - 2) * time.Minute)
	if wait, err := g.Enter(t.Context(), units, fmt.Sprint("v", n-1), false); err != nil || wait <= 0 || wait > time.Minute {
		t.Errorf("the last visit has to wait another %v (%v), want a minute", wait, err)
	}
	if slot, _, err := g.Reserve(t.Context(), units[0], 0, nil, 0); err != nil || time.Until(slot) <= time.Minute {
		t.Errorf("the next slot is in %v (%v), want it after the last one", time.Until(slot), err)
	}
	pass(2 * time.Hour)
	if all := keys(); len(all) != 1 {
		t.Errorf("keys %v are left, want the epoch alone", all)
	}
}

func TestRedisGateWithoutRedis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(t.TempDir(), "nobody"), MaxRetries: -1, DialerRetries: 1})
	defer rdb.Close()
	g := frontier.NewRedisGate(rdb)
	units := frontier.Units("http://example.org:80", netip.Addr{}, frontier.Limit{Delay: time.Second, PerHost: 1})
	_, _, reserve := g.Reserve(t.Context(), units[0], 1, nil, 0)
	_, enter := g.Enter(t.Context(), units, "v", false)
	_, start := g.Start(t.Context(), units, "v", false)
	_, leave := g.Leave(t.Context(), units, "v", frontier.Seen{})
	hold := g.Hold(t.Context(), units[0].Name, 1)
	for what, err := range map[string]error{"reserve": reserve, "enter": enter, "start": start, "leave": leave, "hold": hold} {
		if fault.KindOf(err) != fault.RedisDown || errors.Is(err, frontier.ErrHeld) {
			t.Errorf("%s: %v, want %s", what, err, fault.RedisDown)
		}
	}
}

// record is what many visits did at each unit.
type record struct {
	mu     sync.Mutex
	units  map[string]frontier.Unit
	starts map[string][]gatetest.Moment
	stays  map[string][]stay
}

// stay is a time during which a visit was certainly in its place: from when it knew until it asked to leave.
type stay struct{ from, until time.Time }

func (r *record) add(units []frontier.Unit, start gatetest.Moment, s stay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range units {
		r.units[u.Name] = u
		r.starts[u.Name] = append(r.starts[u.Name], start)
		r.stays[u.Name] = append(r.stays[u.Name], s)
	}
}

// most is the greatest number of stays at one moment; that of the beginning of one of them.
func most(stays []stay) int {
	n := 0
	for _, s := range stays {
		here := 0
		for _, o := range stays {
			if !o.from.After(s.from) && o.until.After(s.from) {
				here++
			}
		}
		n = max(n, here)
	}
	return n
}

// Workers are processes, each with a gate and a connection of its own, that know nothing of each other.
func TestRedisGatesShareTheirUnits(t *testing.T) {
	const workers, visits, gates = 8, 25, 4
	rdb, url := redistest.Client(t)
	fresh(t, rdb)
	limit := frontier.Limit{Delay: 24 * time.Millisecond, PerHost: 2, PerDomain: 3, PerIP: 4}
	r := &record{units: map[string]frontier.Unit{}, starts: map[string][]gatetest.Moment{}, stays: map[string][]stay{}}
	var all []*frontier.RedisGate
	for range gates {
		o, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		own := redis.NewClient(o)
		defer own.Close()
		all = append(all, frontier.NewRedisGate(own))
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for v := range visits {
				// A host is always of the same domain and at the same address. A few are visited by all at once.
				n := random.IntN(20) % (1 + random.IntN(20))
				host := fmt.Sprintf("http://h%d.d%d.example:80", n, n%3)
				units := frontier.Units(host, netip.AddrFrom4([4]byte{192, 0, 2, byte(n / 3 % 2)}), limit)
				if err := visit(t, all[w%gates], fmt.Sprint(w, ".", v), units, r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for name, u := range r.units {
		gatetest.Apart(t, "start at "+name, r.starts[name], u.Delay)
		if n := most(r.stays[name]); n > u.Places {
			t.Errorf("%d visits were at %s at once, want at most %d", n, name, u.Places)
		}
		total += len(r.starts[name])
	}
	if len(r.units) != 20+3+2 || total != 3*workers*visits {
		t.Errorf("%d units and %d starts, want 25 and %d", len(r.units), total, 3*workers*visits)
	}
}

// visit visits a host as a stage does.
func visit(t *testing.T, g *frontier.RedisGate, id string, units []frontier.Unit, r *record) error {
	if err := until(t, func() (time.Duration, error) { return g.Enter(t.Context(), units, id, false) }); err != nil {
		return err
	}
	s := stay{from: time.Now()}
	var asked time.Time
	var start gatetest.Moment
	err := until(t, func() (time.Duration, error) {
		asked = time.Now()
		wait, err := g.Start(t.Context(), units, id, false)
		start = gatetest.Since(asked)
		return wait, err
	})
	if err != nil {
		return err
	}
	s.until = time.Now()
	r.add(units, start, s)
	_, err = g.Leave(t.Context(), units, id, frontier.Seen{Lag: time.Since(asked), End: frontier.Well})
	return err
}

// until asks until there is nothing to wait for.
func until(t *testing.T, ask func() (time.Duration, error)) error {
	for {
		wait, err := ask()
		if err != nil || wait == 0 {
			return err
		}
		select {
		case <-time.After(wait):
		case <-t.Context().Done():
			return t.Context().Err()
		}
	}
}
