package sitemap_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/sitemap"
)

// known are the cases in which we differ on purpose, by id.
var known = map[string]string{
	"cc-07": "not well-formed: refused in its strict mode; the page that the file lists is kept",
	"cc-22": "leaves out pages above the sitemap's own folder, as the protocol has it; Parse leaves that to the caller",
	"cc-33": "a wrong name space: refused in its strict mode; nobody could mean anything else by it",
}

func readCases(t testing.TB, name string, cases any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(b, cases)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// check judges one case and tells whether it is as the suite has it.
func check(t *testing.T, id string, same bool, format string, args ...any) bool {
	t.Helper()
	switch reason, listed := known[id]; {
	case same && listed:
		t.Errorf("%s is listed as a difference (%s) but there is none", id, reason)
	case !same && !listed:
		t.Errorf(id+": "+format, args...)
	}
	return same
}

// verdict is a case of crawler-commons.
type verdict struct {
	Test, URL, Type string
	Content         []byte `json:"content_b64"`
	ContentType     string `json:"content_type"`
	URLs, LastMod   []string
	Error           string
}

// listed gives the URLs and dates of entries in the suite's form.
func listed(f sitemap.File) (urls, dates []string) {
	for _, e := range append(f.Entries, f.Sitemaps...) {
		urls = append(urls, e.URL)
		date := ""
		if !e.LastMod.IsZero() {
			date = e.LastMod.Format(time.RFC3339)
		}
		dates = append(dates, date)
	}
	return urls, dates
}

func TestCrawlerCommonsCases(t *testing.T) {
	kinds := map[string]sitemap.Kind{"XML": sitemap.URLSet, "INDEX": sitemap.Index, "TEXT": sitemap.Text, "RSS": sitemap.RSS, "ATOM": sitemap.Atom}
	var cases []verdict
	readCases(t, "crawlercommons_sitemaps.json", &cases)
	right := 0
	for i, c := range cases {
		f, err := sitemap.Parse(bytes.NewReader(c.Content), c.URL, c.ContentType)
		urls, dates := listed(f)
		same := (err != nil) == (c.Error != "") && f.Kind == kinds[c.Type] && slices.Equal(urls, c.URLs) && slices.Equal(dates, c.LastMod)
		if check(t, fmt.Sprintf("cc-%02d", i), same, "%s: %s %q %q %v, want %s %q %q %s", c.Test, f.Kind, urls, dates, err, c.Type, c.URLs, c.LastMod, c.Error) {
			right++
		}
	}
	t.Logf("crawler-commons: %d of %d", right, len(cases))
}

// call is a case of Scrapy: of its sitemap reader, or of one for robots.txt that is none of ours.
type call struct {
	Test, Fn string
	Args     []any
	Kwargs   struct{ Type string }
	Result   []any
}

// text is a recorded argument: a string, or octets as {"b": …}.
func text(t *testing.T, arg any) string {
	t.Helper()
	switch a := arg.(type) {
	case string:
		return a
	case map[string]any:
		if s, ok := a["b"].(string); ok {
			return s
		}
		b, err := base64.StdEncoding.DecodeString(fmt.Sprint(a["b64"]))
		if err == nil {
			return string(b)
		}
	}
	t.Fatalf("argument %v", arg)
	return ""
}

func TestScrapyCases(t *testing.T) {
	var cases []call
	readCases(t, "scrapy_sitemap.json", &cases)
	right, all := 0, 0
	for i, c := range cases {
		if c.Fn != "Sitemap" {
			continue
		}
		all++
		f, err := sitemap.Parse(strings.NewReader(text(t, c.Args[0])), "http://www.example.com/sitemap.xml", "")
		var got, want []string
		for _, e := range append(f.Entries, f.Sitemaps...) {
			got = append(got, e.URL)
		}
		for _, r := range c.Result {
			want = append(want, r.(map[string]any)["loc"].(string))
		}
		kind := sitemap.URLSet
		if c.Kwargs.Type == "sitemapindex" {
			kind = sitemap.Index
		}
		same := err == nil && f.Kind == kind && slices.Equal(got, want)
		if check(t, fmt.Sprintf("scrapy-%02d", i), same, "%s: %s %q %v, want %q", c.Test, f.Kind, got, err, want) {
			right++
		}
	}
	t.Logf("Scrapy: %d of %d", right, all)
}

// Of files with extensions only the pages are listed, not their images and videos.
func TestExtensions(t *testing.T) {
	for name, want := range map[string]int{
		"pagemaps-sitemap.xml": 2, "sitemap-images.xml": 1, "sitemap-links.xml": 3, "sitemap-mobile.xml": 3, "sitemap-news.xml": 2,
		"sitemap-videos.xml": 3, "sitemap-with-bom.txt": 2,
	} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := sitemap.Parse(bytes.NewReader(b), "http://www.example.com/"+name, "")
		if err != nil || len(f.Entries) != want || f.Skipped != 0 || f.Truncated {
			t.Errorf("%s: %+v, %v; want %d entries", name, f, err, want)
		}
	}
}
