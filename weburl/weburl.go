// Package weburl reads and writes URLs by the rules of the WHATWG URL Standard, as browsers do, and makes the one spelling
// under which Trawl knows a page.
//
// A canonical URL is the standard's serialisation of the parsed URL, with these further rules:
//
//   - the scheme is http or https, and there is a host; anything else is an error;
//   - fragment, user name, password and default port are dropped, for the server is never sent the first, and the others name
//     no other page;
//   - one dot at the end of the host is dropped; a host with an empty label is an error, for DNS has none;
//   - a query keeps its order, its doubles and its empty parts, for only the server knows what they mean; an empty query, a
//     lone "?", is dropped;
//   - in path and query, escapes of unreserved characters (A-Z a-z 0-9 - . _ ~) are decoded and the hex digits of the other
//     escapes are upper case (RFC 3986 section 6.2.2). An escape is left as it is where decoding it would complete a
//     preceding stray "%", and so change what the server reads;
//   - everything else stays as the standard leaves it: double slashes, "index.html", "www.", session parameters.
//
// The canonical form of a canonical URL is itself.
package weburl

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxLen is the most octets of a URL or reference that are looked at; longer ones are an error. Servers refuse far shorter ones.
const MaxLen = 64 << 10

// Errors that Parse, Resolve and Canonical wrap; the message adds the URL and the particulars.
var (
	ErrSyntax = errors.New("not a URL")
	ErrScheme = errors.New("only http and https are crawled")
	ErrLong   = errors.New("longer than 65536 octets")
)

// errNoScheme is what a bare "example.org/x" and a relative reference get where an absolute URL is due.
var errNoScheme = fmt.Errorf("%w: no scheme; add http:// or https://", ErrSyntax)

// Parse returns the absolute URL raw as the WHATWG URL Standard serialises it, with its fragment and userinfo.
func Parse(raw string) (string, error) {
	u, other, err := parse(raw)
	switch {
	case err != nil:
		return "", describe(raw, err)
	case u != nil:
		return string(u.text), nil
	}
	return other.Href(false), nil
}

// Resolve returns the reference ref against the absolute URL base, serialised as by Parse. A base that cannot be parsed is an
// error even where ref is absolute, as in browsers.
func Resolve(base, ref string) (string, error) { return resolve(base, ref) }

// Canonical returns the one spelling of raw under which its page is known; the package comment has the rules. The error wraps
// ErrScheme when raw is a URL of another scheme.
func Canonical(raw string) (string, error) {
	s, err := Parse(raw)
	if err != nil {
		return "", err
	}
	scheme, _, _ := strings.Cut(s, ":")
	if scheme != "http" && scheme != "https" {
		hint := ""
		if strings.Contains(scheme, ".") || scheme == "localhost" {
			hint = "; add http:// or https://"
		}
		return "", describe(raw, fmt.Errorf("scheme %q: %w%s", cut(scheme, 40), ErrScheme, hint))
	}
	c, err := tidy(s, len(scheme))
	if err == nil && len(c) > MaxLen { // escapes make it longer
		err = ErrLong
	}
	if err != nil {
		return "", describe(raw, err)
	}
	return c, nil
}

// tidy applies the canonical rules to the serialised http or https URL s, whose scheme is n octets long.
func tidy(s string, n int) (string, error) {
	start := n + len("://")
	end := start + authorityLen(s[start:])
	authority, rest := s[start:end], s[end:]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	host, port := splitPort(authority)
	name := strings.TrimSuffix(host, ".")
	if name == "" || name[0] == '.' || strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return "", fmt.Errorf("host %q has an empty label: %w", cut(host, 80), ErrSyntax)
	}
	rest, _, _ = strings.Cut(rest, "#")
	if i := len(rest) - 1; i >= 0 && rest[i] == '?' && strings.IndexByte(rest, '?') == i {
		rest = rest[:i]
	}
	tidied := tidyEscapes(rest)
	if len(authority) == end-start && len(name) == len(host) && len(rest) == len(s)-end && tidied == rest {
		return s, nil
	}
	return s[:start] + name + port + tidied, nil
}

// tidyEscapes decodes escapes of unreserved characters in a path with query and writes the others in upper case.
func tidyEscapes(s string) string {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	b.WriteString(s[:i])
	stray := -3 // where the output has its last "%" that begins no escape
	for ; i < len(s); i++ {
		switch {
		case s[i] != '%':
			b.WriteByte(s[i])
		case !isEscape(s, i):
			stray = b.Len()
			b.WriteByte('%')
		default:
			c := unhex(s[i+1])<<4 | unhex(s[i+2])
			if isUnreserved(c) && b.Len()-stray > 2 {
				b.WriteByte(c)
			} else {
				b.Write([]byte{'%', upperHex(s[i+1]), upperHex(s[i+2])})
			}
			i += 2
		}
	}
	return b.String()
}

// describe adds to err which URL it is about, without its user name and password.
func describe(raw string, err error) error {
	return fmt.Errorf("URL %q: %w", cut(redact(raw), 200), err)
}

// redact replaces the userinfo of a URL, well-formed or not, by "***".
func redact(raw string) string {
	start := strings.IndexAny(raw, `:/\`) + 1
	for start < len(raw) && isSlash(raw[start]) {
		start++
	}
	end := start
	for end < len(raw) && !isSlash(raw[end]) && raw[end] != '?' && raw[end] != '#' {
		end++
	}
	if at := strings.LastIndexByte(raw[start:end], '@'); at >= 0 && start > 0 {
		return raw[:start] + "***" + raw[start+at:]
	}
	return raw
}

// cut shortens s to at most n octets.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
