package sitemap

import (
	"strconv"
	"strings"
	"time"
)

// role is what the text of an element says about its item.
type role int

const (
	location role = iota // the URL
	fallback             // the URL where there is no other, if it is absolute
	modified             // when the page changed last
	created              // the same where it does not say
	priority
	frequency
)

// format is how one family of files is written. Names are local and in lower case.
type format struct {
	items  []string        // elements of which each is an entry
	fields map[string]role // elements within them
	spaces []string        // parts of the name spaces that its elements are in
	attrs  bool            // the URL may be an attribute of a link
	split  bool            // a second URL within an item begins another, for an end tag was forgotten
	bare   bool            // the URL may be the text of the item itself
}

// item is an entry being read.
type item struct {
	name          string // of its element
	base          string // what its references are resolved against
	ref, fallback string
	bare          strings.Builder
	modified      time.Time
	created       time.Time
	priority      float64
	frequency     string
}

// field is an element within an item, being read.
type field struct {
	name   string
	role   role
	text   strings.Builder
	nested int // elements that are open within it
}

// formatOf returns the format whose root has the local name root, and the kind of such a file. It is made anew for each file, which
// costs less than a page of it.
func formatOf(root string) (*format, Kind) {
	switch root {
	case "urlset", "url":
		return sitemaps(), URLSet
	case "sitemapindex", "sitemap":
		return sitemaps(), Index
	case "rss", "rdf", "channel":
		return &format{
			items:  []string{"item"},
			fields: map[string]role{"link": location, "guid": fallback, "pubdate": modified, "date": created},
			spaces: []string{"purl.org/rss/", "my.netscape.com/rdf/", "backend.userland.com/rss"},
			attrs:  true,
		}, RSS
	case "feed":
		return &format{
			items:  []string{"entry"},
			fields: map[string]role{"link": location, "updated": modified, "modified": modified, "published": created, "issued": created, "created": created},
			spaces: []string{"w3.org/2005/atom", "purl.org/atom/"},
			attrs:  true,
		}, Atom
	}
	return nil, ""
}

func sitemaps() *format {
	return &format{
		items:  []string{"url", "sitemap"},
		fields: map[string]role{"loc": location, "lastmod": modified, "priority": priority, "changefreq": frequency},
		spaces: []string{"/schemas/sitemap/"},
		split:  true,
		bare:   true,
	}
}

// set notes what a field says.
func (i *item) set(r role, text string) {
	text = trim(text)
	if text == "" {
		return
	}
	switch r {
	case location:
		if i.ref == "" {
			i.ref = text
		}
	case fallback:
		if isAbsolute(text) {
			i.fallback = text
		}
	case modified:
		i.modified = first(i.modified, parseTime(text))
	case created:
		i.created = first(i.created, parseTime(text))
	case priority:
		if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 0 && f <= 1 {
			i.priority = f
		}
	case frequency:
		i.frequency = frequencyOf(text)
	}
}

func first(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}

// frequencyOf is one of the protocol's words, or "".
func frequencyOf(text string) string {
	for _, word := range [...]string{"always", "hourly", "daily", "weekly", "monthly", "yearly", "never"} {
		if strings.EqualFold(text, word) {
			return word
		}
	}
	return ""
}
