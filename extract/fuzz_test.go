package extract

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzHTML holds that no octets make HTML panic, that its promises hold for all, and that both ways to read a page keep them.
func FuzzHTML(f *testing.F) {
	f.Add([]byte(`<html lang=de><title>t</title><base href=/x/><a href="?ä#b" rel=nofollow>c</a><p hidden>d`), "text/html; charset=windows-1251", false)
	f.Add([]byte("\xff\xfe<\x00a\x00 \x00h\x00r\x00e\x00f\x00=\x00x\x00>\x00"), "", true)
	f.Add([]byte(`<svg><title><a href=1><template><select><frameset><frame src=2><noscript><meta http-equiv=refresh content="0;url='3'">`), "text/html", true)
	f.Add([]byte("<?xml encoding='shift_jis'?><a href='?\x83\\'>&#0;\x00"), "application/xhtml+xml", false)
	f.Fuzz(func(t *testing.T, body []byte, contentType string, flat bool) {
		d, err := HTML(body, contentType, at, "trawl")
		if err != nil {
			t.Fatal(err)
		}
		checkDocument(t, d)
		if lookup(d.Charset) != d.Charset {
			t.Errorf("charset %q", d.Charset)
		}
		if flat {
			c := &collector{}
			c.flat(Decode(body, d.Charset))
			checkDocument(t, c.document(at, d.Charset))
		}
		if p := PlainText(body, contentType); !utf8.ValidString(p.Text) || strings.Contains(p.Text, "\x00") {
			t.Errorf("%q", p.Text)
		}
		if typ := MIME(body, contentType); mediaType(typ) != typ {
			t.Errorf("media type %q", typ)
		}
	})
}

// benchPage is a page of 37 KB with 20 KB of text and 120 links.
func benchPage() []byte {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A page of usual size</title>
<meta name="description" content="Words about words."><link rel="stylesheet" href="/style.css"><link rel="canonical" href="/words">
<script>window.page = {"id": 1, "path": "/words"};</script></head><body><nav><ul>`)
	for i := range 40 {
		fmt.Fprintf(&b, `<li class="nav-item"><a class="nav-link" href="/topic/%d?from=nav">Topic %d</a></li>`, i, i)
	}
	b.WriteString("</ul></nav><main>")
	words := "The quick brown fox jumps over the lazy dog and tells nobody of it, for who would listen to such a story. "
	for i := range 80 {
		fmt.Fprintf(&b, `<div class="paragraph" id="p%d"><p>%s<em>Emphasis</em> and <a href="/article/%d.html" title="Article %d">an article</a>. %s</p></div>`+"\n",
			i, words, i, i, words)
	}
	for b.Len() < 37<<10-200 {
		b.WriteString(`<div class="row"><span class="cell">cell</span><img src="/i.png" alt=""></div>` + "\n")
	}
	b.WriteString("</main><footer>End.</footer></body></html>")
	return []byte(b.String())
}

func BenchmarkHTML(b *testing.B) {
	page := benchPage()
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := HTML(page, "text/html; charset=utf-8", at, "trawl"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFlat(b *testing.B) {
	page := benchPage()
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		c := &collector{}
		c.flat(page)
		_ = c.document(at, "utf-8")
	}
}
