package lab

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Trap is an endless space of addresses. None of them is a page of the truth; each that the lab links to answers 200 with
// HTML and links to more of them, and to nothing else: whoever leaves the traps alone misses no page.
type Trap struct {
	Name  string `json:"name"`            // calendar, facets, deep, print or session
	Path  string `json:"path,omitempty"`  // its addresses have this path, or one below it where this ends in a slash; "": any
	Param string `json:"param,omitempty"` // and this parameter in their query; "": any query or none
}

// spaces lists the traps of a web; none without Config.Traps.
func (m *model) spaces() []Trap {
	if !m.traps {
		return nil
	}
	return []Trap{
		{Name: "calendar", Path: "/calendar/"},
		{Name: "calendar", Path: "/calendar", Param: "month"},
		{Name: "facets", Path: "/shop"},
		{Name: "deep", Path: "/deep/"},
		{Name: "print", Path: "/print", Param: "page"},
		{Name: "session", Param: "sid"},
	}
}

func (t Trap) holds(u *url.URL) bool {
	path := u.Path == t.Path || t.Path == "" || strings.HasSuffix(t.Path, "/") && strings.HasPrefix(u.Path, t.Path)
	return path && (t.Param == "" || u.Query().Has(t.Param))
}

// Trap names the trap that a URL of one of the lab's hosts belongs to, "" when it is in none.
func (t Truth) Trap(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	if i := slices.IndexFunc(t.Traps, func(s Trap) bool { return s.holds(u) }); i >= 0 {
		return t.Traps[i].Name
	}
	return ""
}

// lures lists the ways from page k into the traps. The root has them, and of the other HTML pages one in sixteen.
func (m *model) lures(s *site, k int, kd kind) []string {
	if !m.traps || !kd.html() || k > 0 && k%16 != 1 {
		return nil
	}
	r := stream(m.seed, s.index, k, forTrap)
	return []string{
		"/calendar/2024/05/", "/calendar?month=2024-05", "/shop?color=red&size=m", "/deep/a/",
		"/print?page=" + strconv.Itoa(k) + "&ref=page", m.inSession(s, k, &r),
	}
}

// lures writes the links into the traps.
func (w *writer) lures() {
	for _, to := range w.m.lures(w.s, w.k, w.kd) {
		w.text(`<a class="more" href="`)
		w.escape([]byte(to))
		w.text("\">more</a>\n")
	}
}

// trap answers in a trap; false when the address is in none. What it says is drawn from the address, so that it says the
// same to everybody.
func (w *Web) trap(rw http.ResponseWriter, r *http.Request, s *site) bool {
	spaces := w.model.spaces()
	i := slices.IndexFunc(spaces, func(t Trap) bool { return t.holds(r.URL) })
	if i < 0 {
		return false
	}
	name, about := spaces[i].Name, r.URL.RequestURI()
	if name == "print" {
		about = "/print " + r.URL.Query().Get("page") // not who refers to it: the same body at many addresses
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(about)) // a hash never fails
	draw := stream(w.model.seed, s.index, int(h.Sum64()>>8), forTrap)
	var links []string
	switch name {
	case "calendar":
		links = calendar(r.URL)
	case "facets":
		links = facets(r.URL, &draw)
	case "deep":
		links = deeper(r.URL, &draw)
	case "print":
		links = prints(r.URL)
	case "session":
		links = w.model.session(s, r.URL, &draw)
	}
	if len(links) == 0 {
		return false
	}
	write(rw, r, http.StatusOK, "text/html; charset=utf-8", w.model.trapPage(about+" | "+s.name, &draw, links))
	return true
}

func (m *model) trapPage(title string, r *rng, links []string) []byte {
	var b bytes.Buffer
	p := m.prose[0]
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<title>%s</title>\n</head>\n<body>\n<main>\n", html.EscapeString(title))
	for range 4 {
		b.Write(p.blocks[r.n(len(p.blocks))])
	}
	for _, to := range links {
		fmt.Fprintf(&b, "<a href=\"%s\">%s</a>\n", html.EscapeString(to), p.labels[r.n(len(p.labels))])
	}
	b.WriteString("</main>\n</body>\n</html>\n")
	return b.Bytes()
}

// calendar links a month to the ones before and after, in both its spellings.
func calendar(u *url.URL) []string {
	month, err := time.Parse("/calendar/2006/01/", u.Path)
	if u.Path == "/calendar" {
		month, err = time.Parse("2006-01", u.Query().Get("month"))
	}
	if err != nil {
		return nil
	}
	var links []string
	for _, step := range []int{-1, 1} {
		next := month.AddDate(0, step, 0)
		if next.Year() < 0 || next.Year() > 9999 {
			continue // a year has four digits
		}
		links = append(links, next.Format("/calendar/2006/01/"), next.Format("/calendar?month=2006-01"))
	}
	return links
}

// facets links a choice of parameters to those with one more, one less, and two in the other order.
func facets(u *url.URL, r *rng) []string {
	var have []string
	if u.RawQuery != "" {
		have = strings.Split(u.RawQuery, "&")
	}
	var links []string
	add := func(params ...string) {
		links = append(links, strings.TrimSuffix("/shop?"+strings.Join(params, "&"), "?"))
	}
	for _, name := range []string{"color", "size", "brand", "price", "sort", "view", "rating", "stock"} {
		if !u.Query().Has(name) {
			value := []string{"red", "blue", "m", "xl", "new", "low"}[r.n(6)]
			add(append(slices.Clone(have), name+"="+value)...)
		}
	}
	for i := range have {
		add(slices.Delete(slices.Clone(have), i, i+1)...)
		if i > 0 {
			turned := slices.Clone(have)
			turned[i-1], turned[i] = turned[i], turned[i-1]
			add(turned...)
		}
	}
	return links
}

// deeper links a folder to folders in it.
func deeper(u *url.URL, r *rng) []string {
	at := strings.TrimSuffix(u.EscapedPath(), "/") + "/"
	var links []string
	for range 3 {
		links = append(links, at+string(rune('a'+r.n(6)))+"/")
	}
	return links
}

// prints links a page's print version to itself by other addresses, and to the next.
func prints(u *url.URL) []string {
	page, err := strconv.ParseUint(u.Query().Get("page"), 10, 62)
	if err != nil {
		return nil
	}
	var links []string
	for _, ref := range []string{"top", "side", "mail"} {
		links = append(links, fmt.Sprintf("/print?page=%d&ref=%s", page, ref))
	}
	return append(links, fmt.Sprintf("/print?page=%d&ref=next", page+1))
}

// session links a page to itself and to the pages that it links to, each with a session of its own.
func (m *model) session(s *site, u *url.URL, r *rng) []string {
	query, _, _ := strings.Cut("&"+u.RawQuery, "&sid=")
	k, hop, ok := m.find(s, u.Path, strings.TrimPrefix(query, "&"))
	if !ok || hop != 0 {
		return nil
	}
	kd := m.kind(s, k)
	if !kd.html() || !s.allowed(kd) {
		return nil
	}
	links := []string{m.inSession(s, k, r)}
	for _, l := range m.links(nil, s, k, kd, m.look(s, k, kd)) {
		if l.to != s || l.noFollow {
			continue
		}
		if to := m.kind(s, l.page); to.html() && s.allowed(to) {
			links = append(links, m.inSession(s, l.page, r))
		}
	}
	return links
}

// inSession is the address of page k with a new session.
func (m *model) inSession(s *site, k int, r *rng) string {
	path := m.url(s, k)[len(s.origin):]
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return fmt.Sprintf("%s%ssid=%016x%016x", path, sep, r.next(), r.next())
}
