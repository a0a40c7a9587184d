package extract

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"example.org/trawl/weburl"
)

// chromiumPage is what Chromium says of a page.
type chromiumPage struct {
	ID, URL, HTML, Base, Title string
	Links                      []struct {
		T, A string
		U    *string
		Rel  string
	}
	Resources []struct{ T, U string }
	Link      []struct{ Rel, U string }
	Refresh   []string
	Robots    []string
}

func chromiumPages(t testing.TB) []chromiumPage {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(readFile(t, "chromium_links.jsonl.gz")))
	if err != nil {
		t.Fatal(err)
	}
	var pages []chromiumPage
	lines := bufio.NewScanner(gz)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var p chromiumPage
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	if lines.Err() != nil {
		t.Fatal(lines.Err())
	}
	return pages
}

// chromiumLinks resolves every a and area as document.links does: doubles, fragments and all.
func chromiumLinks(c *collector, r *resolver) []string {
	var out []string
	for _, ref := range c.refs {
		if ref.from != "a" && ref.from != "area" {
			continue
		}
		u, err := r.resolve(ref.url)
		if err != nil {
			u = "(invalid)"
		}
		out = append(out, ref.from+" "+ref.url+" -> "+u)
	}
	return out
}

func (p *chromiumPage) links() []string {
	var out []string
	for _, l := range p.Links {
		u := "(invalid)"
		if l.U != nil {
			u = *l.U
		}
		out = append(out, l.T+" "+l.A+" -> "+u)
	}
	return out
}

// TestChromiumLinks holds the links of every page against document.links, one by one and in order.
func TestChromiumLinks(t *testing.T) {
	s := newScore(t, nil)
	found := 0
	for _, p := range chromiumPages(t) {
		c := read([]byte(p.HTML), "")
		r := newResolver(mustParse(t, p.URL), c.base, "utf-8")
		got, want := chromiumLinks(c, r), p.links()
		found += len(got)
		s.check(p.ID, slices.Equal(got, want), "%s", firstDifference(got, want))
	}
	t.Logf("%d links", found)
}

// TestChromiumMetadata holds base, title, canonical URL and robots directives against the elements that Chromium has.
func TestChromiumMetadata(t *testing.T) {
	s := newScore(t, nil)
	for _, p := range chromiumPages(t) {
		d, err := HTML([]byte(p.HTML), "text/html; charset=utf-8", p.URL, "trawl")
		if err != nil {
			t.Fatal(p.ID, err)
		}
		c := read([]byte(p.HTML), "")
		base := newResolver(mustParse(t, p.URL), c.base, "utf-8").base
		s.check(p.ID+" base", base == mustParse(t, p.Base), "base is %q, not %q", base, p.Base)
		want := line(p.Title) // a browser keeps no-break spaces in a title, a catalog has no use for them
		canonical, noIndex, noFollow := p.metadata()
		s.check(p.ID+" canonical", d.Canonical == canonical, "canonical is %q, not %q", d.Canonical, canonical)
		s.check(p.ID+" robots", d.NoIndex == noIndex && d.NoFollow == noFollow, "noindex %t, nofollow %t", d.NoIndex, d.NoFollow)
		s.check(p.ID+" title", d.Title == want, "title is %q, not %q", d.Title, want)
	}
}

func (p *chromiumPage) metadata() (canonical string, noIndex, noFollow bool) {
	for _, l := range p.Link {
		if l.Rel == "canonical" && canonical == "" {
			canonical, _, _ = strings.Cut(l.U, "#")
		}
	}
	for _, content := range p.Robots {
		noIndex = noIndex || strings.Contains(content, "noindex") || strings.Contains(content, "none")
		noFollow = noFollow || strings.Contains(content, "nofollow") || strings.Contains(content, "none")
	}
	return canonical, noIndex, noFollow
}

// TestChromiumPageLinks tells that Document.Links is what document.links has of http and https, each page once.
func TestChromiumPageLinks(t *testing.T) {
	s := newScore(t, nil)
	for _, p := range chromiumPages(t) {
		d, err := HTML([]byte(p.HTML), "text/html; charset=utf-8", p.URL, "trawl")
		if err != nil {
			t.Fatal(p.ID, err)
		}
		var got, want []string
		for _, l := range d.Links {
			if l.From == "a" || l.From == "area" {
				got = append(got, l.URL)
			}
		}
		elsewhere := map[string]bool{} // named first by another element
		for _, l := range d.Links {
			elsewhere[l.URL] = l.From != "a" && l.From != "area"
		}
		for _, l := range p.Links {
			if l.U == nil || !strings.HasPrefix(*l.U, "http") {
				continue
			}
			u, _, _ := strings.Cut(*l.U, "#")
			if !elsewhere[u] {
				want = append(want, u)
			}
		}
		want = once(want)
		s.check(p.ID, slices.Equal(got, want), "%s", firstDifference(got, want))
	}
}

// TestFlatFindsChromiumLinks keeps the pass for unfit pages close to the tree. Where tags are misused the browser repeats an
// element, and sometimes puts it elsewhere; the repeated ones are the same page, so each link is compared once.
func TestFlatFindsChromiumLinks(t *testing.T) {
	s := newScore(t, nil)
	for _, p := range chromiumPages(t) {
		c := &collector{}
		c.flat([]byte(p.HTML))
		r := newResolver(mustParse(t, p.URL), c.base, "utf-8")
		got, want := once(chromiumLinks(c, r)), once(p.links())
		s.check(p.ID, slices.Equal(got, want), "%s", firstDifference(got, want))
	}
}

func once(list []string) []string {
	seen := make(map[string]bool, len(list))
	var out []string
	for _, s := range list {
		if !seen[s] {
			out = append(out, s)
		}
		seen[s] = true
	}
	return out
}

func TestScrapyLinks(t *testing.T) {
	var cases []struct {
		Test, URL, Encoding string
		Body                argument
		Options             map[string]any
		Links               []struct {
			URL      string
			NoFollow bool
		}
	}
	readJSON(t, "scrapy_link_extractor.json", &cases)
	s := newScore(t, map[string]string{
		"test_ignored_extensions#21": "what a name ends in is a matter of scope, not of extraction",
		"test_ftp_links#44":          "only http and https are crawled",
	})
	for i, c := range cases {
		if len(c.Options) > 0 {
			continue // selections by its user: not an extractor's
		}
		id := fmt.Sprintf("%s#%d", c.Test, i)
		d, err := HTML(c.Body, "text/html; charset="+c.Encoding, c.URL, "")
		if err != nil {
			t.Fatal(id, err)
		}
		var got, want []string
		for _, l := range d.Links {
			got = append(got, fmt.Sprint(l.URL, " ", l.NoFollow))
		}
		for _, l := range c.Links {
			u, _, _ := strings.Cut(l.URL, "#")
			if w := fmt.Sprint(u, " ", l.NoFollow); !slices.Contains(want, w) {
				want = append(want, w)
			}
		}
		s.check(id, slices.Equal(got, want), "%s", firstDifference(got, want))
	}
}

func TestW3libBaseURL(t *testing.T) {
	var calls []call
	readJSON(t, "w3lib_base_url.json", &calls)
	s := newScore(t, map[string]string{
		"test_base_url_in_script#8":  "without scripts, noscript is part of the page, as in Chromium",
		"test_base_url_in_script#11": "the same",
	})
	for i, c := range calls {
		page, url := c.Args[0], "https://example.org"
		if len(c.Args) > 1 {
			url = string(c.Args[1])
		}
		want := c.Result.(string)
		if want == "" {
			want = url
		}
		charset := "utf-8"
		if e, ok := c.Kwargs["encoding"]; ok {
			charset = lookup(strings.ReplaceAll(e.(string), "latin-", "latin"))
		}
		got := newResolver(mustParse(t, url), read(page, "").base, charset).base
		s.check(fmt.Sprintf("%s#%d", c.Test, i), got == mustParse(t, want), "got %q, want %q", got, want)
	}
}

func TestW3libMetaRefresh(t *testing.T) {
	var calls []call
	readJSON(t, "w3lib_meta_refresh.json", &calls)
	s := newScore(t, map[string]string{
		"test_get_meta_refresh_unterminated_tag#2": "a tag that the page's end cuts off is no tag, as in Chromium",
		"test_inside_noscript#19":                  "without scripts, noscript is part of the page, as in Chromium",
		"test_inside_script#22":                    "asks for the inside of scripts to be searched",
	})
	for i, c := range calls {
		charset := "utf-8"
		if len(c.Args) > 2 {
			charset = string(c.Args[2])
		}
		d, err := HTML(c.Args[0], "text/html; charset="+charset, string(c.Args[1]), "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, l := range d.Links {
			if l.From == "refresh" {
				got = l.URL
			}
		}
		want, _ := c.Result.([]any)[1].(string)
		s.check(fmt.Sprintf("%s#%d", c.Test, i), got == want, "got %q, want %q", got, want)
	}
}

func firstDifference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		g, w := "(none)", "(none)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			return fmt.Sprintf("link %d of %d is %s, not %s (of %d)", i, len(got), g, w, len(want))
		}
	}
	return "no difference"
}

func mustParse(t *testing.T, u string) string {
	t.Helper()
	p, err := weburl.Parse(u)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
