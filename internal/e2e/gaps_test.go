package e2e

import (
	"slices"
	"testing"
	"time"

	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestGapsOfHostsDomainsAndAddresses has eight worker processes crawl hosts that share domains and addresses, and asks the hosts
// how close the requests came, those for robots.txt among them. At one host the gate keeps the gap from the moment at which the
// last request has surely arrived, so there is nothing to forgive. At a domain and an address it keeps it between the moments at
// which requests are sent: one may be longer on its way than the next, but that does not add up.
func TestGapsOfHostsDomainsAndAddresses(t *testing.T) {
	rig.Whole(t)
	const (
		delay = 200 * time.Millisecond
		each  = 16
	)
	jitter := 50 * time.Millisecond * time.Duration(rig.Slack())
	w := rig.Web(t, lab.Config{Seed: 41, Hosts: 24, Domains: 6, Addresses: 4, Pages: 2400, Plain: true})
	s, _ := rig.Cluster(t, w, 8)
	by := rig.PagesOf(t, w, each)
	n := 0
	flags := []string{"--delay", delay.String(), "--per-domain", "2", "--per-ip", "3", "--max-pages", "100000"}
	for _, urls := range by {
		n += len(urls)
		s.Enqueue(urls, flags...)
	}
	st := s.WaitClosed(n, 55*time.Second).Sum()
	if st.Stored != int64(n) {
		t.Errorf("%+v, want all %d pages stored", st, n)
	}
	requests := w.Requests()
	if len(requests) < n+24 {
		t.Errorf("%d requests for %d pages on 24 hosts: this proves little", len(requests), n)
	}
	for _, of := range []struct {
		what     string
		key      func(lab.Request) string
		gap      time.Duration
		forgiven time.Duration
		groups   int
	}{
		{"host", func(r lab.Request) string { return r.Host }, delay, 0, 24},
		{"domain", func(r lab.Request) string { return w.Domain(r.Host) }, delay / 2, jitter, 6},
		{"address", func(r lab.Request) string { return w.Address(r.Host) }, delay / 3, jitter, 4},
	} {
		starts := map[string][]time.Time{}
		for _, r := range requests {
			starts[of.key(r)] = append(starts[of.key(r)], r.At)
		}
		if len(starts) != of.groups {
			t.Errorf("requests of %d groups by %s, want %d", len(starts), of.what, of.groups)
		}
		least := time.Hour
		for name, at := range starts {
			least = min(least, apart(t, of.what+" "+name, at, of.gap, of.forgiven))
		}
		t.Logf("by %s: at least %s between two of %d requests, want %s", of.what, least, len(requests), of.gap)
	}
}

// apart checks that any number of starts in a row took as long as the gaps between them have to, but for what is forgiven once,
// and returns the least gap.
func apart(t *testing.T, what string, at []time.Time, gap, forgiven time.Duration) time.Duration {
	t.Helper()
	slices.SortFunc(at, time.Time.Compare)
	least := time.Hour
	for i := range at {
		if i > 0 {
			least = min(least, at[i].Sub(at[i-1]))
		}
		for j := i + 1; j < len(at); j++ {
			if took, want := at[j].Sub(at[i]), time.Duration(j-i)*gap-forgiven; took < want {
				t.Errorf("%s: %d requests within %s, want at least %s", what, j-i+1, took, want)
				return least
			}
		}
	}
	return least
}
