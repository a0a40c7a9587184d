package lab

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// item is an entry of a feed or of a sitemap.
type item struct {
	url, title string
	date       time.Time
}

// readFeed reads RSS or Atom as a feed reader does, by names alone.
func readFeed(t *testing.T, body []byte) []item {
	t.Helper()
	var doc struct {
		Items []struct {
			Title string `xml:"title"`
			Link  string `xml:"link"`
			Date  string `xml:"pubDate"`
		} `xml:"channel>item"`
		Entries []struct {
			Title string `xml:"title"`
			Link  struct {
				Href string `xml:"href,attr"`
			} `xml:"link"`
			Date time.Time `xml:"updated"`
		} `xml:"entry"`
	}
	if err := xml.Unmarshal(body, &doc); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var list []item
	for _, i := range doc.Items {
		date, err := time.Parse(time.RFC1123Z, i.Date)
		if err != nil {
			t.Error(err)
		}
		list = append(list, item{i.Link, i.Title, date})
	}
	for _, e := range doc.Entries {
		list = append(list, item{e.Link.Href, e.Title, e.Date})
	}
	return list
}

func TestFeeds(t *testing.T) {
	w := start(t, Config{Seed: 7, Pages: 300, Feeds: true})
	c := client(t, w)
	pages := make(map[string]Page)
	for _, p := range w.Truth().Pages {
		pages[p.URL] = p
	}
	for i, seed := range w.Seeds() {
		path, mime := "feed.xml", "application/rss+xml"
		if i%2 == 1 {
			path, mime = "atom.xml", "application/atom+xml"
		}
		res := ask(t, c, "GET", seed+path)
		items := readFeed(t, res.body)
		if res.Header.Get("Content-Type") != mime || len(items) != 10 {
			t.Fatalf("%s%s: %d %s with %d items", seed, path, res.StatusCode, res.Header.Get("Content-Type"), len(items))
		}
		if !slices.IsSortedFunc(items, func(a, b item) int { return b.date.Compare(a.date) }) {
			t.Errorf("%s%s: not the newest first", seed, path)
		}
		for _, it := range items {
			if p := pages[it.url]; p.Title != it.title || !p.Allowed || !strings.HasPrefix(it.url, seed) {
				t.Errorf("%s, %q: the truth has %+v", it.url, it.title, p)
			}
			dateOf(t, c, it)
		}
		if want := `<link rel="alternate" type="` + mime + `" href="/` + path + `">`; !strings.Contains(string(ask(t, c, "GET", seed).body), want) {
			t.Errorf("%s does not announce %s", seed, path)
		}
		for _, none := range []string{"feed.xml", "atom.xml"} {
			if got := ask(t, c, "GET", seed+none); none != path && got.StatusCode != 404 {
				t.Errorf("%s%s: %d", seed, none, got.StatusCode)
			}
		}
	}
	alone, err := w.TruthFor(Ask{Seeds: w.Seeds()[1:2], Feeds: true})
	root, rootErr := w.TruthFor(Ask{Seeds: w.Seeds()[1:2]})
	if more := alone.Counts.Reachable - root.Counts.Reachable; err != nil || rootErr != nil || root.Counts.Reachable != 1 || more < 9 || more > 10 {
		t.Errorf("with its feed %d pages are reachable, without %d, %v", alone.Counts.Reachable, root.Counts.Reachable, err)
	}
}

// dateOf holds an item's date against the Last-Modified of its page, where it has one.
func dateOf(t *testing.T, c *http.Client, it item) {
	t.Helper()
	modified := ask(t, c, "HEAD", it.url).Header.Get("Last-Modified")
	if modified != "" && modified != it.date.UTC().Format(http.TimeFormat) || it.date.IsZero() {
		t.Errorf("%s: %v, Last-Modified %q", it.url, it.date, modified)
	}
}

func TestSitemapDates(t *testing.T) {
	w := start(t, Config{Seed: 7, Hosts: 1, Pages: 200, Feeds: true})
	c := client(t, w)
	r, err := gzip.NewReader(strings.NewReader(string(ask(t, c, "GET", w.Seeds()[0]+"sitemaps/0.xml.gz").body)))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		URLs []struct {
			Loc     string    `xml:"loc"`
			LastMod time.Time `xml:"lastmod"`
		} `xml:"url"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	for _, u := range doc.URLs {
		dateOf(t, c, item{url: u.Loc, date: u.LastMod})
	}
	if len(doc.URLs) < 100 {
		t.Errorf("%d pages in the sitemap", len(doc.URLs))
	}
}

// TestFeedFollowsChange has the newest page be the one that changed last.
func TestFeedFollowsChange(t *testing.T) {
	var watch clock
	w := start(t, Config{Seed: 7, Hosts: 1, Pages: 100, Feeds: true, Rates: []time.Duration{time.Hour}, Now: watch.time})
	c := client(t, w)
	watch.pass(30 * time.Minute)
	first := readFeed(t, ask(t, c, "GET", w.Seeds()[0]+"feed.xml").body)[0]
	if !first.date.After(watch.time().Add(-30*time.Minute)) || w.Version(first.url, watch.time()) == 0 || w.Version(first.url, first.date.Add(-time.Second)) == w.Version(first.url, watch.time()) {
		t.Errorf("the newest is %+v", first)
	}
	dateOf(t, c, first)
	early, err := w.TruthFor(Ask{Seeds: w.Seeds(), Feeds: true, At: watch.time().Add(-time.Hour)})
	late, lateErr := w.TruthFor(Ask{Seeds: w.Seeds(), Feeds: true})
	if err != nil || lateErr != nil || slices.EqualFunc(early.Pages, late.Pages, func(a, b Page) bool { return a.Depth == b.Depth }) {
		t.Error("the feed's part in the truth does not follow the changes")
	}
}
