package catalogtest

import (
	"errors"
	"fmt"
	"slices"

	"example.org/trawl/catalog"
)

func export(w *world) {
	a, b := w.crawl("a"), w.crawl("b")
	w.urls(a, "http://a.example/1", "http://a.example/2", "http://b.example/3")
	w.urls(b, "http://a.example/1")
	w.open()
	for _, p := range w.handOut() {
		if p.Crawl == "a" && p.URL != "http://b.example/3" {
			w.store(p)
		}
	}
	for _, tt := range []struct {
		f    catalog.Filter
		want int
		text bool
		link bool
	}{
		{catalog.Filter{}, 4, false, false},
		{catalog.Filter{Crawl: "a"}, 3, false, false},
		{catalog.Filter{Crawl: "a", State: catalog.Stored}, 2, false, false},
		{catalog.Filter{State: catalog.Queued}, 2, false, false},
		{catalog.Filter{State: catalog.Failed}, 0, false, false},
		{catalog.Filter{Crawl: "b", Text: true, Links: true}, 1, false, false},
		{catalog.Filter{State: catalog.Stored, Text: true}, 2, true, false},
		{catalog.Filter{State: catalog.Stored, Links: true}, 2, false, true},
		{catalog.Filter{State: catalog.Stored, Text: true, Links: true}, 2, true, true},
	} {
		got := w.all(tt.f)
		if len(got) != tt.want {
			w.Errorf("%+v: %d pages, want %d", tt.f, len(got), tt.want)
		}
		for _, p := range got {
			if (p.Text != "") != tt.text || (len(p.Links) > 0) != tt.link {
				w.Errorf("%+v: text %q, links %q", tt.f, p.Text, p.Links)
			}
		}
	}
	// The first error ends it.
	n, stop := 0, errors.New("disk full")
	w.is(w.Pages(w.Context(), catalog.Filter{}, func(catalog.Page) error { n++; return stop }), stop)
	w.same("pages after an error", n, 1)
	// Whoever reads may write meanwhile.
	w.must(w.Pages(w.Context(), catalog.Filter{}, func(p catalog.Page) error { return w.SetMeta(w.Context(), "last", p.URL) }))
	w.exact()
}

// sameOrder stores one crawl in two catalogs, the pages in two orders. There are more of them than any catalog reads in one go.
func sameOrder(x, y *world) {
	const n = 789
	var pages []catalog.Candidate
	for i := range n {
		pages = append(pages, page(fmt.Sprintf("http://h%d.example/%d", i%7, i)))
	}
	order := func(w *world, crawls ...string) (out []string) {
		for _, name := range crawls {
			w.admit(w.crawl(name, func(c *catalog.Crawl) { c.MaxPages = n }), pages...)
		}
		for _, p := range w.all(catalog.Filter{}) {
			out = append(out, p.Crawl+" "+p.URL)
		}
		return out
	}
	first := order(x, "a", "b")
	slices.Reverse(pages)
	x.same("order", order(y, "b", "a"), first)
	x.same("pages", len(first), 2*n)
	x.same("different pages", len(slices.Compact(sorted(first))), 2*n)
}

func meta(w *world) {
	ctx := w.Context()
	get := func(name, want string) {
		w.Helper()
		got, err := w.Meta(ctx, name)
		w.must(err)
		w.same("meta "+name, got, want)
	}
	get("epoch", "")
	for _, v := range []string{"1", "größe '\"", ""} {
		w.must(w.SetMeta(ctx, "epoch", v))
		get("epoch", v)
	}
	get("Epoch", "")
}
