package sitemap_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.org/trawl/sitemap"
	"example.org/trawl/weburl"
)

// FuzzParse holds that no octets make Parse panic, and that what it promises holds for all.
func FuzzParse(f *testing.F) {
	var cases []verdict
	readCases(f, "crawlercommons_sitemaps.json", &cases)
	for _, c := range cases {
		f.Add(c.Content, c.ContentType)
	}
	f.Add([]byte("<feed xml:base='//x/'><entry><link href=a/><!ENTITY a><< ]]>&#x110000;&#0;"), "text/xml; charset=utf-16")
	f.Add([]byte("\xff\xfe<\x00r\x00s\x00s\x00>\x00"), "")
	f.Fuzz(func(t *testing.T, body []byte, mediaType string) {
		file, err := sitemap.Parse(bytes.NewReader(body), at, mediaType)
		if err != nil {
			if !errors.Is(err, sitemap.ErrNotSitemap) || file.Kind != "" {
				t.Fatalf("%+v, %v", file, err)
			}
			return
		}
		if len(file.Entries)+len(file.Sitemaps) > sitemap.MaxEntries || file.Skipped < 0 || file.Kind == "" {
			t.Fatalf("%+v", file)
		}
		for _, e := range append(file.Entries, file.Sitemaps...) {
			if u, err := weburl.Canonical(e.URL); err != nil || u != e.URL {
				t.Fatalf("%q is canonical as %q, %v", e.URL, u, err)
			}
			if !(e.Priority >= 0 && e.Priority <= 1) {
				t.Fatalf("priority %g", e.Priority)
			}
		}
	})
}

// Entries a second, and the memory that it takes: go test -bench . -benchmem ./sitemap
func BenchmarkParse(b *testing.B) {
	const entries = 10_000
	var xml, text strings.Builder
	xml.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
	for i := range entries {
		u := fmt.Sprintf("https://www.example.org/articles/2024/some-article-of-the-day-%d.html", i)
		fmt.Fprintf(&xml, "  <url>\n    <loc>%s</loc>\n    <lastmod>2024-05-06T07:08:09+00:00</lastmod>\n    <changefreq>daily</changefreq>\n    <priority>0.8</priority>\n  </url>\n", u)
		text.WriteString(u + "\n")
	}
	xml.WriteString("</urlset>\n")
	for _, c := range []struct{ name, body string }{{"xml", xml.String()}, {"xml.gz", compress(b, xml.String())}, {"text", text.String()}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				f, err := sitemap.Parse(strings.NewReader(c.body), at, "")
				if err != nil || len(f.Entries) != entries {
					b.Fatal(len(f.Entries), err)
				}
			}
			b.ReportMetric(entries*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
