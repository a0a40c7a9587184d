package extract

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

func opensMarkup(c byte) bool { return isLetter(c) || c == '/' || c == '!' || c == '?' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// markup takes the tag or comment at s.at.
func (s *plainReader) markup() bool {
	switch rest := s.page[s.at:]; {
	case isLetter(rest[1]):
		s.begun = true
		return s.start()
	case rest[1] == '/':
		s.begun = true
		return s.end()
	case strings.HasPrefix(rest, "<!--"):
		return s.comment()
	case rest[1] == '?':
		return s.past('>')
	case len(rest) > len(doctype) && strings.EqualFold(rest[:len(doctype)], doctype):
		s.standard = s.standard || !s.begun && s.part == beforeBody && strings.HasPrefix(rest[len(doctype)-len("html"):], "html>")
		return s.past('>')
	}
	return false
}

// doctype is the start of the one whose pages browsers do not treat as those of old (section 13.2.6.4.1). Others may or may not.
const doctype = "<!doctype html"

// past goes on behind the next c.
func (s *plainReader) past(c byte) bool {
	i := strings.IndexByte(s.page[s.at:], c)
	s.at += i + 1
	return i >= 0
}

// comment passes over a comment that ends as comments should.
func (s *plainReader) comment() bool {
	rest := s.page[s.at+len("<!--"):]
	n := strings.Index(rest, "--")
	if n < 0 || strings.HasPrefix(rest, ">") || strings.HasPrefix(rest, "->") {
		return false
	}
	for !strings.HasPrefix(rest[n:], "-->") {
		if strings.HasPrefix(rest[n:], "--!") {
			return false
		}
		i := strings.Index(rest[n+1:], "--")
		if i < 0 {
			return false
		}
		n += 1 + i
	}
	s.at += len("<!--") + n + len("-->")
	return true
}

// name reads the name of a tag from i on, and returns where it ends.
func (s *plainReader) name(i int) (a atom.Atom, name string, end int) {
	var lower [16]byte
	n := 0
	for end = i; end < len(s.page); end++ {
		c := s.page[end]
		if c == '>' || c == '/' || c <= ' ' && strings.IndexByte(htmlSpace, c) >= 0 {
			break
		}
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if n < len(lower) {
			lower[n] = c
		}
		n++
	}
	if n <= len(lower) {
		a = atom.Lookup(lower[:n])
	}
	return a, s.page[i:end], end
}

// attributes goes on behind the > of a tag whose name ends at i. It keeps the attributes if they are wanted. Alone says that the tag
// ends with a slash. It gives up at the end of the page.
func (s *plainReader) attributes(i int, wanted bool) (alone, ok bool) {
	p := s.page
	s.attrs, s.hidden = s.attrs[:0], false
	for {
		for i < len(p) && isHTMLSpace(p[i]) {
			i++
		}
		if i == len(p) {
			return false, false
		}
		switch p[i] {
		case '>':
			s.at = i + 1
			return alone, true
		case '/':
			alone = i+1 < len(p) && p[i+1] == '>'
			i++
			continue
		case '=', '"', '\'', '<':
			return false, false
		}
		from := i
		for i < len(p) && p[i] != '=' && p[i] != '>' && p[i] != '/' && !isHTMLSpace(p[i]) {
			i++
		}
		key, value := p[from:i], ""
		for i < len(p) && isHTMLSpace(p[i]) {
			i++
		}
		if i < len(p) && p[i] == '=' {
			if value, i = attributeValue(p, i+1); i < 0 {
				return false, false
			}
		}
		if len(key) == len("hidden") && strings.EqualFold(key, "hidden") {
			s.hidden = true
		}
		if wanted {
			s.attrs = append(s.attrs, html.Attribute{Key: lowerASCII(key), Val: value})
		}
	}
}

// attributeValue reads the value of an attribute, and returns where it ends, or -1.
func attributeValue(p string, i int) (value string, end int) {
	for i < len(p) && isHTMLSpace(p[i]) {
		i++
	}
	if i == len(p) {
		return "", -1
	}
	if q := p[i]; q == '"' || q == '\'' {
		n := strings.IndexByte(p[i+1:], q)
		if n < 0 {
			return "", -1
		}
		return p[i+1 : i+1+n], i + n + 2
	}
	from := i
	for i < len(p) && p[i] != '>' && !isHTMLSpace(p[i]) {
		i++
	}
	return p[from:i], i
}

func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

func isHTMLSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' }

// drawing passes over what is in an svg element, as far as it is nothing that leads back to HTML.
func (s *plainReader) drawing() bool {
	for depth := 1; depth > 0; {
		if !s.past('<') || s.at == len(s.page) {
			return false
		}
		s.at--
		if strings.HasPrefix(s.page[s.at:], "<!--") {
			if !s.comment() {
				return false
			}
			continue
		}
		closing := s.page[s.at+1] == '/'
		from := s.at + 1
		if closing {
			from++
		}
		if from == len(s.page) || !isLetter(s.page[from]) {
			return false
		}
		_, name, end := s.name(from)
		alone, ok := s.attributes(end, false)
		switch {
		case !ok:
			return false
		case strings.EqualFold(name, "svg") && closing:
			depth--
		case strings.EqualFold(name, "svg") && !alone:
			depth++
		case strings.EqualFold(name, "svg"), drawn[strings.ToLower(name)]:
		case !closing && !alone && (name == "title" || name == "desc"): // lead back, but nothing comes of mere text
			if rest := s.page[s.at:]; !strings.HasPrefix(rest[max(strings.IndexByte(rest, '<'), 0):], "</"+name+">") {
				return false
			}
			s.past('>')
		default:
			return false
		}
	}
	return true
}

// drawn are elements of SVG that are neither of HTML nor lead to it.
var drawn = map[string]bool{
	"g": true, "path": true, "circle": true, "rect": true, "line": true, "polyline": true, "polygon": true, "ellipse": true, "defs": true,
	"use": true, "symbol": true, "clippath": true, "mask": true, "lineargradient": true, "radialgradient": true, "stop": true, "text": true,
	"tspan": true, "filter": true, "pattern": true, "marker": true, "animate": true, "animatetransform": true,
}

// raw passes over an element whose content is no markup, of which a title's matters.
func (s *plainReader) raw(a atom.Atom, alone bool) bool {
	if alone {
		return false
	}
	from, name := s.at, a.String()
	for {
		i := strings.Index(s.page[s.at:], "</")
		if i < 0 {
			return false
		}
		s.at += i + len("</")
		rest := s.page[s.at:]
		if len(rest) > len(name) && strings.EqualFold(rest[:len(name)], name) && (isHTMLSpace(rest[len(name)]) || rest[len(name)] == '/' || rest[len(name)] == '>') {
			break
		}
	}
	content := s.page[from : s.at-len("</")]
	if a == atom.Script && strings.Contains(content, "<!--") && strings.Contains(strings.ToLower(content), "<script") {
		return false // that hides the end
	}
	if a == atom.Title && s.templates == 0 {
		s.c.setTitle(html.UnescapeString(content))
	}
	_, ok := s.attributes(s.at+len(name), false)
	return ok
}
