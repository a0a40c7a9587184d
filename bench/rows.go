package main

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/extract"
	"example.org/trawl/frontier"
	"example.org/trawl/simhash"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// rowsAtOnce is how many stages of a crawl write at the same time.
const rowsAtOnce = 64

// rows writes pages that were got and read before, as a crawl does.
type rows struct {
	cat   *sqlite.Catalog
	crawl int64
	pages map[string]page

	mu   sync.Mutex
	seen map[string]bool
}

// page is what is written of one.
type page struct {
	catalog.Storing
	links []catalog.Candidate
}

// rowsFloor writes the rows of all pages, or makes all pages searchable that are written.
func rowsFloor(urls []string, get func(string) ([]byte, string, error), dir, kind string) (m measured, err error) {
	ctx := context.Background()
	r := &rows{pages: map[string]page{}, seen: map[string]bool{}}
	if err := r.read(urls, get); err != nil {
		return m, err
	}
	if r.cat, err = sqlite.Open(ctx, filepath.Join(dir, "catalog.db"), quietLog); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, r.cat.Close()) }()
	if err := r.submit(ctx, urls); err != nil {
		return m, err
	}
	if m, err = timed(func() error { return r.write(ctx) }); err != nil || kind == "catalog" {
		return m, err
	}
	return timed(func() error { return r.index(ctx) })
}

// read gets the pages and finds what is to be written of them.
func (r *rows) read(urls []string, get func(string) ([]byte, string, error)) error {
	known := map[string]bool{}
	for _, u := range urls {
		known[u] = true
	}
	return each(atOnce, urls, func(u string) error {
		body, contentType, err := get(u)
		if err != nil {
			return err
		}
		doc, err := extract.HTML(body, contentType, u, "bench")
		p := page{Storing: catalog.Storing{
			Status: 200, FinalURL: u, MIME: "text/html", Charset: doc.Charset, Size: int64(len(body)), Title: doc.Title, Description: doc.Description, Lang: doc.Lang,
			Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(body)), Payload: fmt.Sprintf("sha1:%x", sha1.Sum(body)), Print: simhash.Of(doc.Text), Text: doc.Text, Follow: true, Searchable: true, FetchedAt: time.Now(), WARC: catalog.WARC{File: "bench.warc.gz", Length: int64(len(body))},
		}}
		for _, l := range doc.Links {
			p.Links = append(p.Links, l.URL)
			if known[l.URL] {
				looks := frontier.LookAt(l.URL)
				p.links = append(p.links, catalog.Candidate{URL: l.URL, Host: weburl.Host(l.URL), Reach: tasks.NoLimit, Maze: looks.Maze, Form: looks.Form})
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.pages[u] = p
		return err
	})
}

// submit makes the roots known, and the hosts free to be visited.
func (r *rows) submit(ctx context.Context, urls []string) error {
	var roots []string
	for _, u := range urls {
		if weburl.Path(u) == "/" {
			roots = append(roots, u)
		}
	}
	cr, err := submitCrawl(ctx, r.cat, roots, int64(10*len(urls)))
	if err != nil {
		return err
	}
	r.crawl = cr.ID
	a := catalog.Admission{Crawl: cr.ID, Submitter: "bench", Origin: string(tasks.OriginSeed), Now: time.Now()}
	for _, u := range roots {
		r.seen[u] = true
		a.Pages = append(a.Pages, catalog.Candidate{URL: u, Host: weburl.Host(u), Reach: tasks.NoLimit})
	}
	if _, err := r.cat.Admit(ctx, a); err != nil {
		return err
	}
	for known := 0; known < len(roots); {
		batches, err := r.promote(ctx)
		if err != nil {
			return err
		}
		if len(batches) == 0 {
			return fmt.Errorf("%d of %d hosts were handed out", known, len(roots))
		}
		for _, b := range batches {
			known++
			allow := catalog.Robots{State: catalog.RobotsAllow, At: time.Now(), Until: time.Now().Add(time.Hour)}
			if err := r.cat.SetRobots(ctx, b.HostID, b.RobotsVisit, allow); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *rows) promote(ctx context.Context) ([]catalog.Batch, error) {
	return r.cat.Promote(ctx, catalog.Window{Now: time.Now(), Lease: time.Hour, Horizon: time.Minute, Total: 10_000, NewID: tasks.NewID})
}

// write hands out, stores and admits until all pages are stored.
func (r *rows) write(ctx context.Context) error {
	for stored := 0; stored < len(r.pages); {
		batches, err := r.promote(ctx)
		if err != nil {
			return err
		}
		var visits []catalog.Promoted
		for _, b := range batches {
			visits = append(visits, b.Pages...)
		}
		if len(visits) == 0 {
			return fmt.Errorf("%d of %d pages were handed out", stored, len(r.pages))
		}
		if err := each(rowsAtOnce, visits, func(v catalog.Promoted) error { return r.store(ctx, v) }); err != nil {
			return err
		}
		stored += len(visits)
	}
	return nil
}

// store writes a page, and then where it leads.
func (r *rows) store(ctx context.Context, v catalog.Promoted) error {
	p := r.pages[v.URL]
	p.Page, p.Visit = v.ID, v.Visit
	lead, err := r.cat.Store(ctx, p.Storing)
	if err != nil || lead == nil {
		return err
	}
	a := catalog.Admission{
		Crawl: r.crawl, Submitter: "bench", Origin: string(tasks.OriginLink), From: v.URL, Finder: v.ID, FinderForm: frontier.LookAt(v.URL).Form,
		Lead: lead, Now: time.Now(), Pages: r.unseen(p.links, lead.Depth+1),
	}
	if _, err := r.cat.Admit(ctx, a); err != nil {
		return err
	}
	return nil
}

// unseen are the links that were not admitted yet, as stages remember them too.
func (r *rows) unseen(links []catalog.Candidate, depth int) (out []catalog.Candidate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range links {
		if l.Depth = depth; !r.seen[l.URL] {
			r.seen[l.URL] = true
			out = append(out, l)
		}
	}
	return out
}

// index makes all pages searchable.
func (r *rows) index(ctx context.Context) error {
	const batch = 500 // as the stage does
	for all := 0; all < len(r.pages); {
		n, err := r.cat.IndexBatch(ctx, batch)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%d of %d pages are searchable", all, len(r.pages))
		}
		all += n
	}
	return nil
}

// submitCrawl adds a crawl without a delay, as a submission does.
func submitCrawl(ctx context.Context, cat *sqlite.Catalog, roots []string, most int64) (catalog.Crawl, error) {
	s := tasks.Defaults()
	s.Delay, s.PerHost, s.MaxPages = 0, 16, most
	settings, err := json.Marshal(s)
	if err != nil {
		return catalog.Crawl{}, err
	}
	var in []string
	for _, u := range roots {
		in = append(in, frontier.Root(string(s.Scope), u))
	}
	return cat.Submit(ctx, "default", in, time.Now(), func(json.RawMessage) (catalog.Crawl, error) {
		limits := catalog.Limits{Delay: s.Delay, PerHost: s.PerHost, Adapt: !s.NoAdapt}
		return catalog.Crawl{Settings: settings, Limits: limits, MaxPages: s.MaxPages, MazePages: s.MazePages}, nil
	})
}
