package extract

import "strings"

// Directives reads the values of X-Robots-Tag headers and tells what they ask of agent, a product token such as "trawl".
//
// A value is a list of directives separated by commas. A directive may be preceded by the name of the robot it is for, and
// that name then holds for the directives after it, up to the next name or the end of the value; without a name, or with the
// name "*" or "robots", they are for all. "none" means noindex and nofollow. Everything that was asked holds together: no
// directive takes another back. Names and directives have no case; unknown ones are passed over.
func Directives(values []string, agent string) (noindex, nofollow bool) {
	for _, v := range values {
		ours := true
		for item := range strings.SplitSeq(v, ",") {
			if name, rest, ok := strings.Cut(item, ":"); ok && isAgentName(name) {
				name = strings.TrimSpace(name)
				ours = isFor(name, agent)
				item = rest
			}
			if !ours {
				continue
			}
			i, f := directive(item)
			noindex, nofollow = noindex || i, nofollow || f
		}
	}
	return noindex, nofollow
}

// metaDirectives reads the content of <meta name=robots>, where no directive names a robot. Browsers and search engines also
// take white space for a separator there.
func metaDirectives(content string) (noindex, nofollow bool) {
	sep := func(r rune) bool { return r == ',' || r == ';' || r <= ' ' }
	for item := range strings.FieldsFuncSeq(content, sep) {
		i, f := directive(item)
		noindex, nofollow = noindex || i, nofollow || f
	}
	return noindex, nofollow
}

// directive tells what one word asks.
func directive(word string) (noindex, nofollow bool) {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "noindex":
		return true, false
	case "nofollow":
		return false, true
	case "none":
		return true, true
	}
	return false, false
}

// isFor tells whether directives under name are for agent.
func isFor(name, agent string) bool {
	return name == "*" || strings.EqualFold(name, "robots") || agent != "" && strings.EqualFold(name, agent)
}

// isAgentName tells a robot's name from a directive that has a value, and from a time of day within a date.
func isAgentName(s string) bool {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "", "unavailable_after", "max-snippet", "max-image-preview", "max-video-preview":
		return false
	}
	letters := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z', c == '*':
			letters++
		case '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '/':
		default:
			return false
		}
	}
	return letters > 0
}
