package weburl

import (
	"bytes"
	"strings"
)

// special is a URL of a special scheme (http, https, ws, wss, ftp), written out as the standard serialises it. The states of the
// standard's parser become straight code here, for these schemes always have a host and a path that is a list.
type special struct {
	text  []byte
	path  int // where the path begins
	query int // where "?" is, or the fragment, or the end
	hash  int // where "#" is, or the end
}

// clean drops what the standard ignores: controls and spaces at both ends, tabs and line ends anywhere.
func clean(s string) string {
	for s != "" && s[0] <= ' ' {
		s = s[1:]
	}
	for s != "" && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	if strings.ContainsAny(s, "\t\n\r") {
		s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	}
	return s
}

// cutScheme splits a cleaned URL or reference behind the ":" of its scheme, which it returns in lower case; ok is false where
// there is none.
func cutScheme(s string) (scheme, rest string, ok bool) {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		case i > 0 && c == ':':
			return strings.ToLower(s[:i]), s[i+1:], true
		default:
			return "", s, false
		}
	}
	return "", s, false
}

// defaultPort returns the port of a special scheme; ok is false for other schemes and for file, which has no port.
func defaultPort(scheme string) (port string, ok bool) {
	switch scheme {
	case "http", "ws":
		return "80", true
	case "https", "wss":
		return "443", true
	case "ftp":
		return "21", true
	}
	return "", false
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }

// absolute reads rest, what follows the ":" of an absolute URL of a special scheme; any number of slashes begin the authority.
func absolute(scheme, rest string) (*special, error) {
	rest = strings.TrimLeft(rest, `/\`)
	u := &special{text: make([]byte, 0, len(scheme)+len(rest)+8)}
	u.text = append(append(u.text, scheme...), "://"...)
	end := strings.IndexAny(rest, `/\?#`)
	if end < 0 {
		end = len(rest)
	}
	var err error
	if u.text, err = appendAuthority(u.text, scheme, rest[:end]); err != nil {
		return nil, err
	}
	u.path = len(u.text)
	rest = rest[end:]
	if rest != "" && isSlash(rest[0]) {
		rest = rest[1:]
	}
	u.addPath(rest)
	return u, nil
}

// resolve reads ref, a cleaned reference without a scheme or with the scheme of base cut off, against base.
func (base *special) resolve(scheme, ref string) (*special, error) {
	if len(ref) > 1 && isSlash(ref[0]) && isSlash(ref[1]) {
		return absolute(scheme, ref)
	}
	keep := base.query // how much of base stays
	switch {
	case ref == "" || ref[0] == '#':
		keep = base.hash
	case isSlash(ref[0]):
		keep = base.path
	}
	u := &special{text: make([]byte, 0, keep+len(ref)+8), path: base.path, query: base.query}
	u.text = append(u.text, base.text[:keep]...)
	switch {
	case ref == "":
		u.hash = len(u.text)
	case ref[0] == '#':
		u.addFragment(ref)
	case ref[0] == '?':
		u.addQuery(ref)
	case isSlash(ref[0]):
		u.addPath(ref[1:])
	default:
		u.shorten()
		u.addPath(ref)
	}
	return u, nil
}

// addPath reads path, query and fragment; the segments of s follow those that u already has.
func (u *special) addPath(s string) {
	for {
		end := 0
		for end < len(s) && !isSlash(s[end]) && s[end] != '?' && s[end] != '#' {
			end++
		}
		last := end == len(s) || !isSlash(s[end])
		switch dots(s[:end]) {
		case 2:
			u.shorten()
			fallthrough
		case 1:
			if last {
				u.text = append(u.text, '/')
			}
		default:
			u.text = appendEscaped(append(u.text, '/'), s[:end], inPath)
		}
		if last {
			u.addQuery(s[end:])
			return
		}
		s = s[end+1:]
	}
}

// scheme returns the scheme of u.
func (u *special) scheme() string {
	return string(u.text[:bytes.IndexByte(u.text, ':')])
}

// shorten drops the last segment of the path.
func (u *special) shorten() {
	if i := bytes.LastIndexByte(u.text[u.path:], '/'); i >= 0 {
		u.text = u.text[:u.path+i]
	}
}

// addQuery reads s, which is empty or begins with "?" or "#".
func (u *special) addQuery(s string) {
	u.query = len(u.text)
	if s != "" && s[0] == '?' {
		end := strings.IndexByte(s, '#')
		if end < 0 {
			end = len(s)
		}
		u.text = appendEscaped(append(u.text, '?'), s[1:end], inQuery)
		s = s[end:]
	}
	u.addFragment(s)
}

// addFragment reads s, which is empty or begins with "#".
func (u *special) addFragment(s string) {
	u.hash = len(u.text)
	if s != "" {
		u.text = appendEscaped(append(u.text, '#'), s[1:], inFragment)
	}
}

// dots returns 1 for "." and 2 for "..", however their dots are escaped, and 0 for every other segment.
func dots(segment string) int {
	n := 0
	for segment != "" {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case len(segment) >= 3 && segment[0] == '%' && segment[1] == '2' && segment[2]|0x20 == 'e':
			segment = segment[3:]
		default:
			return 0
		}
		if n++; n > 2 {
			return 0
		}
	}
	return n
}
