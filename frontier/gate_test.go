package frontier_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/internal/gatetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func memory(*testing.T) handlers.Gate { return frontier.NewMemoryGate(time.Time{}) }

func TestMemoryGate(t *testing.T) { gatetest.RunInBubble(t, memory) }

func TestMemoryGateForLong(t *testing.T) { gatetest.RunLongInBubble(t, memory) }

func TestMemoryGateAfterAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gatetest.FirstTouch(t, frontier.NewMemoryGate(time.Now()), time.Now())
	})
}

// A gate remembers only so many units; those that a promise depends on are among them, however long ago they were touched.
func TestMemoryGateForgetsUnitsThatAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := frontier.NewMemoryGate(time.Time{})
		unit := func(name string) []frontier.Unit { return []frontier.Unit{{Name: name, Delay: time.Hour, Places: 1}} }
		enter := func(visit string, units []frontier.Unit) (time.Duration, error) {
			return g.Enter(t.Context(), units, visit, false)
		}
		end := func(visit string) int {
			bad, err := g.Leave(t.Context(), unit("left alone"), visit, frontier.Seen{End: frontier.Badly})
			if err != nil {
				t.Fatal(err)
			}
			return bad
		}
		if err := g.Hold(t.Context(), "held", 1); err != nil {
			t.Fatal(err)
		}
		_, _ = enter("v", unit("left alone"))
		if bad := end("v"); bad != 1 {
			t.Fatalf("a streak of %d, want 1", bad)
		}
		if wait, err := g.Start(t.Context(), unit("started"), "v", false); wait != 0 || err != nil {
			t.Fatalf("the first start has to wait %v (%v)", wait, err)
		}
		<-time.After(2 * time.Minute)
		if wait, err := enter("v", unit("busy")); wait != 0 || err != nil {
			t.Fatalf("a free place has to wait %v (%v)", wait, err)
		}
		for i := range 150_000 {
			if _, err := g.Leave(t.Context(), unit(fmt.Sprint("host ", i)), "v", frontier.Seen{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := enter("v", unit("held")); err != frontier.ErrHeld {
			t.Errorf("the hold is forgotten: %v", err)
		}
		if wait, err := g.Start(t.Context(), unit("started"), "w", false); wait != 58*time.Minute || err != nil {
			t.Errorf("may start again in %v (%v), want 58 minutes", wait, err)
		}
		if wait, err := enter("w", unit("busy")); wait == 0 || err != nil {
			t.Errorf("took a place that was taken (%v)", err)
		}
		_, _ = enter("v", unit("left alone"))
		if bad := end("v"); bad != 1 {
			t.Errorf("a streak of %d: a host that was left alone was not forgotten", bad)
		}
	})
}

func TestUnits(t *testing.T) {
	const host = "https://www.example.co.uk:443"
	addr := netip.MustParseAddr("192.0.2.1")
	one := frontier.Unit{Name: host, Delay: 12 * time.Second, Places: 2}
	domain := frontier.Unit{Name: "domain example.co.uk", Delay: 4 * time.Second, Places: 3}
	ip := frontier.Unit{Name: "ip 192.0.2.1", Delay: 3 * time.Second, Places: 4}
	limit := frontier.Limit{Delay: one.Delay, PerHost: one.Places}
	with := func(change func(*frontier.Limit)) frontier.Limit {
		l := limit
		change(&l)
		return l
	}
	both := with(func(l *frontier.Limit) { l.PerDomain, l.PerIP = 3, 4 })
	adapting := one
	adapting.Adapt = true
	for name, c := range map[string]struct {
		host  string
		addr  netip.Addr
		limit frontier.Limit
		want  []frontier.Unit
	}{
		"the host alone":           {host, addr, limit, []frontier.Unit{one}},
		"its domain":               {host, addr, with(func(l *frontier.Limit) { l.PerDomain = 3 }), []frontier.Unit{one, domain}},
		"its address":              {host, addr, with(func(l *frontier.Limit) { l.PerIP = 4 }), []frontier.Unit{one, ip}},
		"all":                      {host, addr, both, []frontier.Unit{one, domain, ip}},
		"an address as IPv6":       {host, netip.AddrFrom16(addr.As16()), both, []frontier.Unit{one, domain, ip}},
		"an address not known yet": {host, netip.Addr{}, both, []frontier.Unit{one, domain}},
		"only the host adapts":     {host, addr, with(func(l *frontier.Limit) { l.PerDomain, l.Adapt = 3, true }), []frontier.Unit{adapting, domain}},
		"a host that is an address": {"http://192.0.2.1:80", addr, with(func(l *frontier.Limit) { l.PerDomain, l.PerIP = 1, 1 }), []frontier.Unit{
			{"http://192.0.2.1:80", one.Delay, 2, false}, {"domain 192.0.2.1", one.Delay, 1, false}, {"ip 192.0.2.1", one.Delay, 1, false},
		}},
		"no delay": {host, addr, frontier.Limit{PerHost: 2, PerDomain: 3}, []frontier.Unit{
			{host, 0, 2, false}, {"domain example.co.uk", 0, 3, false},
		}},
	} {
		if got := frontier.Units(c.host, c.addr, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
