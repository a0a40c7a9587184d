package handlers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/extract"
	"example.org/trawl/fault"
	"example.org/trawl/robots"
	"example.org/trawl/simhash"
	"example.org/trawl/sitemap"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// robotsFresh is how long a robots.txt holds (RFC 9309 §2.4).
const robotsFresh = 24 * time.Hour

// Store reads what was fetched, writes page and counters in one transaction, and sends the page's links on to admit.
func (c *Crawler) Store(ctx context.Context, t tasks.Store) (tasks.Result, error) {
	if t.Visit.Robots {
		return c.storeRobots(ctx, t)
	}
	s := catalog.Storing{
		Page: t.Visit.Page, Visit: t.Visit.ID, Unchanged: t.Unchanged, Status: t.Status, FinalURL: t.FinalURL, Size: t.Size, Digest: t.Digest, Payload: t.Payload,
		Truncated: t.Truncated, ETag: t.ETag, LastModified: t.Modified, FetchedAt: t.At, WARC: catalog.WARC(t.WARC), Took: catalog.Took(t.Took),
	}
	crawl, err := c.crawl(ctx, t.Visit.Crawl)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("store %s: %w", t.Visit.URL, err)
	}
	s.Plan = crawl.seen(t.At, !t.Unchanged)
	if !t.Unchanged {
		if err := c.read(ctx, crawl, t, &s); err != nil {
			return tasks.Result{}, fmt.Errorf("store %s: %w", t.Visit.URL, err)
		}
	}
	fact := tasks.Fact{Bytes: t.Size, Status: t.Status, Digest: t.Digest, WARC: t.WARC}
	lead, err := c.Catalog.Store(ctx, s)
	switch {
	case errors.Is(err, catalog.ErrFenced):
		fact.Reason = "superseded by another visit"
		return tasks.Done().With(fact), nil
	case err != nil:
		return tasks.Result{}, fmt.Errorf("store %s: %w", t.Visit.URL, err)
	}
	if lead != nil && !t.Unchanged && !t.Visit.Sitemap {
		o := catalog.Outlinks{Page: lead.Page, URL: lead.URL, Depth: lead.Depth, Reach: lead.Reach, Links: s.Links}
		c.links.put(batch(lead), o, linksOf(o), linksSize)
	}
	res := tasks.Then(expand(lead)...).With(fact)
	if s.Searchable {
		c.announce(&res)
	}
	c.refill(ctx, &res, refillEvery, false)
	return res, nil
}

// read fills s with what the body says.
func (c *Crawler) read(ctx context.Context, crawl *crawl, t tasks.Store, s *catalog.Storing) error {
	body, err := c.body(t)
	if err != nil {
		return err
	}
	s.MIME = extract.MIME(body, t.ContentType)
	if t.Visit.Sitemap {
		return c.readSitemap(ctx, t, s, body)
	}
	doc, err := c.document(body, t, s.MIME)
	if err != nil {
		c.Log.WarnContext(ctx, "body cannot be read", "url", t.URL(), "mime", s.MIME, "err", err)
	}
	noindex, nofollow := extract.Directives(t.RobotsTag, c.Policy.Agent)
	s.Charset, s.Title, s.Description, s.Lang, s.Canonical, s.Text = doc.Charset, doc.Title, doc.Description, doc.Lang, doc.Canonical, doc.Text
	s.Print = simhash.Of(doc.Text)
	if s.Defers = defers(t, doc.Canonical); s.Defers {
		s.Links = append(s.Links, doc.Canonical)
	}
	for _, l := range doc.Links {
		if !l.NoFollow {
			s.Links = append(s.Links, l.URL)
		}
	}
	if crawl.settings.Sitemaps {
		lists, err := c.lists(ctx, t.Visit, doc.Feeds)
		if err != nil {
			return err
		}
		s.Links = append(s.Links, lists...)
	}
	s.Follow = !nofollow && !doc.NoFollow && len(s.Links) > 0
	s.Searchable = !noindex && !doc.NoIndex && !crawl.settings.NoIndex
	return nil
}

// defers tells whether a page names another one of its site as the canonical one.
func defers(t tasks.Store, canonical string) bool {
	return canonical != "" && canonical != t.URL() && canonical != t.Visit.URL && weburl.Site(weburl.Hostname(canonical)) == weburl.Site(weburl.Hostname(t.URL()))
}

func (c *Crawler) document(body []byte, t tasks.Store, mediaType string) (extract.Document, error) {
	switch {
	case mediaType == "text/html", mediaType == "application/xhtml+xml":
		return extract.HTML(body, t.ContentType, t.URL(), c.Policy.Agent)
	case strings.HasPrefix(mediaType, "text/"), mediaType == "application/json", strings.HasSuffix(mediaType, "+json"), strings.HasSuffix(mediaType, "+xml"),
		mediaType == "application/xml":
		return extract.PlainText(body, t.ContentType), nil
	}
	return extract.Document{}, nil
}

// body is the decoded body: from fetch, where that ran in this process a moment ago, or from the archive.
func (c *Crawler) body(t tasks.Store) ([]byte, error) {
	if b, ok := c.bodies.take(t.Visit.ID); ok {
		return b, nil
	}
	rec, err := c.Archive.Read(archive.Ref(t.WARC))
	if err != nil {
		return nil, err
	}
	defer rec.Body.Close()
	plain, err := c.Web.Decode(rec.Body, t.Encoding)
	if err != nil {
		plain = rec.Body
	}
	defer plain.Close()
	most := int64(maxRead)
	if t.Visit.Sitemap {
		most = sitemap.MaxSize
	}
	b, err := io.ReadAll(io.LimitReader(plain, most))
	if err != nil && t.Truncated == "" {
		return nil, fault.New(fault.StoreDown, fmt.Errorf("read %s: %w", t.WARC.File, err))
	}
	return b, nil
}

// maxRead bounds how much of a body is parsed.
const maxRead = 16 << 20

// announce adds the index task that will make the page searchable: one a second, due when that second is over, so that it
// comes after every page that it was announced for.
func (c *Crawler) announce(res *tasks.Result) {
	c.fresh.Store(true)
	second := time.Now().Unix()
	if c.announced.Swap(second) == second {
		return
	}
	res.Next = append(res.Next, tasks.Next{Task: tasks.Index{Batch: fmt.Sprintf("index-%d", second)}, At: time.Unix(second+1, 0)})
}

// restEvery is how often an index task is announced because nothing else is at work.
const restEvery = 250 * time.Millisecond

// rest has what was stored become searchable soon, for nothing else is at work in this process: at the end of a crawl, and between the
// pages of a slow one, nobody has to wait for the second to be over.
func (c *Crawler) rest(res *tasks.Result) {
	if !c.fresh.CompareAndSwap(true, false) {
		return
	}
	at := time.Now().Truncate(restEvery).Add(restEvery)
	res.Next = append(res.Next, tasks.Next{Task: tasks.Index{Batch: fmt.Sprintf("index-%d", at.UnixMilli())}, At: at})
}

// storeRobots reads a robots.txt; the pages of its host are then free to go.
func (c *Crawler) storeRobots(ctx context.Context, t tasks.Store) (tasks.Result, error) {
	body, err := c.body(t)
	if err != nil {
		return tasks.Result{}, fmt.Errorf("store %s: %w", t.Visit.URL, err)
	}
	body = body[:min(len(body), robots.MaxSize)]
	delay, _ := robots.Parse(body).For(c.Policy.Agent).CrawlDelay()
	return c.setRobots(ctx, t.Visit, catalog.Robots{State: catalog.RobotsRead, Body: body, CrawlDelay: delay, Until: time.Now().Add(robotsFresh)})
}

func (c *Crawler) setRobots(ctx context.Context, v tasks.Visit, r catalog.Robots) (tasks.Result, error) {
	r.At = time.Now().Truncate(time.Millisecond)
	err := c.Catalog.SetRobots(ctx, v.Page, v.ID, r)
	if errors.Is(err, catalog.ErrFenced) {
		return tasks.Done().With(tasks.Fact{Reason: "superseded by another visit"}), nil
	}
	if err != nil {
		return tasks.Result{}, fmt.Errorf("robots of %s: %w", v.URL, err)
	}
	res := tasks.Done()
	c.refill(ctx, &res, refillSoon, true)
	return res, nil
}
