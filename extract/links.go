package extract

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"

	"example.org/trawl/weburl"
)

// resolver makes absolute URLs of a page's references.
type resolver struct {
	base string
	enc  encoding.Encoding // of queries; nil for UTF-8
}

// newResolver returns the resolver of a page at url with the href of its base element and its character set. A base element is
// not heeded if its URL cannot be parsed, or is one of data: or javascript: (HTML Standard, section 4.2.3).
func newResolver(url, href, charset string) *resolver {
	r := &resolver{base: url}
	if charset != utf8Name && charset != "replacement" && !strings.HasPrefix(charset, "utf-16") {
		r.enc, _ = htmlindex.Get(charset) // the name is from there
	}
	if href == "" || len(href) > MaxURL {
		return r
	}
	b, err := r.resolve(href)
	if err == nil && !strings.HasPrefix(b, "data:") && !strings.HasPrefix(b, "javascript:") {
		r.base = b
	}
	return r
}

// resolve returns the absolute URL of a reference, of any scheme and with its fragment.
func (r *resolver) resolve(url string) (string, error) {
	if r.enc != nil {
		url = encodeQuery(url, r.enc)
	}
	return weburl.Resolve(r.base, url)
}

// page returns the absolute URL of the page that a reference names, without fragment, or "" if it names none that can be
// fetched.
func (r *resolver) page(url string) string {
	if len(url) > MaxURL {
		return ""
	}
	u, err := r.resolve(url)
	if err != nil || !strings.HasPrefix(u, "http://") && !strings.HasPrefix(u, "https://") {
		return ""
	}
	u, _, _ = strings.Cut(u, "#")
	if len(u) > MaxURL {
		return ""
	}
	return u
}

// links makes the list of links of a page.
func (r *resolver) links(refs []ref) []Link {
	const none = -1
	var links []Link
	// Keys are references as written and URLs as resolved, which is one thing: a URL resolves to itself.
	index := make(map[string]int, len(refs))
	for _, ref := range refs {
		i, seen := index[ref.url]
		if !seen {
			if len(links) == MaxLinks {
				continue
			}
			i = none
			if u := r.page(ref.url); u != "" {
				if i, seen = index[u]; !seen || i == none {
					i = len(links)
					links = append(links, Link{u, ref.from, ref.nofollow})
					index[u] = i
				}
			}
			index[ref.url] = i
		}
		if i != none {
			links[i].NoFollow = links[i].NoFollow && ref.nofollow
		}
	}
	return slices.Clip(links)
}

// encodeQuery percent-encodes the non-ASCII characters in the query of a reference in the page's own character set, as browsers
// do (URL Standard, "percent-encode after encoding"); elsewhere in a URL such characters are UTF-8. A character that the set
// lacks becomes the escape of its HTML reference.
func encodeQuery(url string, enc encoding.Encoding) string {
	before, rest, ok := strings.Cut(url, "?")
	if !ok || strings.Contains(before, "#") {
		return url
	}
	query, fragment, hasFragment := strings.Cut(rest, "#")
	if !strings.ContainsFunc(query, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return url
	}
	var b strings.Builder
	b.WriteString(before)
	b.WriteByte('?')
	for _, r := range query {
		if r < utf8.RuneSelf {
			b.WriteRune(r)
			continue
		}
		s, err := enc.NewEncoder().String(string(r))
		if err != nil {
			fmt.Fprintf(&b, "%%26%%23%d%%3B", r)
			continue
		}
		writeEscaped(&b, s)
	}
	if hasFragment {
		b.WriteByte('#')
		b.WriteString(fragment)
	}
	return b.String()
}

// writeEscaped percent-encodes the octets of s that are in the special-query set. A multi-octet character may have octets of
// ASCII; those outside of the set stay.
func writeEscaped(b *strings.Builder, s string) {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>'`, c) >= 0 {
			fmt.Fprintf(b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
}

// refreshURL returns the URL in the content of <meta http-equiv=refresh> (HTML Standard, "shared declarative refresh steps").
// There is none if the page only refreshes itself.
func refreshURL(content string) (url string, ok bool) {
	s := strings.TrimLeft(content, htmlSpace)
	rest := strings.TrimLeft(s, "0123456789")
	if len(rest) == len(s) && !strings.HasPrefix(s, ".") {
		return "", false
	}
	s = strings.TrimLeft(rest, "0123456789.")
	if s == "" || strings.IndexByte(";,"+htmlSpace, s[0]) < 0 {
		return "", false
	}
	s = strings.TrimLeft(s, htmlSpace)
	if s != "" && (s[0] == ';' || s[0] == ',') {
		s = strings.TrimLeft(s[1:], htmlSpace)
	}
	if len(s) >= len("url") && strings.EqualFold(s[:len("url")], "url") {
		after := strings.TrimLeft(s[len("url"):], htmlSpace)
		if strings.HasPrefix(after, "=") {
			s = strings.TrimLeft(after[1:], htmlSpace)
		}
	}
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		s, _, _ = strings.Cut(s[1:], s[:1])
	}
	return s, s != ""
}
