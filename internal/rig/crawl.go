package rig

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
)

// Seeded returns the arguments that submit all seeds, to be crawled at full speed.
func Seeded(w *lab.Web, program ...string) []string {
	return append(append(program, "--depth", "-1", "--delay", "0"), w.Seeds()...)
}

// Cluster starts a scheduler and a number of workers on a redis-server of their own.
func Cluster(t *testing.T, w *lab.Web, workers int) (*Site, []*Proc) {
	t.Helper()
	return ClusterAt(t, w, redistest.Start(t), workers)
}

// ClusterAt is Cluster on the Redis at url.
func ClusterAt(t *testing.T, w *lab.Web, url string, workers int) (*Site, []*Proc) {
	t.Helper()
	s := NewSite(t, w, "REDIS_URL="+url)
	s.Must("trawl", "migrate")
	s.Start("trawl", "scheduler")
	procs := make([]*Proc, workers)
	for i := range procs {
		procs[i] = s.Start("trawl", "worker")
	}
	return s, procs
}

// PagesOf lists the URLs of up to most pages of each host, by the host's name. The web has to be plain: all of them can be stored.
func PagesOf(t *testing.T, w *lab.Web, most int) map[string][]string {
	t.Helper()
	truth, err := w.TruthFor(lab.Ask{MaxDepth: 0, NoDigests: true})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]string{}
	for _, p := range truth.Pages {
		if host := HostOf(p.URL); len(by[host]) < most {
			by[host] = append(by[host], p.URL)
		}
	}
	return by
}

// HostOf is the name of a URL's host, without a port.
func HostOf(url string) string {
	_, rest, _ := strings.Cut(url, "//")
	rest, _, _ = strings.Cut(rest, "/")
	name, _, _ := strings.Cut(rest, ":")
	return name
}

// PathOf is what a request for a URL names, as the lab's log has it.
func PathOf(url string) string {
	_, rest, _ := strings.Cut(url, "//")
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

// Flood submits pages of all hosts that are there to be stored at once, or a delay apart, and tells what is right.
func Flood(t *testing.T, s *Site, w *lab.Web, each int, delay string) (n int, truth lab.Truth) {
	t.Helper()
	var all []string
	for _, urls := range PagesOf(t, w, each) {
		all = append(all, urls...)
	}
	slices.Sort(all)
	truth, err := w.TruthFor(lab.Ask{Seeds: all, MaxDepth: 0})
	if err != nil {
		t.Fatal(err)
	}
	s.Enqueue(all, "--delay", delay)
	return len(all), truth
}

// PageRequests are the requests that the hosts got for anything but robots.txt.
func PageRequests(w *lab.Web) (out []lab.Request) {
	for _, r := range w.Requests() {
		if r.Path != "/robots.txt" {
			out = append(out, r)
		}
	}
	return out
}

// After are the requests that came later than a moment.
func After(list []lab.Request, at time.Time) (out []lab.Request) {
	for _, r := range list {
		if r.At.After(at) {
			out = append(out, r)
		}
	}
	return out
}

// Trouble sets how the lab misbehaves from now on.
func Trouble(t *testing.T, w *lab.Web, x lab.Trouble) {
	t.Helper()
	if err := w.SetTrouble(x); err != nil {
		t.Fatal(err)
	}
}

// Disk is a small disk of its own, and a file that takes up most of it.
func Disk(t *testing.T, size string, ballast int) (dir string, makeRoom func()) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be mounted here, which takes root: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	name := filepath.Join(dir, "ballast")
	if err := os.WriteFile(name, make([]byte, ballast), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}
