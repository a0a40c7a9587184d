// Package sitemap reads what sites list their pages in: sitemaps and sitemap indexes of sitemaps.org, in XML or plain text, RSS 0.9x,
// 1.0 and 2.0, and Atom 0.3 and 1.0, each also compressed with gzip.
//
// Such files are often wrong, and mostly it is clear what was meant. So the kind is told by what is in the file, not by its media
// type; elements are known by their local names in any case, with any name space and prefix but those of extensions (images,
// news, videos); an unescaped "&" stands for itself; what is not well-formed is passed over; and a file that ends too early
// keeps what came before. Entities are never expanded beyond the predefined ones: what a file declares itself stands for nothing.
//
// The package only reads. Whether a page that is listed may be visited, because it is on another host, say, is the caller's
// matter.
package sitemap

import (
	"errors"
	"fmt"
	"io"
	"time"

	"example.org/trawl/weburl"
)

// What is read of one file at most: the bounds of the sitemaps protocol.
const (
	MaxSize    = 50 << 20 // octets, decompressed
	MaxEntries = 50_000
)

// ErrNotSitemap is what Parse wraps when the file is none: an HTML page, say, or nothing at all. The message tells.
var ErrNotSitemap = errors.New("not a sitemap or feed")

// Kind is what a file is.
type Kind string

// The kinds.
const (
	URLSet Kind = "urlset" // a sitemap in XML
	Index  Kind = "index"  // a sitemap of sitemaps
	Text   Kind = "text"   // a URL a line
	RSS    Kind = "rss"    // of any version
	Atom   Kind = "atom"   // of any version
)

// defaultPriority is that of a page whose sitemap does not say.
const defaultPriority = 0.5

// Entry is a page that a sitemap or feed lists, or a sitemap that an index does.
type Entry struct {
	URL        string    // canonical, as weburl.Canonical has it
	LastMod    time.Time // in UTC; zero when it is not said or not understood
	Priority   float64   // from 0 to 1; 0.5 when it is not said
	ChangeFreq string    // always, hourly, daily, weekly, monthly, yearly or never; "" when none of these is said
}

// File is what a file lists, in its order, doubles included.
type File struct {
	Kind      Kind
	Entries   []Entry
	Sitemaps  []Entry // of an index
	Skipped   int     // entries without a URL that could be visited
	Truncated bool    // there is or was more: a bound was met, or the file ends in its middle
}

// Parse reads the file that was found at url with the given media type, as the Content-Type header has it or "". Of the media
// type only the character set is believed.
//
// What is beyond MaxSize or MaxEntries is left out. An error wraps ErrNotSitemap, or that of url, or is r's own; with the last,
// the file has what was read before. The end of r in the middle is no error.
func Parse(r io.Reader, url, mediaType string) (File, error) {
	base, err := weburl.Canonical(url)
	if err != nil {
		return File{}, fmt.Errorf("sitemap: %w", err)
	}
	in, err := open(r, mediaType)
	if err != nil {
		return File{}, fmt.Errorf("sitemap %s: %w", base, err)
	}
	p := &parser{in: in, base: base, host: hostOf(base)}
	if in.isXML() {
		err = p.xml()
	} else {
		err = p.text()
	}
	if err != nil {
		return File{}, fmt.Errorf("sitemap %s: %w", base, err)
	}
	p.file.Truncated = p.file.Truncated || in.cutShort()
	if err := in.failure(); err != nil {
		return p.file, fmt.Errorf("sitemap %s: %w", base, err)
	}
	return p.file, nil
}

// parser is a file being read.
type parser struct {
	in   *input
	base string // what relative references are resolved against
	host string // of the file
	file File

	format   *format           // nil until the root was seen
	root     string            // its local name
	core     map[string]bool   // prefixes that are not those of extensions
	entities map[string]string // that the file declares
	item     *item             // that is open, or nil
	field    *field            // of the item, likewise
	skip     string            // the element that is passed over, or ""
	depth    int               // how often it is open
	closed   bool              // the root was
}

// add adds what an entry says, and tells whether there is room for more.
func (p *parser) add(base, ref string, e Entry, index bool) bool {
	e.URL = p.resolve(base, ref)
	if e.URL == "" {
		p.file.Skipped++
		return true
	}
	if len(p.file.Entries)+len(p.file.Sitemaps) == MaxEntries {
		p.file.Truncated = true
		return false
	}
	if index {
		p.file.Sitemaps = append(p.file.Sitemaps, e)
	} else {
		p.file.Entries = append(p.file.Entries, e)
	}
	return true
}
