package lab

import (
	"bytes"
	"strconv"
)

// writer renders one HTML page in UTF-8.
type writer struct {
	m     *model
	s     *site
	k     int
	kd    kind
	lk    look
	no    int // version
	r     rng
	sp    speller
	links []link
	out   []byte
}

// title is the text of the page's title, before it is escaped. It is unique in the lab, and some are hostile.
func (m *model) title(dst []byte, s *site, k int, lk look) []byte {
	r := stream(m.seed, s.index, k, forTitle)
	if lk.hostile {
		dst = append(dst, [3]string{`<script>alert("lab")</script> `, `"><img src=x onerror='alert(1)'> `, `</title><h1>&amp; `}[r.n(3)]...)
	}
	dst = m.prose[lk.lang].phrase(dst, &r, 2+r.n(4))
	dst = append(append(dst, " | "...), s.name...)
	return strconv.AppendInt(append(dst, ' '), int64(k), 10)
}

// appendPage appends the first version of page k, which is of an HTML kind, as it is served.
func (m *model) appendPage(dst []byte, s *site, k int, kd kind) []byte {
	return m.appendHTML(dst, s, k, kd, 0)
}

func (m *model) appendHTML(dst []byte, s *site, k int, kd kind, version int) []byte {
	var links [64]link
	w := writer{m: m, s: s, k: k, kd: kd, lk: m.look(s, k, kd), no: version, r: stream(m.seed, s.index, k, forBody)}
	w.links = m.links(links[:0], s, k, kd, w.lk)
	if w.lk.charset != utf8Charset {
		return append(dst, w.lk.charset.encode(w.render(nil))...)
	}
	return w.render(dst)
}

// render appends the page in UTF-8.
func (w *writer) render(dst []byte) []byte {
	m, s, lk := w.m, w.s, w.lk
	w.out = dst
	w.sp = speller{m: m, r: &w.r, s: s, utf8: lk.charset == utf8Charset}
	own := m.appendPath(make([]byte, 0, 160), s, w.k, w.kd)
	own, _, _ = bytes.Cut(own, []byte("?"))
	w.sp.folder = own[:bytes.LastIndexByte(own, '/')+1]
	if lk.base == "" {
		w.sp.same = own
	} else {
		w.sp.folder = []byte(lk.base)
	}
	w.head()
	w.body(len(dst) + lk.size)
	return w.out
}

func (w *writer) text(parts ...string) {
	for _, p := range parts {
		w.out = append(w.out, p...)
	}
}

// escape appends text for use between tags or quotes.
func (w *writer) escape(text []byte) {
	done := 0
	for i, c := range text {
		var entity string
		switch c {
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '"':
			entity = "&quot;"
		case '&':
			entity = "&amp;"
		default:
			continue
		}
		w.out = append(append(w.out, text[done:i]...), entity...)
		done = i + 1
	}
	w.out = append(w.out, text[done:]...)
}

func (w *writer) head() {
	w.text("<!DOCTYPE html>\n<html lang=\"", w.m.prose[w.lk.lang].code, "\">\n<head>\n")
	switch w.lk.meta {
	case 1:
		w.text(`<meta charset="`, w.lk.charset.declared(), "\">\n")
	case 2:
		w.text(`<meta http-equiv="Content-Type" content="text/html; charset=`, w.lk.charset.declared(), "\">\n")
	}
	w.text("<title>")
	w.escape(w.m.title(make([]byte, 0, 128), w.s, w.k, w.lk))
	w.text("</title>\n")
	switch {
	case w.lk.base != "" && w.r.oneIn(2):
		w.text(`<base href="`, w.s.origin, w.lk.base, "\">\n")
	case w.lk.base != "":
		w.text(`<base href="`, w.lk.base, "\">\n")
	}
	w.robots()
	w.text(`<meta name="description" content="`)
	w.out = w.m.prose[w.lk.lang].phrase(w.out, &w.r, 12)
	w.text("\">\n<link rel=\"stylesheet\" href=\"/static/site.css\">\n")
	if w.m.feeds && w.k == 0 {
		path, mime := w.s.feed()
		w.text(`<link rel="alternate" type="`, mime, `" href="`, path, "\">\n")
	}
	if w.r.oneIn(3) {
		w.text(`<link rel="canonical" href="`)
		w.escape(w.m.appendURL(make([]byte, 0, 160), w.s, w.k))
		w.text("\">\n")
	}
	for _, l := range w.links {
		switch l.via {
		case next:
			w.text(`<link rel="next" href="`)
			w.escape(w.sp.spell(l))
			w.text("\">\n")
		case refresh:
			// Blanks would be part of what browsers look for, so the plainest spelling.
			w.text(`<meta http-equiv="refresh" content="300; url=`)
			w.escape(w.m.appendURL(make([]byte, 0, 160), l.to, l.page))
			w.text("\">\n")
		}
	}
	if w.lk.size > 8000 {
		w.out = append(w.out, w.m.code[w.r.n(len(w.m.code))]...)
	}
	w.text("</head>\n")
}

// robots says noindex and nofollow where the page wants it in HTML, and now and then something for others only.
func (w *writer) robots() {
	name := "robots"
	if w.k%3 == 0 {
		name = "Trawl"
	}
	switch {
	case w.m.plain:
	case w.kd == noIndex && !w.lk.tag:
		w.text(`<meta name="`, name, "\" content=\"noindex\">\n")
	case w.kd == noFollow && !w.lk.tag:
		w.text(`<meta name="`, name, "\" content=\"NOFOLLOW, noarchive\">\n")
	case w.r.oneIn(25):
		w.text("<meta name=\"someotherbot\" content=\"noindex, nofollow\">\n")
	}
}

// body writes up to about the offset end: the site's navigation, pieces of text with links between them, the footer.
func (w *writer) body(end int) {
	p := w.m.prose[w.lk.lang]
	w.text("<body class=\"page\">\n<header class=\"top\" id=\"top\"><a class=\"brand\" name=\"home\">", w.s.name, "</a>\n<nav>\n")
	navigation := min(5, len(w.links))
	for _, l := range w.links[:navigation] {
		w.link(l)
	}
	w.text("</nav></header>\n<main>\n<h1>")
	w.escape(w.m.title(make([]byte, 0, 128), w.s, w.k, w.lk))
	w.text("</h1>\n")
	rest := w.links[navigation:]
	// Links stand between the texts at equal distances; each takes some 100 bytes, and the footer its own.
	room := max(0, end-len(w.out)-len(w.s.footer)-100*len(rest))
	step, due := room/(len(rest)+1), len(w.out)
	for _, l := range rest {
		for due += step; len(w.out) < due; {
			w.piece(p, due-len(w.out))
		}
		w.link(l)
		due += 100
	}
	for stop := end - len(w.s.footer) - 100; len(w.out) < stop; {
		w.piece(p, stop-len(w.out))
	}
	if w.no > 0 {
		w.text(`<p class="copy">Version `, strconv.Itoa(w.no), ".</p>\n")
	}
	w.lures()
	w.text("</main>\n")
	w.out = append(w.out, w.s.footer...)
}

// piece writes a block of text, or, once in a while and where there is room, a script.
func (w *writer) piece(p *prose, room int) {
	if room > 1200 && w.r.oneIn(10) {
		w.out = append(w.out, w.m.code[w.r.n(len(w.m.code))]...)
		return
	}
	w.out = append(w.out, p.blocks[w.r.n(len(p.blocks))]...)
}

// link writes l in the element that carries it.
func (w *writer) link(l link) {
	before, after := "", ""
	switch l.via {
	case next, refresh:
		return
	case area:
		w.text(`<map name="m"><area shape="rect" coords="0,0,9,9" alt="" href="`)
		w.escape(w.sp.spell(l))
		w.text("\"></map>\n")
		return
	case iframe:
		w.text(`<iframe loading="lazy" src="`)
		w.escape(w.sp.spell(l))
		w.text("\"></iframe>\n")
		return
	case noscript:
		before, after = "<noscript>", "</noscript>"
	}
	w.text(before, "<a")
	if l.noFollow {
		w.text([3]string{` rel="nofollow"`, ` rel="ugc NoFollow noopener"`, ` REL=nofollow`}[w.r.n(3)])
	} else if w.r.oneIn(6) {
		w.text(` rel="noopener" target="_blank"`)
	}
	w.address(w.sp.spell(l))
	w.text(">")
	labels := w.m.prose[w.lk.lang].labels
	w.out = append(w.out, labels[w.r.n(len(labels))]...)
	w.text("</a>", after, "\n")
	if w.r.oneIn(12) {
		w.noise()
	}
}

// address writes href with double, single or no quotes, and entities in several spellings.
func (w *writer) address(url []byte) {
	style := w.r.n(16)
	switch {
	case style == 0 && !bytes.ContainsAny(url, " \t\n?\"'=<>`\\"):
		w.text(" HREF=")
		w.escape(url)
	case style < 3:
		w.text(" href='")
		w.escape(url)
		w.text("'")
	case style < 5 && !w.m.plain:
		w.text(` href="`, string(bytes.ReplaceAll(bytes.ReplaceAll(url, []byte("&"), []byte("&#38;")), []byte("/"), []byte("&#x2F;"))), `"`)
	case style < 6:
		// A bare & before a name that is no entity is legal, and common.
		w.text(` href="`)
		w.out = append(w.out, url...)
		w.text(`"`)
	default:
		w.text(` href="`)
		w.escape(url)
		w.text(`"`)
	}
}

// noise writes what looks like a link and leads to no page.
func (w *writer) noise() {
	w.text([...]string{
		"<a href=\"mailto:post@example.test?subject=lab\">post</a>\n",
		"<a href=\"javascript:void(0)\">more</a>\n",
		"<a href=\"tel:+4930123456\">call</a>\n",
		"<!-- <a href=\"/not-a-link\">old</a> -->\n",
		"<img src=\"/static/dot.png\" alt=\"a > b\">\n",
		"<a name=\"here\">here</a>\n",
		"<a href=\"data:text/plain,none\">data</a>\n",
	}[w.r.n(7)])
}

// footer renders what stands at the end of every page of a site.
func (m *model) footer(s *site) []byte {
	// The words are those of the first language, whose letters every charset has.
	p, r := m.prose[0], stream(m.seed, s.index, 0, forSite)
	b := []byte("<footer class=\"foot\"><p>" + s.name + ": ")
	b = p.sentences(b, &r, 4)
	b = append(b, "</p>\n<ul class=\"legal\"><li>(c) the lab</li><li>"...)
	b = p.phrase(b, &r, 5)
	return append(b, "</li></ul></footer>\n</body>\n</html>\n"...)
}
