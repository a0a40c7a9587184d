package lab

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

const (
	leastHuge  = 64 << 10  // bytes; what a page says of itself, with its links, is below that
	poisonSize = 256 << 10 // bytes of what makes a page dear to parse
	heavyEnd   = "\n</main>\n</body>\n</html>\n"
)

// What poison is made of. The times are those of Trawl's own parser, which after two seconds by the clock goes on in a way that
// costs no more than the page is long; an honest page of the size takes 15 ms.
const (
	nested     = "nested"     // 480 open elements, and ends of paragraphs that nobody began, for which all are looked through: 1.3 s
	unclosed   = "unclosed"   // formatting that is left open, and so opened anew in each of thousands of paragraphs: 0.5 s, 160 MB
	attributes = "attributes" // one element with tens of thousands of attributes, and one with a single long one: 10 ms
)

// poison is the body of a poisoned page, small and, by the letter, text/html.
func poison(kind string) []byte {
	fill := func(start, unit string) []byte {
		return append([]byte(start), strings.Repeat(unit, poisonSize/len(unit))...)
	}
	switch kind {
	case nested:
		return fill(strings.Repeat("<span>", 480), "</p>")
	case unclosed:
		var open strings.Builder
		for i := range 15 {
			fmt.Fprintf(&open, "<b id=%d>", i) // of the same ones, only three would be opened anew
		}
		return fill("<p>"+open.String(), "<p>x")
	case attributes:
		half := strings.Repeat("&amp;", poisonSize/2/len("&amp;"))
		return append([]byte(`<p title="`+half+`"`), strings.Repeat(" a=b", poisonSize/2/len(" a=b"))+">"...)
	}
	return nil
}

// heavy answers with a huge or a poisoned page where that is set for the host; false when it is not. Poison goes before.
func (w *Web) heavy(rw http.ResponseWriter, r *http.Request, s *site, k int, kd kind) bool {
	const mime = "text/html; charset=utf-8"
	all := w.trouble.Load()
	if all == nil {
		return false
	}
	p := &all.hosts[s.index]
	switch {
	case p.poison != nil:
		body := w.model.preface(s, k, kd, "poisoned page")
		write(rw, r, http.StatusOK, mime, append(append(body, p.poison...), heavyEnd...))
	case p.huge > 0:
		h := rw.Header()
		h["Content-Type"], h["Content-Length"] = []string{mime}, []string{strconv.FormatInt(p.huge, 10)}
		rw.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			w.sendHuge(rw, s, k, kd, p.huge)
		}
	default:
		return false
	}
	return true
}

// sendHuge writes a page of exactly so many bytes. One stretch of text is made and sent again and again.
func (w *Web) sendHuge(rw http.ResponseWriter, s *site, k int, kd kind, size int64) {
	start := w.model.preface(s, k, kd, strconv.FormatInt(size, 10)+" bytes")
	left := size - int64(len(start)+len(heavyEnd))
	room := w.rooms.get()
	defer w.rooms.pool.Put(room)
	stretch, draw := (*room)[:0], stream(w.model.seed, s.index, k, forBody)
	for blocks := w.model.prose[s.lang].blocks; len(stretch) < leastHuge; {
		stretch = append(stretch, blocks[draw.n(len(blocks))]...)
	}
	*room = stretch
	_, err := rw.Write(start)
	for ; err == nil && left >= int64(len(stretch)); left -= int64(len(stretch)) {
		_, err = rw.Write(stretch)
	}
	if err == nil {
		_, _ = rw.Write(append(bytes.Repeat([]byte(" "), int(left)), heavyEnd...)) // fails only when the asker is gone
	}
}

// preface is the start of a heavy page: what it is, and the links of the page in whose place it stands, with the same word to
// robots. So a crawl finds its way as if nothing was.
func (m *model) preface(s *site, k int, kd kind, about string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=%q>\n<head>\n<title>%s | %s %d</title>\n", m.prose[s.lang].code, about, s.name, k)
	switch kd {
	case noIndex:
		b.WriteString("<meta name=\"robots\" content=\"noindex\">\n")
	case noFollow:
		b.WriteString("<meta name=\"robots\" content=\"nofollow\">\n")
	}
	b.WriteString("</head>\n<body>\n<main>\n")
	var room [64]link
	abroad := speller{m: m}
	for _, l := range m.links(room[:0], s, k, kd, m.look(s, k, kd)) {
		to, rel := string(abroad.outside(l.page)), ""
		if l.to != nil {
			to = m.url(l.to, l.page)
		}
		if l.noFollow {
			rel = ` rel="nofollow"`
		}
		fmt.Fprintf(&b, "<a href=\"%s\"%s>link</a>\n", html.EscapeString(to), rel)
	}
	for _, to := range m.lures(s, k, kd) {
		fmt.Fprintf(&b, "<a href=\"%s\">more</a>\n", html.EscapeString(to))
	}
	return b.Bytes()
}
