package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestTraps crawls a web with endless spaces: all real pages are found, the rest costs little, and what was left out says why.
func TestTraps(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 52, Hosts: 2, Pages: 500, Traps: true})
	s := rig.NewSite(t, w)
	s.Must(append(rig.Seeded(w, "trawl", "crawl"), "--max-pages", "100000")...)
	truth, real := w.Truth(), map[string]rig.Page{}
	stored, left := 0, ""
	for u, p := range s.Export() {
		switch {
		case truth.Trap(u) == "":
			real[u] = p
		case p["state"] == "stored":
			stored++
		case p["reason"] == "budget":
			left = u
		default:
			t.Errorf("%s: %v", u, p)
		}
	}
	rig.CheckTruth(t, truth, real)
	if stored == 0 || stored > 2*800 || left == "" {
		t.Errorf("%d pages of traps were stored; left out: %q", stored, left)
	}
	var x struct {
		Maze struct {
			Name              string
			Pages, Most, Held int
		}
	}
	res := s.Run("trawl", "explain", "--json", left)
	if err := json.Unmarshal([]byte(res.Out), &x); err != nil || x.Maze.Name == "" || x.Maze.Held == 0 || x.Maze.Pages < x.Maze.Most {
		t.Errorf("explain %s: %v %s %s", left, err, res.Out, res.Err)
	}
	if res := s.Run("trawl", "explain", left); !strings.Contains(res.Out, "--maze-pages") {
		t.Errorf("explain: %s", res.Out)
	}

	// More of it, when that is asked for.
	s.Must(append(rig.Seeded(w, "trawl", "crawl"), "--maze-pages", "150")...)
	more := 0
	for u, p := range s.Export() {
		if truth.Trap(u) != "" && p["state"] == "stored" {
			more++
		}
	}
	if more < stored+100 {
		t.Errorf("%d pages of traps, and with --maze-pages 150 %d", stored, more)
	}
}

// TestPageLimits bounds the pages of hosts and folders, and lets in more when that is asked for.
func TestPageLimits(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 53, Hosts: 2, Pages: 400, Plain: true})
	s := rig.NewSite(t, w)
	count := func() (byHost, docs map[string]int) {
		byHost, docs = map[string]int{}, map[string]int{}
		for u := range s.Export() {
			byHost[rig.HostOf(u)]++
			if strings.HasPrefix(rig.PathOf(u), "/docs/") {
				docs[rig.HostOf(u)]++
			}
		}
		return byHost, docs
	}
	s.Must(append(rig.Seeded(w, "trawl", "crawl"), "--max-host-pages", "60", "--max-path-pages", "/docs/=5")...)
	hosts, docs := count()
	for _, seed := range w.Seeds() {
		if h := rig.HostOf(seed); hosts[h] != 60 || docs[h] != 5 {
			t.Errorf("%s has %d pages, %d of them below /docs/", h, hosts[h], docs[h])
		}
	}
	s.Must(append(rig.Seeded(w, "trawl", "crawl"), "--max-host-pages", "0", "--max-path-pages", "/docs/=0")...)
	rig.CheckTruth(t, w.Truth(), s.Export())
	for _, bad := range []string{"docs/=5", "/docs=5", "/docs/=-1", "/docs/=x"} {
		if res := s.Run("trawl", "crawl", "--max-path-pages", bad, w.Seeds()[0]); res.Status != 2 || !strings.Contains(res.Err, "--max-path-pages") {
			t.Errorf("--max-path-pages %s: status %d, %s", bad, res.Status, res.Err)
		}
	}
	if res := s.Run("trawl", "explain", fmt.Sprint(w.Seeds()[0], "x?utm_source=y")); !strings.Contains(res.Out, "session") {
		t.Errorf("explain says nothing of a session: %s", res.Out)
	}
}
