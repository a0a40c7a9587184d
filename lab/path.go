package lab

import (
	"bytes"
	"strconv"
	"strings"
)

// folders are where most pages are; each ends in a slash.
func folders() [8]string {
	return [8]string{"/", "/docs/", "/docs/api/", "/blog/2024/", "/blog/2025/", "/wiki/", "/~ada/", "/shop/items/"}
}

// appendPath appends the path of page k with its query, as it is when decoded: spaces and letters beyond ASCII stand for
// themselves. Nothing in it would be written differently by the rules for canonical URLs once appendEscaped has run.
func (m *model) appendPath(dst []byte, s *site, k int, kd kind) []byte {
	if k == 0 {
		return append(dst, '/')
	}
	r := stream(m.seed, s.index, k, forPath)
	all := folders()
	folder := all[r.n(len(all))]
	first, second := m.slugs[r.n(len(m.slugs))], m.slugs[r.n(len(m.slugs))]
	ending := [4]string{".html", "", "/", ".html"}[r.n(4)]
	switch kd {
	case listing:
		dst = append(append(dst, "/list?id="...), strconv.Itoa(k)...)
		dst = append(append(dst, "&page="...), strconv.Itoa(r.n(20))...)
		return append(append(dst, "&sort="...), first...)
	case private:
		folder, ending = "/private/", ".html"
	case privateOpen:
		folder = "/private/open-"
	case draft:
		folder = "/docs/draft-"
	case backup:
		ending = ".bak"
	case backupLike:
		ending = ".bak.html"
	case plainText:
		ending = ".txt"
	case pdf:
		ending = ".pdf"
	case picture:
		ending = ".png"
	case moved, away, looping, trapdoor:
		folder, ending = "/go/", ""
	case missing, gone:
		folder = "/old/"
	}
	dst = append(dst, folder...)
	if folder == "/wiki/" && r.oneIn(3) && !m.plain {
		dst = append(dst, "Émile naïf "...)
	}
	dst = append(append(append(append(dst, first...), '-'), second...), '-')
	return append(strconv.AppendInt(dst, int64(k), 10), ending...)
}

// appendEscaped appends a path of appendPath as it stands in a canonical URL.
func appendEscaped(dst, path []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range path {
		if c == ' ' || c >= 0x80 {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendURL appends the canonical URL of page k.
func (m *model) appendURL(dst []byte, s *site, k int) []byte {
	var room [160]byte
	dst = append(dst, s.origin...)
	return appendEscaped(dst, m.appendPath(room[:0], s, k, m.kind(s, k)))
}

func (m *model) url(s *site, k int) string { return string(m.appendURL(nil, s, k)) }

// find is the way back: the page at a decoded path and a query, and on which hop of a redirect that is.
func (m *model) find(s *site, path, query string) (page, hop int, ok bool) {
	if path == "/" && query == "" {
		return 0, 0, true
	}
	digits, listed := strings.CutPrefix(query, "id=")
	if listed {
		digits, _, _ = strings.Cut(digits, "&")
	} else {
		end := strings.TrimSuffix(path, "/")
		digits, _, _ = strings.Cut(end[strings.LastIndexByte(end, '-')+1:], ".")
	}
	k, err := strconv.Atoi(digits)
	if err != nil || k < 1 || k >= s.pages {
		return 0, 0, false
	}
	kd := m.kind(s, k)
	if after, hops := strings.CutPrefix(query, "hop="); hops && kd.redirect() {
		hop, err = strconv.Atoi(after)
		if err != nil || hop < 1 || hop > m.redirection(s, k, kd).hops {
			return 0, 0, false
		}
		query = ""
	}
	var room [160]byte
	want, wantQuery, _ := bytes.Cut(m.appendPath(room[:0], s, k, kd), []byte("?"))
	return k, hop, string(want) == path && string(wantQuery) == query
}
