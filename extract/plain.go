package extract

import (
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// plain collects from a page octet by octet, about five times as fast as by way of a tree, and exactly what the tree would give. It keeps
// the stack of open elements as the HTML Standard has it (section 13.2.4.2), and gives up, returning false, where a browser would put
// an element elsewhere than it is written, and where to be sure takes more rules than are worth having. What was collected until then is of
// no use.
func (c *collector) plain(page string) bool {
	if strings.IndexByte(page, 0) >= 0 {
		return false
	}
	s := plainReader{c: c, page: page}
	for s.at < len(page) {
		if !s.text() || s.at < len(page) && !s.markup() {
			return false
		}
	}
	return s.templates == 0
}

// plainReader is a page that is being read.
type plainReader struct {
	c         *collector
	page      string
	at        int
	part      part
	begun     bool // a tag was there
	standard  bool // the page says first that it is HTML of today
	rooted    bool // an html tag was there
	open      []opened
	mute      int              // silent elements that are open
	loose     int              // elements that are open, special to us and not to the parser
	headed    bool             // the head has ended
	noscript  bool             // one in the head is open
	templates int              // that are open, one in the other; what is in them is no part of the page
	form      bool             // the parser's form element pointer is set
	reopened  bool             // formatting elements were closed by others: the parser opens them again where text follows
	attrs     []html.Attribute // of the present tag
	hidden    bool             // it has an attribute that says so
}

// part of a page.
type part byte

const (
	beforeBody part = iota
	inBody
	afterBody
)

// opened is an element that is open.
type opened struct {
	a    atom.Atom
	name string // as it is written, of an element that has no atom
	role role
	mute bool // nobody reads what is in it
}

// loose tells of elements that are more than inline to us, but nothing special to the parser: it takes blocks out of them where tags
// are misnested.
func (o opened) loose() bool { return isLoose(o.a) || o.mute && o.role == inline }

// deepest bounds the elements that are open: each tag may look at all of them.
const deepest = 256

// text takes what comes before the next tag or comment.
func (s *plainReader) text() bool {
	from := s.at
	for {
		i := strings.IndexByte(s.page[s.at:], '<')
		if i < 0 {
			s.at = len(s.page)
			break
		}
		if s.at += i; s.at+1 < len(s.page) && opensMarkup(s.page[s.at+1]) {
			break
		}
		s.at++
	}
	t := s.page[from:s.at]
	if t == "" || s.templates > 0 {
		return true
	}
	if s.part != inBody || s.inTable() {
		switch blank := strings.Trim(t, htmlSpace) == ""; {
		case blank:
		case s.part == beforeBody && !s.noscript:
			s.part = inBody
		default:
			return false
		}
	}
	if s.mute == 0 {
		if strings.IndexByte(t, '&') >= 0 {
			t = html.UnescapeString(t)
		}
		s.c.text.write(t)
	}
	return true
}

// element takes what matters from an element whose start tag begins at from.
func (s *plainReader) element(a atom.Atom, from int) {
	for i := range s.attrs {
		v := s.attrs[i].Val
		if strings.IndexByte(v, '\r') >= 0 || strings.Count(v, "&") != strings.Count(v, "&amp;") {
			z := html.NewTokenizer(strings.NewReader(s.page[from:s.at])) // which knows all references
			z.Next()
			s.c.element(a, z.Token().Attr)
			return
		}
		s.attrs[i].Val = strings.ReplaceAll(v, "&amp;", "&")
	}
	s.c.element(a, s.attrs)
}

// start takes a start tag.
func (s *plainReader) start() bool {
	from := s.at
	a, name, end := s.name(from + 1)
	telling := s.templates == 0 && tells(a)
	alone, ok := s.attributes(end, telling)
	if !ok || len(s.open) > deepest {
		return false
	}
	if s.templates > 0 {
		return s.inTemplate(a, alone)
	}
	if telling {
		s.element(a, from)
	}
	if s.part == beforeBody {
		if done, ok := s.head(a, alone); done || !ok {
			return ok
		}
		s.part = inBody
	}
	return s.part == inBody && s.body(a, name, alone)
}

// tells says whether collector.element has a use for the element.
func tells(a atom.Atom) bool {
	switch a {
	case atom.A, atom.Area, atom.Iframe, atom.Link, atom.Meta, atom.Base, atom.Html:
		return true
	}
	return false
}

// inTemplate passes over what is in a template, but for elements that end the parser's list of formatting elements: one of those that is
// left open lets what is before it out of the template.
func (s *plainReader) inTemplate(a atom.Atom, alone bool) bool {
	switch a {
	case atom.Template:
		s.templates++
	case atom.Script, atom.Style, atom.Title, atom.Textarea, atom.Iframe, atom.Noembed, atom.Noframes, atom.Xmp:
		return s.raw(a, alone)
	case atom.Plaintext, atom.Select, atom.Svg, atom.Math, atom.Frameset, atom.Noscript, atom.Object, atom.Applet, atom.Marquee, atom.Caption, atom.Td, atom.Th:
		return false
	}
	return true
}

// head takes a start tag before the body, unless it opens that.
func (s *plainReader) head(a atom.Atom, alone bool) (done, ok bool) {
	if s.noscript && a != atom.Meta && a != atom.Link && a != atom.Style {
		return false, false
	}
	switch a {
	case atom.Noscript:
		s.noscript = true
		return true, !s.headed // behind the head it opens the body
	case atom.Head, atom.Meta, atom.Link, atom.Base, atom.Basefont, atom.Bgsound:
		return true, true
	case atom.Html:
		was := s.rooted
		s.rooted = true
		return true, !was && !s.hidden
	case atom.Title, atom.Style, atom.Script, atom.Noframes:
		return true, s.raw(a, alone)
	case atom.Template:
		s.templates++
		return true, true
	case atom.Body:
		s.part = inBody
		return true, !s.hidden
	case atom.Frameset, atom.Frame:
		return false, false
	}
	return false, true
}

// body takes a start tag in the body.
func (s *plainReader) body(a atom.Atom, name string, alone bool) bool {
	if s.inTable() {
		return s.table(a, alone)
	}
	if s.top().a == atom.Select && a != atom.Option && a != atom.Optgroup {
		return false
	}
	switch a {
	case atom.Script, atom.Style, atom.Title, atom.Noframes, atom.Noembed, atom.Iframe, atom.Textarea:
		return s.raw(a, alone)
	case atom.Template:
		s.templates++
	case atom.Meta, atom.Link, atom.Base, atom.Basefont, atom.Bgsound, atom.Area, atom.Input, atom.Embed, atom.Wbr, atom.Param, atom.Source,
		atom.Track, atom.Keygen:
	case atom.Img:
		s.rim(cell)
	case atom.Br:
		s.rim(block)
	case atom.Hr:
		ok := s.closeP()
		s.rim(block)
		return ok
	case atom.Td, atom.Th, atom.Tr, atom.Tbody, atom.Thead, atom.Tfoot:
		return s.closeCell() && s.table(a, alone)
	case atom.Svg:
		return alone || s.drawing()
	case atom.Option, atom.Optgroup:
		return s.top().a == atom.Select // there it does not matter whether it is closed
	case atom.P, atom.Address, atom.Article, atom.Aside, atom.Blockquote, atom.Center, atom.Details, atom.Dialog, atom.Dir, atom.Div, atom.Dl,
		atom.Fieldset, atom.Figcaption, atom.Figure, atom.Footer, atom.Header, atom.Hgroup, atom.Main, atom.Menu, atom.Nav, atom.Ol, atom.Pre,
		atom.Search, atom.Section, atom.Summary, atom.Ul:
		return s.closeP() && s.push(a, name)
	case atom.Table:
		return (s.standard || s.inScope(atom.P, atom.Button) < 0) && s.closeP() && s.push(a, name)
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return s.closeP() && !isHeading(s.top().a) && s.push(a, name)
	case atom.Form:
		was := s.form
		s.form = true
		return !was && s.closeP() && s.push(a, name)
	case atom.Li:
		return s.closeItem(atom.Li, atom.Li) && s.closeP() && s.push(a, name)
	case atom.Dd, atom.Dt:
		return s.closeItem(atom.Dd, atom.Dt) && s.closeP() && s.push(a, name)
	case atom.Button:
		return s.find(a) < 0 && s.push(a, name)
	case atom.A, atom.Nobr:
		return s.find(a) < 0 && s.loose == 0 && s.push(a, name) // the parser closes one that is open, and opens it again in what is in it
	case atom.Html, atom.Head, atom.Body, atom.Frameset, atom.Frame, atom.Caption, atom.Col, atom.Colgroup, atom.Image, atom.Isindex,
		atom.Plaintext, atom.Xmp, atom.Listing, atom.Object, atom.Applet, atom.Marquee, atom.Math, atom.Rb, atom.Rt, atom.Rtc, atom.Rp:
		return false
	default:
		return s.push(a, name)
	}
	return true
}

// rim is what is around an element that holds nothing.
func (s *plainReader) rim(r role) {
	if s.mute == 0 && !s.hidden {
		s.c.edge(r)
		s.c.edge(r)
	}
}

// table takes a start tag right in a table, where only its parts may stand.
func (s *plainReader) table(a atom.Atom, alone bool) bool {
	switch a {
	case atom.Script, atom.Style:
		return s.raw(a, alone)
	case atom.Template:
		s.templates++
		return true
	case atom.Caption:
		return s.top().a == atom.Table && s.push(a, "")
	case atom.Col, atom.Colgroup:
		return s.top().a == atom.Table
	case atom.Tbody, atom.Thead, atom.Tfoot:
		return s.closeRow() && s.closeRows() && s.push(a, "")
	case atom.Tr:
		if !s.closeRow() {
			return false
		}
		s.imply(a)
		return s.push(a, "")
	case atom.Td, atom.Th:
		s.imply(a)
		return s.push(a, "")
	}
	return false
}

// imply opens what is left out around a row or a cell.
func (s *plainReader) imply(a atom.Atom) {
	hidden := s.hidden
	s.hidden = false // that is a itself
	if s.top().a == atom.Table {
		s.push(atom.Tbody, "")
	}
	if a != atom.Tr && s.top().a != atom.Tr {
		s.push(atom.Tr, "")
	}
	s.hidden = hidden
}

func (s *plainReader) closeRow() bool { return s.top().a != atom.Tr || s.popTo(len(s.open)-1) }

func (s *plainReader) closeRows() bool { return s.top().a == atom.Table || s.popTo(len(s.open)-1) }

// closeCell closes the cell that the next one follows.
func (s *plainReader) closeCell() bool {
	for i := len(s.open) - 1; i >= 0; i-- {
		switch s.open[i].a {
		case atom.Td, atom.Th:
			return s.popTo(i)
		case atom.Table, atom.Caption, atom.Select:
			return false
		}
	}
	return false
}

// end takes an end tag.
func (s *plainReader) end() bool {
	if s.at+2 == len(s.page) || !isLetter(s.page[s.at+2]) {
		return false
	}
	a, name, end := s.name(s.at + 2)
	if _, ok := s.attributes(end, false); !ok {
		return false
	}
	switch {
	case s.templates > 0:
		if a == atom.Template {
			s.templates--
		}
		return true
	case s.part == beforeBody:
		if a == atom.Noscript {
			s.noscript = false
		}
		s.headed = s.headed || a == atom.Head
		return a != atom.Html && a != atom.Body && a != atom.Br && a != atom.P && (a != atom.Head || !s.noscript)
	case s.part == afterBody:
		return a == atom.Html
	case s.inTable():
		return s.endTable(a)
	}
	switch a {
	case atom.Html, atom.Body:
		s.part = afterBody
		return s.find(atom.Table) < 0 && s.find(atom.Select) < 0
	case atom.P:
		i := s.inScope(atom.P, atom.Button)
		if i < 0 { // makes an empty one
			s.rim(block)
			return s.find(atom.Select) < 0
		}
		return s.popTo(i)
	case atom.Li:
		return s.close(s.inScope(a, atom.Ul, atom.Ol))
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return s.top().a == a && s.popTo(len(s.open)-1)
	case atom.Form:
		return s.endForm()
	case atom.Td, atom.Th, atom.Tr, atom.Tbody, atom.Thead, atom.Tfoot, atom.Table:
		if a == atom.Td || a == atom.Th {
			return s.close(s.inScope(a))
		}
		return s.closeCell() && s.endTable(a)
	case atom.Br, atom.Template, atom.Script, atom.Style, atom.Title, atom.Textarea, atom.Svg, atom.Math:
		return false
	case atom.Option, atom.Optgroup:
		return s.top().a == atom.Select
	}
	if roleOf(a) == inline || isLoose(a) {
		return s.endInline(a, name)
	}
	if a == atom.Img {
		return true
	}
	if a == atom.Noscript {
		return s.top().a == a && s.popTo(len(s.open)-1)
	}
	return s.close(s.inScope(a))
}

// close closes the element open[i] and what is in it; there has to be one.
func (s *plainReader) close(i int) bool { return i >= 0 && s.popTo(i) }

// endTable takes an end tag right in a table.
func (s *plainReader) endTable(a atom.Atom) bool {
	switch a {
	case atom.Colgroup:
		return s.top().a == atom.Table
	case atom.Tr:
		return s.top().a == a && s.popTo(len(s.open)-1)
	case atom.Tbody, atom.Thead, atom.Tfoot:
		return s.closeRow() && s.top().a == a && s.popTo(len(s.open)-1)
	case atom.Table:
		return s.closeRow() && s.closeRows() && s.popTo(len(s.open)-1)
	}
	return false
}

// endForm closes a form that is closed as it was opened; another the parser takes off the stack alone.
func (s *plainReader) endForm() bool {
	for {
		switch s.top().a {
		case atom.P, atom.Li, atom.Dd, atom.Dt:
			if !s.popTo(len(s.open) - 1) {
				return false
			}
			continue
		}
		was := s.form
		s.form = false
		return was && !s.reopened && s.top().a == atom.Form && s.popTo(len(s.open)-1)
	}
}

// endInline closes an element that is no block to the parser. What is misnested there moves no text and no line.
func (s *plainReader) endInline(a atom.Atom, name string) bool {
	for i := len(s.open) - 1; i >= 0; i-- {
		o := s.open[i]
		if o.a == a && (a != 0 || strings.EqualFold(o.name, name)) {
			return s.popTo(i)
		}
		if o.role != inline && !isLoose(o.a) {
			break
		}
		if o.role != inline {
			return false
		}
	}
	if isFormatting(a) {
		s.reopened = true
	}
	return s.loose == 0 && roleOf(a) == inline && a != atom.A
}

func isHeading(a atom.Atom) bool {
	switch a {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		return true
	}
	return false
}

// isLoose tells of elements that say or begin something, and are nothing special to the parser.
func isLoose(a atom.Atom) bool {
	switch a {
	case atom.Legend, atom.Dialog, atom.Search, atom.Audio, atom.Video, atom.Canvas, atom.Datalist:
		return true
	}
	return false
}

// top is the element that was opened last.
func (s *plainReader) top() opened {
	if len(s.open) == 0 {
		return opened{}
	}
	return s.open[len(s.open)-1]
}

// inTable tells whether s is right in a table, and not in a cell.
func (s *plainReader) inTable() bool {
	switch s.top().a {
	case atom.Table, atom.Tbody, atom.Thead, atom.Tfoot, atom.Tr:
		return true
	}
	return false
}

// find returns the number of the last open element with that name, or -1.
func (s *plainReader) find(a atom.Atom) int {
	for i := len(s.open) - 1; i >= 0; i-- {
		if s.open[i].a == a {
			return i
		}
	}
	return -1
}

// inScope is find, but looks no further than the elements that end the standard's scope, and those that are named.
func (s *plainReader) inScope(a atom.Atom, barriers ...atom.Atom) int {
	for i := len(s.open) - 1; i >= 0; i-- {
		switch o := s.open[i].a; o {
		case a:
			return i
		case atom.Table, atom.Td, atom.Th, atom.Caption, atom.Select:
			return -1
		default:
			if slices.Contains(barriers, o) {
				return -1
			}
		}
	}
	return -1
}

// closeP closes a paragraph, as the start of a block does.
func (s *plainReader) closeP() bool {
	i := s.inScope(atom.P, atom.Button)
	return i < 0 || s.popTo(i)
}

// closeItem closes the item of a list that the next one follows.
func (s *plainReader) closeItem(a, b atom.Atom) bool {
	for i := len(s.open) - 1; i >= 0; i-- {
		switch o := s.open[i]; {
		case o.a == a, o.a == b:
			return s.popTo(i)
		case o.a == atom.Address, o.a == atom.Div, o.a == atom.P, o.role == inline, isLoose(o.a):
		default:
			return true
		}
	}
	return true
}

// push opens an element. One that is opened again wherever text follows cannot be hidden.
func (s *plainReader) push(a atom.Atom, name string) bool {
	o := opened{a: a, role: roleOf(a)}
	o.mute = o.role == silent || s.hidden
	if a == 0 {
		o.name = name
	}
	switch {
	case o.mute:
		s.mute++
	case s.mute == 0:
		s.c.edge(o.role)
	}
	if o.loose() {
		s.loose++
	}
	s.open = append(s.open, o)
	return !s.hidden || a != atom.A && !isFormatting(a)
}

// popTo closes all elements from open[i] on. It gives up if that closes by another's end what nobody reads, or a link, which would be
// opened again.
func (s *plainReader) popTo(i int) bool {
	for n := len(s.open) - 1; n >= i; n-- {
		o := s.open[n]
		switch {
		case n > i && (o.mute || o.a == atom.A):
			return false
		case o.mute:
			s.mute--
		case s.mute == 0:
			s.c.edge(o.role)
		}
		if n > i && isFormatting(o.a) {
			s.reopened = true
		}
		if o.loose() {
			s.loose--
		}
	}
	s.open = s.open[:i]
	return true
}
