package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
	"example.org/trawl/internal/catalogtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, path string) *sqlite.Catalog {
	t.Helper()
	c, err := sqlite.Open(t.Context(), path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalog(t *testing.T) {
	catalogtest.Run(t, openSound)
}

// Two processes share nothing but the files.
func TestTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	a, b := open(t, path), open(t, path)
	catalogtest.Concurrent(t, a, b)
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

// However many processes start at once, the tables are made once.
func TestManyOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "catalog.db")
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			c, err := sqlite.Open(t.Context(), path, quiet)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(c.Check(t.Context()), c.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// fill admits a page, stores it and makes it searchable.
func fill(t *testing.T, c *sqlite.Catalog) {
	t.Helper()
	ctx, now := t.Context(), time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	cr, err := c.Submit(ctx, "a", []string{"host x"}, now, func(json.RawMessage) (catalog.Crawl, error) {
		return catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{PerHost: 1}, MaxPages: 10}, nil
	})
	must(t, err)
	_, err = c.Admit(ctx, catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "seed", Now: now, Pages: []catalog.Candidate{
		{URL: "http://example.org/", Host: "http://example.org:80", Reach: 1}, {URL: "http://example.org/2", Host: "http://example.org:80", Depth: 1},
	}})
	must(t, err)
	w := catalog.Window{Now: now, Lease: time.Minute, Horizon: time.Hour, Total: 2, NewID: func() string { return "robots" }}
	got, err := c.Promote(ctx, w)
	must(t, err)
	must(t, c.SetRobots(ctx, got[0].HostID, "robots", catalog.Robots{State: catalog.RobotsRead, Body: []byte("x"), At: now, Until: now.Add(time.Hour)}))
	got, err = c.Promote(ctx, w)
	must(t, err)
	p := got[0].Pages[0]
	_, err = c.Store(ctx, catalog.Storing{
		Page: p.ID, Visit: p.Visit, Status: 200, Size: 5, Text: "walrus", Links: []string{"http://example.org/2"}, Follow: true, Searchable: true, FetchedAt: now,
		WARC: catalog.WARC{File: "f"},
	})
	must(t, err)
	must(t, c.SetMeta(ctx, "epoch", "1"))
	must(t, c.Pause(ctx, "crawl", "a", now))
	must(t, c.Pause(ctx, "host", "http://example.org:80", now.Add(time.Second)))
	must(t, c.Declare(ctx, catalog.Outage{Kind: "dns_down", Since: now, Err: "no server answers"}, now))
	must(t, c.SetQuota(ctx, catalog.Quota{Submitter: "bob", Weight: 300, Most: 10, PerMinute: 20}))
	must(t, c.NoteHost(ctx, "http://example.org:80", "192.0.2.1", 3*time.Second))
	if n, err := c.IndexBatch(ctx, 10); n != 1 || err != nil {
		t.Fatalf("%d pages were indexed (%v)", n, err)
	}
}

// said is everything that a catalog answers.
func said(t *testing.T, c *sqlite.Catalog) map[string]any {
	t.Helper()
	ctx, end := t.Context(), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	out := map[string]any{}
	put := func(what string, v any, err error) {
		t.Helper()
		must(t, err)
		out[what] = v
	}
	batches, err := c.Promote(ctx, catalog.Window{Now: end, Lease: time.Minute, Horizon: time.Minute, Total: 10, NewID: func() string { return "robots" }})
	put("promoted while it is paused", batches, err)
	cr, err := c.Crawl(ctx, "a")
	put("crawl", cr, err)
	tallies, err := c.Status(ctx)
	put("status", tallies, err)
	backlog, err := c.Backlog(ctx, end)
	put("backlog", backlog, err)
	var pages []catalog.Page
	err = c.Pages(ctx, catalog.Filter{Text: true, Links: true}, func(p catalog.Page) error { pages = append(pages, p); return nil })
	put("pages", pages, err)
	h, err := c.Host(ctx, "http://example.org:80")
	put("host", h, err)
	leases, err := c.Leases(ctx, end, 10)
	put("leases", leases, err)
	leads, err := c.Leads(ctx, end, 10)
	put("leads", leads, err)
	epoch, err := c.Meta(ctx, "epoch")
	put("meta", epoch, err)
	lag, err := c.IndexLag(ctx)
	put("lag", lag, err)
	pauses, err := c.Pauses(ctx)
	put("pauses", pauses, err)
	outages, err := c.Outages(ctx)
	put("outages", outages, err)
	quotas, err := c.Quotas(ctx)
	put("quotas", quotas, err)
	found, err := c.Search(ctx, catalog.Query{Words: "walrus", Limit: 9})
	put("found", found, err)
	return out
}

func TestReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := open(t, path)
	fill(t, c)
	before := said(t, c)
	if n := len(before["pauses"].([]catalog.Pause)); n != 2 {
		t.Fatalf("%d things are paused, want 2", n)
	}
	must(t, c.Close())
	c = open(t, path)
	if diff := cmp.Diff(before, said(t, c)); diff != "" {
		t.Errorf("after it was opened again (-before +after):\n%s", diff)
	}
	must(t, c.Close())

	// The index can be made again from the catalog.
	for _, f := range []string{"index.db", "index.db-wal", "index.db-shm"} {
		if err := os.Remove(filepath.Join(filepath.Dir(path), f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	c = open(t, path)
	defer c.Close()
	if lag, err := c.IndexLag(t.Context()); lag != 1 || err != nil {
		t.Errorf("index lag %d without an index (%v)", lag, err)
	}
	if n, err := c.IndexBatch(t.Context(), 10); n != 1 || err != nil {
		t.Fatalf("%d pages were indexed (%v)", n, err)
	}
	if diff := cmp.Diff(before, said(t, c)); diff != "" {
		t.Errorf("after the index was made again (-before +after):\n%s", diff)
	}
}

// What SQLite takes for a part of its URIs may well stand in a folder's name.
func TestOddPaths(t *testing.T) {
	for _, name := range []string{"größe a:b", "100%", "%41", "a?b=c&d", "a#b", "'\";+", `back\slash`} {
		dir := filepath.Join(t.TempDir(), name)
		c := open(t, filepath.Join(dir, "catalog.db"))
		fill(t, c)
		said(t, c)
		must(t, c.Close())
		for _, f := range []string{"catalog.db", "index.db"} {
			if st, err := os.Stat(filepath.Join(dir, f)); err != nil || st.Size() == 0 {
				t.Errorf("folder %q: no %s in it (%v)", name, f, err)
			}
		}
		around, err := os.ReadDir(filepath.Dir(dir))
		must(t, err)
		if len(around) != 1 {
			t.Errorf("folder %q: files beside it: %v", name, around)
		}
	}
	t.Chdir(t.TempDir())
	c := open(t, "catalog.db")
	fill(t, c)
	said(t, c)
	must(t, c.Close())
}

func TestDamage(t *testing.T) {
	garbage := func(t *testing.T, path string) {
		must(t, os.WriteFile(path, []byte(strings.Repeat("no database at all ", 1000)), 0o644))
	}
	overwrite := func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt(bytes.Repeat([]byte{0x5a}, 8192), 100)
		must(t, errors.Join(err, f.Close()))
	}
	for name, tt := range map[string]struct {
		file   string
		damage func(*testing.T, string)
		way    string
	}{
		"catalog is no database": {"catalog.db", garbage, "put a backup in its place, or move it away"},
		"catalog is damaged":     {"catalog.db", overwrite, "put a backup in its place, or move it away"},
		"catalog is a folder":    {"catalog.db", func(t *testing.T, p string) { must(t, errors.Join(os.Remove(p), os.Mkdir(p, 0o755))) }, "another TRAWL_DATA"},
		"index is no database":   {"index.db", garbage, "it can be made again from the catalog: move it away"},
		"index is damaged":       {"index.db", overwrite, "it can be made again from the catalog: move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "catalog.db")
			c := open(t, path)
			fill(t, c)
			must(t, c.Close())
			tt.damage(t, filepath.Join(dir, tt.file))
			c, err := sqlite.Open(t.Context(), path, quiet)
			if err == nil {
				_ = c.Close()
				t.Fatal("opened it")
			}
			for _, want := range []string{filepath.Join(dir, tt.file), tt.way} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestNewerDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c := open(t, path)
	fill(t, c)
	must(t, c.Close())
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`)
	must(t, errors.Join(err, db.Close()))
	for what, open := range map[string]func() error{
		"open": func() error {
			_, err := sqlite.Open(t.Context(), path, quiet)
			return err
		},
		"migrate": func() error { return sqlite.Migrate(t.Context(), path) },
	} {
		err := open()
		if !errors.Is(err, catalog.ErrNewer) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "99999") {
			t.Errorf("%s: %v, want %v with file and version", what, err, catalog.ErrNewer)
		}
	}
}

func TestUnwritable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Run("folder below a file", func(t *testing.T) { // not even root can write there
			file := filepath.Join(t.TempDir(), "file")
			must(t, os.WriteFile(file, nil, 0o644))
			_, err := sqlite.Open(t.Context(), filepath.Join(file, "data", "catalog.db"), quiet)
			if err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v, want one that names %s", err, file)
			}
		})
	}
	t.Run("folder without permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may write anywhere")
		}
		dir := t.TempDir()
		must(t, os.Chmod(dir, 0o500))
		path := filepath.Join(dir, "catalog.db")
		_, err := sqlite.Open(t.Context(), path, quiet)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want one that names %s", err, path)
		}
	})
}

// A write that was handed over is seen through; one that comes after the end is told so.
func TestWritesAfterClose(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	must(t, c.Close())
	if err := c.Check(t.Context()); fault.KindOf(err) != fault.Stopped {
		t.Errorf("error %v, want %s", err, fault.Stopped)
	}
}

// A search that is given up leaves the next one whole: the two files are joined on a connection that has to be kept.
func TestSearchGivenUp(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "catalog.db"))
	defer c.Close()
	fill(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	for range 20 {
		go cancel()
		_, _ = c.Search(ctx, catalog.Query{Words: "walrus", Limit: 9})
		if got, err := c.Search(t.Context(), catalog.Query{Words: "walrus", Limit: 9}); err != nil || got.Total != 1 {
			t.Fatalf("%d pages found (%v)", got.Total, err)
		}
		ctx, cancel = context.WithCancel(t.Context())
	}
	cancel()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
