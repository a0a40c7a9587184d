package weburl

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Host returns the scheme, name and port of a canonical URL, the unit of politeness, with the port always written:
// "http://example.org:80", "https://[2001:db8::1]:443". It returns "" for what is no http or https URL.
func Host(u string) string {
	scheme, authority, _ := split(u)
	host, port := splitPort(authority)
	if port == "" {
		switch scheme {
		case "http":
			port = ":80"
		case "https":
			port = ":443"
		default:
			return ""
		}
	}
	return scheme + "://" + host + port
}

// Hostname returns the name or address in a canonical URL or in what Host returned, without port and without the brackets of
// an IPv6 address.
func Hostname(u string) string {
	_, authority, _ := split(u)
	host, _ := splitPort(authority)
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// Path returns the path of a canonical URL with its "?" and query: what a request line has. It is never empty.
func Path(u string) string {
	_, _, rest := split(u)
	rest, _, _ = strings.Cut(rest, "#")
	if rest == "" || rest[0] != '/' {
		return "/" + rest
	}
	return rest
}

// Site returns the registrable domain of hostname by the public suffix list: "example.co.uk" for "www.example.co.uk". An IP
// address, a single label and a name that is itself a public suffix are their own site.
func Site(hostname string) string {
	name := strings.TrimSuffix(hostname, ".")
	if !isASCII(name) {
		if a, err := idna.Lookup.ToASCII(name); err == nil {
			name = a
		}
	}
	name = strings.ToLower(name)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return name
	}
	if site, err := publicsuffix.EffectiveTLDPlusOne(name); err == nil {
		return site
	}
	return name
}

// split cuts a serialised URL into scheme, authority without userinfo, and the rest.
func split(u string) (scheme, authority, rest string) {
	scheme, after, ok := strings.Cut(u, "://")
	if !ok {
		return "", "", u
	}
	n := authorityLen(after)
	authority, rest = after[:n], after[n:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	return scheme, authority, rest
}

// authorityLen returns how much of s, which begins after "//", is the authority.
func authorityLen(s string) int {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return i
	}
	return len(s)
}

// splitPort cuts "name:port" into the name and ":port"; the port is "" where there is none.
func splitPort(authority string) (host, port string) {
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		return authority[:i], authority[i:]
	}
	return authority, ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// isEscape tells whether s has "%" and two hex digits at i, where it has "%".
func isEscape(s string, i int) bool {
	return i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2])
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

func upperHex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 'A'
	}
	return c
}

// isUnreserved is RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~'
}
