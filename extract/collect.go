package extract

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// collector takes from the elements of a page, in document order, what Document needs. References stay as they are written
// until the end, for a base element may come after them.
type collector struct {
	agent string

	title         string
	titled        bool
	description   string
	ogDescription string

	lang, contentLanguage string

	base      string // href of the first base element that has one
	based     bool
	canonical string
	feeds     []string
	refs      []ref
	text      folder

	noIndex, noFollow bool
}

// ref is a reference to another page as it is written.
type ref struct {
	url      string
	from     string
	nofollow bool
}

// maxRefs is how many references of a page are looked at to find MaxLinks different links.
const maxRefs = 10 * MaxLinks

// read collects from a whole page, which must be valid UTF-8.
func read(page []byte, agent string) *collector {
	c := newCollector(page, agent)
	if c.plain(string(page)) {
		return c
	}
	c = newCollector(page, agent)
	if fitForTree(page) {
		if root, err := parseTree(page, patience); err == nil {
			c.walk(root, false)
			return c
		}
	}
	c.flat(page)
	return c
}

func newCollector(page []byte, agent string) *collector {
	c := &collector{agent: agent}
	c.text.buf = make([]byte, 0, min(len(page)/2, MaxText))
	return c
}

// element takes what matters from an HTML element; its text and children are the caller's.
func (c *collector) element(a atom.Atom, attrs []html.Attribute) {
	switch a {
	case atom.A:
		c.anchor("a", attrs)
	case atom.Area:
		c.anchor("area", attrs)
	case atom.Frame:
		c.frame("frame", attrs)
	case atom.Iframe:
		c.frame("iframe", attrs)
	case atom.Link:
		c.link(attrs)
	case atom.Meta:
		c.meta(attrs)
	case atom.Base:
		if href, ok := attr(attrs, "href"); ok && !c.based {
			c.base, c.based = href, true
		}
	case atom.Html:
		if lang, ok := attr(attrs, "lang"); ok {
			c.lang = language(lang)
		} else if lang, ok = attr(attrs, "xml:lang"); ok {
			c.lang = language(lang)
		}
	}
}

func (c *collector) refer(url, from string, nofollow bool) {
	if len(c.refs) < maxRefs {
		c.refs = append(c.refs, ref{url, from, nofollow})
	}
}

func (c *collector) anchor(from string, attrs []html.Attribute) {
	if href, ok := attr(attrs, "href"); ok {
		rel, _ := attr(attrs, "rel")
		c.refer(href, from, hasToken(rel, "nofollow"))
	}
}

func (c *collector) frame(from string, attrs []html.Attribute) {
	if src, ok := attr(attrs, "src"); ok && src != "" {
		c.refer(src, from, false)
	}
}

// link takes the canonical URL, and as links only what leads a reader to another page: the next and the previous part, and
// other versions in HTML. Style sheets, icons, feeds and hints to browsers are no pages.
func (c *collector) link(attrs []html.Attribute) {
	href, ok := attr(attrs, "href")
	if !ok || href == "" {
		return
	}
	rel, _ := attr(attrs, "rel")
	if hasToken(rel, "canonical") && c.canonical == "" {
		c.canonical = href
	}
	switch {
	case hasToken(rel, "stylesheet"):
		return
	case hasToken(rel, "next"), hasToken(rel, "prev"), hasToken(rel, "previous"):
	case hasToken(rel, "alternate") && isPageType(attrs):
	case hasToken(rel, "alternate") && isFeedType(attrs) && len(c.feeds) < MaxFeeds:
		c.feeds = append(c.feeds, href)
		return
	default:
		return
	}
	c.refer(href, "link", hasToken(rel, "nofollow"))
}

// isPageType tells whether the type attribute, where there is one, says HTML.
func isPageType(attrs []html.Attribute) bool {
	typ, _ := attr(attrs, "type")
	switch mediaType(typ) {
	case "text/html", "application/xhtml+xml":
		return true
	}
	return strings.TrimSpace(typ) == ""
}

// isFeedType tells whether the type attribute says RSS or Atom.
func isFeedType(attrs []html.Attribute) bool {
	typ, _ := attr(attrs, "type")
	switch mediaType(typ) {
	case "application/rss+xml", "application/atom+xml":
		return true
	}
	return false
}

func (c *collector) meta(attrs []html.Attribute) {
	content, ok := attr(attrs, "content")
	if !ok {
		return
	}
	if pragma, ok := attr(attrs, "http-equiv"); ok {
		switch {
		case strings.EqualFold(pragma, "refresh"):
			if url, ok := refreshURL(content); ok {
				c.refer(url, "refresh", false)
			}
		case strings.EqualFold(pragma, "content-language") && c.contentLanguage == "":
			c.contentLanguage = language(content)
		}
	}
	if property, _ := attr(attrs, "property"); strings.EqualFold(property, "og:description") && c.ogDescription == "" {
		c.ogDescription = line(content)
	}
	name, _ := attr(attrs, "name")
	name = strings.TrimSpace(name)
	switch {
	case name == "":
	case strings.EqualFold(name, "description"):
		if c.description == "" {
			c.description = line(content)
		}
	case strings.EqualFold(name, "robots"), strings.EqualFold(name, c.agent):
		i, f := metaDirectives(content)
		c.noIndex, c.noFollow = c.noIndex || i, c.noFollow || f
	}
}

// setTitle takes the text of a title element; the first element counts, even an empty one.
func (c *collector) setTitle(s string) {
	if !c.titled {
		c.title, c.titled = line(s), true
	}
}

// attr returns the value of the first attribute called key.
func attr(attrs []html.Attribute, key string) (value string, ok bool) {
	for i := range attrs {
		if attrs[i].Key == key && attrs[i].Namespace == "" {
			return attrs[i].Val, true
		}
	}
	return "", false
}

// language returns s if it looks like a language tag, or "". Longer ones than RFC 5646 section 4.4.1 asks parsers to hold say
// nothing of use.
func language(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 35 {
		return ""
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return ""
		}
	}
	return s
}
