package e2e

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
)

// disk is a small disk of its own, and a file that takes up most of it.
func disk(t *testing.T, size string, ballast int) (dir string, makeRoom func()) {
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

// checkArchive reads the body of every stored page, and of nothing else, where the catalog says that it is.
func checkArchive(t *testing.T, dir string, pages map[string]page) {
	t.Helper()
	store, err := archive.Open(dir, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for url, p := range pages {
		at, ok := p["warc"].(map[string]any)
		if !ok {
			t.Errorf("%s: %v", url, p)
			continue
		}
		rec, err := store.Read(archive.Ref{File: at["file"].(string), Offset: int64(at["offset"].(float64)), Length: int64(at["length"].(float64))})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		body, err := io.ReadAll(rec.Body)
		sum := sha256.Sum256(body)
		if got := "sha256:" + hex.EncodeToString(sum[:]); err != nil || got != p.str("digest") {
			t.Errorf("%s: %d bytes, %v, that are not the page's", url, len(body), err)
		}
		rec.Body.Close()
	}
	indexes, err := filepath.Glob(filepath.Join(dir, "*.cdxj"))
	if err != nil || len(indexes) == 0 {
		t.Fatalf("no index in %s (%v)", dir, err)
	}
	for _, name := range indexes {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			var e struct{ URL string }
			if err := json.Unmarshal([]byte(line[strings.IndexByte(line, '{'):]), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if pages[e.URL] == nil && pathOf(e.URL) != "/robots.txt" {
				t.Errorf("%s is in the archive and is no page", e.URL)
			}
		}
	}
}

// flood submits pages of all hosts that are there to be stored at once, or a delay apart, and tells what is right.
func flood(t *testing.T, s *site, w *lab.Web, each int, delay string) (n int, truth lab.Truth) {
	t.Helper()
	var all []string
	for _, urls := range pagesOf(t, w, each) {
		all = append(all, urls...)
	}
	slices.Sort(all)
	truth, err := w.TruthFor(lab.Ask{Seeds: all, MaxDepth: 0})
	if err != nil {
		t.Fatal(err)
	}
	s.enqueue(all, "--delay", delay)
	return len(all), truth
}

// exact stops the workers, and compares truth, catalog and archive. An outage has a kind of its own: what a worker takes for a bug
// costs a try, though not one that the catalog counts.
func (s *site) exact(truth lab.Truth, warc string, procs ...*proc) {
	s.t.Helper()
	pages := s.export()
	checkTruth(s.t, truth, pages)
	for _, p := range procs {
		p.stop(s.t)
		if strings.Contains(p.printed(), `"fault":"internal"`) {
			s.t.Errorf("%v took an outage for a bug", p.cmd.Args)
		}
	}
	checkArchive(s.t, warc, pages)
}

// TestArchiveDiskFull fills the archive's disk in the middle of a crawl. Everything waits and nothing fails; when there is room
// again, all goes on by itself.
func TestArchiveDiskFull(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 61, Hosts: 10, Pages: 2000, Plain: true})
	dir, makeRoom := disk(t, "64m", 60<<20)
	warc := filepath.Join(dir, "warc")
	s := newSite(t, w, "REDIS_URL="+redistest.Start(t), "STORE_URL=file://"+warc)
	s.must("trawl", "migrate")
	s.start("trawl", "scheduler")
	procs := []*proc{s.start("trawl", "worker"), s.start("trawl", "worker")}
	n, truth := flood(t, s, w, 60, "0")

	waitFor(t, "the outage in trawl status", 60*time.Second, func() bool {
		st := s.standing()
		return len(st.Outages) == 1 && st.Outages[0].Fault == "disk_full"
	})
	waitFor(t, "all visits to give their pages back", 30*time.Second, func() bool { return s.standing().sum().Queued == 0 })
	before := s.standing()
	time.Sleep(5 * time.Second)
	after := s.standing()
	if b, a := before.sum(), after.sum(); a.Failed+a.Ended > 0 || a.Waiting == 0 || a.Stored != b.Stored || a.Admitted != int64(n) ||
		after.Backlog["backpressure"] != a.Waiting {
		t.Errorf("while the disk is full: %+v, and five seconds later %+v, of which wait %v", b, a, after.Backlog)
	}
	if tried := number(t, s.database(), `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	makeRoom()
	if st := s.waitClosed(n, 60*time.Second); st.sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	s.exact(truth, warc, procs...)
}

// TestCatalogDiskFull fills the database's disk in the middle of a crawl.
func TestCatalogDiskFull(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 62, Hosts: 10, Pages: 2000, Plain: true})
	dir, makeRoom := disk(t, "64m", 55<<20)
	warc := filepath.Join(t.TempDir(), "warc")
	s := newSite(t, w, "REDIS_URL="+redistest.Start(t), "STORE_URL=file://"+warc, "TRAWL_DATA="+dir)
	s.data = dir
	s.must("trawl", "migrate")
	s.start("trawl", "scheduler")
	procs := []*proc{s.start("trawl", "worker"), s.start("trawl", "worker")}
	n, truth := flood(t, s, w, 60, "0")

	waitFor(t, "the full disk in what a worker prints", 60*time.Second, func() bool {
		return slices.ContainsFunc(procs, func(p *proc) bool { return strings.Contains(p.printed(), "disk_full") })
	})
	time.Sleep(10 * time.Second)
	if st := s.standing(); st.sum().Failed+st.sum().Ended > 0 || st.sum().Admitted < int64(n)/2 || st.backlog() != st.sum().Waiting+st.sum().Queued {
		t.Errorf("while the disk is full: %+v", st)
	}
	for _, p := range procs {
		if !p.running() {
			t.Errorf("%v ended: %s", p.cmd.Args, last(p.printed(), 2000))
		}
	}
	makeRoom()
	if st := s.waitClosed(n, 90*time.Second); st.sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	if tried := number(t, s.database(), `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	s.exact(truth, warc, procs...)
}

// TestCatalogLocked has another program hold the database's lock in the middle of a crawl, for longer than anybody waits for it.
func TestCatalogLocked(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 63, Hosts: 10, Pages: 2000, Plain: true})
	s, procs := cluster(t, w, 2)
	n, truth := flood(t, s, w, 60, "300ms") // so that it is not over before the lock is had
	waitFor(t, "part of the crawl", 30*time.Second, func() bool { return s.standing().sum().Stored >= 50 })

	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "catalog.db")+"?_txlock=immediate&_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := s.standing().sum()
	if before.Waiting+before.Queued == 0 {
		t.Fatal("the crawl was over before the lock was had: the web is too small for this test")
	}
	time.Sleep(35 * time.Second)
	if during := s.standing().sum(); during != before {
		t.Errorf("while the database was locked: %+v, and then %+v", before, during)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if st := s.waitClosed(n, 90*time.Second); st.sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	if tried := number(t, s.database(), `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	for _, p := range procs {
		if !p.running() {
			t.Errorf("%v ended: %s", p.cmd.Args, last(p.printed(), 2000))
		}
	}
	s.exact(truth, filepath.Join(s.data, "warc"), procs...)
}

// TestOutageOfUp takes the resolver away from a trawl up.
func TestOutageOfUp(t *testing.T) {
	whole(t)
	w := web(t, lab.Config{Seed: 64, Hosts: 10, Pages: 1000, Plain: true})
	s := newSite(t, w)
	up := s.start("trawl", "up")
	s.env = append(s.env, "REDIS_URL="+redisURL(t, up))
	trouble(t, w, lab.Trouble{DNS: "refuse"})
	n, truth := flood(t, s, w, 30, "0")
	waitFor(t, "the outage in trawl status", 30*time.Second, func() bool {
		st := s.standing()
		return len(st.Outages) == 1 && st.Outages[0].Fault == "dns_down" && st.sum().Admitted == int64(n)
	})
	time.Sleep(5 * time.Second)
	if st := s.standing().sum(); st.Failed+st.Ended+st.Stored > 0 {
		t.Errorf("during the outage: %+v", st)
	}
	trouble(t, w, lab.Trouble{})
	if st := s.waitClosed(n, 60*time.Second); st.sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	s.exact(truth, filepath.Join(s.data, "warc"), up)
}
