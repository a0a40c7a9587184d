package extract

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/encoding/htmlindex"
)

// How far a declaration is looked for.
const (
	prescanAlways = 1 << 10   // the HTML Standard's bound
	prescanHead   = 256 << 10 // ours, while nothing but head has been seen
)

const (
	windows1252 = "windows-1252"
	utf8Name    = "utf-8"
)

// Charset names the character set of a body, in lower case, as the Encoding Standard names it. The first of these that names a
// known set wins (HTML Standard, section 13.2.3.2): a byte order mark, the charset of the Content-Type header, and if the body
// is HTML a meta element or an XML declaration.
//
// A meta element is looked for in the first 1,024 octets and further on as long as the page has not left its head, as Chromium
// does. A body that declares nothing is UTF-8 if it reads as UTF-8 and has a few characters beyond ASCII, which browsers do not guess because it
// would hide errors from authors, but which a reader of what is there wants; otherwise it is UTF-8 for XML and JSON, and
// windows-1252 for everything else.
func Charset(body []byte, contentType string, html bool) string {
	if name := declaredCharset(body, contentType, html); name != "" {
		return name
	}
	typ := mediaType(contentType)
	if isXML(typ) || strings.HasSuffix(typ, "json") || isUTF8(body) {
		return utf8Name
	}
	return windows1252
}

// declaredCharset names the character set that is declared, or "".
func declaredCharset(body []byte, contentType string, html bool) string {
	if name := bomCharset(body); name != "" {
		return name
	}
	if name := lookup(headerCharset(contentType)); name != "" {
		return name
	}
	switch {
	case isXML(mediaType(contentType)):
		return xmlCharset(body)
	case html:
		if name := metaCharset(body); name != "" {
			return name
		}
		return xmlCharset(body)
	}
	return ""
}

// bomCharset names the character set of a byte order mark, or "".
func bomCharset(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return utf8Name
	case bytes.HasPrefix(body, []byte("\xfe\xff")):
		return "utf-16be"
	case bytes.HasPrefix(body, []byte("\xff\xfe")):
		return "utf-16le"
	}
	return ""
}

// lookup returns the standard's name of the character set with the given label, or "".
func lookup(label string) string {
	if label == "" {
		return ""
	}
	e, err := htmlindex.Get(label)
	if err != nil || e == nil {
		return ""
	}
	name, err := htmlindex.Name(e)
	if err != nil {
		return ""
	}
	return name
}

// metaCharset names the character set that a meta element declares, or "".
func metaCharset(body []byte) string {
	z := html.NewTokenizer(bytes.NewReader(body[:min(len(body), prescanHead)]))
	inHead := true
	for at := 0; inHead || at < prescanAlways; at += len(z.Raw()) {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			a := atom.Lookup(name)
			if a == atom.Meta {
				if charset := charsetOfMeta(z, more); charset != "" {
					return charset
				}
			}
			if a == atom.Noscript {
				z.NextIsNotRawText()
			}
			inHead = inHead && (isHeadElement(a) || a == atom.Html || a == atom.Head)
		case html.EndTagToken:
			name, _ := z.TagName()
			inHead = inHead && isHeadElement(atom.Lookup(name))
		}
	}
	return ""
}

// isHeadElement tells whether a is an element that a head may have.
func isHeadElement(a atom.Atom) bool {
	switch a {
	case atom.Meta, atom.Title, atom.Base, atom.Link, atom.Script, atom.Style, atom.Noscript, atom.Object:
		return true
	}
	return false
}

// charsetOfMeta names what the meta element that z stands at declares, or "". UTF-16 cannot be true of what was just read as
// ASCII, and stands for UTF-8; x-user-defined was only ever a trick of scripts.
func charsetOfMeta(z *html.Tokenizer, more bool) string {
	var label, content string
	var pragma, hasContent, hasCharset, hasPragma bool
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		switch string(k) { // of an attribute that is repeated the first counts
		case "http-equiv":
			if !hasPragma {
				hasPragma, pragma = true, strings.EqualFold(string(v), "content-type")
			}
		case "content":
			if !hasContent {
				hasContent, content = true, string(v)
			}
		case "charset":
			if !hasCharset {
				hasCharset, label = true, string(v)
			}
		}
	}
	if !hasCharset && pragma {
		label = charsetInContent(content)
	}
	switch name := lookup(label); name {
	case "utf-16be", "utf-16le":
		return utf8Name
	case "x-user-defined":
		return windows1252
	default:
		return name
	}
}

// charsetInContent returns the label in the content of a meta element (HTML Standard, "extracting a character encoding from a
// meta element"), or "".
func charsetInContent(s string) string {
	for {
		i := indexFold(s, "charset")
		if i < 0 {
			return ""
		}
		s = strings.TrimLeft(s[i+len("charset"):], htmlSpace)
		if strings.HasPrefix(s, "=") {
			s = strings.TrimLeft(s[1:], htmlSpace)
			break
		}
	}
	if s == "" {
		return ""
	}
	if q := s[0]; q == '"' || q == '\'' {
		label, _, closed := strings.Cut(s[1:], string(q))
		if !closed {
			return ""
		}
		return label
	}
	if i := strings.IndexAny(s, ";"+htmlSpace); i >= 0 {
		s = s[:i]
	}
	return s
}

const htmlSpace = " \t\n\f\r"

// indexFold is strings.Index for an ASCII word in lower case.
func indexFold(s, word string) int {
	for i := 0; i+len(word) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(word)], word) {
			return i
		}
	}
	return -1
}

// xmlCharset names the character set of an XML declaration at the start of body, or of the two kinds of UTF-16 that an XML
// declaration without byte order mark can be in, or "".
func xmlCharset(body []byte) string {
	switch {
	case bytes.HasPrefix(body, []byte("<\x00?\x00x\x00")):
		return "utf-16le"
	case bytes.HasPrefix(body, []byte("\x00<\x00?\x00x")):
		return "utf-16be"
	case !bytes.HasPrefix(body, []byte("<?xml")):
		return ""
	}
	decl, _, ok := bytes.Cut(body[:min(len(body), prescanAlways)], []byte(">"))
	if !ok {
		return ""
	}
	_, after, ok := strings.Cut(string(decl), "encoding")
	if !ok {
		return ""
	}
	after, ok = strings.CutPrefix(strings.TrimLeft(after, htmlSpace), "=")
	after = strings.TrimLeft(after, htmlSpace)
	if !ok || after == "" || after[0] != '"' && after[0] != '\'' {
		return ""
	}
	label, _, ok := strings.Cut(after[1:], after[:1])
	if !ok {
		return ""
	}
	name := lookup(label)
	if strings.HasPrefix(name, "utf-16") {
		return utf8Name
	}
	return name
}

// isXML tells whether a media type is XML's.
func isXML(typ string) bool {
	return typ == "text/xml" || typ == "application/xml" || strings.HasSuffix(typ, "+xml")
}

// utf8Evidence is how many characters beyond ASCII must read as UTF-8 before that is taken for more than chance. Browsers ask for
// a declaration whatever there is; with so little to go by we follow them.
const utf8Evidence = 3

// isUTF8 tells whether body has a few characters beyond ASCII and reads as UTF-8. The last character may be cut short, for
// long bodies are.
func isUTF8(body []byte) bool {
	for i := 1; i < utf8.UTFMax && i <= len(body); i++ {
		if last := body[len(body)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				body = body[:len(body)-i]
			}
			break
		}
	}
	return utf8.Valid(body) && beyondASCII(body) >= utf8Evidence
}

// beyondASCII counts characters, and stops when there are enough.
func beyondASCII(body []byte) (n int) {
	for _, c := range body {
		if c >= 0xC0 { // the first octet of a longer character
			if n++; n == utf8Evidence {
				break
			}
		}
	}
	return n
}
