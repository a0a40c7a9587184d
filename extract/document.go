// Package extract reads pages: from the octets of an HTML or text answer it makes what the catalog keeps, that is the links,
// the readable text, the metadata, and what the page asks of robots. It also tells what an answer is: media type and
// character set.
//
// A page is read as a browser without scripts reads it: HTML by the WHATWG HTML Standard, its links resolved by the URL
// Standard, its characters by the Encoding Standard. The parts are:
//
//	mime.go     what kind of answer this is
//	charset.go  in which characters it is written; decode.go turns them into UTF-8
//	plain.go    reads a page that is plainly written, with scan.go's help: most are
//	tree.go     walks the parsed page where it is not; flat.go reads those that are unfit for a tree, and guard.go tells which are
//	collect.go  takes what matters from each element
//	links.go    makes links of references
//	text.go     folds the readable text
//	robots.go   reads what page and header ask of robots
//
// Pages come from strangers: nothing here trusts them. Any octets give a Document, in time and memory that grow with the
// page's size and no faster.
package extract

import (
	"bytes"
	"fmt"
	"strings"

	"example.org/trawl/weburl"
)

// Bounds on what is taken from one page. What lies beyond is left out without an error.
const (
	MaxLinks = 10_000  // links of a page
	MaxText  = 1 << 20 // octets of readable text
	MaxURL   = 8 << 10 // octets of a link; longer ones are dropped
	MaxMeta  = 4 << 10 // octets of a title or description
	MaxFeeds = 10      // feeds that a page names
)

// Document is what a page says: everything the catalog keeps of it. All of it is valid UTF-8 without NULs.
type Document struct {
	Charset     string   // in which the page was written, as Charset has it
	Title       string   // of the first title element, white space folded
	Description string   // of <meta name=description>, or of og:description
	Lang        string   // the language tag of <html lang>, or of Content-Language in a meta element
	Canonical   string   // absolute URL of the first <link rel=canonical> without its fragment, or ""
	Feeds       []string // absolute URLs of the RSS and Atom feeds that <link rel=alternate> names

	// Links are in document order, each URL once and without its fragment.
	Links []Link

	// Text is what a reader sees: white space folded to single spaces, blocks separated by newlines. Title, scripts, styles,
	// templates, hidden elements, form fields and what is meant for browsers without some feature (noscript, noframes,
	// the inside of iframe, canvas, video) are not in it.
	Text string

	// NoIndex and NoFollow are what <meta name=robots> and <meta name=AGENT> ask together: the stricter of the two holds.
	// X-Robots-Tag asks the same in a header; see Directives.
	NoIndex, NoFollow bool
}

// Link is a page that another page names.
type Link struct {
	URL      string // absolute, http or https, as the URL Standard serialises it, without fragment
	From     string // which element names it first: a, area, link, iframe, frame, or refresh for <meta http-equiv=refresh>
	NoFollow bool   // every element that names it has rel=nofollow
}

// HTML reads a page. The URL that it was finally fetched from is base; agent is the product token to which
// <meta name=AGENT content=noindex> may speak, and may be empty. Only a base that is no absolute URL is an error: there is no
// such thing as an unreadable page.
func HTML(body []byte, contentType, base, agent string) (Document, error) {
	base, err := weburl.Parse(base)
	if err != nil {
		return Document{}, fmt.Errorf("base of page: %w", err)
	}
	charset := Charset(body, contentType, true)
	c := read(Decode(body, charset), agent)
	return c.document(base, charset), nil
}

// PlainText reads text/plain and other types that are text as they stand: lines stay lines, other white space is folded.
func PlainText(body []byte, contentType string) Document {
	charset := Charset(body, contentType, false)
	var text folder
	for line := range bytes.Lines(Decode(body, charset)) {
		if text.full {
			break
		}
		text.write(string(line))
		text.newline()
	}
	return Document{Charset: charset, Text: text.String()}
}

// document makes the catalog's view of what was collected from a page at base.
func (c *collector) document(base, charset string) Document {
	d := Document{
		Charset:     charset,
		Title:       c.title,
		Description: c.description,
		Lang:        c.lang,
		Text:        c.text.String(),
		NoIndex:     c.noIndex,
		NoFollow:    c.noFollow,
	}
	if d.Description == "" {
		d.Description = c.ogDescription
	}
	if d.Lang == "" {
		d.Lang = c.contentLanguage
	}
	r := newResolver(base, c.base, charset)
	for _, f := range c.feeds {
		if u := r.page(f); u != "" {
			d.Feeds = append(d.Feeds, u)
		}
	}
	if c.canonical != "" {
		d.Canonical = r.page(c.canonical)
	}
	d.Links = r.links(c.refs)
	return d
}

// line folds s to one line of at most MaxMeta octets.
func line(s string) string {
	f := folder{most: MaxMeta}
	f.write(s)
	return f.String()
}

// hasToken tells whether the list of words separated by white space, as in rel, has word in any case.
func hasToken(list, word string) bool {
	for w := range strings.FieldsSeq(list) {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}
