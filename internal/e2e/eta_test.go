package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// guess is what was said of the future at a moment.
type guess struct {
	url      string // of a page; "" for the whole crawl
	waits    string // for what, as it was said
	at       time.Time
	expected time.Time
}

// TestETA asks, while a crawl of hosts of many sizes is under way, when it will be over and when single pages will be asked for,
// and compares with what the hosts saw in the end.
func TestETA(t *testing.T) {
	rig.Whole(t)
	const (
		hosts   = 50
		delay   = 500 * time.Millisecond
		asked   = 1000 // pages
		atStart = 0.25 // of the run: how much of it is over when it is asked about
	)
	w := rig.Web(t, lab.Config{Seed: 49, Hosts: hosts, Pages: 12_000, Plain: true})
	s, _ := rig.Cluster(t, w, 2)
	r := rand.New(rand.NewPCG(49, 1))
	var urls []string
	for i, seed := range w.Seeds() {
		list := rig.PagesOf(t, w, 60)[rig.HostOf(seed)]
		urls = append(urls, list[:min(len(list), 10+i)]...) // from 10 to 59 pages
	}
	r.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
	s.Enqueue(urls, "--delay", delay.String())
	rig.WaitFor(t, "the first pages", 20*time.Second, func() bool { return s.Standing().Sum().Stored > 0 })
	began := time.Now()

	answers := explained(s, r, w, urls, asked)
	var ends []guess
	rig.WaitFor(t, "part of the crawl", 60*time.Second, func() bool {
		ends = append(ends, eta(s, len(urls)))
		return s.Standing().Sum().Stored >= int64(len(urls))/2
	})
	pages := answers()
	st := s.WaitClosed(len(urls), 90*time.Second)
	if st.Sum().Stored != int64(len(urls)) {
		t.Errorf("%+v, want all %d pages stored", st, len(urls))
	}

	seen := starts(w)
	ended := began
	for _, at := range seen {
		if at.After(ended) {
			ended = at
		}
	}
	quarter := began.Add(time.Duration(float64(ended.Sub(began)) * atStart))
	best := slices.MinFunc(ends, func(a, b guess) int { return int(a.at.Sub(quarter).Abs() - b.at.Sub(quarter).Abs()) })
	real, said := ended.Sub(best.at), best.expected.Sub(best.at)
	t.Logf("%d pages in %s; after %s it was said to take %s, and took %s", len(urls), ended.Sub(began), best.at.Sub(began), said, real)
	if off := (said - real).Abs(); rig.Slack() == 1 && off > real/5 || off > 3*real {
		t.Errorf("said to take %s, took %s: too far off", said, real)
	}
	judge(t, pages, seen)
}

// eta is what trawl status says of the end of the crawl; the far future while it cannot tell.
func eta(s *rig.Site, n int) guess {
	s.T.Helper()
	st := s.Standing()
	at := time.Now()
	if len(st.Crawls) != 1 || st.Crawls[0].ETA <= 0 || st.Crawls[0].Admitted < int64(n) {
		return guess{at: at, expected: at.Add(time.Hour)}
	}
	return guess{at: at, expected: at.Add(time.Duration(st.Crawls[0].ETA * float64(time.Second)))}
}

// explained asks trawl explain about pages that were not asked for yet, beside the test. The returned function waits for the
// answers.
func explained(s *rig.Site, r *rand.Rand, w *lab.Web, urls []string, n int) func() []guess {
	const atOnce = 50
	var running sync.WaitGroup
	var out []guess
	runs, began := 0, time.Now()
	running.Go(func() {
		order := r.Perm(len(urls))
		for len(out) < n && len(order) > 0 {
			var ask []string
			done := starts(w)
			for len(ask) < atOnce && len(order) > 0 {
				url := urls[order[0]]
				order = order[1:]
				if _, ok := done[rig.HostOf(url)+rig.PathOf(url)]; !ok {
					ask = append(ask, url)
				}
			}
			runs += len(ask)
			out = append(out, explain(s, ask)...)
		}
	})
	s.T.Cleanup(running.Wait)
	return func() []guess {
		s.T.Helper()
		running.Wait()
		s.T.Logf("%d pages explained in %s, for %d of them a start was expected", runs, time.Since(began).Round(time.Millisecond), len(out))
		if len(out) < n/2 {
			s.T.Errorf("a start was expected for %d pages only: this proves little", len(out))
		}
		return out
	}
}

// explain asks when pages will be asked for. One that is under way has no such moment any more; one that waits has to have it.
func explain(s *rig.Site, urls []string) (out []guess) {
	if len(urls) == 0 {
		return nil
	}
	res := s.Run(append([]string{"trawl", "explain", "--json"}, urls...)...)
	if res.Status != 0 {
		s.T.Errorf("explain: status %d: %s", res.Status, res.Err)
	}
	at := time.Now()
	for line := range strings.Lines(res.Out) {
		var x struct {
			URL      string     `json:"url"`
			Expected *time.Time `json:"expected_start"`
			Waits    string     `json:"waits_for"`
			Page     struct{ State string }
		}
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			s.T.Errorf("explain: %v: %s", err, line)
		}
		if x.Expected != nil {
			out = append(out, guess{x.URL, x.Page.State + ", " + x.Waits, at, *x.Expected})
		} else if x.Page.State == "waiting" || x.Waits == "polite" {
			s.T.Errorf("explain %s does not say when: %s", x.URL, line)
		}
	}
	return out
}

// judge compares what was said of pages with what the hosts saw: nine of ten have to be right to two seconds, or a tenth.
func judge(t *testing.T, said []guess, seen map[string]time.Time) {
	t.Helper()
	right := 0
	if len(said) == 0 {
		return
	}
	var off []time.Duration
	for _, g := range said {
		at, ok := seen[rig.HostOf(g.url)+rig.PathOf(g.url)]
		if !ok {
			t.Fatalf("%s was never asked for", g.url)
		}
		miss := at.Sub(g.expected)
		off = append(off, miss)
		if miss.Abs() <= time.Duration(rig.Slack())*max(2*time.Second, at.Sub(g.at)/10) {
			right++
		} else {
			t.Logf("%s (%s): said to start in %s, started in %s", g.url, g.waits, g.expected.Sub(g.at), at.Sub(g.at))
		}
	}
	slices.Sort(off)
	t.Logf("%d of %d expected starts were right; they came later than said by %s (least), %s (median), %s (most)", right, len(said), off[0], off[len(off)/2], off[len(off)-1])
	if right*10 < len(said)*9 {
		t.Errorf("%d of %d expected starts were right, want nine of ten", right, len(said))
	}
}
