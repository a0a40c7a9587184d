package lab

import (
	"bytes"
	"strconv"
	"strings"
)

// speller writes the addresses of links as people and programs write them: all of its spellings of a page are the same
// canonical URL by the rules of the WHATWG URL standard.
type speller struct {
	m      *model
	r      *rng
	s      *site
	folder []byte // decoded folder that relative addresses start from
	utf8   bool   // the page is in UTF-8, so letters beyond ASCII may stand for themselves
	same   []byte // path of the page itself, for addresses that are a query only; nil where a base is in force
	path   []byte // scratch
	url    []byte // scratch
}

// spell returns the address of l, unescaped; it is valid until the next call.
func (sp *speller) spell(l link) []byte {
	if l.to == nil {
		return sp.outside(l.page)
	}
	if l.via == fragment {
		return append(sp.url[:0], "#top"...)
	}
	sp.path = sp.m.appendPath(sp.path[:0], l.to, l.page, sp.m.kind(l.to, l.page))
	sp.url = sp.url[:0]
	style := sp.r.n(64)
	if sp.m.plain {
		style = sp.r.n(52)
	}
	if l.to != sp.s {
		return sp.absolute(l.to, style)
	}
	path, query, _ := bytes.Cut(sp.path, []byte("?"))
	if len(query) > 0 && bytes.Equal(path, sp.same) && sp.r.oneIn(2) {
		return append(sp.url, sp.path[len(path):]...)
	}
	switch {
	case style < 20:
		sp.relative()
	case style < 40:
		sp.escaped(sp.path)
	case style < 46:
		return sp.absolute(l.to, style)
	case style < 52:
		sp.escaped(sp.path)
		sp.url = append(sp.url, "#part-"...)
		sp.url = strconv.AppendInt(sp.url, int64(style), 10)
	case style < 56:
		sp.variant(path)
		sp.url = append(sp.url, sp.path[len(path):]...)
	case style < 58:
		sp.url = append(sp.url, "/x/./../"...)
		sp.escaped(sp.path[1:])
	case style < 59 && len(query) == 0:
		sp.escaped(sp.path)
		sp.url = bytes.ReplaceAll(sp.url, []byte("/"), []byte(`\`))
	case style < 60:
		sp.escaped(sp.path)
		sp.url = append(sp.url[:1], append([]byte("\t\n"), sp.url[1:]...)...)
	default:
		sp.url = append(sp.url, " \n "...)
		sp.escaped(sp.path)
		sp.url = append(sp.url, ' ')
	}
	return sp.url
}

// absolute spells the address with its host.
func (sp *speller) absolute(to *site, style int) []byte {
	switch rest := to.origin[len("http:"):]; {
	case style%6 == 0:
		sp.url = append(sp.url, rest...)
	case style%6 == 1 && !sp.m.plain:
		sp.url = append(append(sp.url, "HTTP:"...), strings.ToUpper(rest)...)
	default:
		sp.url = append(sp.url, to.origin...)
	}
	if sp.m.port == 80 && style%4 == 0 {
		sp.url = append(sp.url, ":80"...)
	}
	sp.escaped(sp.path)
	return sp.url
}

// relative spells the address as seen from the page's folder.
func (sp *speller) relative() {
	common := 0
	for i := range min(len(sp.folder), len(sp.path)) {
		if sp.folder[i] != sp.path[i] || sp.path[i] == '?' {
			break
		}
		if sp.path[i] == '/' {
			common = i + 1
		}
	}
	ups := bytes.Count(sp.folder[common:], []byte("/"))
	for range ups {
		sp.url = append(sp.url, "../"...)
	}
	rest := sp.path[common:]
	if ups == 0 && (len(rest) == 0 || sp.r.oneIn(4)) {
		sp.url = append(sp.url, "./"...)
	}
	sp.escaped(rest)
}

// escaped appends a path with its odd letters escaped, or in UTF-8 pages perhaps as they are.
func (sp *speller) escaped(path []byte) {
	if sp.utf8 && sp.r.oneIn(2) {
		sp.url = append(sp.url, path...)
		return
	}
	sp.url = appendEscaped(sp.url, path)
}

// variant appends a path with escapes where none are needed, and in lower case.
func (sp *speller) variant(path []byte) {
	const hex = "0123456789abcdef"
	for _, c := range path {
		if c == '~' || c == '-' || c == ' ' || c >= 0x80 {
			sp.url = append(sp.url, '%', hex[c>>4], hex[c&15])
		} else {
			sp.url = append(sp.url, c)
		}
	}
}

// outside spells the address of a host that is not in the lab (and nowhere else: .test is reserved, RFC 2606).
func (sp *speller) outside(n int) []byte {
	sp.url = append(sp.url[:0], [4]string{
		"http://other.example.test:80", "HTTP://Ads.Example.TEST", "https://secure.example.test:443", "http://cdn.example.test",
	}[n%4]...)
	sp.url = append(append(sp.url, '/'), sp.m.slugs[n]...)
	if n%3 == 0 {
		sp.url = append(append(sp.url, "?utm_source=lab&ref="...), strconv.Itoa(n)...)
	}
	return sp.url
}
