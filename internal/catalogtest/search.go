package catalogtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/catalog"
)

// library stores pages with the given texts, by path, in the crawl, and makes them searchable.
func (w *world) library(cr catalog.Crawl, texts map[string]string) {
	w.Helper()
	var pages []catalog.Candidate
	for path := range texts {
		pages = append(pages, page("http://"+cr.Name+".example/"+path))
	}
	w.admit(cr, pages...)
	w.open()
	for _, p := range w.handOut() {
		path := strings.TrimPrefix(p.URL, "http://"+cr.Name+".example/")
		title, text, ok := strings.Cut(texts[path], "|")
		if !ok {
			title, text = "", title
		}
		w.store(p, func(s *catalog.Storing) { s.Title, s.Text = title, text })
	}
	w.index()
}

// index makes everything searchable.
func (w *world) index() (total int) {
	w.Helper()
	for {
		n, err := w.IndexBatch(w.Context(), 3)
		w.must(err)
		if total += n; n == 0 {
			w.same("index lag", w.lag(), int64(0))
			return total
		}
	}
}

func (w *world) search(words string) catalog.Found {
	w.Helper()
	got, err := w.Search(w.Context(), catalog.Query{Words: words, Limit: 100})
	if err != nil {
		w.Errorf("search for %q: %v", words, err)
	}
	if int(got.Total) != len(got.Hits) {
		w.Errorf("search for %q: %d hits of %d in all", words, len(got.Hits), got.Total)
	}
	return got
}

// paths are the last parts of the URLs that are found, in order of the alphabet.
func (w *world) paths(words string) []string {
	w.Helper()
	out := []string{}
	for _, h := range w.search(words).Hits {
		out = append(out, h.URL[strings.LastIndexByte(h.URL, '/')+1:])
	}
	slices.Sort(out)
	return out
}

func indexing(w *world) {
	ctx := w.Context()
	cr := w.crawl("a")
	lag := func(want int64) {
		w.Helper()
		w.same("index lag", w.lag(), want)
	}
	for i := range 5 {
		w.urls(cr, fmt.Sprintf("http://a.example/%d", i))
	}
	lag(0)
	w.open()
	pages := w.handOut()
	for i, p := range pages {
		w.store(p, func(s *catalog.Storing) { s.Text, s.Searchable = fmt.Sprintf("walrus number%d", i), i != 4 })
	}
	lag(4)
	w.same("found before it is indexed", w.paths("walrus"), []string{})
	for _, want := range []int{3, 1, 0, 0} {
		n, err := w.IndexBatch(ctx, 3)
		w.must(err)
		w.same("batch", n, want)
	}
	lag(0)
	w.same("found, without the page that is not to be", w.paths("walrus"), []string{"0", "1", "2", "3"})
	w.same("found", w.paths("number4"), []string{})

	// Visited again, a page is found by what it says now.
	w.pass(time.Hour)
	again := func(change map[string]func(catalog.Promoted)) {
		w.Helper()
		_, err := w.Recrawl(ctx, cr.ID, w.now)
		w.must(err)
		for _, p := range w.handOut() {
			if do := change[p.URL]; do != nil {
				do(p)
			} else if _, err := w.Store(ctx, catalog.Storing{Page: p.ID, Visit: p.Visit, Unchanged: true, FetchedAt: w.now}); err != nil {
				w.Fatal(err)
			}
		}
	}
	says := func(text string, searchable bool) func(catalog.Promoted) {
		return func(p catalog.Promoted) {
			w.store(p, func(s *catalog.Storing) { s.Text, s.Searchable = text, searchable })
		}
	}
	again(map[string]func(catalog.Promoted){
		"http://a.example/0": says("otter", true), "http://a.example/1": says("walrus hidden", false), "http://a.example/4": says("walrus shown", true),
		"http://a.example/2": func(p catalog.Promoted) { w.end(p, "gone") },
	})
	w.same("taken in", w.index(), 2)
	w.same("found", w.paths("walrus"), []string{"3", "4"})
	w.same("found", w.paths("otter"), []string{"0"})
	w.same("found", w.paths("number0"), []string{})
	// A page that ended, or was hidden, may come back.
	w.pass(time.Hour)
	again(map[string]func(catalog.Promoted){"http://a.example/1": says("walrus again", true), "http://a.example/2": says("walrus back", true)})
	w.index()
	w.same("found", w.paths("walrus"), []string{"1", "2", "3", "4"})
	// A page that cannot be had today is still found by what it said.
	w.pass(time.Hour)
	again(map[string]func(catalog.Promoted){"http://a.example/3": func(p catalog.Promoted) { w.fail(p, "reset") }})
	w.same("found", w.paths("walrus"), []string{"1", "2", "3", "4"})
	w.exact()
}

func searching(w *world) {
	w.library(w.crawl("a"), map[string]string{
		"dog":    "Animals|The quick brown fox jumps over the lazy dog.",
		"fox":    "Fox and hound|A brown fox is quick; the hound is not.",
		"dax":    "Der Dachs|Der Dachs gräbt über Nacht eine Höhle — ÄÖÜ.",
		"code":   "Code|func main() { fmt.Println(\"x-ray\") } // C++ foo_bar 3.14",
		"kanji":  "|日本語 テスト Привет мир",
		"foxes":  "|foxes, foxglove",
		"empty":  "Nothing|",
		"hyphen": "|a well-known state-of-the-art thing",
	})
	for words, want := range map[string][]string{
		"fox":                  {"dog", "fox"},
		"FOX":                  {"dog", "fox"},
		"fox dog":              {"dog"},
		"dog fox":              {"dog"},
		"fox cat":              {},
		`"brown fox"`:          {"dog", "fox"},
		`"quick brown"`:        {"dog"},
		`"brown quick"`:        {},
		`"quick brown" lazy`:   {"dog"},
		"fox*":                 {"dog", "fox", "foxes"},
		"foxg*":                {"foxes"},
		"fox -lazy":            {"fox"},
		`fox -"brown fox"`:     {},
		"fox* -fox":            {"foxes"},
		"brown -lazy -hound":   {},
		"-fox":                 {},
		"-":                    {},
		"hound":                {"fox"},
		"animals":              {"dog"}, // in the title
		"uber":                 {"dax"},
		"ÜBER":                 {"dax"},
		"höhle":                {"dax"},
		"aou":                  {"dax"},
		"привет":               {"kanji"},
		"日本語":                  {"kanji"},
		"x-ray":                {"code"},
		"foo_bar":              {"code"},
		"3.14":                 {"code"},
		"well-known":           {"hyphen"},
		"state-of-the-art":     {"hyphen"},
		"  fox \t\n dog\u3000": {"dog"},
		"nothing":              {"empty"},
		"a":                    {"fox", "hyphen"},
		"":                     {},
		" ":                    {},
		"zebra":                {},
	} {
		w.same(fmt.Sprintf("search for %q", words), w.paths(words), append([]string{}, want...))
	}

	// Where it is in the title counts for more.
	if got := w.search("fox").Hits[0]; got.URL != "http://a.example/fox" || got.Title != "Fox and hound" || got.Crawl != "a" || !got.FetchedAt.Equal(w.now) {
		w.Errorf("the best hit is %+v", got)
	}
	for words, want := range map[string][]catalog.Piece{
		"lazy":          {{Text: "The quick brown fox jumps over the "}, {Text: "lazy", Mark: true}, {Text: " dog."}},
		`"quick brown"`: {{Text: "The "}, {Text: "quick brown", Mark: true}, {Text: " fox jumps over the lazy dog."}},
		"uber -fox":     {{Text: "Der Dachs gräbt "}, {Text: "über", Mark: true}, {Text: " Nacht eine Höhle — ÄÖÜ."}},
		"foxgl*":        {{Text: "foxes, "}, {Text: "foxglove", Mark: true}},
	} {
		hits := w.search(words).Hits
		if len(hits) != 1 {
			w.Fatalf("%d hits for %q", len(hits), words)
		}
		w.same("snippet for "+words, hits[0].Snippet, want)
	}
}

// The stretch that is shown is short, however long the text, and around the match; markup is text like any other.
func snippets(w *world) {
	w.library(w.crawl("a"), map[string]string{
		"long":   strings.Repeat("padding words everywhere ", 5000) + "a needle <script>alert(1)</script> here " + strings.Repeat("and more padding ", 5000),
		"spaces": "one\n\n\t two   three\u00a0 needle2",
	})
	got := w.search("needle").Hits[0].Snippet
	text, marked := "", ""
	for _, p := range got {
		text += p.Text
		if p.Mark {
			marked += p.Text
		}
	}
	if marked != "needle" || len(text) > 1000 || !strings.Contains(text, "<script>alert(1)</script> here") {
		w.Errorf("snippet %q, of which %q is marked", text, marked)
	}
	if text := w.search("needle2").Hits[0].Snippet[0].Text; strings.Contains(text, "\n") || strings.Contains(text, "  ") {
		w.Errorf("snippet %q is not one line", text)
	}
}

// Whatever is typed is a search for words and never an error, and nothing of it is taken for the database's own language.
func hostile(w *world) {
	w.library(w.crawl("a"), map[string]string{"1": "Title|or near not and match title text rowid 1 column", "2": "Other|hidden"})
	for _, words := range []string{
		`" OR 1=1`, `' OR '1'='1`, `"; DROP TABLE pages; --`, "NEAR(", "NEAR(a b, 5)", "NEAR", "secret NEAR/2 x", "AND", "OR", "NOT", "AND OR NOT", "x AND", "NOT secret x", "a OR",
		"title:secret", "{title text}:x", "- title : x", "^secret^x", "secret + x", "(", ")", "((((", "x)", "(secret", "\x00", "sec\x00ret", "\x00secret x", `"`, `""`, `"""`, `"a`, `a"`, `a"b`,
		`"a""b"`, `"secret x`, "*", "**", "a**", "*a", `"*"`, `"a*`, "-*", "--", "---a", `-"`, "\\", "%", "_", "\xff\xfe", "a\xffb", "\u202e\u0000", "\ue000x\ue001", "fts", "rank", "?", "?1", ":a", "@a", "$a",
		"𝒳", "🦀", "\u0300", "ﬁ", "½", "𐐀", strings.Repeat("a ", 1000), strings.Repeat("-a ", 1000) + "b", strings.Repeat("a* ", 300), strings.Repeat(`"`, 5001), strings.Repeat("(", 5000),
		strings.Repeat("x", 10_000), strings.Repeat(`"a b" `, 300), "'", "''", ";", "/*", "--x",
	} {
		got, err := w.Search(w.Context(), catalog.Query{Words: words, Limit: 10})
		if err != nil {
			w.Errorf("search for %.40q: %v", words, err)
		}
		for _, h := range got.Hits {
			if h.URL == "http://a.example/2" {
				w.Errorf("search for %.40q found a page that has none of its words", words)
			}
		}
	}
	w.same("words that mean something to a database", w.paths("or near not and match rowid column"), []string{"1"})
	w.same("still there", w.paths("hidden"), []string{"2"})
	w.exact()
}

func searchFilter(w *world) {
	for _, name := range []string{"a", "b"} {
		texts := map[string]string{}
		for i := range 7 {
			texts[fmt.Sprint(i)] = "common text of " + name
		}
		w.library(w.crawl(name), texts)
	}
	ask := func(q catalog.Query) catalog.Found {
		w.Helper()
		q.Words = "common"
		got, err := w.Search(w.Context(), q)
		w.must(err)
		return got
	}
	for _, tt := range []struct {
		q     catalog.Query
		hits  int
		total int64
	}{
		{catalog.Query{Limit: 100}, 14, 14},
		{catalog.Query{Limit: 100, Crawl: "a"}, 7, 7},
		{catalog.Query{Limit: 5}, 5, 14},
		{catalog.Query{Limit: 5, From: 10}, 4, 14},
		{catalog.Query{Limit: 5, From: 99}, 0, 14},
		{catalog.Query{Limit: 5, From: 5, Crawl: "b"}, 2, 7},
	} {
		got := ask(tt.q)
		if len(got.Hits) != tt.hits || got.Total != tt.total {
			w.Errorf("%+v: %d hits of %d, want %d of %d", tt.q, len(got.Hits), got.Total, tt.hits, tt.total)
		}
		for _, h := range got.Hits {
			if tt.q.Crawl != "" && h.Crawl != tt.q.Crawl {
				w.Errorf("%+v: a hit in crawl %s", tt.q, h.Crawl)
			}
		}
	}
	// Page by page, each is shown once.
	seen := map[string]int{}
	for from := 0; from < 14; from += 3 {
		for _, h := range ask(catalog.Query{Limit: 3, From: from}).Hits {
			seen[h.URL]++
		}
	}
	if len(seen) != 14 {
		w.Errorf("%d of 14 pages are shown", len(seen))
	}
}

// A word of every page is looked for in the newest, and that is said.
func everywhere(w *world) {
	if testing.Short() {
		w.Skip("thousands of pages: without -short")
	}
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = plenty })
	const hosts = 100
	var pages []catalog.Candidate
	for i := range catalog.MostRanked + 1 {
		pages = append(pages, page(fmt.Sprintf("http://h%d.example/%d", i%hosts, i)))
	}
	for part := range slices.Chunk(pages, 1000) {
		w.admit(cr, part...)
	}
	w.open()
	for n := 0; n < len(pages); {
		got := w.handOut()
		if len(got) == 0 {
			w.Fatalf("only %d of %d pages are handed out", n, len(pages))
		}
		for _, p := range got {
			w.store(p, func(s *catalog.Storing) { s.Text = fmt.Sprintf("everywhere %d", n) })
			n++
		}
		w.pass(time.Minute)
	}
	for {
		n, err := w.IndexBatch(w.Context(), 1000)
		w.must(err)
		if n == 0 {
			break
		}
	}
	for _, from := range []int{0, catalog.MostRanked} {
		got, err := w.Search(w.Context(), catalog.Query{Words: "everywhere", Limit: 10, From: from})
		w.must(err)
		w.same("pages", got.Total, int64(catalog.MostRanked))
		w.same("more", got.More, true)
	}
	got, err := w.Search(w.Context(), catalog.Query{Words: "everywhere 17", Limit: 10})
	w.must(err)
	w.same("pages with both words", got.Total, int64(1))
	w.same("more with both words", got.More, false)
}
