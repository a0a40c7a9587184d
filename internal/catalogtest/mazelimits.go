package catalogtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"example.org/trawl/catalog"
)

// mazeOf returns the maze of a page.
func (w *world) mazeOf(url string) catalog.Maze {
	w.Helper()
	m, err := w.Maze(w.Context(), w.page("a", url).ID)
	w.must(err)
	if m == nil {
		w.Fatalf("%s is in no maze", url)
	}
	return *m
}

// What is let in takes its place among the pages of the crawl.
func mazeWithinLimits(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 1, 6 })
	root := w.seed(cr, page(host))
	w.store(root)
	w.links(cr, root, sheets(0, 1)...)
	first := w.visit()[host+"sheet-0"]
	w.same("held", w.links(cr, first, sheets(1, 21)...).Held, 20)
	w.same("three pages", len(w.left("a")), 20)
	// A page outside is the fourth, and is worth four more; there is room for two.
	w.links(cr, first, page(host+"event"), page(host+"event-2"))
	w.same("up to the limit", len(w.left("a")), 18)
	w.same("full", w.urls(cr, host+"other").Over, 1)
	w.links(cr, root, sheets(21, 1)...)
	w.state("a", host+"sheet-21", catalog.Ended)
	cr = w.crawl("a", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 0, 8 })
	n, err := w.OpenMazes(w.Context(), cr.ID, w.now)
	w.must(err)
	w.same("opened up to the limit", n, int64(2))
	// What there was no room for is let in once there is and it is met again.
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages, c.MaxPages = 0, 1000 })
	w.same("met again", w.links(cr, first, sheets(1, 21)...).Held, 0)
	w.same("left out", len(w.left("a")), 0)
	w.exact()
}

func mazeWithinAllowances(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 1 })
	root := w.seed(cr, page(host))
	w.store(root)
	byHost, folder := catalog.Allowance{Name: "http://a.example:80", Most: 6}, catalog.Allowance{Name: host + "cal/", Most: 100}
	within := func(p catalog.Candidate, all ...catalog.Allowance) catalog.Candidate {
		p.Within = append(all, byHost)
		return p
	}
	cal := func(n int) catalog.Candidate { return within(page(fmt.Sprint(host, "cal/", n), inMaze("m")), folder) }
	w.links(cr, root, cal(0))
	first := w.visit()[host+"cal/0"]
	w.same("held", w.links(cr, first, cal(1), cal(2), cal(3)).Held, 2)
	w.same("outside", len(w.links(cr, first, within(page(host+"event"))).New), 1) // which lets in the two
	w.same("left out", len(w.left("a")), 0)
	w.same("six are there", w.links(cr, root, within(page(host+"other"))).Over, 1)
	folder.Most, byHost.Most = 4, 100
	w.same("four are in the folder", w.links(cr, root, cal(9)).Over, 1)
	w.exact()
}

// A page proves once that copies are worth following, however often it is read.
func copiesProveOnce(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 1 })
	for i := range 2 {
		w.store(w.seed(cr, page(fmt.Sprint(host, i))), func(s *catalog.Storing) { s.Digest = "sha256:aaaaaaaaaaaaaaaa" })
	}
	copied := catalog.Promoted{ID: w.page("a", host+"1").ID, URL: host + "1"}
	w.same("held", w.links(cr, copied, page(host+"x1"), page(host+"x2"), page(host+"x3")).Held, 2)
	for i := range 4 {
		for _, p := range w.handOut() {
			if p.URL == host+"x1" {
				w.store(p, func(s *catalog.Storing) { s.Digest = fmt.Sprintf("sha256:%016x", i+100) })
			} else {
				w.end(p, "gone")
			}
		}
		_, err := w.Recrawl(w.Context(), cr.ID, w.now)
		w.must(err)
	}
	w.same("yield", w.mazeOf(host+"x1").Yield, int64(1))
	w.exact()
}

// What a copy names as its canonical page is what its maze is worth.
func copiesOfProducts(w *world) {
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 2 })
	list := w.seed(cr, page(host+"list"))
	w.store(list)
	second := w.seed(cr, page(host+"list-2"))
	defers := func(of string) func(*catalog.Storing) {
		return func(s *catalog.Storing) { s.Defers, s.Canonical = true, of }
	}
	w.store(second, defers(host+"list"))
	var variants []catalog.Candidate
	for i := range 12 {
		variants = append(variants, page(fmt.Sprint(host, "list/product-", i)))
	}
	w.same("held", w.links(cr, second, variants...).Held, 10)
	for range 10 {
		for _, p := range w.handOut() {
			var n int
			if found, _ := fmt.Sscanf(p.URL, host+"list/product-%d", &n); found == 1 {
				product := fmt.Sprint(host, "product-", n)
				w.store(p, defers(product))
				w.links(cr, p, page(product))
			} else {
				w.store(p)
			}
		}
		w.pass(1)
	}
	w.same("left out", len(w.left("a")), 0)
	w.exact()
}

// What fails beside it takes nothing away from what it lets in: a transaction that is run again begins from its start.
func openMazesBesideFailures(w *world) {
	const n = 60
	cr := w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 1 })
	root := w.seed(cr, page(host))
	w.store(root)
	sheet := func(maze, i int) catalog.Candidate {
		return page(fmt.Sprintf("%s%d/sheet-%d", host, maze, i), inMaze(fmt.Sprint("m", maze)))
	}
	for i := range n {
		w.links(cr, root, sheet(i, 0))
	}
	first := w.visit()
	for i := range n {
		w.links(cr, first[sheet(i, 0).URL], sheet(i, 1), sheet(i, 2))
	}
	w.same("left out", len(w.left("a")), n)
	w.crawl("a", func(c *catalog.Crawl) { c.MazePages = 0 })
	refused, stop := errors.New("refused"), make(chan struct{})
	var others sync.WaitGroup
	for range 8 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, err := w.Submit(w.Context(), "b", nil, w.now, func(json.RawMessage) (catalog.Crawl, error) { return catalog.Crawl{}, refused })
				w.is(err, refused)
			}
		})
	}
	opened, err := w.OpenMazes(w.Context(), cr.ID, w.now)
	close(stop)
	others.Wait()
	w.must(err)
	w.same("opened", opened, int64(n))
	w.same("left out", len(w.left("a")), 0)
	w.exact()
}
