package lab

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
	"time"
)

const (
	feedLength = 10
	feedReach  = 10_000 // pages of a host among which the newest are looked for, so that a feed of a huge host costs no more
)

// feed is where a host has its feed, and of which type it is.
func (s *site) feed() (path, mime string) {
	if s.index%2 == 0 {
		return "/feed.xml", "application/rss+xml"
	}
	return "/atom.xml", "application/atom+xml"
}

// date is when a page was last changed: what Last-Modified says, where the page has one.
func (m *model) date(s *site, k int, at time.Time) time.Time {
	return m.delivery(s, k, m.kind(s, k), at).modified
}

// feedPages lists the newest HTML pages of a host that are allowed and not hidden, the newest first.
func (m *model) feedPages(s *site, at time.Time) []int {
	type dated struct {
		k    int
		date time.Time
	}
	var all []dated
	for k := range min(s.tree, feedReach) {
		if m.kind(s, k).html() && m.inSitemap(s, k) {
			all = append(all, dated{k, m.date(s, k, at)})
		}
	}
	slices.SortFunc(all, func(a, b dated) int { return cmp.Or(b.date.Compare(a.date), cmp.Compare(a.k, b.k)) })
	var pages []int
	for _, d := range all[:min(feedLength, len(all))] {
		pages = append(pages, d.k)
	}
	return pages
}

// rss is RSS 2.0.
type rss struct {
	XMLName xml.Name  `xml:"rss"`
	Version string    `xml:"version,attr"`
	Title   string    `xml:"channel>title"`
	Link    string    `xml:"channel>link"`
	About   string    `xml:"channel>description"`
	Items   []rssItem `xml:"channel>item"`
}

type rssItem struct {
	Title string `xml:"title"`
	Link  string `xml:"link"`
	GUID  string `xml:"guid"`
	Date  string `xml:"pubDate"` // RFC 822, with four digits of the year
}

// atom is a feed by RFC 4287.
type atom struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Author  string      `xml:"author>name"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID      string   `xml:"id"`
	Title   string   `xml:"title"`
	Updated string   `xml:"updated"`
	Link    atomLink `xml:"link"`
}

// feed serves a host's feed; false when it is not what was asked for.
func (w *Web) feed(rw http.ResponseWriter, r *http.Request, s *site, at time.Time) bool {
	path, mime := s.feed()
	if r.URL.Path != path {
		return false
	}
	doc := w.model.atom(s, at)
	if s.index%2 == 0 {
		doc = w.model.rss(s, at)
	}
	body, err := xml.MarshalIndent(doc, "", " ")
	if err != nil {
		notice(rw, r, http.StatusInternalServerError)
		return true
	}
	write(rw, r, http.StatusOK, mime, append([]byte(xml.Header), body...))
	return true
}

func (m *model) rss(s *site, at time.Time) any {
	doc := rss{Version: "2.0", Title: s.name, Link: s.origin + "/", About: "The newest pages of " + s.name}
	for _, k := range m.feedPages(s, at) {
		url := m.url(s, k)
		doc.Items = append(doc.Items, rssItem{m.headline(s, k), url, url, m.date(s, k, at).Format(time.RFC1123Z)})
	}
	return doc
}

func (m *model) atom(s *site, at time.Time) any {
	path, _ := s.feed()
	doc := atom{ID: s.origin + "/", Title: s.name, Author: s.name, Links: []atomLink{{"self", s.origin + path}, {Href: s.origin + "/"}}}
	for i, k := range m.feedPages(s, at) {
		url, updated := m.url(s, k), m.date(s, k, at).Format(time.RFC3339)
		if i == 0 {
			doc.Updated = updated
		}
		doc.Entries = append(doc.Entries, atomEntry{url, m.headline(s, k), updated, atomLink{Href: url}})
	}
	return doc
}

// headline is the title of an HTML page.
func (m *model) headline(s *site, k int) string {
	return m.answer(s, k, m.kind(s, k)).title
}
