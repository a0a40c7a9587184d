package sitemap

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	maxResumed  = 1000 // places in a file that are not well-formed
	maxEntities = 1000 // that a file declares
)

// xml reads a sitemap or feed in XML, tag by tag, so that nothing but the entries is kept.
func (p *parser) xml() error {
	d := p.decoder()
	for resumed := 0; ; {
		p.in.size = 0
		t, err := d.RawToken()
		switch {
		case err == nil:
			if more, err := p.token(d, t); !more {
				return err
			}
		case p.in.ended():
			return p.end(err)
		case resumed == maxResumed:
			p.file.Truncated = true
			return p.end(err)
		default: // begin again behind what is not well-formed
			resumed++
			p.in.again = p.in.size > 1 // its last octet may be the first of something else
			d = p.decoder()
		}
	}
}

// decoder makes one that reads on where p.in stands. It is lenient, and p.in has done the decoding.
func (p *parser) decoder() *xml.Decoder {
	d := xml.NewDecoder(p.in)
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	d.Entity = p.entities
	return d
}

// end is called once, where reading ends: at the end of the file, or before.
func (p *parser) end(err error) error {
	if p.format == nil {
		if failure := p.in.failure(); failure != nil {
			return failure
		}
		return fmt.Errorf("%w: no element that begins one", ErrNotSitemap)
	}
	p.field = nil // half a text says something else
	if p.item != nil && (p.item.ref != "" || p.item.fallback != "") {
		p.item.bare.Reset()
		p.finish()
	}
	p.file.Truncated = p.file.Truncated || !p.closed || err != io.EOF
	return nil
}

// token takes in a token; more is false where reading is to end.
func (p *parser) token(d *xml.Decoder, t xml.Token) (more bool, err error) {
	switch t := t.(type) {
	case xml.StartElement:
		name := strings.ToLower(t.Name.Local)
		if p.format == nil {
			if err := p.begin(name, t); err != nil {
				return false, err
			}
		}
		return p.start(name, t), nil
	case xml.EndElement:
		return p.endTag(strings.ToLower(t.Name.Local), t.Name.Space), nil
	case xml.CharData:
		p.chars(t)
	case xml.Directive:
		p.declare(t)
		d.Entity = p.entities
	}
	return true, nil
}

// begin takes in the root.
func (p *parser) begin(name string, t xml.StartElement) error {
	f, kind := formatOf(name)
	switch {
	case name == "html":
		return fmt.Errorf("%w: an HTML page", ErrNotSitemap)
	case f == nil:
		return fmt.Errorf("%w: XML that begins with %.40q", ErrNotSitemap, name)
	}
	p.format, p.file.Kind, p.root = f, kind, name
	p.core = map[string]bool{"": true, t.Name.Space: true}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" && slices.ContainsFunc(f.spaces, func(s string) bool { return strings.Contains(strings.ToLower(a.Value), s) }) {
			p.core[a.Name.Local] = true
		}
	}
	p.base = p.rebased(p.base, t)
	return nil
}

// rebased is base, or what the xml:base of an element makes of it.
func (p *parser) rebased(base string, t xml.StartElement) string {
	for _, a := range t.Attr {
		if a.Name.Space == "xml" && a.Name.Local == "base" {
			if b := p.resolve(base, a.Value); b != "" {
				return b
			}
		}
	}
	return base
}

// start takes in a start tag and tells whether there is room for more.
func (p *parser) start(name string, t xml.StartElement) (room bool) {
	core := p.core[t.Name.Space]
	isItem := core && slices.Contains(p.format.items, name)
	r, isField := p.format.fields[name]
	isField = isField && (core || name == "date") // Dublin Core's
	switch {
	case p.field != nil && !((isItem || isField) && trim(p.field.text.String()) != ""):
		p.field.nested++
		return true
	case p.skip != "" && !isItem:
		if name == p.skip {
			p.depth++
		}
		return true
	}
	p.closeField()
	switch {
	case isItem:
		room = p.finish()
		p.open(name, t)
		return room
	case p.item == nil || name == "link" && !isField:
		return true
	case !isField:
		p.skip, p.depth = name, 1
		return true
	case r == location && p.format.split && p.item.ref != "":
		open := p.item.name
		room = p.finish()
		p.open(open, t)
		p.field = &field{name: name, role: r}
		return room
	}
	if r == location && p.format.attrs {
		p.item.set(r, linked(t))
	}
	p.field = &field{name: name, role: r}
	return true
}

// linked is the URL of a link to the page itself, where it is an attribute as in Atom.
func linked(t xml.StartElement) (href string) {
	for _, a := range t.Attr {
		switch strings.ToLower(a.Name.Local) {
		case "href":
			href = a.Value
		case "rel":
			if rel := trim(a.Value); rel != "" && !strings.EqualFold(rel, "alternate") {
				return ""
			}
		}
	}
	return href
}

// endTag takes in an end tag and tells whether there is room for more.
func (p *parser) endTag(name, prefix string) (room bool) {
	ends := p.item != nil && name == p.item.name && p.core[prefix]
	p.closed = p.closed || name == p.root
	switch {
	case p.field != nil && name == p.field.name:
		p.closeField()
		return true
	case p.field != nil && p.field.nested > 0:
		p.field.nested--
		return true
	case p.skip != "" && !ends && name != p.root:
		if name == p.skip {
			p.depth--
		}
		if p.depth == 0 {
			p.skip = ""
		}
		return true
	}
	p.closeField()
	if ends || name == p.root {
		return p.finish()
	}
	return true
}

// chars takes in text.
func (p *parser) chars(text []byte) {
	var b *strings.Builder
	switch {
	case p.field != nil:
		b = &p.field.text
	case p.item != nil && p.skip == "" && p.format.bare:
		b = &p.item.bare
	default:
		return
	}
	if b.Len() <= maxText {
		b.Write(text[:min(len(text), maxText+1-b.Len())])
	}
}

// open begins an item.
func (p *parser) open(name string, t xml.StartElement) {
	p.item = &item{name: name, base: p.rebased(p.base, t), priority: defaultPriority}
	p.skip = ""
}

// closeField has the item note what the open field says, unless it is too long to be meant.
func (p *parser) closeField() {
	if f := p.field; f != nil && f.text.Len() <= maxText {
		p.item.set(f.role, f.text.String())
	}
	p.field = nil
}

// finish adds the open item to the file, if there is one, and tells whether there is room for more.
func (p *parser) finish() (room bool) {
	i := p.item
	p.item, p.skip = nil, ""
	if i == nil {
		return true
	}
	ref := i.ref
	if ref == "" {
		ref = i.fallback
	}
	if ref == "" && i.bare.Len() <= maxText {
		ref = i.bare.String()
	}
	e := Entry{LastMod: first(i.modified, i.created), Priority: i.priority, ChangeFreq: i.frequency}
	return p.add(i.base, ref, e, i.name == "sitemap")
}

// declare notes the entities that a document type declares, as standing for nothing.
func (p *parser) declare(d xml.Directive) {
	_, rest, found := strings.Cut(string(d), "<!ENTITY")
	for ; found && len(p.entities) < maxEntities; _, rest, found = strings.Cut(rest, "<!ENTITY") {
		if name := strings.Fields(rest[:min(len(rest), 200)]); len(name) > 0 {
			if p.entities == nil {
				p.entities = make(map[string]string)
			}
			p.entities[name[0]] = ""
		}
	}
}
