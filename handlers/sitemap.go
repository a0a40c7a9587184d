package handlers

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/robots"
	"example.org/trawl/sitemap"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// readSitemap fills s with what a sitemap or feed lists. A file that is none has no links, and that is all.
func (c *Crawler) readSitemap(ctx context.Context, t tasks.Store, s *catalog.Storing, body []byte) error {
	f, err := sitemap.Parse(bytes.NewReader(body), t.URL(), t.ContentType)
	if err != nil && !errors.Is(err, sitemap.ErrNotSitemap) {
		return err
	}
	if err != nil || f.Truncated || f.Skipped > 0 {
		c.Log.WarnContext(ctx, "sitemap", "url", t.URL(), "entries", len(f.Entries)+len(f.Sitemaps), "skipped", f.Skipped, "truncated", f.Truncated, "err", err)
	}
	for _, e := range f.Sitemaps {
		s.Links = append(s.Links, listed{url: e.URL, sitemap: true, modified: e.LastMod}.String())
	}
	for _, e := range f.Entries {
		s.Links = append(s.Links, listed{url: e.URL, modified: e.LastMod}.String())
	}
	s.Follow = len(s.Links) > 0
	return nil
}

// lists are the sitemaps and feeds that a page leads to: its feeds, and for a page that was submitted the sitemaps of its host.
func (c *Crawler) lists(ctx context.Context, v tasks.Visit, feeds []string) (out []string, err error) {
	if v.Depth == 0 {
		h, err := c.Catalog.Host(ctx, weburl.Host(v.URL))
		if err != nil {
			return nil, err
		}
		for _, raw := range robots.Parse(h.Robots.Body).Sitemaps() {
			if u, err := weburl.Resolve(h.Name+"/", raw); err == nil {
				out = append(out, listed{url: u, sitemap: true}.String())
			}
		}
	}
	for _, u := range feeds {
		out = append(out, listed{url: u, sitemap: true}.String())
	}
	return out, nil
}

// listed is a link with what a sitemap says of it. In the catalog it is a line, whose parts have tabs between them; no URL has one.
type listed struct {
	url      string
	sitemap  bool
	modified time.Time
}

func (l listed) String() string {
	if !l.sitemap && l.modified.IsZero() {
		return l.url
	}
	kind, at := "page", ""
	if l.sitemap {
		kind = "sitemap"
	}
	if !l.modified.IsZero() {
		at = strconv.FormatInt(l.modified.Unix(), 10)
	}
	return l.url + "\t" + kind + "\t" + at
}

// parseListed reads a line of a page's links, most of which are nothing but a URL.
func parseListed(line string) listed {
	url, rest, ok := strings.Cut(line, "\t")
	l := listed{url: url}
	if ok {
		kind, at, _ := strings.Cut(rest, "\t")
		l.sitemap = kind == "sitemap"
		if sec, err := strconv.ParseInt(at, 10, 64); err == nil {
			l.modified = time.Unix(sec, 0)
		}
	}
	return l
}
