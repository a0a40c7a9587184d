package extract

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestHostilePages reads pages that are made to hurt. Each has a link and a word at its end, which must be found.
func TestHostilePages(t *testing.T) {
	const end = `<p><a href="/end">end</a>`
	open := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "<b id=%d>", i)
		}
		return b.String()
	}
	for name, page := range map[string]string{
		"a million nested tags":        strings.Repeat("<div>", 1_000_000),
		"a thousand nested tags":       strings.Repeat("<i>", 1000),
		"nested tables":                strings.Repeat("<table><tr><td>", 1000),
		"nested templates, closed":     strings.Repeat("<template>", 1000) + strings.Repeat("</template>", 1000),
		"formatting that is reopened":  "<p>" + open(400) + strings.Repeat("<p>x", 50_000),
		"the same behind comments":     "<p>" + strings.ReplaceAll(open(400), ">", "><!--</b>-->") + strings.Repeat("<p>x", 50_000),
		"text in very many pieces":     strings.Repeat("x</q>", 100_000),
		"very many roots":              strings.ReplaceAll(open(50_000), "<b", "<body"),
		"very many end tags":           strings.Repeat("<a>", 500) + strings.Repeat("</b></p>", 50_000),
		"one very long word":           strings.Repeat("x", 1<<20-10),
		"NULs":                         strings.Repeat("\x00", 1<<20),
		"octets that are no UTF-8":     strings.Repeat("\xff\xc3", 10_000),
		"half a tag, many times":       strings.Repeat("<a href=\n", 10_000) + ">",
		"very many attributes":         "<a" + strings.Repeat(" x=y", 100_000) + ">",
		"very many comments":           strings.Repeat("<!-->", 100_000),
		"frameset after body":          "<body>x<frameset><frame src=a></frameset>",
		"form feeds, escapes, deletes": strings.Repeat("\f\x1b\x7f", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			d := mustHTML(t, page+end)
			checkDocument(t, d)
			if n := len(d.Links); n == 0 || d.Links[n-1].URL != "http://example.org/end" {
				t.Errorf("of %d links, the last is not the page's last", n)
			}
			if !strings.HasSuffix(d.Text, "end") {
				t.Errorf("the text does not end as the page: %q", d.Text[max(0, len(d.Text)-40):])
			}
		})
	}
}

// checkDocument holds what is promised of every Document.
func checkDocument(t *testing.T, d Document) {
	t.Helper()
	for _, s := range []string{d.Title, d.Description, d.Lang, d.Canonical, d.Text, d.Charset} {
		if !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			t.Errorf("not clean UTF-8: %q", cut(s, 100))
		}
	}
	if len(d.Text) > MaxText || len(d.Links) > MaxLinks || len(d.Title) > MaxMeta || len(d.Description) > MaxMeta {
		t.Errorf("too much: %d octets of text, %d links, title of %d, description of %d", len(d.Text), len(d.Links), len(d.Title), len(d.Description))
	}
	if strings.TrimSpace(d.Text) != d.Text || strings.Contains(d.Text, "  ") {
		t.Errorf("text is not folded: %q", cut(d.Text, 100))
	}
	seen := map[string]bool{}
	for _, l := range d.Links {
		if !strings.HasPrefix(l.URL, "http://") && !strings.HasPrefix(l.URL, "https://") || strings.Contains(l.URL, "#") ||
			!utf8.ValidString(l.URL) || len(l.URL) > MaxURL || seen[l.URL] {
			t.Errorf("bad link %q", cut(l.URL, 200))
		}
		seen[l.URL] = true
	}
}

func TestCaps(t *testing.T) {
	var b strings.Builder
	b.WriteString("<title>" + strings.Repeat("é", MaxMeta) + "</title><meta name=description content='" + strings.Repeat("é", MaxMeta) + "'>")
	for i := range 100_000 {
		fmt.Fprintf(&b, "<a href=/%d>wörd</a> ", i)
	}
	b.WriteString("<p>" + strings.Repeat("wört", MaxText/4))
	d := mustHTML(t, b.String())
	checkDocument(t, d)
	if len(d.Links) != MaxLinks || d.Links[MaxLinks-1].URL != "http://example.org/9999" {
		t.Errorf("%d links, not the first %d", len(d.Links), MaxLinks)
	}
	if len(d.Text) < MaxText-utf8.UTFMax {
		t.Errorf("text of %d octets is cut too short", len(d.Text))
	}
	long := mustHTML(t, "<a href=/"+strings.Repeat("x", MaxURL)+"></a><a href=/"+strings.Repeat("%20", 9)+strings.Repeat("é", MaxURL/4)+">")
	if len(long.Links) != 0 {
		t.Error("a link longer than MaxURL was kept")
	}
}

func TestFitForTree(t *testing.T) {
	closed := strings.Repeat(`<p><i class="icon"></i><b><a href=x>y</a></b> <font><small>z</small></font>`, 5000)
	left := "<p>" + strings.Repeat("<b x=1>", 400) + strings.Repeat("<p>x", 5000)
	for _, tt := range []struct {
		name, page string
		want       bool
	}{
		{"formatting that is closed", closed, true},
		{"formatting that is left open", left, false},
		{"a few left open", strings.Repeat("<b>", 20) + strings.Repeat("<p>x", 5000), true},
		{"closed in a comment", strings.ReplaceAll(left, "<b x=1>", "<b x=1><!--</b>-->"), false},
		{"closed in an attribute", strings.ReplaceAll(left, "<b x=1>", "<b x='</b>'>"), false},
		{"closed in another cell", strings.ReplaceAll(left, "<b x=1>", "<b x=1><td></b>"), false},
		{"capitals", strings.ToUpper(left), false},
		{"many roots", strings.Repeat("<html a>", maxRoots+1), false},
		{"too many tags", strings.Repeat("<", maxTags+1), false},
	} {
		if got := fitForTree([]byte(tt.page)); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestParserCanBeStopped(t *testing.T) {
	if _, err := parseTree([]byte("<p>x"), -time.Second); err == nil {
		t.Fatal("the parser was not stopped")
	}
}

// TestParserRefusesDeepPages pins that the parser refuses deep pages: the tree is walked by recursion.
func TestParserRefusesDeepPages(t *testing.T) {
	if _, err := parseTree([]byte(strings.Repeat("<div>", 1000)), patience); err == nil {
		t.Fatal("x/net/html changed: it has no bound on nesting any more")
	}
}
