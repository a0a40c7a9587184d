package sqlite_test

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"example.org/trawl/catalog"
	"example.org/trawl/internal/catalogtest"
)

// first makes a database as the first version of the program left it in the middle of two crawls: four hosts (robots.txt read, not
// read, not to be had, being read), each with pages in all states and of all priorities.
func first(t *testing.T, path string, now time.Time) {
	t.Helper()
	ctx := t.Context()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	p, err := goose.NewProvider(database.DialectSQLite3, db, os.DirFS("migrations"))
	must(t, err)
	_, err = p.UpTo(ctx, 1)
	must(t, err)
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := db.ExecContext(ctx, query, args...)
		must(t, err)
	}
	for i, crawl := range []string{"a", "b"} {
		exec(`INSERT INTO crawls (id, name, settings, delay, per_host, max_pages, created) VALUES (?,?,'{}',0,1,1000,?)`, i+1, crawl, now.UnixMilli())
		exec(`INSERT INTO submitters (id, name) VALUES (?,?)`, i+1, []string{"ann", "bob"}[i])
	}
	exec(`INSERT INTO segments (id, name) VALUES (1, 'a.warc.gz')`)
	later := now.Add(time.Hour).UnixMilli()
	for h := 1; h <= 4; h++ {
		state, until, visit, lease := []int{1, 0, 3, 0}[h-1], []int64{later, 0, later, 0}[h-1], "", int64(0)
		if h == 4 {
			visit, lease = "robots-of-then", later
		}
		exec(`INSERT INTO hosts (id, name, robots_state, robots_at, robots_until, robots_fails, robots_visit, robots_lease, promote_at) VALUES (?,?,?,?,?,?,?,?,?)`,
			h, host(h), state, now.UnixMilli(), until, 4, visit, lease, []int64{0, 0, later, lease}[h-1])
		for n := range 20 {
			u := fmt.Sprintf("http://h%d.example/%d", h, n)
			key := sha256.Sum256([]byte(u))
			state := n % 5
			reason, visit := []string{"", "", "", "reset", "not_found"}[state], []string{"", "v", "v", "v", "v"}[state]
			seq, leads := 0, 0
			if state == 2 {
				seq, leads = 20*h+n, 1
			}
			exec(`INSERT INTO pages (id, crawl_id, key, host_id, submitter_id, url, origin, depth, reach, priority, state, reason, due, visit, lease, visits, first_seen, seq, leads, segment_id)
				VALUES (?,?,?,?,?,?,'seed',0,?,?,?,?,?,?,?,?,?,?,?,?)`,
				100*h+n, n%2+1, key[:16], h, n/10+1, u, 1<<30, n%3-1, state, reason, now.UnixMilli(), visit, map[bool]int64{true: later}[state == 1], min(state, 1), now.UnixMilli(), seq, leads, leads)
			switch state {
			case 2:
				exec(`INSERT INTO contents (page_id, text, links) VALUES (?, '', '')`, 100*h+n)
			case 3:
				exec(`INSERT INTO failures (page_id, kind, stage, attempts, error, first_at, last_at) VALUES (?,'reset','fetch',3,'reset',?,?)`, 100*h+n, now.UnixMilli(), now.UnixMilli())
			}
		}
	}
	for dim, ref := range []string{"crawl_id*0", "host_id", "submitter_id"} {
		exec(fmt.Sprintf(`INSERT INTO counts (crawl_id, dim, ref, waiting, queued, stored, failed, ended) SELECT crawl_id, %d, %s, sum(state=0), sum(state=1), sum(state=2), sum(state=3), sum(state=4)
			FROM pages GROUP BY crawl_id, %s`, dim, ref, ref))
	}
	exec(`INSERT INTO reasons SELECT crawl_id, reason, count(*) FROM pages WHERE reason<>'' GROUP BY crawl_id, reason`)
	exec(`UPDATE hosts SET waiting=(SELECT count(*) FROM pages WHERE host_id=hosts.id AND state=0), queued=(SELECT count(*) FROM pages WHERE host_id=hosts.id AND state=1)`)
	exec(`INSERT INTO meta (name, value) VALUES ('seq', '1000')`)
}

func host(n int) string { return fmt.Sprintf("http://h%d.example:80", n) }

// What the first version of the program left behind goes on: nothing is lost or counted twice, and every page is visited.
func TestMigrateTheFirstVersion(t *testing.T) {
	ctx, now := t.Context(), time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	path := filepath.Join(t.TempDir(), "catalog.db")
	first(t, path, now)
	c := openSoundAt(t, path)
	defer func() { must(t, c.Close()) }()
	catalogtest.Exact(t, c, now)

	visits := map[string]catalog.Promoted{}
	robots := map[string]bool{}
	window := catalog.Window{Lease: 5 * time.Minute, Horizon: time.Minute, Total: 1000, NewID: func() string { return fmt.Sprint("robots-", len(robots)) }}
	promote := func() {
		t.Helper()
		window.Now = now
		got, err := c.Promote(ctx, window)
		must(t, err)
		for _, b := range got {
			if b.RobotsVisit != "" {
				robots[b.Host] = true
				must(t, c.SetRobots(ctx, b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: now, Until: now.Add(24 * time.Hour)}))
			}
			for _, p := range b.Pages {
				visits[p.URL] = p
			}
		}
		catalogtest.Exact(t, c, now)
	}
	for range 4 {
		promote()
	}
	// Of the host whose robots.txt is being read, nothing; of the others what waited.
	if len(visits) != 12 || !robots[host(2)] || !robots[host(3)] || robots[host(1)] || robots[host(4)] {
		t.Errorf("%d pages were handed out, and robots.txt read of %v", len(visits), robots)
	}
	must(t, c.SetRobots(ctx, 4, "robots-of-then", catalog.Robots{State: catalog.RobotsAllow, At: now, Until: now.Add(24 * time.Hour)}))
	promote()
	promote()
	if len(visits) != 16 {
		t.Errorf("%d pages were handed out, want the 16 that waited", len(visits))
	}
	for u, p := range visits {
		name := u[:len("http://h1.example")]
		if h, err := c.Host(ctx, name+":80"); err != nil || "http://"+h.Site != name {
			t.Errorf("the site of %s is %q (%v)", h.Name, h.Site, err)
		}
		if _, err := c.Store(ctx, catalog.Storing{Page: p.ID, Visit: p.Visit, Status: 200, FetchedAt: now, WARC: catalog.WARC{File: "b.warc.gz"}}); err != nil {
			t.Error(err)
		}
	}
	// Visits that were under way then write now; what failed then can be tried again, and all of it recrawled.
	_, err := c.CloseVisit(ctx, catalog.Closing{Page: 101, Visit: "v", State: catalog.Failed, Reason: "tls", Now: now, Stage: "fetch", Attempts: 1, Err: "x"})
	must(t, err)
	must(t, c.Postpone(ctx, catalog.Postponed{Page: 106, Visit: "v", Due: now, Spent: true, Attempt: catalog.Attempt{At: now, Fault: "stalled"}}))
	catalogtest.Exact(t, c, now)
	failures, err := c.Failures(ctx, catalog.Choice{})
	must(t, err)
	if len(failures) != 2 || failures[0].Fault != "reset" || failures[0].Pages != 16 || failures[0].Hosts != 4 {
		t.Errorf("failures %+v", failures)
	}
	n, err := c.Retry(ctx, catalog.Choice{}, now)
	if n != 17 || err != nil {
		t.Errorf("%d pages are tried again (%v), want 17", n, err)
	}
	now = now.Add(time.Minute)
	for _, id := range []int64{1, 2} {
		_, err := c.Recrawl(ctx, id, now)
		must(t, err)
	}
	clear(visits)
	for range 4 {
		promote()
	}
	if len(visits) != 80-14 {
		t.Errorf("%d pages were handed out, want all that are not under way", len(visits))
	}
}

// The change of the tables can be taken back and made again.
func TestMigrateBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	first(t, path, now)
	for range 2 {
		c := openSoundAt(t, path)
		catalogtest.Exact(t, c, now)
		must(t, c.Close())
		db, err := sql.Open("sqlite", path)
		must(t, err)
		p, err := goose.NewProvider(database.DialectSQLite3, db, os.DirFS("migrations"))
		must(t, err)
		_, err = p.DownTo(t.Context(), 1)
		must(t, errors.Join(err, db.Close()))
	}
}
