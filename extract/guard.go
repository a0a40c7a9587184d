package extract

import (
	"bytes"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A formatting element that is left open is opened anew in every block that follows (HTML Standard, section 13.2.4.3), so that
// n of them and m blocks make n × m nodes: eleven kilobytes of tags can become a hundred megabytes of tree. These bounds keep
// a tree below some hundreds of megabytes whatever the page; honest pages of several megabytes are within them.
const (
	maxTags     = 1 << 19 // tags of a page that becomes a tree
	maxReopened = 1 << 20 // tags times formatting elements left open
	maxOpen     = 512     // the parser's own bound on open elements
	maxRoots    = 64      // html and body tags; each is merged with all before it
)

// fitForTree tells whether the tree of a page stays in proportion to the page. It counts first and looks closely only where
// the count is suspicious.
func fitForTree(page []byte) bool {
	tags := bytes.Count(page, []byte("<"))
	if tags > maxTags {
		return false
	}
	formatting, roots := countTags(page)
	if roots > maxRoots {
		return false
	}
	if tags*min(formatting, maxOpen) <= maxReopened {
		return true
	}
	return tags*min(countLeftOpen(page), maxOpen) <= maxReopened
}

// countTags counts what may be the start of a formatting element, and of html or body, comments and all.
func countTags(page []byte) (formatting, roots int) {
	for {
		i := bytes.IndexByte(page, '<')
		if i < 0 {
			return formatting, roots
		}
		page = page[i+1:]
		switch a := atom.Lookup(tagName(page)); {
		case isFormatting(a):
			formatting++
		case a == atom.Html || a == atom.Body:
			roots++
		}
	}
}

// tagName is the lower-case name at the start of s if it may be one that countTags looks for; the longest is "strike".
func tagName(s []byte) []byte {
	var name [7]byte
	for i := range name {
		if i == len(s) || 'a' > s[i]|0x20 || s[i]|0x20 > 'z' {
			return name[:i]
		}
		name[i] = s[i] | 0x20
	}
	return nil
}

// countLeftOpen counts the formatting elements of which it is not sure that they are closed again before anything else happens.
// Those are sure that are nested in order and hold only text, each other, and what cannot come between an element and its end.
func countLeftOpen(page []byte) int {
	z := html.NewTokenizer(bytes.NewReader(page))
	var open []atom.Atom
	n := 0
	for n < maxOpen {
		tt := z.Next()
		if tt == html.ErrorToken {
			break
		}
		if tt == html.TextToken || tt == html.CommentToken {
			continue
		}
		name, _ := z.TagName()
		a := atom.Lookup(name)
		start := tt != html.EndTagToken
		last := len(open) - 1
		switch {
		case start && (isFormatting(a) || a == atom.A):
			open = append(open, a)
		case start && a == atom.Noscript:
			z.NextIsNotRawText()
		case !start && last >= 0 && open[last] == a:
			open = open[:last]
		case a == atom.Br || a == atom.Img || a == atom.Wbr || a == atom.Span:
		default:
			n += countNamed(open)
			open = open[:0]
		}
	}
	return n + countNamed(open)
}

// countNamed leaves out a, of which there can only be one at a time.
func countNamed(open []atom.Atom) int {
	n := 0
	for _, a := range open {
		if a != atom.A {
			n++
		}
	}
	return n
}

// isFormatting follows the list in section 13.2.4.2, without a.
func isFormatting(a atom.Atom) bool {
	switch a {
	case atom.B, atom.Big, atom.Code, atom.Em, atom.Font, atom.I, atom.Nobr, atom.S, atom.Small, atom.Strike, atom.Strong,
		atom.Tt, atom.U:
		return true
	}
	return false
}
