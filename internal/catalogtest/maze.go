package catalogtest

import (
	"fmt"
	"slices"
	"time"

	"example.org/trawl/catalog"
)

func inMaze(name string) func(*catalog.Candidate) {
	return func(p *catalog.Candidate) { p.Maze = name }
}

// links admits what a page leads to.
func (w *world) links(cr catalog.Crawl, from catalog.Promoted, pages ...catalog.Candidate) catalog.Admitted {
	w.Helper()
	return w.admission(catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "link", From: from.URL, Finder: from.ID, Now: w.now, Pages: pages})
}

// visit hands out all that is due and stores it; it returns what was stored by URL.
func (w *world) visit(change ...func(*catalog.Storing)) map[string]catalog.Promoted {
	w.Helper()
	out := map[string]catalog.Promoted{}
	for _, p := range w.handOut() {
		w.store(p, change...)
		out[p.URL] = p
	}
	return out
}

// left are the pages that were left out, sorted.
func (w *world) left(crawl string) (out []string) {
	w.Helper()
	w.must(w.Pages(w.Context(), catalog.Filter{Crawl: crawl, State: catalog.Ended}, func(p catalog.Page) error {
		if p.Reason == catalog.Budget {
			out = append(out, p.URL)
		}
		return nil
	}))
	slices.Sort(out)
	return out
}

const host = "http://a.example/"

// sheets are pages of one maze.
func sheets(from, n int) (out []catalog.Candidate) {
	for i := range n {
		out = append(out, page(fmt.Sprintf("%ssheet-%d", host, from+i), inMaze("m")))
	}
	return out
}

func mazes(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 2, 10 })
	root := w.seed(cr, page(host))
	w.store(root)
	// What is linked from outside is free; what only the maze leads to is not.
	w.same("from outside", len(w.links(cr, root, sheets(0, 3)...).New), 3)
	first := w.visit()[host+"sheet-0"]
	w.same("from inside", w.links(cr, first, sheets(10, 5)...), catalog.Admitted{New: []string{host + "sheet-10", host + "sheet-11"}, Held: 3})
	w.same("left out", w.left("a"), []string{host + "sheet-12", host + "sheet-13", host + "sheet-14"})
	w.same("again", w.links(cr, first, sheets(10, 5)...), catalog.Admitted{Held: 3})
	p := w.page("a", host+"sheet-13")
	m, err := w.Maze(w.Context(), p.ID)
	w.must(err)
	w.same("maze", m, &catalog.Maze{Name: "m", Pages: 2, Most: 2, Held: 3})
	all, err := w.Mazes(w.Context(), cr.ID, 10)
	w.must(err)
	w.same("mazes", all, []catalog.Maze{*m})
	w.exact()

	// They take no room: six pages are there, and ten may be.
	w.same("over", w.urls(cr, host+"1", host+"2", host+"3").Over, 0)
	w.same("over", w.urls(cr, host+"4", host+"5").Over, 1)

	// A page of another maze is no page outside; a page outside lets in more.
	w.same("another maze", len(w.links(cr, first, page(host+"other", inMaze("n"))).New), 0) // over
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 2 })
	w.same("another maze", len(w.links(cr, first, page(host+"other", inMaze("n"))).New), 1)
	w.same("left out", len(w.left("a")), 3)
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 2, 13 })
	w.same("outside", len(w.links(cr, first, page(host+"event")).New), 1)
	w.same("left out, as the crawl has room for one", len(w.left("a")), 2)
	w.same("found outside, without room", w.links(cr, root, sheets(14, 1)...).Held, 1)
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 2 })
	n, err := w.OpenMazes(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("opened with more room", n, int64(2))
	w.same("left out", len(w.left("a")), 0)
	for range 3 { // and what was let in is handed out like any other
		w.pass(time.Minute)
		w.visit()
	}
	w.state("a", host+"sheet-14", catalog.Stored)
	w.exact()
}

func mazeFoundOutside(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 1 })
	root := w.seed(cr, page(host))
	w.store(root)
	w.links(cr, root, sheets(0, 1)...)
	first := w.visit()[host+"sheet-0"]
	w.same("held", w.links(cr, first, sheets(1, 4)...).Held, 3)
	w.links(cr, root, sheets(2, 1)...) // a page outside links to it too
	w.state("a", host+"sheet-2", catalog.Waiting)
	w.same("submitted", w.admit(cr, page(host+"sheet-3", inMaze("m"))).Held, 0)
	w.state("a", host+"sheet-3", catalog.Waiting)
	n, err := w.Recrawl(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("visited again", n, int64(2)) // not what was never visited
	w.same("left out", w.left("a"), []string{host + "sheet-4"})
	w.exact()

	// More of a maze, by the crawl's settings.
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 2 })
	n, err = w.OpenMazes(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("opened", n, int64(1))
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 0 })
	w.same("no limit", w.links(cr, first, sheets(20, 50)...).Held, 0)
	w.exact()
}

// form is a page with a query, of which the page that links to it is one too unless it is outside.
func form(path, names, values string, beside bool) catalog.Candidate {
	return page(host+path+"?"+values, func(p *catalog.Candidate) { p.Form, p.Beside = host+path+"?"+names, beside })
}

func mazeOfParameters(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 1 })
	root := w.seed(cr, page(host))
	w.store(root)
	var all []catalog.Candidate
	for i := range catalog.MazeForms + 3 {
		all = append(all, form("shop", fmt.Sprintf("x%d&y", i), fmt.Sprintf("x%d=1&y=1", i), false))
	}
	got := w.links(cr, root, all...)
	w.same("combinations", len(got.New), catalog.MazeForms+1) // and the one page that each maze has
	w.same("held", got.Held, 2)
	// From now on everything that the path links to itself counts.
	shop := w.visit()[host+"shop?x0=1&y=1"]
	w.same("beside", w.links(cr, shop, form("shop", "x0&y", "x0=2&y=1", true), form("shop", "z", "z=1", true)).Held, 2)
	w.same("from outside", w.links(cr, root, form("shop", "x0&y", "x0=3&y=1", false)).Held, 0)
	w.same("another path", w.links(cr, shop, form("cart", "a&b", "a=1&b=2", false)).Held, 0)
	w.exact()
}

func mazeOfSteps(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 10, plenty })
	step := func(from catalog.Promoted, i int) catalog.Admitted {
		return w.admission(catalog.Admission{
			Crawl: cr.ID, Submitter: "ann", Origin: "link", From: from.URL, Finder: from.ID, FinderForm: host + "next?n", Now: w.now,
			Pages: []catalog.Candidate{form("next", "n", fmt.Sprint("n=", i), true)},
		})
	}
	walk := func() (steps int) {
		w.admit(cr, form("next", "n", "n=0", false))
		if h, err := w.Host(w.Context(), "http://a.example:80"); err != nil || h.Robots.State == catalog.RobotsUnknown {
			w.open()
		}
		for i := 1; i < 200; i++ {
			p := w.one()
			w.store(p)
			if step(p, i).Held > 0 {
				return i
			}
		}
		return 200
	}
	// Where there is nothing else, it is the site; but not without end.
	w.same("steps", walk(), catalog.MazeSteps+1)
	cr = w.crawl("b", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 10, plenty })
	var others []string
	for i := range 100 {
		others = append(others, fmt.Sprint(host, i))
	}
	w.urls(cr, others...)
	w.visit()
	w.same("steps on a larger site", walk(), 11)
	w.exact()
}

func copies(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 1 })
	says := func(url, digest string, print uint64) catalog.Promoted {
		p := w.seed(cr, page(url))
		w.store(p, func(s *catalog.Storing) { s.Digest, s.Print, s.Text = "sha256:"+digest, print, "copied text" })
		return p
	}
	is := func(url string, kind catalog.Copy, of string, searchable bool) {
		w.Helper()
		p := w.page("a", url)
		w.same(url, []any{p.Copy, p.CopyOf, p.Searchable}, []any{kind, of, searchable})
	}
	const print = 0x0123456789abcdef
	one := says(host+"1", "aaaaaaaaaaaaaaaa1", print)
	two := says(host+"2", "aaaaaaaaaaaaaaaa1", print)
	says(host+"3", "aaaaaaaaaaaaaaaa2", print^0b101) // the same beginning, and another text
	says(host+"4", "b", print^0xff)
	says("http://b.example/", "aaaaaaaaaaaaaaaa1", print)
	says("http://b.example/2", "c", print^1)
	is(host+"1", catalog.NoCopy, "", true)
	is(host+"2", catalog.Exact, host+"1", false)
	is(host+"3", catalog.Near, host+"1", true)
	is(host+"4", catalog.NoCopy, "", true)
	is("http://b.example/", catalog.Exact, host+"1", false)
	is("http://b.example/2", catalog.NoCopy, "", true) // near is a matter of one host

	// Only what copies alone lead to is bounded, and each page of its own lets in more.
	w.same("from the first", w.links(cr, one, page(host+"x1"), page(host+"x2")).Held, 0)
	got := w.links(cr, two, page(host+"x1"), page(host+"x3"), page(host+"x4"), page(host+"x5"), page(host+"x6"))
	w.same("from a copy", got.Held, 3)
	w.visit(func(s *catalog.Storing) { s.Digest = "sha256:" + fmt.Sprint(s.Page) })
	w.same("left out", len(w.left("a")), 0)

	// A page that says something else is no copy any more, and what it said is free.
	_, err := w.Recrawl(w.Context(), cr.ID, w.now)
	w.must(err)
	for _, p := range w.handOut() {
		w.store(p, func(s *catalog.Storing) {
			s.Digest, s.Text = fmt.Sprintf("sha256:%016x", p.ID), "other text"
			if p.URL == host+"2" {
				s.Digest = "sha256:aaaaaaaaaaaaaaaa1"
			}
		})
	}
	is(host+"2", catalog.NoCopy, "", true)
	is("http://b.example/", catalog.NoCopy, "", true)
	w.exact()
}

func canonical(w *world) {
	cr := w.crawl("a")
	says := func(url, canonical string, searchable bool) {
		w.Helper()
		w.store(w.seed(cr, page(url)), func(s *catalog.Storing) {
			s.Defers, s.Canonical, s.Searchable = canonical != "", canonical, searchable
		})
	}
	found := func() (out []string) {
		w.Helper()
		_, err := w.IndexBatch(w.Context(), 100)
		w.must(err)
		got, err := w.Search(w.Context(), catalog.Query{Words: "text", Limit: 10})
		w.must(err)
		for _, h := range got.Hits {
			out = append(out, h.URL)
		}
		slices.Sort(out)
		return out
	}
	says(host+"print", host+"page", true)
	w.same("while there is no other", found(), []string{host + "print"})
	p := w.page("a", host+"print")
	w.same("copy", []any{p.Copy, p.CopyOf}, []any{catalog.Canonical, host + "page"})
	says(host+"page", "", true)
	w.same("once there is", found(), []string{host + "page"})
	says(host+"mobile", host+"page", true)
	w.same("after it", found(), []string{host + "page"})
	says(host+"draft", "", false)
	says(host+"draft-print", host+"draft", true)
	w.same("where the other is not searchable", found(), []string{host + "draft-print", host + "page"})
	w.exact()
}

func allowances(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MaxPages = 8 })
	w.urls(cr, host+"1", host+"2")
	within := func(url string, all ...catalog.Allowance) catalog.Candidate {
		return page(url, func(p *catalog.Candidate) { p.Within = all })
	}
	byHost := catalog.Allowance{Name: "http://a.example:80", Most: 4}
	folder := catalog.Allowance{Name: host + "shop/", Most: 1}
	got := w.admit(cr, within(host+"shop/1", byHost, folder), within(host+"shop/2", byHost, folder), within(host+"3", byHost), within(host+"4", byHost), within(host+"1", byHost),
		page("http://b.example/"))
	w.same("within", got, catalog.Admitted{New: []string{host + "shop/1", host + "3", "http://b.example/"}, Over: 2})
	byHost.Most = 5
	w.same("raised", w.admit(cr, within(host+"4", byHost), within(host+"5", byHost)), catalog.Admitted{New: []string{host + "4"}, Over: 1})
	folder.Most = 2
	w.same("the host is full", w.admit(cr, within(host+"shop/2", byHost, folder)).Over, 1)
	w.exact()
}
