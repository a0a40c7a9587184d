package frontier_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/fault"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/internal/gatetest"
	"example.org/trawl/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryGate(t *testing.T) {
	gatetest.RunInBubble(t, func(*testing.T) handlers.Gate { return frontier.NewMemoryGate(time.Time{}) })
}

func TestMemoryGateAfterAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gatetest.FirstTouch(t, frontier.NewMemoryGate(time.Now()), time.Now())
	})
}

func TestRedisGate(t *testing.T) {
	rdb, _ := redistest.Client(t)
	gatetest.Run(t, func(t *testing.T) handlers.Gate {
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		// This Redis has been in use since 1970, and nobody touched any host.
		if err := rdb.Set(t.Context(), frontier.EpochKey, 1, 0).Err(); err != nil {
			t.Fatal(err)
		}
		return frontier.NewRedisGate(rdb)
	})
}

func TestRedisGateAfterRedisLostEverything(t *testing.T) {
	rdb, _ := redistest.Client(t)
	g := frontier.NewRedisGate(rdb)
	l := frontier.Limit{Delay: gatetest.Delay, PerHost: 1}
	for range 2 { // a new Redis has as little to say as one that was flushed
		since := time.Now()
		if err := rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		gatetest.FirstTouch(t, g, since)
		if _, _, err := g.Reserve(t.Context(), "http://start.example:80", l, 50); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedisGatesShareTheirHosts(t *testing.T) {
	rdb, _ := redistest.Client(t)
	if err := rdb.Set(t.Context(), frontier.EpochKey, 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	l := frontier.Limit{Delay: time.Hour, PerHost: 1}
	const host = "http://example.org:80"
	a, b := frontier.NewRedisGate(rdb), frontier.NewRedisGate(rdb)
	if wait, err := a.Start(t.Context(), host, "a", l); wait != 0 || err != nil {
		t.Fatalf("the first start has to wait %v (%v)", wait, err)
	}
	if wait, err := b.Start(t.Context(), host, "b", l); wait < time.Minute || err != nil {
		t.Errorf("another worker's start has to wait %v (%v), want an hour", wait, err)
	}
}

// What a gate leaves behind in Redis goes away by itself, but not before the last slot that it handed out.
func TestRedisGateForgetsHostsThatAreLeftAlone(t *testing.T) {
	rdb, _ := redistest.Client(t)
	g := frontier.NewRedisGate(rdb)
	l := frontier.Limit{Delay: time.Minute, PerHost: 1}
	const host, n = "http://example.org:80", 600
	if _, _, err := g.Reserve(t.Context(), host, l, n); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Enter(t.Context(), host, "v", l); err != nil {
		t.Fatal(err)
	}
	keys, err := rdb.Keys(t.Context(), "*example.org*").Result()
	if err != nil || len(keys) != 2 {
		t.Fatalf("keys %v (%v), want a hash and a set", keys, err)
	}
	for _, k := range keys {
		ttl, err := rdb.PTTL(t.Context(), k).Result()
		if err != nil || ttl <= 0 {
			t.Errorf("%s lives for %v (%v), want a bound", k, ttl, err)
		}
		if rdb.Type(t.Context(), k).Val() == "hash" && ttl < n*time.Minute {
			t.Errorf("%s lives for %v: its last slot comes later", k, ttl)
		}
	}
}

func TestRedisGateWithoutRedis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(t.TempDir(), "nobody"), MaxRetries: -1, DialerRetries: 1})
	defer rdb.Close()
	g := frontier.NewRedisGate(rdb)
	l := frontier.Limit{Delay: time.Second, PerHost: 1}
	_, _, reserve := g.Reserve(t.Context(), "h", l, 1)
	_, enter := g.Enter(t.Context(), "h", "v", l)
	_, start := g.Start(t.Context(), "h", "v", l)
	for what, err := range map[string]error{"reserve": reserve, "enter": enter, "start": start, "leave": g.Leave(t.Context(), "h", "v", 0)} {
		if fault.KindOf(err) != fault.RedisDown {
			t.Errorf("%s: %v, want %s", what, err, fault.RedisDown)
		}
	}
}

// A worker that died gave its place back to nobody.
func TestPlaceOfTheDeadIsFreeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := frontier.NewMemoryGate(time.Time{})
		l := frontier.Limit{PerHost: 1}
		enter := func(visit string) bool {
			wait, err := g.Enter(t.Context(), "h", visit, l)
			if err != nil {
				t.Fatal(err)
			}
			return wait == 0
		}
		enter("a")
		<-time.After(frontier.Permit - time.Second)
		enter("a") // it lives
		<-time.After(frontier.Permit - time.Second)
		if enter("b") {
			t.Error("took the place of one that renewed it")
		}
		<-time.After(2 * time.Second)
		if !enter("b") {
			t.Error("the place is still held")
		}
	})
}
