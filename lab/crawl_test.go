package lab

import (
	"bytes"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/net/html"
	htmlcharset "golang.org/x/net/html/charset"
)

// naive is a crawler that knows nothing of the model: it reads what is served. It fetches in the order of depth, one
// request at a time.
type naive struct {
	t     *testing.T
	c     *http.Client
	scope map[string]bool
	rules map[string][]rule
	found map[string]Page
	queue []string
}

type rule struct {
	allow   bool
	pattern string
}

// parsed is what the naive crawler reads out of a page.
type parsed struct {
	title    string
	links    map[string]bool // true: to be followed
	noFollow bool
}

func TestNaiveCrawlFindsTheTruth(t *testing.T) {
	for _, c := range []struct {
		name string
		Config
		ask Ask
	}{
		{"all roots", Config{Seed: 7, Pages: 300, Errors: true}, Ask{MaxDepth: -1}},
		{"plain", Config{Seed: 3, Pages: 200, Plain: true}, Ask{MaxDepth: -1}},
		{"one host", Config{Seed: 5, Pages: 500, Hosts: 1}, Ask{MaxDepth: -1}},
		{"one of four hosts, two links deep", Config{Seed: 11, Pages: 600, Hosts: 4}, Ask{Seeds: []string{"h1"}, MaxDepth: 2}},
		{"the open host", Config{Seed: 13, Pages: 400, Hosts: 3}, Ask{Seeds: []string{"h2"}, MaxDepth: -1}},
		{"from one host to any", Config{Seed: 17, Pages: 300, Hosts: 5}, Ask{Seeds: []string{"h4"}, AnyHost: true, MaxDepth: -1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, c.Config)
			for i, name := range c.ask.Seeds {
				c.ask.Seeds[i] = w.host(name+".lab.test").site.origin + "/"
			}
			truth, err := w.TruthFor(c.ask)
			if err != nil {
				t.Fatal(err)
			}
			n := &naive{t: t, c: client(t, w), scope: make(map[string]bool), rules: make(map[string][]rule), found: make(map[string]Page)}
			seeds := c.ask.Seeds
			if len(seeds) == 0 {
				seeds = w.Seeds()
			}
			for i, seed := range w.Seeds() {
				name := w.hosts[i].site.name
				n.scope[name] = c.ask.AnyHost || slices.Contains(seeds, seed)
				n.rules[name] = n.robots(seed)
			}
			n.crawl(seeds, c.ask.MaxDepth)
			compare(t, truth, n.found)
			t.Logf("%d pages, %d reachable, %d stored, ended: %v, failed: %d", truth.Counts.Pages, truth.Counts.Reachable, truth.Counts.Stored, truth.Counts.Reasons, truth.Counts.Failed)
		})
	}
}

func compare(t *testing.T, truth Truth, found map[string]Page) {
	t.Helper()
	counts := Counts{Reasons: make(map[string]int)}
	for _, p := range truth.Pages {
		got, ok := found[p.URL]
		delete(found, p.URL)
		counts.add(p)
		if ok != p.Reachable {
			t.Errorf("%s: reached %v, the truth says %v", p.URL, ok, p.Reachable)
			continue
		}
		if !ok {
			continue
		}
		got.NoIndex = p.NoIndex
		if !got.Stored {
			// What a page would say if it might be fetched is nothing that a crawler can know.
			got.Digest, got.Size, got.MIME, got.Charset, got.Title, got.Links = p.Digest, p.Size, p.MIME, p.Charset, p.Title, p.Links
			got.Status, got.FinalURL = p.Status, p.FinalURL
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s (-truth +found):\n%s", p.URL, diff)
		}
	}
	for u := range found {
		t.Errorf("%s was reached and is not in the truth", u)
	}
	if diff := cmp.Diff(truth.Counts, counts); diff != "" {
		t.Errorf("counts (-stated +counted):\n%s", diff)
	}
	if share := truth.Counts.Reachable * 10 / truth.Counts.Pages; share == 0 {
		t.Error("hardly anything is reachable")
	}
}

func (n *naive) crawl(seeds []string, depth int) {
	for _, s := range seeds {
		n.admit(s, 0, depth)
	}
	for i := 0; i < len(n.queue); i++ {
		p := n.found[n.queue[i]]
		links := n.visit(&p)
		n.found[p.URL] = p
		for l, follow := range links {
			if follow {
				n.admit(l, p.Depth+1, depth)
			}
		}
	}
}

func (n *naive) admit(raw string, depth, most int) {
	u, err := url.Parse(raw)
	if err != nil {
		n.t.Fatal(err)
	}
	if _, known := n.found[raw]; known || !n.scope[u.Hostname()] || most >= 0 && depth > most {
		return
	}
	n.found[raw] = Page{URL: raw, Depth: depth, Reachable: true, Allowed: n.allowed(u)}
	n.queue = append(n.queue, raw)
}

// visit fetches a page, follows redirects on its host, and returns the links that lead on.
func (n *naive) visit(p *Page) map[string]bool {
	p.FinalURL = p.URL
	for hop := 0; ; hop++ {
		at, err := url.Parse(p.FinalURL)
		if err != nil {
			n.t.Fatal(err)
		}
		if !n.allowed(at) {
			p.State, p.Reason = "ended", "robots"
			return nil
		}
		res := ask(n.t, n.c, "GET", p.FinalURL)
		p.Status = res.StatusCode
		if res.StatusCode/100 != 3 {
			return n.read(p, res)
		}
		target, ok := resolve(p.FinalURL, res.Header.Get("Location"))
		to, err := url.Parse(target)
		if !ok || err != nil {
			n.t.Fatalf("%s redirects to %q", p.FinalURL, res.Header.Get("Location"))
		}
		if to.Host != at.Host {
			p.State, p.Reason = "ended", "redirected"
			return map[string]bool{target: true}
		}
		if hop == 8 {
			p.State, p.Reason = "ended", "redirect_loop"
			return nil
		}
		p.FinalURL = target
	}
}

func (n *naive) read(p *Page, res reply) map[string]bool {
	switch res.StatusCode {
	case 200:
	case 404:
		p.State, p.Reason = "ended", "not_found"
		return nil
	case 410:
		p.State, p.Reason = "ended", "gone"
		return nil
	case 500:
		p.State, p.Fault = "failed", "server_error"
		return nil
	default:
		p.State, p.Reason = "ended", "client_error"
		return nil
	}
	p.State, p.Stored, p.Digest, p.Size = "stored", true, digest(res.body), len(res.body)
	contentType := res.Header.Get("Content-Type")
	var params map[string]string
	p.MIME, params, _ = mime.ParseMediaType(contentType)
	if p.MIME == "text/plain" {
		p.Charset = params["charset"]
	}
	if p.MIME != "text/html" {
		return nil
	}
	enc, name, _ := htmlcharset.DetermineEncoding(res.body, contentType)
	p.Charset = name
	text, err := enc.NewDecoder().Bytes(res.body)
	if err != nil {
		n.t.Fatal(err)
	}
	if bytes.ContainsRune(text, '\uFFFD') || bytes.ContainsRune(text, '\x1a') {
		n.t.Errorf("%s: letters lost in %s", p.URL, name)
	}
	doc := parse(n.t, text, p.FinalURL)
	p.Title, p.Links = doc.title, len(doc.links)
	if doc.noFollow || slices.Contains(res.Header.Values("X-Robots-Tag"), "Trawl: nofollow") {
		return nil
	}
	return doc.links
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func parse(t *testing.T, text []byte, base string) parsed {
	root, err := html.ParseWithOptions(bytes.NewReader(text), html.ParseOptionEnableScripting(false))
	if err != nil {
		t.Fatal(err)
	}
	d := parsed{links: make(map[string]bool)}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "base" {
			base, _ = resolve(base, attr(n, "href"))
		}
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		href, follow := attr(n, "href"), true
		switch n.Data {
		case "title":
			d.title = n.FirstChild.Data
		case "a", "area":
			follow = !strings.Contains(strings.ToLower(attr(n, "rel")), "nofollow")
		case "iframe":
			href = attr(n, "src")
		case "link":
			if attr(n, "rel") != "next" {
				continue
			}
		case "meta":
			name := strings.ToLower(attr(n, "name"))
			if (name == "robots" || name == "trawl") && strings.Contains(strings.ToLower(attr(n, "content")), "nofollow") {
				d.noFollow = true
			}
			if attr(n, "http-equiv") != "refresh" {
				continue
			}
			_, href, _ = strings.Cut(attr(n, "content"), "url=")
		default:
			continue
		}
		if u, ok := resolve(base, href); ok && href != "" {
			d.links[u] = d.links[u] || follow
		}
	}
	return d
}

// resolve gives the canonical URL of a reference; false when it is not http or https.
func resolve(base, ref string) (string, bool) {
	u, err := whatwg.ParseRef(base, ref)
	if err != nil || u.Protocol() != "http:" && u.Protocol() != "https:" {
		return "", false
	}
	s := u.Href(true)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch code := strings.ToUpper(s[i : i+3]); code {
		case "%7E":
			b.WriteByte('~')
		case "%2D":
			b.WriteByte('-')
		default:
			b.WriteString(code)
		}
		i += 2
	}
	return b.String(), true
}

// robots reads the rules for Trawl, or for all where there are none for it.
func (n *naive) robots(seed string) []rule {
	res := ask(n.t, n.c, "GET", seed+"robots.txt")
	if res.StatusCode == http.StatusNotFound {
		return nil
	}
	groups, agent := make(map[string][]rule), ""
	for line := range strings.Lines(string(res.body)) {
		line, _, _ = strings.Cut(line, "#")
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key = strings.ToLower(key); {
		case key == "user-agent":
			agent = strings.ToLower(value)
		case (key == "allow" || key == "disallow") && value != "":
			groups[agent] = append(groups[agent], rule{key == "allow", value})
		}
	}
	if own, ok := groups["trawl"]; ok {
		return own
	}
	return groups["*"]
}

// allowed lets the longest matching rule decide.
func (n *naive) allowed(u *url.URL) bool {
	best := rule{allow: true}
	for _, r := range n.rules[u.Hostname()] {
		if matches(r.pattern, u.RequestURI()) && len(r.pattern) > len(best.pattern) {
			best = r
		}
	}
	return best.allow
}

func matches(pattern, path string) bool {
	pattern, anchored := strings.CutSuffix(pattern, "$")
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(path, parts[0]) {
		return false
	}
	path = path[len(parts[0]):]
	for i, part := range parts[1:] {
		if anchored && i == len(parts)-2 {
			return strings.HasSuffix(path, part)
		}
		at := strings.Index(path, part)
		if at < 0 {
			return false
		}
		path = path[at+len(part):]
	}
	return !anchored || path == ""
}

// visible counts the bytes of text that a reader sees.
func visible(t *testing.T, body []byte) int {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style" && n.Parent.Data != "noscript" {
			sum += len(strings.TrimSpace(n.Data))
		}
	}
	return sum
}
