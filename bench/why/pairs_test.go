package why

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.org/trawl/why"
)

// pairs are things that go wrong at once, neither of which hides the other: hosts that are hardly asked, because workers are too few or
// downloads endless, hardly push back.
var pairs = [][2]string{
	{"redis slow", "resolver refuses"},
	{"redis slow", "disk full"},
	{"redis slow", "hosts push back"},
	{"no worker for store", "a submitter floods"},
	{"disk full", "a submitter floods"},
	{"resolver refuses", "a submitter floods"},
	{"endless downloads", "a schedule resubmits"},
	{"endless downloads", "a list of dead names"},
	{"database slow", "a list of dead names"},
	{"database slow", "a poison page"},
	{"one giant host", "a list of dead names"},
	{"hosts push back", "a list of dead names"},
	{"hosts push back", "a schedule resubmits"},
	{"too few workers", "a list of dead names"},
	{"machine full", "a submitter floods"},
}

// mixed is what came of two scenarios at once.
type mixed struct {
	pair    [2]string
	first   why.Verdict // of the two that were to be said
	named   int         // ticks after the second began until both were said first; -1: never
	both    bool        // so a minute after that
	cleared int         // ticks until nothing alarming was said; -1: not within a minute
}

func scenarioOf(name string) scenario {
	return scenarios[slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })]
}

// runPair has both begin within half a minute of each other.
func runPair(t *testing.T, pair [2]string, seed uint64) (m mixed) {
	inWorld(t, seed, func(w *world) {
		m = mixed{pair: pair, named: -1, cleared: -1}
		two := []scenario{scenarioOf(pair[0]), scenarioOf(pair[1])}
		at := []int{w.rng.IntN(6), w.rng.IntN(6)}
		for _, s := range two {
			if s.prepare != nil {
				s.prepare(w)
			}
		}
		for range warm {
			w.tick()
		}
		begun := max(at[0], at[1])
		var r why.Report
		for i := range begun + name {
			for k, s := range two {
				if i == at[k] && s.begin != nil {
					s.begin(w)
				}
				if i >= at[k] && s.each != nil {
					s.each(w, i)
				}
			}
			r = w.tick()
			said := append([]why.Verdict{r.Verdict}, r.Also...)
			said = said[:min(len(said), 2)]
			if m.both = slices.Contains(said, two[0].want) && slices.Contains(said, two[1].want); m.both && i >= begun && m.named < 0 {
				m.named = i - begun + 1
			}
		}
		if m.first = r.Verdict; !m.both {
			t.Logf("%s and %s, seed %d: %s: %s; also %v; ruled out: %s | %s", pair[0], pair[1], seed, r.Verdict, r.Summary, r.Also, reason(r, two[0].want), reason(r, two[1].want))
		}
		for _, s := range two {
			if s.end != nil {
				s.end(w)
			}
		}
		for i := range name {
			r = w.tick()
			if m.cleared < 0 && !r.Verdict.Alarm() {
				m.cleared = i + 1
			}
		}
		if r.Verdict.Alarm() {
			t.Logf("%s and %s, seed %d, a minute after it was over: %s: %s", pair[0], pair[1], seed, r.Verdict, r.Summary)
			m.cleared = -1
		}
	})
	return m
}

// TestPairs has two things go wrong at once: a minute later both are said before anything else.
func TestPairs(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of synthetic crawls: not with -short")
	}
	var mu sync.Mutex
	var all []mixed
	t.Run("pairs", func(t *testing.T) {
		for _, pair := range pairs {
			if *only != "" && pair[0] != *only && pair[1] != *only {
				continue
			}
			for seed := range uint64(*seeds) {
				t.Run(fmt.Sprintf("%s and %s/%d", pair[0], pair[1], seed), func(t *testing.T) {
					t.Parallel()
					m := runPair(t, pair, seed)
					mu.Lock()
					defer mu.Unlock()
					all = append(all, m)
				})
			}
		}
	})
	var out strings.Builder
	fmt.Fprint(&out, "\n## Two at once\n\nThe second began within half a minute of the first. Right is that both are the first two that are said, the verdict and what is said also.\nHosts that push back are not paired with what keeps them from being asked: too few workers, endless downloads, a full line.\n\n")
	fmt.Fprint(&out, "| pair | right | both named after (median) | forgotten after (median) |\n|---|---|---|---|\n")
	for _, pair := range pairs {
		n, right := 0, 0
		var named, cleared []int
		for _, m := range all {
			if m.pair != pair {
				continue
			}
			n++
			named, cleared = append(named, m.named), append(cleared, m.cleared)
			if m.both {
				right++
			}
			if !m.both || m.cleared < 0 {
				t.Errorf("%s and %s: both %v, forgotten after %d ticks", pair[0], pair[1], m.both, m.cleared)
			}
		}
		if n > 0 {
			fmt.Fprintf(&out, "| %s, %s | %d of %d | %s | %s |\n", pair[0], pair[1], right, n, seconds(named), seconds(cleared))
		}
	}
	t.Log(out.String())
	if *table != "" {
		appendTable(t, out.String())
	}
}

func appendTable(t *testing.T, text string) {
	t.Helper()
	f, err := os.OpenFile(*table, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
