package lab

import (
	"cmp"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestDomainsAndAddresses(t *testing.T) {
	w := start(t, Config{Pages: 60, Hosts: 6, Domains: 3, Addresses: 4})
	c := client(t, w)
	for i, want := range []struct{ name, domain, address string }{
		{"h0.d0.test", "d0.test", "127.0.1.1"},
		{"h1.d1.test", "d1.test", "127.0.1.2"},
		{"h2.d2.test", "d2.test", "127.0.1.3"},
		{"h3.d0.test", "d0.test", "127.0.1.4"},
		{"h4.d1.test", "d1.test", "127.0.1.1"},
		{"h5.d2.test", "d2.test", "127.0.1.2"},
	} {
		if w.Seeds()[i] != "http://"+want.name+":"+port(w)+"/" || w.Domain(want.name) != want.domain || w.Address(strings.ToUpper(want.name)) != want.address {
			t.Errorf("%s in %s at %s, want %+v", w.Seeds()[i], w.Domain(want.name), w.Address(want.name), want)
		}
		for range i {
			ask(t, c, "GET", w.Seeds()[i])
		}
		got, err := dns.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(want.name+".", dns.TypeA), w.DNS())
		if err != nil || len(got.Answer) != 1 || got.Answer[0].(*dns.A).A.String() != want.address {
			t.Errorf("the name server says of %s: %v, %v", want.name, got, err)
		}
	}
	for _, none := range []string{"h3.d1.test", "h6.d0.test", "h00.d0.test", "h0.lab.test", "h0", "", "h+1.d1.test"} {
		if w.Address(none) != "" || w.Domain(none) != "" {
			t.Errorf("%q is in the lab", none)
		}
	}
	for by, want := range map[string]map[string]int{
		"host":   {"h0.d0.test": 0, "h1.d1.test": 1, "h2.d2.test": 2, "h3.d0.test": 3, "h4.d1.test": 4, "h5.d2.test": 5},
		"domain": {"d0.test": 3, "d1.test": 5, "d2.test": 7},
		"ip":     {"127.0.1.1": 4, "127.0.1.2": 6, "127.0.1.3": 2, "127.0.1.4": 3},
	} {
		var gaps map[string]Gap
		if err := json.Unmarshal(ask(t, plainClient(t), "GET", w.Control()+"/_gaps?by="+by).body, &gaps); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]int)
		for key, g := range gaps {
			got[key] = g.N
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("requests by %s (-want +got):\n%s", by, diff)
		}
	}
	if got := ask(t, plainClient(t), "GET", w.Control()+"/_gaps?by=moon"); got.StatusCode != 400 {
		t.Errorf("gaps by moon: %d", got.StatusCode)
	}
}

// clock is a time that passes when it is told to.
type clock struct{ now atomic.Int64 }

func (c *clock) time() time.Time { return time.Unix(1_800_000_000, c.now.Load()).UTC() }

func (c *clock) pass(d time.Duration) { c.now.Add(int64(d)) }

func TestGapsBy(t *testing.T) {
	var watch clock
	w := start(t, Config{Pages: 10, Hosts: 4, Domains: 2, Now: watch.time})
	c := client(t, w)
	for _, step := range []struct {
		host int
		wait time.Duration
	}{{0, 0}, {1, 10}, {2, 20}, {3, 40}, {0, 80}, {1, 5}, {2, 7}} { // at 0, 10, 30, 70, 150, 155, 162
		watch.pass(step.wait * time.Millisecond)
		ask(t, c, "GET", w.Seeds()[step.host])
	}
	byDomain := w.GapsBy(func(r Request) string { return w.Domain(r.Host) })
	if diff := gocmp.Diff(map[string]Gap{"d0.test": {4, 12}, "d1.test": {3, 60}}, byDomain); diff != "" {
		t.Errorf("by domain (-want +got):\n%s", diff)
	}
	byHost := w.GapsBy(func(r Request) string { return r.Host })
	if diff := gocmp.Diff(w.Gaps(), byHost); diff != "" {
		t.Errorf("by host, where all were asked (-Gaps +GapsBy):\n%s", diff)
	}
	if some := w.GapsBy(func(r Request) string { return strings.TrimPrefix(r.Host, "h3.d1.test") }); len(some) != 3 {
		t.Errorf("requests with an empty key are not left out: %v", some)
	}
}

// TestManyHosts has far more hosts than addresses.
func TestManyHosts(t *testing.T) {
	for _, row := range []Config{
		{Hosts: 500, Pages: 3000},
		{Hosts: 500, Pages: 500, Addresses: 500, Domains: 500},
		{Hosts: 5000, Pages: 20_000, Addresses: 7, Domains: 40},
	} {
		w := start(t, row)
		c, used := client(t, w), make(map[string]int)
		seeds := w.Seeds()
		for i, s := range w.hosts {
			used[w.Address(s.site.name)]++
			if i%97 == 0 || i == len(seeds)-1 {
				if got := ask(t, c, "GET", seeds[i]); got.StatusCode != 200 || !strings.Contains(string(got.body), s.site.name) {
					t.Errorf("%s: %d", seeds[i], got.StatusCode)
				}
			}
		}
		if want := cmp.Or(row.Addresses, 250); len(used) != want {
			t.Errorf("%d addresses for %d hosts, want %d", len(used), row.Hosts, want)
		}
		truth, err := w.TruthFor(Ask{MaxDepth: 1, NoDigests: true})
		if err != nil || truth.Counts.Pages != row.Pages || len(seeds) != row.Hosts {
			t.Errorf("%d hosts and %d pages in the truth, %v", len(seeds), truth.Counts.Pages, err)
		}
	}
}
