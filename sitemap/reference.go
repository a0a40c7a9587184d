package sitemap

import (
	"strings"
	"unicode"

	"example.org/trawl/weburl"
)

// maxURL is how long a URL may be, in octets. The protocol allows 2,048 characters, before those beyond ASCII are escaped. It keeps the
// entries of a file in proportion to it, also when it has a long URL and short relative references.
const maxURL = 4096

// resolve returns the canonical URL that ref means, or "" if none that can be visited.
func (p *parser) resolve(base, ref string) string {
	ref = trim(ref)
	if ref == "" {
		return ""
	}
	if !isAbsolute(ref) {
		if lacksScheme(ref, p.host) {
			ref = "//" + ref
		}
		absolute, err := weburl.Resolve(base, ref)
		if err != nil {
			return ""
		}
		ref = absolute
	}
	u, err := weburl.Canonical(ref)
	if err != nil || len(u) > maxURL {
		return ""
	}
	return u
}

// trim drops white space and what looks like it on both sides.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' })
}

// isAbsolute tells whether s begins like an absolute URL of the web.
func isAbsolute(s string) bool { return hasPrefixFold(s, "http://") || hasPrefixFold(s, "https://") }

// lacksScheme tells whether ref, which is not absolute, is a URL whose scheme was forgotten: "www.example.org/x", or the file's own
// host and what follows.
func lacksScheme(ref, host string) bool {
	name := ref
	if i := strings.IndexAny(ref, "/?#"); i >= 0 {
		name = ref[:i]
	}
	return strings.EqualFold(name, host) || hasPrefixFold(name, "www.") && strings.Count(name, ".") > 1
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// hostOf is the host, with its port, of a canonical URL.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
