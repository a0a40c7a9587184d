package lab

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// sitemapPart is how many URLs one sitemap lists; the protocol allows 50,000.
const sitemapPart = 10_000

// robots writes a site's robots.txt; site.allowed has to say the same. The second host has its rules in two groups for this
// crawler, which are to be read as one (RFC 9309 §2.2.1).
func (m *model) robots(s *site) string {
	var b strings.Builder
	b.WriteString("# " + s.name + "\n")
	rules := []string{"Disallow: /private/\nAllow: /private/open-\n", "Disallow: /*/draft- # not ready\nDisallow: /*.bak$\n"}
	if m.plain {
		rules = []string{"Disallow:\n", ""}
	}
	delay := ""
	if m.delay > 0 {
		delay = "Crawl-delay: " + strconv.FormatFloat(m.delay.Seconds(), 'f', -1, 64) + "\n"
	}
	if s.index == 1 && !m.plain {
		b.WriteString("User-agent: TRAWL\n" + delay + rules[0] + "\nUser-agent: someotherbot\nDisallow: /\n\nuser-agent: trawl\n" + rules[1] + "\n")
	}
	b.WriteString("User-agent: *\n" + delay + rules[0] + rules[1])
	fmt.Fprintf(&b, "\nSitemap: %s/sitemap.xml\n", s.origin)
	return b.String()
}

// sitemap serves the index and its parts; false when there is no such file.
func (w *Web) sitemap(rw http.ResponseWriter, r *http.Request, s *site, at time.Time) bool {
	parts := (s.pages + sitemapPart - 1) / sitemapPart
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	if r.URL.Path == "/sitemap.xml" {
		b.WriteString(`<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
		for i := range parts {
			fmt.Fprintf(&b, "<sitemap><loc>%s/sitemaps/%d.xml.gz</loc></sitemap>\n", s.origin, i)
		}
		b.WriteString("</sitemapindex>\n")
		write(rw, r, http.StatusOK, "application/xml", b.Bytes())
		return true
	}
	name, isPart := strings.CutPrefix(r.URL.Path, "/sitemaps/")
	name, isGzip := strings.CutSuffix(name, ".xml.gz")
	part, err := strconv.Atoi(name)
	if !isPart || !isGzip || err != nil || part < 0 || part >= parts {
		return false
	}
	b.WriteString(`<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
	for k := part * sitemapPart; k < min(s.pages, (part+1)*sitemapPart); k++ {
		if w.model.inSitemap(s, k) {
			lastmod := ""
			if w.model.feeds {
				lastmod = "<lastmod>" + w.model.date(s, k, at).Format(time.RFC3339) + "</lastmod>"
			}
			fmt.Fprintf(&b, "<url><loc>%s</loc>%s</url>\n", strings.ReplaceAll(w.model.url(s, k), "&", "&amp;"), lastmod)
		}
	}
	b.WriteString("</urlset>\n")
	packed, err := compress("gzip", b.Bytes())
	if err != nil {
		write(rw, r, http.StatusInternalServerError, "text/plain", []byte(err.Error()))
		return true
	}
	write(rw, r, http.StatusOK, "application/gzip", packed)
	return true
}

// inSitemap tells whether the sitemap lists page k: all that are documents and allowed.
func (m *model) inSitemap(s *site, k int) bool {
	kd := m.kind(s, k)
	return kd.document() && s.allowed(kd)
}
