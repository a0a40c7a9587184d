package handlers_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/lab"
	"example.org/trawl/tasks"
)

// words are n words that are drawn from what they are about.
func words(about string, n int) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(about))
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "w%d ", r.IntN(100_000))
	}
	return b.String()
}

// section is part of a site: what a page says, and where it leads; no links and no words for what is not there.
type section func(u *url.URL) (text string, to []string)

// endless is a site with twenty ordinary pages, each of which leads to the others and to the given addresses.
func endless(s section, lures ...string) site {
	return func(rw http.ResponseWriter, r *http.Request) {
		var to []string
		text := words(r.URL.RequestURI(), 60)
		if r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, "/real/") && r.URL.RawQuery == "" {
			for i := range 20 {
				to = append(to, fmt.Sprintf("/real/page-%d.html", i))
			}
			to = append(to, lures...)
		} else if text, to = s(r.URL); text == "" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(rw, "<p>%s</p>%s", text, links(to...))
	}
}

func about(u *url.URL, to ...string) (string, []string) { return words(u.RequestURI(), 60), to }

func number(u *url.URL, name string) int {
	n, _ := strconv.Atoi(u.Query().Get(name))
	return n
}

// A space without end costs a bounded number of pages, and everything else is found.
func TestEndlessSpacesCostLittle(t *testing.T) {
	month := func(u *url.URL) (string, []string) {
		at, err := time.Parse("/cal/2006/01/", u.Path)
		if err != nil {
			at, _ = time.Parse("2006-01", u.Query().Get("month"))
		}
		var to []string
		for _, m := range []time.Time{at.AddDate(0, 1, 0), at.AddDate(0, -1, 0)} {
			to = append(to, m.Format("/cal/2006/01/"), m.Format("/cal?month=2006-01"))
		}
		return about(u, to...)
	}
	var session int
	for name, x := range map[string]struct {
		section
		lures []string
		most  int
	}{
		"calendar": {month, []string{"/cal/2024/05/", "/cal?month=2024-05"}, 110},
		"facets": {func(u *url.URL) (string, []string) {
			var to []string
			for _, p := range []string{"color", "size", "brand", "price", "sort", "view", "rating", "stock"} {
				if !u.Query().Has(p) {
					to = append(to, strings.TrimSuffix(u.RequestURI(), "&")+"&"+p+"=1", u.RequestURI()+"&"+p+"=2")
				}
			}
			return about(u, to...)
		}, []string{"/shop?all=1"}, 400},
		"folders": {func(u *url.URL) (string, []string) { return about(u, "a/", "b/", "c/") }, []string{"/deep/a/"}, 150},
		"new folders": {func(u *url.URL) (string, []string) {
			return about(u, strings.Fields(words(u.Path, 1))[0]+"/")
		}, []string{"/deeper/a/"}, 50},
		"sessions": {func(u *url.URL) (string, []string) {
			session++
			return about(u, fmt.Sprintf("%s?sid=%032x", u.Path, session), fmt.Sprintf("/real/page-3.html?PHPSESSID=%d", session))
		}, []string{"/real/page-1.html?sid=0123456789abcdef0123456789abcdef", "/in;jsessionid=77"}, 1},
		"numbers": {func(u *url.URL) (string, []string) {
			n := number(u, "n")
			return about(u, fmt.Sprint("/next?n=", n+1))
		}, []string{"/next?n=1"}, 140},
		"numbers with a reference": {func(u *url.URL) (string, []string) {
			n := number(u, "n")
			to := []string{fmt.Sprintf("/print?n=%d&ref=next", n+1)}
			for _, ref := range []string{"top", "side"} {
				to = append(to, fmt.Sprintf("/print?n=%d&ref=%s", n, ref))
			}
			return words(fmt.Sprint("print ", n), 60), to
		}, []string{"/print?n=1&ref=page"}, 300},
		"nearly the same": {func(u *url.URL) (string, []string) {
			w := strings.Fields(words(u.Path, 2))
			return words("a long text", 3000) + w[0], []string{"/same/" + w[0], "/same/" + w[1]}
		}, []string{"/same/x"}, 400}, // not every one of them is near enough
	} {
		t.Run(name, func(t *testing.T) {
			if name == "nearly the same" {
				many(t)
			}
			w := newWeb(t, map[string]site{"a.test": endless(x.section, x.lures...)}, nil)
			r := newRig(t, w.dns)
			r.crawl(seeds(tasks.NoLimit, `"max_pages":5000`, w.url("a.test", "/")))
			found, cost := r.found(), 0
			for i := range 20 {
				if p := found[w.url("a.test", fmt.Sprintf("/real/page-%d.html", i))]; p.State != catalog.Stored {
					t.Errorf("real page %d: %s %s", i, p.State, p.Reason)
				}
			}
			for _, p := range found {
				if p.State == catalog.Stored {
					cost++
				}
			}
			if cost -= 21; cost > x.most {
				t.Errorf("it cost %d pages, want at most %d", cost, x.most)
			}
			t.Logf("%d pages", cost)
			if c := r.tally(); c.Admitted() != int64(len(found)) {
				t.Errorf("%d pages are counted, and %d are there", c.Admitted(), len(found))
			}
		})
	}
}

// many skips a test of very many pages where the race detector makes each of them dear.
func many(t *testing.T) {
	if testing.Short() {
		t.Skip("a thousand pages and more: run it without -short")
	}
}

// What looks endless and is not is found to the last page.
func TestLongListsAreFound(t *testing.T) {
	many(t)
	for name, x := range map[string]struct {
		section
		root  string
		pages int
	}{
		// Lists that are mostly navigation, each of which leads to the next.
		"list": {func(u *url.URL) (string, []string) {
			n := number(u, "page")
			if u.Path == "/list" && n < 200 {
				to := []string{fmt.Sprint("/list?page=", n+1)}
				for i := range 3 {
					to = append(to, fmt.Sprintf("/article-%d-%d.html", n, i))
				}
				return words("navigation", 2000) + fmt.Sprint("page ", n), to
			}
			if strings.HasPrefix(u.Path, "/article-") {
				return about(u)
			}
			return "", nil
		}, "/list?page=0", 800},
		"forum": {func(u *url.URL) (string, []string) {
			f, topic, start := number(u, "f"), number(u, "t"), number(u, "start")
			var to []string
			switch u.Path {
			case "/viewforum":
				for i := range 20 {
					to = append(to, fmt.Sprintf("/viewtopic?f=%d&t=%d", f, 1+start+i))
				}
				if start < 980 {
					to = append(to, fmt.Sprintf("/viewforum?f=%d&start=%d", f, start+20))
				}
			case "/viewtopic":
				if topic%10 == 0 && start < 60 {
					to = append(to, fmt.Sprintf("/viewtopic?f=%d&t=%d&start=%d", f, topic, start+20))
				}
			}
			return about(u, to...)
		}, "/viewforum?f=1", 50 + 1000 + 300},
		"months": {func(u *url.URL) (string, []string) {
			at, err := time.Parse("/2006/01/", u.Path)
			switch {
			case err != nil:
				return about(u)
			case at.Year() < 2005:
				return "", nil
			}
			return about(u, at.AddDate(0, -1, 0).Format("/2006/01/"), u.Path+"what-happened", u.Path+"what-else")
		}, "/2024/12/", 20*12*3 + 1},
		"wiki": {func(u *url.URL) (string, []string) {
			n := number(u, "title")
			var to []string
			for i := range 4 {
				to = append(to, fmt.Sprint("/wiki?title=", (n*4+i+1)%1500))
			}
			return about(u, to...)
		}, "/wiki?title=0", 1500},
		"tree": {func(u *url.URL) (string, []string) {
			if strings.Count(u.Path, "/") > 10 {
				return about(u)
			}
			return about(u, u.Path+fmt.Sprintf("l%d/", strings.Count(u.Path, "/")), u.Path+fmt.Sprintf("r%d/", strings.Count(u.Path, "/")))
		}, "/tree/", 1<<10 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t, map[string]site{"a.test": endless(x.section)}, nil)
			r := newRig(t, w.dns)
			r.crawl(seeds(tasks.NoLimit, "", w.url("a.test", x.root)))
			got := r.tally()
			if got.Stored+got.Ended < int64(x.pages) || r.reasons()[catalog.Budget] > 0 {
				t.Errorf("%+v, want %d pages: %v", got, x.pages, r.reasons())
			}
		})
	}
}

func (r *rig) reasons() map[string]int64 {
	r.t.Helper()
	all, err := r.catalog.Status(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	return all[0].Reasons
}

// The lab's traps, in a web of some size: what they cost does not grow with the web, apart from what real pages themselves lead to.
func TestTrapsOfTheLab(t *testing.T) {
	many(t)
	w, err := lab.Start(t.Context(), lab.Config{Seed: 11, Hosts: 2, Pages: 600, Traps: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	r := newRig(t, w.DNS())
	r.crawl(seeds(tasks.NoLimit, `"max_pages":100000`, w.Seeds()...))
	truth, real := w.Truth(), map[string]page{}
	cost := map[string]int{}
	for u, p := range r.found() {
		if trap := truth.Trap(u); trap == "" {
			real[u] = p
		} else if p.State == catalog.Stored {
			cost[trap]++
		}
	}
	compareTruth(t, truth, real)
	t.Logf("pages of traps: %v", cost)
	total := 0
	for _, n := range cost {
		total += n
	}
	if total > 2*800 { // two hosts
		t.Errorf("traps cost %d pages", total)
	}
}
