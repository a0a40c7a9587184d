package extract

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// patience is how long a page may keep the parser. An honest megabyte takes about 30 ms.
const patience = 2 * time.Second

var errSlow = errors.New("the page keeps the parser too long")

// parseTree parses a page as a browser without scripts does, so that what noscript holds is seen. It fails on pages that are
// nested deeper than the parser allows (512), and on those that are made to keep it busy.
func parseTree(page []byte, within time.Duration) (*html.Node, error) {
	r := &hurriedReader{bytes.NewReader(page), time.Now().Add(within)}
	return html.ParseWithOptions(r, html.ParseOptionEnableScripting(false))
}

// hurriedReader reads in small pieces and fails after a moment: between two reads is the only place where the parser can be
// stopped.
type hurriedReader struct {
	r     io.Reader
	until time.Time
}

func (h *hurriedReader) Read(p []byte) (int, error) {
	if time.Now().After(h.until) {
		return 0, errSlow
	}
	return h.r.Read(p[:min(len(p), 4<<10)])
}

// walk collects from what is below n. Text is left out where mute is set.
func (c *collector) walk(n *html.Node, mute bool) {
	for n := n.FirstChild; n != nil; n = n.NextSibling {
		switch n.Type {
		case html.TextNode:
			if !mute {
				c.text.write(n.Data)
			}
		case html.ElementNode:
			c.visit(n, mute)
		}
	}
}

func (c *collector) visit(n *html.Node, mute bool) {
	role := roleOf(n.DataAtom)
	if n.Namespace == "" {
		if n.DataAtom == atom.Template {
			return // its content is no part of the page
		}
		c.element(n.DataAtom, n.Attr)
		if n.DataAtom == atom.Title && !c.titled {
			c.setTitle(childText(n))
		}
		if _, hidden := attr(n.Attr, "hidden"); hidden {
			role = silent
		}
	}
	if mute || role == silent {
		c.walk(n, true)
		return
	}
	c.edge(role)
	c.walk(n, false)
	c.edge(role)
}

// edge separates what is in an element from what is beside it.
func (c *collector) edge(r role) {
	switch r {
	case block:
		c.text.newline()
	case cell:
		c.text.space()
	}
}

// childText is the text that is directly in n.
func childText(n *html.Node) string {
	var b strings.Builder
	for t := n.FirstChild; t != nil; t = t.NextSibling {
		if t.Type == html.TextNode {
			b.WriteString(t.Data)
		}
	}
	return b.String()
}
