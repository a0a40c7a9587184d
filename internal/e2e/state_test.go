package e2e

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver of the catalog, to look into it beside the programs

	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
)

// standing is what trawl status --json says.
type standing struct {
	Crawls  []tally
	Backlog map[string]int64
	Unread  int64 `json:"links_waiting"`
	Outages []struct{ Fault string }
	Paused  []struct{ What, Name string }
}

// tally is a crawl in it.
type tally struct {
	Name                                             string
	Admitted, Waiting, Queued, Stored, Failed, Ended int64
	ETA                                              float64 `json:"eta_s"`
}

// sum is all crawls in one.
func (st standing) sum() (all tally) {
	for _, c := range st.Crawls {
		all.Admitted += c.Admitted
		all.Waiting += c.Waiting
		all.Queued += c.Queued
		all.Stored += c.Stored
		all.Failed += c.Failed
		all.Ended += c.Ended
	}
	return all
}

// backlog is how many pages its reasons add up to.
func (st standing) backlog() (n int64) {
	for _, v := range st.Backlog {
		n += v
	}
	return n
}

// standing asks how the crawls stand.
func (s *site) standing() (st standing) {
	s.t.Helper()
	s.asJSON(&st, "trawl", "status", "--json")
	return st
}

// asJSON runs a program that has to succeed and reads what it prints.
func (s *site) asJSON(to any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.must(args...)), to); err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
}

// cluster starts a scheduler and a number of workers on a redis-server of their own.
func cluster(t *testing.T, w *lab.Web, workers int) (*site, []*proc) {
	t.Helper()
	return clusterAt(t, w, redistest.Start(t), workers)
}

// clusterAt is cluster on the Redis at url.
func clusterAt(t *testing.T, w *lab.Web, url string, workers int) (*site, []*proc) {
	t.Helper()
	s := newSite(t, w, "REDIS_URL="+url)
	s.must("trawl", "migrate")
	s.start("trawl", "scheduler")
	procs := make([]*proc, workers)
	for i := range procs {
		procs[i] = s.start("trawl", "worker")
	}
	return s, procs
}

// pagesOf lists the URLs of up to most pages of each host, by the host's name. The web has to be plain: all of them can be stored.
func pagesOf(t *testing.T, w *lab.Web, most int) map[string][]string {
	t.Helper()
	truth, err := w.TruthFor(lab.Ask{MaxDepth: 0, NoDigests: true})
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]string{}
	for _, p := range truth.Pages {
		if host := hostOf(p.URL); len(by[host]) < most {
			by[host] = append(by[host], p.URL)
		}
	}
	return by
}

// hostOf is the name of a URL's host, without a port.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "//")
	rest, _, _ = strings.Cut(rest, "/")
	name, _, _ := strings.Cut(rest, ":")
	return name
}

// pathOf is what a request for a URL names, as the lab's log has it.
func pathOf(url string) string {
	_, rest, _ := strings.Cut(url, "//")
	_, path, _ := strings.Cut(rest, "/")
	return "/" + path
}

// enqueue submits a list of URLs, which has to succeed.
func (s *site) enqueue(urls []string, flags ...string) {
	s.t.Helper()
	if r := s.enqueued(urls, flags...); r.status != 0 {
		s.t.Fatalf("enqueue: status %d\n%s", r.status, last(r.err, 2000))
	}
}

// enqueued submits a list of URLs.
func (s *site) enqueued(urls []string, flags ...string) result {
	s.t.Helper()
	list := filepath.Join(s.t.TempDir(), "urls.txt")
	if err := os.WriteFile(list, []byte(strings.Join(urls, "\n")+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return s.run(append([]string{"enqueue", "--file", list}, flags...)...)
}

// waitClosed waits until so many pages are admitted and none is open, and returns how it all stands then.
func (s *site) waitClosed(n int, atMost time.Duration) (st standing) {
	s.t.Helper()
	waitFor(s.t, "end of all pages", atMost, func() bool {
		st = s.standing()
		all := st.sum()
		return all.Admitted >= int64(n) && all.Waiting+all.Queued == 0
	})
	return st
}

// database opens the catalog for reading, beside the programs that write it.
func (s *site) database() *sql.DB {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "catalog.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return db
}

// number asks the database for one.
func number(t *testing.T, db *sql.DB, query string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(context.WithoutCancel(t.Context()), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// pageRequests are the requests that the hosts got for anything but robots.txt.
func pageRequests(w *lab.Web) (out []lab.Request) {
	for _, r := range w.Requests() {
		if r.Path != "/robots.txt" {
			out = append(out, r)
		}
	}
	return out
}

// after are the requests that came later than a moment.
func after(list []lab.Request, at time.Time) (out []lab.Request) {
	for _, r := range list {
		if r.At.After(at) {
			out = append(out, r)
		}
	}
	return out
}

// trouble sets how the lab misbehaves from now on.
func trouble(t *testing.T, w *lab.Web, x lab.Trouble) {
	t.Helper()
	if err := w.SetTrouble(x); err != nil {
		t.Fatal(err)
	}
}
