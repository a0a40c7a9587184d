package extract

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const at = "http://example.org/dir/page"

func mustHTML(t testing.TB, page string) Document {
	t.Helper()
	d, err := HTML([]byte(page), "text/html; charset=utf-8", at, "trawl")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		name, page string
		want       []Link
	}{
		{"each kind", `<link rel=next href=n><a href=a></a><map><area href=b></map><iframe src=c></iframe><meta http-equiv=Refresh content="5; url=d">`, []Link{
			{"http://example.org/dir/n", "link", false},
			{"http://example.org/dir/a", "a", false},
			{"http://example.org/dir/b", "area", false},
			{"http://example.org/dir/c", "iframe", false},
			{"http://example.org/dir/d", "refresh", false},
		}},
		{"frames", `<frameset><frame src=a><frame src=b></frameset>`, []Link{
			{"http://example.org/dir/a", "frame", false}, {"http://example.org/dir/b", "frame", false},
		}},
		{"a base that comes late holds for all", `<a href=a></a><base href=/other/><base href=/second/>`, []Link{{"http://example.org/other/a", "a", false}}},
		{"a base without href is none", `<base target=_top><base href=/other/><a href=a>`, []Link{{"http://example.org/other/a", "a", false}}},
		{"a base that is no URL is not heeded", `<base href="http://["><a href=a>`, []Link{{"http://example.org/dir/a", "a", false}}},
		{"nor a base of data", `<base href="data:text/html,x"><a href=/a>`, []Link{{"http://example.org/a", "a", false}}},
		{"each URL once", `<a href=a#x></a><a href="./a"></a><a href=a></a><a href=A></a>`, []Link{
			{"http://example.org/dir/a", "a", false}, {"http://example.org/dir/A", "a", false},
		}},
		{"nofollow only if every one is", `<a href=a rel=nofollow></a><a href=b rel="x NoFollow"></a><a href=a></a><a href=b rel=nofollow></a>`, []Link{
			{"http://example.org/dir/a", "a", false}, {"http://example.org/dir/b", "a", true},
		}},
		{"only http and https", `<a href="mailto:a@example.org"></a><a href="javascript:x()"></a><a href="data:,x"></a><a href="tel:1"></a><a href="ftp://example.org/"></a><a href="http://["></a><a href="HTTPS://EXAMPLE.com:443"></a>`, []Link{
			{"https://example.com/", "a", false},
		}},
		{"link elements that lead to pages", `<link rel=stylesheet href=1><link rel="shortcut icon" href=2><link rel=preload href=3><link rel=dns-prefetch href=//4.example>
			<link rel=alternate type=application/rss+xml href=5><link rel="alternate stylesheet" href=6><link rel=canonical href=7>
			<link rel=alternate hreflang=de href=8><link rel=Alternate type="text/html; charset=utf-8" href=9><link rel=prev href=10>`, []Link{
			{"http://example.org/dir/8", "link", false}, {"http://example.org/dir/9", "link", false}, {"http://example.org/dir/10", "link", false},
		}},
		{"in noscript", `<head><noscript><meta http-equiv=refresh content="0;URL='a'"></noscript></head><noscript><a href=b></a></noscript>`, []Link{
			{"http://example.org/dir/a", "refresh", false}, {"http://example.org/dir/b", "a", false},
		}},
		{"not in templates, scripts, comments, drawings", `<template><a href=a></a></template><script>"<a href=b>"</script><!--<a href=c>--><svg><a href=d></a></svg><a href=e>`, []Link{
			{"http://example.org/dir/e", "a", false},
		}},
		{"images are no pages", `<img src=a srcset="b 2x"><object data=c></object><form action=d></form>`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, mustHTML(t, tt.page).Links, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestQueryIsInThePagesCharset holds what browsers do on old sites: the path is UTF-8, the query is not.
func TestQueryIsInThePagesCharset(t *testing.T) {
	for _, tt := range []struct{ charset, href, want string }{
		{"windows-1251", "/\xea?\xea=%EA#\xea", "http://example.org/%D0%BA?%EA=%EA"},
		{"shift_jis", "?q=\x83\x5c", `http://example.org/dir/page?q=%83\`},
		{"utf-8", "/\xc3\xa9?\xc3\xa9", "http://example.org/%C3%A9?%C3%A9"},
		{"iso-8859-1", "?a=&#x20AC;&#x4e2d;", "http://example.org/dir/page?a=%80%26%2320013%3B"},
		{"utf-16le", "?a", "http://example.org/dir/page?a"},
	} {
		page := []byte(`<a href="` + tt.href + `">`)
		if tt.charset == "utf-16le" {
			page = []byte(strings.Join(strings.Split(string(page), ""), "\x00") + "\x00")
		}
		d, err := HTML(page, "text/html; charset="+tt.charset, at, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(d.Links) != 1 || d.Links[0].URL != tt.want {
			t.Errorf("%s: %q gives %v, want %s", tt.charset, tt.href, d.Links, tt.want)
		}
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ name, page, want string }{
		{"folded", "<p> a \t b\n\u00a0c\u3000d </p>", "a b c d"},
		{"inline elements do not part words", "w<b>o</b>r<!-- -->d <i>x</i>", "word x"},
		{"blocks do", "<h1>a</h1><div>b<p>c</div>d<br>e<ul><li>f<li>g</ul>", "a\nb\nc\nd\ne\nf\ng"},
		{"cells are set apart on their line", "<table><tr><td>a</td><td>b</td></tr><tr><th>c<td>d</table>", "a b\nc d"},
		{"what nobody reads", "<title>t</title>a<script>1</script><style>2</style><template>3</template><noscript>4</noscript><iframe>5</iframe><textarea>6</textarea><svg><text>7</text></svg><p hidden>8</p><select><option>9</select> b", "a b"},
		{"character references", "<p>&lt;a&gt; &amp; &eacute;&#0;&#x110000;", "<a> & \u00e9\ufffd\ufffd"},
		{"NULs go", "a\x00b", "ab"},
		{"broken UTF-8", "a\xffb\xe3\xab", "a\ufffdb\ufffd"},
		{"preformatted text is folded too", "<pre>a\n  b</pre>", "a b"},
		{"nothing", "", ""},
	} {
		if got := mustHTML(t, tt.page).Text; got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestMetadata(t *testing.T) {
	type meta struct {
		Title, Description, Lang, Canonical string
		NoIndex, NoFollow                   bool
	}
	for _, tt := range []struct {
		name, page string
		want       meta
	}{
		{"all", `<html lang=" de-CH "><title>
			A &amp;
			B</title><meta name=Description content=" x  y "><link rel=canonical href="/c#d">`, meta{"A & B", "x y", "de-CH", "http://example.org/c", false, false}},
		{"the first title counts", `<svg><title>no</title></svg><title>a</title><title>b</title>`, meta{Title: "a"}},
		{"substitutes", `<html xml:lang=en><meta property=og:description content=og>`, meta{Lang: "en", Description: "og"}},
		{"description before og", `<meta property=og:description content=og><meta name=description content=d>`, meta{Description: "d"}},
		{"language of a pragma", `<meta http-equiv=content-language content=fr>`, meta{Lang: "fr"}},
		{"a language that is none", `<html lang="<b>">`, meta{}},
		{"robots", `<meta name=robots content="NoIndex, follow">`, meta{NoIndex: true}},
		{"none", `<meta name=ROBOTS content=none>`, meta{NoIndex: true, NoFollow: true}},
		{"our name", `<meta name=Trawl content="nofollow"><meta name=robots content="index, noindex">`, meta{NoIndex: true, NoFollow: true}},
		{"another's name", `<meta name=otherbot content=noindex>`, meta{}},
		{"canonical of another scheme", `<link rel=canonical href="ftp://example.org/">`, meta{}},
		{"canonical with the base", `<link rel=canonical href=x><base href="https://www.example.org/y/">`, meta{Canonical: "https://www.example.org/y/x"}},
	} {
		d := mustHTML(t, tt.page)
		got := meta{d.Title, d.Description, d.Lang, d.Canonical, d.NoIndex, d.NoFollow}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestBaseMustBeAbsolute(t *testing.T) {
	for _, base := range []string{"", "/dir/page", "http://["} {
		if _, err := HTML([]byte("<a href=x>"), "", base, ""); err == nil {
			t.Errorf("no error for base %q", base)
		}
	}
}

func TestPlainText(t *testing.T) {
	got := PlainText([]byte("\xef\xbb\xbfone  two \r\n\r\n\tthree\x00 <b>\n"), "text/plain")
	want := Document{Charset: "utf-8", Text: "one two\nthree <b>"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := PlainText([]byte("caf\xe9"), "text/plain"); got.Text != "café" || got.Charset != "windows-1252" {
		t.Errorf("%+v", got)
	}
}

func TestDirectives(t *testing.T) {
	for _, tt := range []struct {
		values            []string
		noindex, nofollow bool
	}{
		{nil, false, false},
		{[]string{"noindex"}, true, false},
		{[]string{"NOARCHIVE, NoFollow"}, false, true},
		{[]string{"none"}, true, true},
		{[]string{"noindex", "nofollow"}, true, true},
		{[]string{"trawl: noindex"}, true, false},
		{[]string{"Trawl : none"}, true, true},
		{[]string{"otherbot: noindex, nofollow"}, false, false},
		{[]string{"otherbot: noindex", "nofollow"}, false, true},
		{[]string{"otherbot: noindex, trawl: nofollow"}, false, true},
		{[]string{"trawl: nofollow, otherbot: noindex"}, false, true},
		{[]string{"*: noindex"}, true, false},
		{[]string{"unavailable_after: Sat, 25 Jun 2050 15:00:00 GMT, noindex"}, true, false},
		{[]string{"max-snippet:-1, max-image-preview:large, noindex"}, true, false},
		{[]string{"index, noindexed, no index, :noindex", ","}, false, false},
	} {
		i, f := Directives(tt.values, "trawl")
		if i != tt.noindex || f != tt.nofollow {
			t.Errorf("%q: noindex %t, nofollow %t", tt.values, i, f)
		}
	}
	if i, _ := Directives([]string{"other: noindex"}, ""); i {
		t.Error("without a name of our own, another's directives are not ours")
	}
}
