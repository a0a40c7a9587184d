package sqlite

import (
	"errors"
	"strings"

	"example.org/trawl/catalog"
	"example.org/trawl/weburl"
)

// allowance is how many pages a bounded part of a crawl has.
type allowance struct {
	pages   int64
	changed bool
}

// allowance returns the row of that name. A host's begins with the pages it has by then, a folder's with none.
func (t *tx) allowance(crawl int64, name string) (*allowance, error) {
	key := mazeKey{crawl, name}
	if a, ok := t.allowances[key]; ok {
		return a, nil
	}
	a := &allowance{}
	found, err := t.row(`SELECT pages FROM allowances WHERE crawl_id=? AND name=?`, []any{crawl, name}, &a.pages)
	if err == nil && !found && !strings.HasSuffix(name, "/") {
		var host int64
		if _, err = t.row(`SELECT id FROM hosts WHERE name=?`, []any{name}, &host); err == nil {
			a.pages, err = t.pagesOf(crawl, host)
		}
	}
	t.allowances[key] = a
	return a, err
}

// full tells whether a part of the crawl that p belongs to has all the pages that it may have.
func (in *admitting) full(p catalog.Candidate) (bool, error) {
	for _, w := range p.Within {
		a, err := in.allowance(in.a.Crawl, w.Name)
		if err != nil || a.pages >= w.Most {
			return true, err
		}
	}
	return false, nil
}

// fill counts p in the parts of the crawl that it belongs to.
func (in *admitting) fill(p catalog.Candidate) error {
	var errs []error
	for _, w := range p.Within {
		a, err := in.allowance(in.a.Crawl, w.Name)
		a.pages, a.changed = a.pages+1, true
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// refill counts a page that was left out in those parts of the crawl that are bounded by now. By how much, only who admits knows: so
// there may be as many more as were let in at once.
func (t *tx) refill(p heldPage) error {
	bounded, err := t.row(`SELECT 1 FROM allowances WHERE crawl_id=? LIMIT 1`, []any{p.crawl}, new(int))
	if err != nil || !bounded && len(t.allowances) == 0 {
		return err
	}
	path := weburl.Path(p.url)
	names := []string{weburl.Host(p.url)}
	for i := range path {
		if path[i] == '/' {
			names = append(names, p.url[:len(p.url)-len(path)+i+1])
		}
	}
	for _, name := range names {
		key := mazeKey{p.crawl, name}
		if _, ok := t.allowances[key]; !ok {
			known, err := t.row(`SELECT 1 FROM allowances WHERE crawl_id=? AND name=?`, []any{p.crawl, name}, new(int))
			if err != nil {
				return err
			}
			if !known {
				continue
			}
		}
		a, err := t.allowance(p.crawl, name)
		if err != nil {
			return err
		}
		a.pages, a.changed = a.pages+1, true
	}
	return nil
}

func (t *tx) flushAllowances() error {
	for k, a := range t.allowances {
		if !a.changed {
			continue
		}
		if _, err := t.exec(`INSERT INTO allowances (crawl_id, name, pages) VALUES (?,?,?) ON CONFLICT DO UPDATE SET pages=excluded.pages`, k.crawl, k.name, a.pages); err != nil {
			return err
		}
		a.changed = false
	}
	return nil
}
