package sitemap_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"example.org/trawl/sitemap"
)

const at = "https://www.example.org/maps/sitemap.xml"

func parse(t *testing.T, body, mediaType string) sitemap.File {
	t.Helper()
	f, err := sitemap.Parse(strings.NewReader(body), at, mediaType)
	if err != nil {
		t.Fatalf("%.200q: %v", body, err)
	}
	return f
}

// urlset is a sitemap with the given content.
func urlset(content string) string {
	return `<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + content + `</urlset>`
}

func compress(t testing.TB, body string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, body)
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhatAnEntrySays(t *testing.T) {
	f := parse(t, urlset(`
		<url><lastmod>2024-02-29</lastmod><changefreq> DAILY </changefreq><priority>0.8</priority><loc>/a</loc></url>
		<url><loc>https://www.example.org/b</loc><changefreq>often</changefreq><priority>1.1</priority><lastmod>soon</lastmod></url>
		<url><loc>mailto:a@example.org</loc></url><url></url>
		<url><loc>c</loc><priority>NaN</priority></url>`), "")
	want := []sitemap.Entry{
		{"https://www.example.org/a", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC), 0.8, "daily"},
		{"https://www.example.org/b", time.Time{}, 0.5, ""},
		{"https://www.example.org/maps/c", time.Time{}, 0.5, ""},
	}
	if !slices.Equal(f.Entries, want) || f.Skipped != 2 || f.Truncated || f.Kind != sitemap.URLSet {
		t.Errorf("%+v", f)
	}
}

// What is meant is clear in all of these.
func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		name, body, mediaType string
		want                  string // paths, and "…" where the file is truncated
	}{
		{"names in upper case", `<URLSET><URL><LOC>/a</LOC></URL></URLSET>`, "", "/a"},
		{"a prefix for the protocol", `<s:urlset xmlns:s="x"><s:url><s:loc>/a</s:loc></s:url></s:urlset>`, "", "/a"},
		{"a prefix for the entries alone", `<urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9"><s:url><s:loc>/a</s:loc></s:url></urlset>`, "", "/a"},
		{"an image without prefix", urlset(`<url><loc>/a</loc><image><loc>/i.png</loc></image><lastmod>2024</lastmod></url>`), "", "/a"},
		{"an ampersand", urlset(`<url><loc>/a?b=1&c=2&copy=3&d;</loc></url>`), "", "/a?b=1&c=2&copy=3&d;"},
		{"an entity of HTML", urlset(`<url><loc>/a&eacute;</loc></url>`), "", "/a&eacute;"},
		{"entries that are not closed", urlset(`<url><loc>/a</loc><url><loc>/b</loc>`), "", "/a /b"},
		{"texts that are not closed", urlset(`<url><loc>/a<lastmod>2024-01-01</lastmod></url><url><loc>/b</url>`), "", "/a /b"},
		{"a stray less-than sign", urlset(`<url><loc>/a</loc> < <x <url><loc>/b</loc></url><<url><loc>/c</loc></url>`), "", "/a /b /c"},
		{"XML 1.1", `<?xml version="1.1"?><urlset><url><loc>/a</loc></url></urlset>`, "", "/a"},
		{"an encoding nobody knows", `<?xml version="1.0" encoding="utf8mb4"?><urlset><url><loc>/a</loc></url></urlset>`, "", "/a"},
		{"a character that XML does not have", urlset("<url><loc>/a</loc><x>\x01\ufffe&#0;</x></url><url><loc>/b</loc></url>"), "", "/a /b"},
		{"something in front", "Warning: x in y.php\n" + urlset(`<url><loc>/a</loc></url>`), "", "/a"},
		{"a file that ends in a tag", `<urlset><url><loc>/a</loc></url><url><loc>/b</loc><last`, "", "/a /b …"},
		{"a file that ends in a URL", `<urlset><url><loc>/a</loc></url><url><loc>/b`, "", "/a …"},
		{"Latin-1 by the media type", "<urlset><url><loc>/\xe9</loc></url></urlset>", "text/xml; charset=iso-8859-1", "/%C3%A9"},
		{"Latin-2 by the declaration", "<?xml version='1.0' encoding='iso-8859-2'?><urlset><url><loc>/\xb1</loc></url></urlset>", "", "/%C4%85"},
		{"Latin-1 by mistake", "<?xml version='1.0' encoding='utf-8'?><urlset><url><loc>/\xe9</loc></url></urlset>", "", "/%C3%A9"},
		{"UTF-16", "\xff\xfe" + wide(urlset("<url><loc>/é</loc></url>")), "", "/%C3%A9"},
		{"lines of all kinds", "\ufeffhttps://www.example.org/a\r\nnot a URL\n\n www.example.org/b \rhttps://www.example.org/c", "text/plain", "/a /b /c"},
		{"gzip", compress(t, urlset("<url><loc>/a</loc></url>")), "application/xml", "/a"},
		{"half a gzip", compress(t, urlset("<url><loc>/a</loc></url>"))[:110], "", "/a …"},
		{"RSS 0.91", `<rss version="0.91"><channel><link>/no</link><item><title>t & <b>u</title><link>/a</link></item></channel></rss>`, "", "/a"},
		{"RSS, with a permalink", `<rss><channel><item><guid isPermaLink="true">https://www.example.org/a</guid></item><item><guid>17</guid></item></channel></rss>`, "", "/a"},
		{"RSS, with a link for Atom", `<rss xmlns:atom="http://www.w3.org/2005/Atom"><channel><item><atom:link rel="self" href="/no"/><link>/a</link></item></channel></rss>`, "", "/a"},
		{"RSS, with HTML", `<rss><channel><item><description><p>x<br><link>/no</link></description><link>/a</link></item></channel></rss>`, "", "/a"},
		{"Atom 0.3", `<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><link rel="alternate" href="/a"/></entry></feed>`, "", "/a"},
		{"Atom, with other links", `<feed><entry><link rel="edit" href="/no"/><link href="/a"/><source><link href="/no"/></source></entry></feed>`, "", "/a"},
		{"Atom, with a base", `<feed xml:base="/f/"><entry><link href="a"/></entry><entry xml:base="g/"><link href="b"/></entry></feed>`, "", "/f/a /f/g/b"},
	} {
		f := parse(t, c.body, c.mediaType)
		var got []string
		for _, e := range f.Entries {
			got = append(got, strings.TrimPrefix(e.URL, "https://www.example.org"))
		}
		if f.Truncated {
			got = append(got, "…")
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %s", c.name, got, c.want)
		}
	}
}

// wide is s in UTF-16, the little end first.
func wide(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteByte(byte(r))
		b.WriteByte(byte(r >> 8))
	}
	return b.String()
}

func TestTimes(t *testing.T) {
	for said, want := range map[string]string{
		"2024":                             "2024-01-01T00:00:00Z",
		"2024-05":                          "2024-05-01T00:00:00Z",
		"2024-05-06":                       "2024-05-06T00:00:00Z",
		"20240506":                         "2024-05-06T00:00:00Z",
		"2024-05-06T07:08Z":                "2024-05-06T07:08:00Z",
		"2024-05-06T07:08+02:00":           "2024-05-06T05:08:00Z",
		"2024-05-06T07:08:09-05:30":        "2024-05-06T12:38:09Z",
		"2024-05-06T07:08:09.123456Z":      "2024-05-06T07:08:09.123456Z",
		"2024-05-06T07:08:09":              "2024-05-06T07:08:09Z",
		"2024-05-06 07:08:09 +0200":        "2024-05-06T05:08:09Z",
		"2024-05-06t07:08:09z":             "2024-05-06T07:08:09Z",
		"Mon, 06 May 2024 07:08:09 GMT":    "2024-05-06T07:08:09Z",
		"Mon, 6 May 24 07:08 EDT":          "2024-05-06T11:08:00Z",
		"6 May 2024 07:08:09 +0200":        "2024-05-06T05:08:09Z",
		"Monday, 6 August 2024 07:08:09 Z": "2024-08-06T07:08:09Z",
		"Mo, 6 May 2024 07:08:09 +02:00":   "2024-05-06T05:08:09Z",
		"6 May 2024 07:08:09":              "",
		"2024-13-01":                       "",
		"2024-05-06T25:00Z":                "",
		"yesterday":                        "",
		"1714979289":                       "",
	} {
		f := parse(t, urlset("<url><loc>/a</loc><lastmod>"+said+"</lastmod></url>"), "")
		got := ""
		if when := f.Entries[0].LastMod; !when.IsZero() {
			got = when.Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
	}
}

func TestNotASitemap(t *testing.T) {
	for name, c := range map[string]struct{ body, says string }{
		"nothing":          {"", "empty"},
		"white space":      {"\ufeff \n\t", "empty"},
		"HTML":             {"<!DOCTYPE html><html><body><a href=x>", "an HTML page"},
		"XML of no kind":   {"<?xml version='1.0'?><opml><url/></opml>", `"opml"`},
		"XML without tags": {"<?xml version='1.0'?><!-- <urlset> -->", "no element"},
		"text":             {"User-agent: *\nDisallow: /\n", "neither"},
		"much text":        {strings.Repeat("no URL\n", 5000) + "https://www.example.org/a", "neither"},
		"a picture":        {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"},
		"gzip in gzip":     {compress(t, compress(t, urlset(""))), "twice"},
		"a gzip of a word": {"\x1f\x8bxyz", "gzip"},
	} {
		f, err := sitemap.Parse(strings.NewReader(c.body), at, "")
		if !errors.Is(err, sitemap.ErrNotSitemap) || !strings.Contains(err.Error(), c.says) || f.Kind != "" {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	if _, err := sitemap.Parse(strings.NewReader(urlset("")), "sitemap.xml", ""); err == nil {
		t.Error("a file without a URL of its own is read")
	}
	if f := parse(t, urlset(""), ""); f.Kind != sitemap.URLSet || f.Truncated {
		t.Errorf("an empty sitemap is %+v", f)
	}
}

func TestErrorsOfTheReader(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		body string
		want int
	}{
		{"", 0},
		{`<urlset><url><loc>/a</loc></url><url><loc>/b`, 1},
		{"https://www.example.org/a\nhttps://www.example.org/b", 1},
		{compress(t, urlset("<url><loc>/a</loc></url>"))[:110], 1},
	} {
		f, err := sitemap.Parse(io.MultiReader(strings.NewReader(c.body), iotest.ErrReader(broken)), at, "")
		if !errors.Is(err, broken) || len(f.Entries) != c.want {
			t.Errorf("%.40q: %+v, %v", c.body, f, err)
		}
		if c.want > 0 {
			f, err = sitemap.Parse(io.MultiReader(strings.NewReader(c.body), iotest.ErrReader(io.ErrUnexpectedEOF)), at, "")
			if err != nil || len(f.Entries) != c.want || !f.Truncated {
				t.Errorf("%.40q, cut: %+v, %v", c.body, f, err)
			}
		}
	}
}

// endless is text without end.
type endless string

func (e endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// Whatever has no end is cut, with little memory, and what came before is kept.
func TestBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundreds of megabytes")
	}
	const before = `<urlset><url><loc>/a</loc></url>`
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"entries":            {io.MultiReader(strings.NewReader("<urlset>"), endless("<url><loc>/b</loc></url>")), sitemap.MaxEntries},
		"lines":              {endless("https://www.example.org/a\n"), sitemap.MaxEntries},
		"entries without":    {io.MultiReader(strings.NewReader(before), endless("<url></url>")), 1},
		"white space":        {io.MultiReader(strings.NewReader(before), endless(" ")), 1},
		"a URL":              {io.MultiReader(strings.NewReader(before), strings.NewReader("<url><loc>/"), endless("x")), 1},
		"a line":             {io.MultiReader(strings.NewReader("https://www.example.org/a\nhttps://"), endless("x")), 1},
		"a comment":          {io.MultiReader(strings.NewReader(before), strings.NewReader("<!--"), endless("<x>")), 1},
		"open elements":      {io.MultiReader(strings.NewReader(before), endless("<url><loc><x>")), 1},
		"stray signs":        {io.MultiReader(strings.NewReader(before), endless("<")), 1},
		"a tag":              {io.MultiReader(strings.NewReader(before), strings.NewReader("<x "), endless("a='b' ")), 1},
		"a document type":    {io.MultiReader(strings.NewReader("<!DOCTYPE x><urlset><url><loc>/a</loc></url><!DOCTYPE x ["), endless("<!ENTITY x 'y'>")), 1},
		"one entry too many": {io.MultiReader(strings.NewReader("<urlset>" + strings.Repeat("<url><loc>/b</loc></url>", sitemap.MaxEntries+1) + "</urlset>")), sitemap.MaxEntries},
	} {
		f, err := sitemap.Parse(c.body, at, "")
		if err != nil || len(f.Entries) != c.want || !f.Truncated {
			t.Errorf("%s: %d entries, truncated %v, %v", name, len(f.Entries), f.Truncated, err)
		}
	}
	full := parse(t, "<urlset>"+strings.Repeat("<url><loc>/b</loc></url>", sitemap.MaxEntries)+"</urlset>", "")
	if len(full.Entries) != sitemap.MaxEntries || full.Truncated {
		t.Errorf("as many entries as there may be: %d, truncated %v", len(full.Entries), full.Truncated)
	}
}

// Entities that are made of entities do not grow.
func TestBombOfEntities(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY e0 "lol">`)
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&b, `<!ENTITY e%d "%s">`, i, strings.Repeat(fmt.Sprintf("&e%d;", i-1), 10))
	}
	b.WriteString(`<!ENTITY % p SYSTEM "file:///etc/passwd">]><urlset><url><loc>/a&e19;%p;</loc></url></urlset>`)
	f := parse(t, b.String(), "")
	if len(f.Entries) != 1 || f.Entries[0].URL != "https://www.example.org/a%p;" {
		t.Errorf("%+v", f)
	}
}

// A long base does not make a file of short references large.
func TestLongURLs(t *testing.T) {
	f, err := sitemap.Parse(strings.NewReader(urlset(strings.Repeat("<url><loc>b</loc></url>", 100))), "https://example.org/"+strings.Repeat("x", 60_000)+"/s.xml", "")
	if err != nil || len(f.Entries) != 0 || f.Skipped != 100 {
		t.Errorf("%d entries, %d skipped, %v", len(f.Entries), f.Skipped, err)
	}
}
