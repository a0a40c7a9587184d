package extract

import (
	"bytes"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// flat collects from a page tag by tag, without making a tree: for pages that are nested too deep, or made to make the tree
// explode. It needs time in proportion to the page whatever is in it, and differs from the tree only where tags are so misused
// that a browser would move or repeat elements.
func (c *collector) flat(page []byte) {
	z := html.NewTokenizer(bytes.NewReader(page))
	var in quiet
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			switch {
			case in.element == 0:
				c.text.write(string(z.Text()))
			case in.element == atom.Title:
				c.setTitle(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.DataAtom == atom.Noscript {
				z.NextIsNotRawText() // without scripts it is an element like others
			}
			c.flatStart(t, &in)
		case html.EndTagToken:
			name, _ := z.TagName()
			a := atom.Lookup(name)
			if in.element == 0 {
				c.edge(roleOf(a))
			}
			in.close(a)
		}
	}
}

func (c *collector) flatStart(t html.Token, in *quiet) {
	if in.element != atom.Template {
		c.element(t.DataAtom, t.Attr)
	}
	if in.element == 0 {
		c.edge(roleOf(t.DataAtom))
	}
	foreign := t.DataAtom == atom.Svg || t.DataAtom == atom.Math
	if t.Type == html.StartTagToken || !foreign { // the slash means nothing in HTML
		in.open(t.DataAtom)
	}
}

// quiet is the outermost silent element that is open, and how many of its name are open within.
type quiet struct {
	element atom.Atom
	depth   int
}

func (q *quiet) open(a atom.Atom) {
	switch {
	case q.element == 0 && roleOf(a) == silent:
		q.element, q.depth = a, 1
	case q.element == a && a != 0:
		q.depth++
	}
}

func (q *quiet) close(a atom.Atom) {
	if q.element == 0 || q.element != a {
		return
	}
	if q.depth--; q.depth == 0 {
		q.element = 0
	}
}
