package robots

import "strings"

// pattern is the path of an Allow or Disallow line, cut at its "*".
type pattern struct {
	parts    []string // in normal form; the first is at the beginning of the path, any octets stand between two
	anchored bool     // "$": the last part is at the end
	octets   int      // the length of the normal form: the longest match counts
}

// parsePattern reads a pattern, with or without its escapes of unreserved characters decoded.
func parsePattern(s string, decode bool) pattern {
	s, anchored := strings.CutSuffix(s, "$")
	p := pattern{parts: strings.Split(s, "*"), anchored: anchored}
	p.octets = len(p.parts) - 1
	if anchored {
		p.octets++
	}
	for i, part := range p.parts {
		p.parts[i] = normal(part, decode)
		p.octets += len(p.parts[i])
	}
	return p
}

// match tells whether p fits path, which is in normal form. Each part is looked for once, from where the one before was first
// found: a later place would leave less for the rest, so the work grows with the path and not with the ways to divide it.
func (p pattern) match(path string) bool {
	rest, ok := strings.CutPrefix(path, p.parts[0])
	if !ok {
		return false
	}
	last := len(p.parts) - 1
	if last == 0 {
		return !p.anchored || rest == ""
	}
	for _, part := range p.parts[1:last] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	if p.anchored {
		return strings.HasSuffix(rest, p.parts[last])
	}
	return strings.Contains(rest, p.parts[last])
}

// normal brings a part of a pattern or a path into the form in which both are compared (RFC 9309 section 2.2.2): octets that no
// URL has are escaped, hex digits are upper case, and escapes of "*" and "$", which a pattern can write in no other way, are
// decoded; so are those of unreserved characters if decode is set.
func normal(s string, decode bool) string {
	i := 0
	for i < len(s) && plain(s[i]) {
		i++
	}
	if i == len(s) {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := append(make([]byte, 0, len(s)+16), s[:i]...)
	for ; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			if i+2 >= len(s) || hexValue(s[i+1]) < 0 || hexValue(s[i+2]) < 0 {
				b = append(b, c)
				continue
			}
			c = byte(hexValue(s[i+1])<<4 | hexValue(s[i+2]))
			i += 2
			if c != '*' && c != '$' && !(decode && unreserved(c)) {
				b = append(b, '%', digits[c>>4], digits[c&15])
				continue
			}
		} else if !plain(c) {
			b = append(b, '%', digits[c>>4], digits[c&15])
			continue
		}
		b = append(b, c)
	}
	return string(b)
}

// plain tells whether c stands for itself in the normal form: all that RFC 3986 lets stand in a URL but "%".
func plain(c byte) bool {
	return unreserved(c) || strings.IndexByte(":/?#[]@!$&'()*+,;=", c) >= 0
}

func unreserved(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || c == '.' || c == '_' || c == '~'
}

func hexValue(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
