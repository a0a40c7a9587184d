package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/fault"
)

// busyWriter keeps the writer busy until release is called: what waits by then shares its transaction. What became of the busy
// one itself is sent to first.
func busyWriter(t *testing.T, c *Catalog) (first <-chan error, release func()) {
	t.Helper()
	began, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		runs := 0
		done <- c.write.do(t.Context(), func(*tx) error {
			if runs++; runs == 1 {
				close(began)
				<-end
			}
			return nil
		})
	}()
	<-began
	return done, func() { close(end) }
}

// waitFor waits until n writes wait for the writer.
func waitFor(t *testing.T, c *Catalog, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(c.write.ops) < n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d writes wait, want %d", len(c.write.ops), n)
		}
	}
}

// A function that fails takes nothing with it: not those that share its transaction, and not what they counted.
func TestGroupCommit(t *testing.T) {
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := t.Context()
	bad := errors.New("bad")
	first, release := busyWriter(t, c)
	const n = 30
	errs := make([]chan error, n)
	runs := make([]int, n)
	for i := range n {
		errs[i] = make(chan error, 1)
		go func() {
			errs[i] <- c.write.do(ctx, func(t *tx) error {
				runs[i]++
				t.move(place{crawl: 1, host: 1, submitter: 1, lane: 1}, none, waiting)
				if _, err := t.exec(`INSERT INTO meta (name, value) VALUES (?, '')`, fmt.Sprint(i)); err != nil {
					return err
				}
				switch i {
				case 7:
					return bad
				case 19:
					_, err := t.exec(`INSERT INTO meta (name, value) VALUES ('0', '')`) // or the other way round: there is one of each name
					if err == nil {
						_, err = t.exec(`INSERT INTO nowhere VALUES (1)`)
					}
					return err
				}
				return nil
			})
		}()
	}
	waitFor(t, c, n)
	release()
	if err := <-first; err != nil {
		t.Error(err)
	}
	for i := range n {
		err := <-errs[i]
		if failed := i == 7 || i == 19; (err != nil) != failed {
			t.Errorf("write %d: %v, want an error: %v", i, err, failed)
		}
	}
	var names, counted int
	if err := c.reads.QueryRowContext(ctx, `SELECT count(*) FROM meta WHERE name<>'identity'`).Scan(&names); err != nil {
		t.Fatal(err)
	}
	if err := c.reads.QueryRowContext(ctx, `SELECT waiting FROM counts WHERE crawl_id=1 AND dim=0`).Scan(&counted); err != nil {
		t.Fatal(err)
	}
	if names != n-2 || counted != n-2 {
		t.Errorf("%d rows were written and %d counted, want %d", names, counted, n-2)
	}
	if runs[0] != 2 {
		t.Errorf("the writes ran %v times: they shared no transaction, and this test shows nothing", runs)
	}
}

// A host's pages may be admitted and promoted in one transaction. The delay that holds there is then the one of the crawl that
// has just come to the host, not none at all.
func TestPromotionSeesWhatItsTransactionAdmitted(t *testing.T) {
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, now := t.Context(), time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	cr, err := c.Submit(ctx, "a", nil, now, func(json.RawMessage) (catalog.Crawl, error) {
		return catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{Delay: time.Minute, PerHost: 1}, MaxPages: 100}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	admit := func(from int) error {
		a := catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "seed", Now: now}
		for i := range 10 {
			a.Pages = append(a.Pages, catalog.Candidate{URL: fmt.Sprint("http://example.org/", from+i), Host: "http://example.org:80"})
		}
		_, err := c.Admit(ctx, a)
		return err
	}
	window := catalog.Window{Now: now, Lease: time.Minute, Horizon: 5 * time.Minute, Total: 100, NewID: func() string { return "robots" }}
	// The host is known, with its robots.txt, and has no page open.
	if err := admit(0); err != nil {
		t.Fatal(err)
	}
	b, err := c.Promote(ctx, window)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetRobots(ctx, b[0].HostID, "robots", catalog.Robots{State: catalog.RobotsAllow, At: now, Until: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if b, err = c.Promote(ctx, window); err != nil {
			t.Fatal(err)
		}
		if len(b) != 1 || len(b[0].Pages) != 5 {
			t.Fatalf("promoted %+v, want the 5 pages of the host that fit into 5 minutes, one a minute", b)
		}
		window.Now = window.Now.Add(window.Horizon) // its window is full until then
		for _, p := range b[0].Pages {
			if _, err := c.CloseVisit(ctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "x", Now: now}); err != nil {
				t.Fatal(err)
			}
		}
	}
	first, release := busyWriter(t, c)
	admitted := make(chan error, 1)
	go func() { admitted <- admit(100) }()
	waitFor(t, c, 1)
	promoted := make(chan error, 1)
	go func() {
		b, err = c.Promote(ctx, window)
		promoted <- err
	}()
	waitFor(t, c, 2)
	release()
	if err := errors.Join(<-first, <-admitted, <-promoted); err != nil {
		t.Fatal(err)
	}
	if len(b) != 1 || b[0].Delay != time.Minute || len(b[0].Pages) != 5 {
		t.Errorf("promoted %+v, want the 5 pages of the host that fit into 5 minutes, one a minute", b)
	}
}

// Writes that wait for a database that another program has locked meet that trouble together, and not one after the other.
func TestWritesFailTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "catalog.db")
	c, err := Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.write.conn.ExecContext(t.Context(), `PRAGMA busy_timeout=1000`); err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", uri(path)+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 20
	errs := make(chan error, n)
	for range n {
		go func() { errs <- c.SetMeta(t.Context(), "a", "b") }()
	}
	waitFor(t, c, n-1)
	for i := range n {
		if err := <-errs; fault.KindOf(err) != fault.CatalogDown {
			t.Errorf("write %d: %v", i, err)
		}
		if i == 0 { // whoever were to try by itself would succeed from here on
			if err := lock.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.SetMeta(t.Context(), "a", "b"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A write that is not even taken in before its time is up has met the database's trouble, and not a bug.
func TestTooManyWrites(t *testing.T) {
	c, err := Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first, release := busyWriter(t, c)
	errs := make(chan error, groupSize)
	for range groupSize {
		go func() { errs <- c.SetMeta(t.Context(), "a", "b") }()
	}
	waitFor(t, c, groupSize)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := c.SetMeta(ctx, "c", "d"); fault.KindOf(err) != fault.CatalogDown {
		t.Errorf("%v is of kind %s", err, fault.KindOf(err))
	}
	release()
	for range groupSize {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}
