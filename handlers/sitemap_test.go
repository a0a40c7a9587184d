package handlers_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

func file(mime, body string) site {
	return func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", mime)
		_, _ = io.WriteString(rw, body)
	}
}

const (
	mapIndex = `<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>http://a.test:%s/part.xml</loc></sitemap></sitemapindex>`
	mapPart  = `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
		<url><loc>http://a.test:%[1]s/listed</loc><lastmod>%[2]s</lastmod></url>
		<url><loc>http://other.test:%[1]s/elsewhere</loc></url><url><loc>http://a.test:%[1]s/secret</loc></url></urlset>`
	mapFeed = `<rss version="2.0"><channel><item><link>http://a.test:%s/news</link></item></channel></rss>`
)

// mapped is a host whose pages are found through its sitemaps and its feed alone.
func mapped(t *testing.T, modified func() string) *web {
	var w *web
	say := func(mime, format string, more ...any) site {
		return func(rw http.ResponseWriter, r *http.Request) {
			args := []any{w.port}
			for _, m := range more {
				args = append(args, m.(func() string)())
			}
			file(mime, fmt.Sprintf(format, args...))(rw, r)
		}
	}
	w = newWeb(t, map[string]site{"a.test": pages(map[string]string{
		"/": `<link rel="alternate" type="application/rss+xml" href="/feed"><a href="/linked">x</a>`, "/linked": "", "/listed": "", "/news": "", "/secret": "",
	}).with(map[string]site{
		"/robots.txt":  file("text/plain", "User-agent: *\nDisallow: /secret\nSitemap: /sitemap.xml\n"),
		"/sitemap.xml": say("application/gzip", mapIndex), "/part.xml": say("text/xml", mapPart, modified), "/feed": say("application/rss+xml", mapFeed),
	})}, nil)
	return w
}

func TestSitemapsAndFeedsAreFollowed(t *testing.T) {
	w := mapped(t, func() string { return "2020-01-01" })
	for name, c := range map[string]struct {
		task tasks.Admit
		want []string
	}{
		"not unless asked for":      {seeds(tasks.NoLimit, "", w.url("a.test", "/")), []string{"/", "/linked"}},
		"by robots.txt and by link": {seeds(tasks.NoLimit, `"sitemaps":true`, w.url("a.test", "/")), []string{"/", "/feed", "/linked", "/listed", "/news", "/part.xml", "/sitemap.xml"}},
		"a sitemap alone":           {func() tasks.Admit { t := seeds(0, "", w.url("a.test", "/sitemap.xml")); t.Sitemap = true; return t }(), []string{"/listed", "/part.xml", "/sitemap.xml"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, w.dns)
			r.crawl(c.task)
			var stored []string
			for u, s := range r.states() {
				if s == "stored" {
					stored = append(stored, u[len(w.url("a.test", "")):])
				} else if s != "ended robots" || u != w.url("a.test", "/secret") {
					t.Errorf("%s is %s", u, s)
				}
			}
			slices.Sort(stored)
			if !slices.Equal(stored, c.want) {
				t.Errorf("stored %q, want %q", stored, c.want)
			}
		})
	}
}

// A page that has changed since it was visited, as its sitemap says, is visited again; the others are not.
func TestLastModOfASitemap(t *testing.T) {
	modified := "2020-01-01"
	w := mapped(t, func() string { return modified })
	r := newRig(t, w.dns)
	again := func(visits int) {
		t.Helper()
		task := seeds(tasks.NoLimit, "", w.url("a.test", "/sitemap.xml"), w.url("a.test", "/part.xml"))
		task.Sitemap, task.Again = true, true
		r.crawl(task)
		if p, err := r.catalog.Page(t.Context(), "c", w.url("a.test", "/listed")); err != nil || p.Visits != visits || p.State != catalog.Stored {
			t.Errorf("visited %d times, %v; want %d", p.Visits, err, visits)
		}
	}
	again(1)
	again(1)
	modified = time.Now().Add(time.Hour).UTC().Format(time.RFC3339) // a clock that is ahead counts as now
	again(2)
}
