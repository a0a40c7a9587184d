package robots

import "strings"

// space is what may stand around keys and values.
const space = " \t\v\f\x00"

// kind is what a line is about.
type kind int

const (
	otherLine kind = iota
	agentLine
	allowLine
	disallowLine
	sitemapLine
	delayLine
)

// keys are the beginnings by which a line's kind is known, misspellings included; the first that fits counts.
var keys = []struct {
	begins string
	kind   kind
}{
	{"user-agent", agentLine},
	{"useragent", agentLine},
	{"user agent", agentLine},
	{"allow", allowLine},
	{"disallow", disallowLine},
	{"dissallow", disallowLine},
	{"dissalow", disallowLine},
	{"disalow", disallowLine},
	{"diasllow", disallowLine},
	{"disallaw", disallowLine},
	{"sitemap", sitemapLine},
	{"site-map", sitemapLine},
	{"crawl-delay", delayLine},
	{"crawldelay", delayLine},
	{"crawl delay", delayLine},
}

func kindOf(key string) kind {
	for _, k := range keys {
		if len(key) >= len(k.begins) && strings.EqualFold(key[:len(k.begins)], k.begins) {
			return k.kind
		}
	}
	return otherLine
}

// cutKey splits a trimmed line at its colon, or, where it has none and is of two words, between these.
func cutKey(s string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(s, ":")
	if !ok {
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			return "", "", false
		}
		key, value = s[:i], strings.Trim(s[i:], space)
		if strings.ContainsAny(value, " \t") {
			return "", "", false
		}
	}
	key, value = strings.Trim(key, space), strings.Trim(value, space)
	return key, value, key != ""
}

// agentToken returns, in lower case, the product token that a User-agent line names: "*" for all, else the letters, "-" and "_" at
// its beginning (RFC 9309 section 2.2.1), which may be none.
func agentToken(value string) string {
	if value == "*" || strings.HasPrefix(value, "* ") || strings.HasPrefix(value, "*\t") {
		return "*"
	}
	return strings.ToLower(value[:tokenLen(value)])
}

// tokenLen returns how many octets at the beginning of s can stand in a product token.
func tokenLen(s string) int {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && s[i] != '-' && s[i] != '_' {
			return i
		}
	}
	return len(s)
}
