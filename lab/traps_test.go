package lab

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// TestTrapsHideNothing crawls without the traps and finds the truth.
func TestTrapsHideNothing(t *testing.T) {
	for _, plain := range []bool{false, true} {
		w := start(t, Config{Seed: 7, Pages: 300, Traps: true, Plain: plain})
		truth := overHTTP(t, w)
		n := &naive{t: t, c: client(t, w), scope: make(map[string]bool), rules: make(map[string][]rule), found: make(map[string]Page)}
		for i, seed := range w.Seeds() {
			n.scope[w.hosts[i].site.name] = true
			n.rules[w.hosts[i].site.name] = n.robots(seed)
			n.admit(seed, 0, -1)
		}
		lures := make(map[string]int)
		for i := 0; i < len(n.queue); i++ {
			p := n.found[n.queue[i]]
			links := n.visit(&p)
			n.found[p.URL] = p
			for l, follow := range links {
				switch trap := truth.Trap(l); {
				case trap != "":
					lures[trap]++
				case follow:
					n.admit(l, p.Depth+1, -1)
				}
			}
		}
		compare(t, truth, n.found)
		for _, trap := range []string{"calendar", "facets", "deep", "print", "session"} {
			if lures[trap] == 0 || lures[trap] > len(truth.Pages)/2 {
				t.Errorf("%d links lead into the trap %q", lures[trap], trap)
			}
		}
	}
}

// overHTTP is the truth as another process reads it.
func overHTTP(t *testing.T, w *Web) Truth {
	t.Helper()
	var truth Truth
	if err := json.Unmarshal(ask(t, plainClient(t), "GET", w.Control()+"/_truth").body, &truth); err != nil {
		t.Fatal(err)
	}
	for _, p := range truth.Pages {
		if trap := truth.Trap(p.URL); trap != "" {
			t.Errorf("%s is a page and in the trap %s", p.URL, trap)
		}
	}
	return truth
}

// TestTrapsNeverEnd walks into each trap and looks at every answer.
func TestTrapsNeverEnd(t *testing.T) {
	w := start(t, Config{Seed: 7, Pages: 300, Traps: true})
	c, truth := client(t, w), w.Truth()
	for _, way := range []string{"calendar/2024/05/", "calendar?month=2024-05", "shop", "deep/a/", "print?page=0&ref=page", "?sid=0"} {
		t.Run(way, func(t *testing.T) {
			seen, queue := make(map[string]bool), []string{w.Seeds()[0] + way}
			name := truth.Trap(queue[0])
			for i := range 200 {
				if i == len(queue) {
					t.Fatalf("the trap ends after %d pages", i)
				}
				res := ask(t, c, "GET", queue[i])
				if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/html; charset=utf-8" || digest(res.body) != digest(ask(t, c, "GET", queue[i]).body) {
					t.Fatalf("%s: %d %s, or not the same twice", queue[i], res.StatusCode, res.Header.Get("Content-Type"))
				}
				for l := range parse(t, res.body, queue[i]).links {
					if truth.Trap(l) != name || !strings.HasPrefix(l, w.Seeds()[0]) {
						t.Fatalf("%s links to %s, in the trap %q, not %q", queue[i], l, truth.Trap(l), name)
					}
					if !seen[l] {
						seen[l] = true
						queue = append(queue, l)
					}
				}
			}
		})
	}
}

func TestPrintIsTheSameAtManyAddresses(t *testing.T) {
	w := start(t, Config{Seed: 7, Pages: 100, Traps: true})
	c, at := client(t, w), w.Seeds()[0]+"print?page=3&ref="
	if a, b := ask(t, c, "GET", at+"x"), ask(t, c, "GET", at+url.QueryEscape("anything else")); digest(a.body) != digest(b.body) || a.StatusCode != 200 {
		t.Errorf("%d, and other bytes for another ref", a.StatusCode)
	}
	if a, b := ask(t, c, "GET", at+"x"), ask(t, c, "GET", w.Seeds()[0]+"print?page=4&ref=x"); digest(a.body) == digest(b.body) {
		t.Error("two pages with the same bytes")
	}
}

func TestNoSuchTrap(t *testing.T) {
	w, without := start(t, Config{Seed: 7, Pages: 100, Traps: true}), start(t, Config{Seed: 7, Pages: 100})
	for _, path := range []string{"calendar/2024/13/", "calendar/24/5/", "calendar?month=may", "calendar", "print?page=x", "print?ref=y", "none-77777.html?sid=1"} {
		if got := ask(t, client(t, w), "GET", w.Seeds()[0]+path); got.StatusCode != 404 {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	for _, path := range []string{"calendar/2024/05/", "shop", "deep/a/", "print?page=1", "?sid=1"} {
		if got := ask(t, client(t, without), "GET", without.Seeds()[0]+path); got.StatusCode != 404 {
			t.Errorf("%s without traps: %d", path, got.StatusCode)
		}
	}
	if truth := without.Truth(); len(truth.Traps) > 0 || truth.Trap(without.Seeds()[0]+"deep/a/") != "" {
		t.Error("traps in the truth of a web without them")
	}
}
