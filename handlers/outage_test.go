package handlers_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/handlers"
)

// fullDisk is an archive whose disk may be full.
type fullDisk struct {
	handlers.Archive
	mu     sync.Mutex
	full   bool
	checks int
}

func (d *fullDisk) set(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = full
}

func (d *fullDisk) checked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.checks
}

func (d *fullDisk) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return fault.New(fault.DiskFull, errors.New("no space left on device"))
	}
	return nil
}

func (d *fullDisk) Append(ctx context.Context, x archive.Exchange) (archive.Ref, string, error) {
	if err := d.err(); err != nil {
		return archive.Ref{}, "", err
	}
	return d.Archive.Append(ctx, x)
}

func (d *fullDisk) Check(ctx context.Context) error {
	d.mu.Lock()
	d.checks++
	d.mu.Unlock()
	if err := d.err(); err != nil {
		return err
	}
	return d.Archive.Check(ctx)
}

// Ten minutes without room for the archive cost time and nothing else, and nobody is asked for pages that cannot be kept.
func TestTenMinutesOfAFullDisk(t *testing.T) {
	long(t)
	inAge(t, func(a *age) {
		d := &fullDisk{Archive: a.Archive}
		a.Archive = d
		a.start(polite(append(urls("a.test", 300), urls("b.test", 300)...)...))
		a.until(time.Minute, "begin", func() bool { return a.counts().Stored > 20 })
		d.set(true)
		began := time.Now()
		a.until(10*time.Second, "outage", func() bool {
			all, err := a.catalog.Outages(a.t.Context())
			return err == nil && len(all) == 1 && all[0].Kind == string(fault.DiskFull)
		})
		time.Sleep(time.Second)
		before := len(a.web.Requests("a.test")) + len(a.web.Requests("b.test"))
		time.Sleep(10*time.Minute - time.Since(began))
		if n := len(a.web.Requests("a.test")) + len(a.web.Requests("b.test")) - before; n > 0 {
			t.Errorf("%d requests while nothing could be kept", n)
		}
		if n := d.checked(); n > 610 || n < 500 {
			t.Errorf("the disk was tried %d times in ten minutes, want once a second", n)
		}
		if c := a.counts(); c.Failed+c.Ended > 0 {
			t.Errorf("%+v", c)
		}
		d.set(false)
		a.until(15*time.Minute, "end", a.over)
		a.allStored(600)
		if err := a.catalog.Pages(a.t.Context(), catalog.Filter{}, func(p catalog.Page) error {
			if p.Tries > 0 || p.Visits != 1 {
				t.Errorf("%s: %d tries, %d visits", p.URL, p.Tries, p.Visits)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}
