package e2e

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestArchiveDiskFull fills the archive's disk in the middle of a crawl. Everything waits and nothing fails; when there is room
// again, all goes on by itself.
func TestArchiveDiskFull(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 61, Hosts: 10, Pages: 2000, Plain: true})
	dir, makeRoom := rig.Disk(t, "64m", 60<<20)
	warc := filepath.Join(dir, "warc")
	s := rig.NewSite(t, w, "REDIS_URL="+redistest.Start(t), "STORE_URL=file://"+warc)
	s.Must("trawl", "migrate")
	s.Start("trawl", "scheduler")
	procs := []*rig.Proc{s.Start("trawl", "worker"), s.Start("trawl", "worker")}
	n, truth := rig.Flood(t, s, w, 60, "0")

	rig.WaitFor(t, "the outage in trawl status", 60*time.Second, func() bool {
		st := s.Standing()
		return len(st.Outages) == 1 && st.Outages[0].Fault == "disk_full"
	})
	rig.WaitFor(t, "all visits to give their pages back", 30*time.Second, func() bool { return s.Standing().Sum().Queued == 0 })
	before := s.Standing()
	time.Sleep(5 * time.Second)
	after := s.Standing()
	if b, a := before.Sum(), after.Sum(); a.Failed+a.Ended > 0 || a.Waiting == 0 || a.Stored != b.Stored || a.Admitted != int64(n) ||
		after.Backlog["backpressure"] != a.Waiting {
		t.Errorf("while the disk is full: %+v, and five seconds later %+v, of which wait %v", b, a, after.Backlog)
	}
	if tried := rig.Number(t, s.Database(), `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	makeRoom()
	if st := s.WaitClosed(n, 60*time.Second); st.Sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	s.Exact(truth, warc, procs...)
}

// TestCatalogDiskFull fills the database's disk in the middle of a crawl.
func TestCatalogDiskFull(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 62, Hosts: 10, Pages: 2000, Plain: true})
	dir, makeRoom := rig.Disk(t, "64m", 55<<20)
	warc := filepath.Join(t.TempDir(), "warc")
	s := rig.NewSite(t, w, "REDIS_URL="+redistest.Start(t), "STORE_URL=file://"+warc, "TRAWL_DATA="+dir)
	s.Data = dir
	s.Must("trawl", "migrate")
	s.Start("trawl", "scheduler")
	procs := []*rig.Proc{s.Start("trawl", "worker"), s.Start("trawl", "worker")}
	n, truth := rig.Flood(t, s, w, 60, "0")

	rig.WaitFor(t, "the full disk in what a worker prints", 60*time.Second, func() bool {
		return slices.ContainsFunc(procs, func(p *rig.Proc) bool { return strings.Contains(p.Printed(), "disk_full") })
	})
	time.Sleep(10 * time.Second)
	if st := s.Standing(); st.Sum().Failed+st.Sum().Ended > 0 || st.Sum().Admitted < int64(n)/2 || st.Waits() != st.Sum().Waiting+st.Sum().Queued {
		t.Errorf("while the disk is full: %+v", st)
	}
	for _, p := range procs {
		if !p.Running() {
			t.Errorf("%v ended: %s", p.Cmd.Args, rig.Last(p.Printed(), 2000))
		}
	}
	makeRoom()
	if st := s.WaitClosed(n, 90*time.Second); st.Sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	if tried := rig.Number(t, s.Database(), `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	s.Exact(truth, warc, procs...)
}

// TestCatalogLocked has another program hold the database's lock in the middle of a crawl, for longer than anybody waits for it.
func TestCatalogLocked(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 63, Hosts: 10, Pages: 2000, Plain: true})
	s, procs := rig.Cluster(t, w, 2)
	n, truth := rig.Flood(t, s, w, 60, "300ms") // so that it is not over before the lock is had
	rig.WaitFor(t, "part of the crawl", 30*time.Second, func() bool { return s.Standing().Sum().Stored >= 50 })

	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "catalog.db")+"?_txlock=immediate&_pragma=busy_timeout(60000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lock, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Standing().Sum()
	if before.Waiting+before.Queued == 0 {
		t.Fatal("the crawl was over before the lock was had: the web is too small for this test")
	}
	time.Sleep(35 * time.Second)
	if during := s.Standing().Sum(); during != before {
		t.Errorf("while the database was locked: %+v, and then %+v", before, during)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	if st := s.WaitClosed(n, 90*time.Second); st.Sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	if tried := rig.Number(t, s.Database(), `SELECT count(*) FROM pages WHERE tries>0`); tried > 0 {
		t.Errorf("%d pages have lost a try", tried)
	}
	for _, p := range procs {
		if !p.Running() {
			t.Errorf("%v ended: %s", p.Cmd.Args, rig.Last(p.Printed(), 2000))
		}
	}
	s.Exact(truth, filepath.Join(s.Data, "warc"), procs...)
}

// TestOutageOfUp takes the resolver away from a trawl up.
func TestOutageOfUp(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 64, Hosts: 10, Pages: 1000, Plain: true})
	s := rig.NewSite(t, w)
	up := s.Start("trawl", "up")
	s.Env = append(s.Env, "REDIS_URL="+rig.RedisURL(t, up))
	rig.Trouble(t, w, lab.Trouble{DNS: "refuse"})
	n, truth := rig.Flood(t, s, w, 30, "0")
	rig.WaitFor(t, "the outage in trawl status", 30*time.Second, func() bool {
		st := s.Standing()
		return len(st.Outages) == 1 && st.Outages[0].Fault == "dns_down" && st.Sum().Admitted == int64(n)
	})
	time.Sleep(5 * time.Second)
	if st := s.Standing().Sum(); st.Failed+st.Ended+st.Stored > 0 {
		t.Errorf("during the outage: %+v", st)
	}
	rig.Trouble(t, w, lab.Trouble{})
	if st := s.WaitClosed(n, 60*time.Second); st.Sum().Stored != int64(n) || len(st.Outages) > 0 {
		t.Errorf("%+v, want all %d pages stored and no outage", st, n)
	}
	s.Exact(truth, filepath.Join(s.Data, "warc"), up)
}
