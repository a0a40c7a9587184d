package lab

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// linksOf reads the links of a page tag by tag, as what is made to hurt a parser wants to be read.
func linksOf(t *testing.T, body []byte, base string) (title string, links []string) {
	t.Helper()
	z, seen := html.NewTokenizer(bytes.NewReader(body)), make(map[string]bool)
	for tt := z.Next(); tt != html.ErrorToken; tt = z.Next() {
		if tt != html.StartTagToken {
			continue
		}
		tok := z.Token()
		if tok.Data == "title" {
			z.Next()
			title = string(z.Text())
		}
		for _, a := range tok.Attr {
			if u, ok := resolve(base, a.Val); ok && tok.Data == "a" && a.Key == "href" && !seen[u] {
				seen[u] = true
				links = append(links, u)
			}
		}
	}
	return title, links
}

// TestHeavyPagesKeepTheirLinks asks for every page as it is, huge and poisoned, and compares what leads where.
func TestHeavyPagesKeepTheirLinks(t *testing.T) {
	w := start(t, Config{Seed: 7, Hosts: 2, Pages: 250, Errors: true, Traps: true})
	c, truth, links := client(t, w), w.Truth().Pages, make(map[string]map[string]bool)
	for _, p := range truth {
		if p.MIME == "text/html" && p.Charset == "utf-8" {
			links[p.FinalURL] = parse(t, ask(t, c, "GET", p.FinalURL).body, p.FinalURL).links
		}
	}
	set(t, w, Trouble{Huge: map[string]int64{"*": 100_001, "h0.lab.test": leastHuge}})
	sizes := map[string]int{"h0.lab.test": leastHuge, "h1.lab.test": 100_001}
	digests := make(map[string]bool)
	for _, p := range truth {
		res := ask(t, c, "GET", p.FinalURL)
		if p.MIME != "text/html" {
			if want := cmp.Or(p.Status, 200); res.StatusCode != want && p.Digest != "" || p.Digest != "" && digest(res.body) != p.Digest {
				t.Errorf("%s is no HTML page and was changed: %d", p.URL, res.StatusCode)
			}
			continue
		}
		u, err := url.Parse(p.FinalURL)
		if err != nil {
			t.Fatal(err)
		}
		if n := sizes[u.Hostname()]; len(res.body) != n || res.ContentLength != int64(n) || res.StatusCode != 200 {
			t.Errorf("%s: %d, %d bytes, Content-Length %d, want %d", p.URL, res.StatusCode, len(res.body), res.ContentLength, n)
		}
		digests[digest(res.body)] = true
		doc := parse(t, res.body, p.FinalURL)
		if len(doc.links) != p.Links || !strings.HasPrefix(doc.title, fmt.Sprintf("%d bytes | h", len(res.body))) {
			t.Errorf("%s: %q with %d links, the truth says %d", p.URL, doc.title, len(doc.links), p.Links)
		}
		if want, ok := links[p.FinalURL]; ok {
			if diff := gocmp.Diff(want, doc.links); diff != "" {
				t.Errorf("%s (-usual +huge):\n%s", p.URL, diff)
			}
		}
	}
	if len(digests) < 100 {
		t.Errorf("only %d huge pages differ", len(digests))
	}
	root := w.Seeds()[0]
	robots := string(ask(t, c, "GET", root+"robots.txt").body)
	head := ask(t, c, "HEAD", root)
	if len(robots) > 1000 || head.ContentLength != leastHuge || len(head.body) > 0 {
		t.Errorf("robots.txt of %d bytes; HEAD: %d of %d", len(robots), len(head.body), head.ContentLength)
	}
	set(t, w, Trouble{})
	if got := ask(t, c, "GET", truth[0].URL); digest(got.body) != truth[0].Digest {
		t.Error("the pages are not what they were")
	}
}

// TestHeavyPagesObeyRobots has a huge page say what the page says whose place it takes.
func TestHeavyPagesObeyRobots(t *testing.T) {
	w := start(t, Config{Seed: 7, Hosts: 1, Pages: 300})
	set(t, w, Trouble{Huge: map[string]int64{"*": leastHuge}})
	s, asked := w.model.sites[0], make(map[kind]bool)
	for k := range s.pages {
		kd := w.model.kind(s, k)
		if asked[kd] || !kd.html() {
			continue
		}
		asked[kd] = true
		body := string(ask(t, client(t, w), "GET", w.model.url(s, k)).body)
		if strings.Contains(body, `content="noindex"`) != (kd == noIndex) || strings.Contains(body, `content="nofollow"`) != (kd == noFollow) {
			t.Errorf("%s, kind %d: %s", w.model.url(s, k), kd, body[:300])
		}
	}
	if !asked[noIndex] || !asked[noFollow] {
		t.Error("no such pages")
	}
}

// countElements reads a page as a browser does.
func countElements(t *testing.T, page []byte, name string) int {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e := range root.Descendants() {
		if e.Type == html.ElementNode && e.Data == name {
			n++
		}
	}
	return n
}

// TestPoison looks at what poison is made of; to read all of it as a browser does would cost seconds.
func TestPoison(t *testing.T) {
	w := start(t, Config{Seed: 7, Hosts: 4, Pages: 300, Plain: true})
	set(t, w, Trouble{
		Poison: map[string]string{"*": "nested", "h1.lab.test": "unclosed", "h2.lab.test": "attributes", "h3.lab.test": ""},
		Huge:   map[string]int64{"*": 1 << 20},
	})
	c, want := client(t, w), make(map[string]Page)
	for _, p := range w.Truth().Pages {
		want[p.URL] = p
	}
	for i, row := range []struct {
		what        string
		least, most int // of what there is
	}{
		{"<span>", 480, 480}, // below the bound that parsers have, beyond which they give up and are quick
		{"<p>x", 50_000, 100_000},
		{" a=b", 30_000, 100_000},
		{"<span>", 0, 0},
	} {
		root := w.Seeds()[i]
		res := ask(t, c, "GET", root)
		title, links := linksOf(t, res.body, root)
		n := bytes.Count(res.body, []byte(row.what))
		if i == 3 {
			if len(res.body) != 1<<20 {
				t.Errorf("h3 without poison: %d bytes", len(res.body))
			}
			continue
		}
		if len(res.body) > poisonSize+leastHuge || n < row.least || n > row.most || !strings.HasPrefix(title, "poisoned page | h") || len(links) != want[root].Links {
			t.Errorf("h%d: %d bytes, %q %d times, %q, %d links of %d", i, len(res.body), row.what, n, title, len(links), want[root].Links)
		}
		if i == 1 {
			part := res.body[:bytes.Index(res.body, []byte("<p>x"))+1000*len("<p>x")]
			if n := countElements(t, part, "b"); n < 10_000 {
				t.Errorf("h1: with 1,000 paragraphs there are %d formatting elements: they are not opened anew", n)
			}
		}
		if again := ask(t, c, "GET", root); !bytes.Equal(again.body, res.body) {
			t.Errorf("h%d is another page when it is asked for again", i)
		}
	}
}
