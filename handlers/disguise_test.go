package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/tasks"
)

// series are the addresses 1 to n.
func series(n int, format string) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf(format, i+1))
	}
	return out
}

// only is a site of one section.
func only(s section) site {
	return func(rw http.ResponseWriter, r *http.Request) {
		text, to := s(r.URL)
		if text == "" {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(rw, "<p>%s</p>%s", text, links(to...))
	}
}

// A blog without permalinks: everything is a query of its root.
func wordpress(u *url.URL) (string, []string) {
	const posts, each = 150, 10
	q := u.Query()
	side := append(series(3, "/?cat=%d"), "/?author=1", "/?feed=rss2", "/?feed=comments-rss2", "/?page_id=2", "/?m=202405", "/?tag=x")
	list := func(param string, from, step int) (to []string) {
		page := max(number(u, "paged"), 1)
		for i := from + step*each*(page-1); i <= posts && len(to) < each; i += step {
			to = append(to, fmt.Sprintf("/?p=%d", i))
		}
		if len(to) == each {
			to = append(to, fmt.Sprintf("/?%spaged=%d", param, page+1))
		}
		return to
	}
	switch n := number(u, "p"); {
	case q.Has("feed"):
		return about(u)
	case n > 0:
		return words(fmt.Sprint("post ", n), 200), append(side, fmt.Sprintf("/?p=%d", n-1), fmt.Sprintf("/?p=%d&replytocom=%d", n, n*3), fmt.Sprintf("/?p=%d&feed=rss2", n),
			fmt.Sprintf("/?p=%d&share=x&nb=1", n), fmt.Sprintf("/?p=%d&print=1", n))
	case q.Has("p"):
		return "", nil
	case q.Has("cat"):
		return about(u, append(list(fmt.Sprintf("cat=%d&", number(u, "cat")), number(u, "cat"), 3), fmt.Sprintf("/?feed=rss2&cat=%d", number(u, "cat")))...)
	case q.Has("author"):
		return about(u, append(list("author=1&", 1, 1), "/?feed=rss2&author=1")...)
	case q.Has("m"):
		return about(u, list("m=202405&", 1, 20)...)
	case q.Has("tag"):
		return about(u, append(list("tag=x&", 1, 7), "/?feed=rss2&tag=x")...)
	}
	return about(u, append(list("", 1, 1), side...)...)
}

func mediawiki(u *url.URL) (string, []string) {
	const a = "/index.php?title="
	var i int
	t := u.Query().Get("title")
	if n, _ := fmt.Sscanf(t, "P%d", &i); n == 0 || len(u.Query()) > 1 {
		return about(u, a+t, a+t+"&action=edit&section=1", fmt.Sprintf("%s%s&diff=%d&oldid=prev", a, t, i))
	}
	to := []string{
		a + t + "&action=edit", a + t + "&action=history", a + t + "&oldid=7", a + t + "&printable=yes", a + t + "&redirect=no", a + t + "&mobileaction=x", a + t + "&action=edit&section=2",
		a + "Special:Links&target=" + t, a + "Special:Login&returnto=" + t, a + "Special:Recent&days=7&target=" + t, a + "Special:Recent&from=1&limit=5&target=" + t, a + "Special:Cite&id=1&page=" + t,
	}
	for k := range 4 {
		to = append(to, fmt.Sprintf("%sP%d", a, (i*4+k+1)%150))
	}
	return words("article "+t, 200), to
}

func joomla(u *url.URL) (string, []string) {
	const a = "/index.php?option=com_"
	menu := append(series(4, a+"content&view=category&id=%d&Itemid=11"), a+"content&view=featured&Itemid=1", a+"contact&view=contact&id=1&Itemid=2", a+"users&view=login")
	id, start := number(u, "id"), number(u, "start")
	switch u.Query().Get("view") {
	case "category":
		to := append(menu, fmt.Sprintf("%scontent&view=category&id=%d&format=feed&type=rss", a, id), fmt.Sprintf("%scontent&view=category&id=%d&format=feed&type=atom&Itemid=1", a, id))
		for i := range 10 {
			to = append(to, fmt.Sprintf("%scontent&view=article&id=%d&catid=%d&Itemid=11", a, id*1000+start+i, id))
		}
		if start < 40 {
			to = append(to, fmt.Sprintf("%scontent&view=category&id=%d&Itemid=11&start=%d", a, id, start+10))
		}
		return about(u, to...)
	case "article":
		return words(fmt.Sprint("article ", id), 200), append(menu, fmt.Sprintf("%scontent&view=article&id=%d&tmpl=component&print=1&page=", a, id),
			fmt.Sprintf("%smailto&tmpl=component&link=%d", a, id), fmt.Sprintf("%scontent&task=view&id=%d", a, id))
	}
	return about(u, menu...)
}

func typo3(u *url.URL) (string, []string) {
	const a = "/index.php?id="
	id, lang := number(u, "id"), ""
	if l := number(u, "L"); l > 0 {
		lang = fmt.Sprint("&L=", l)
	}
	to := append(series(2, fmt.Sprintf("%s%d&L=%%d", a, id)), fmt.Sprintf("%s%d&type=98%s", a, id, lang), fmt.Sprintf("%s%d&no_cache=1&type=98", a, id),
		fmt.Sprintf("%s17&tx_news[news]=%d&tx_news[action]=detail&cHash=%x%s", a, id, id*77, lang), fmt.Sprintf("%s17&tx_news[page]=%d%s", a, id, lang),
		fmt.Sprintf("%s19&sword=%d&x=1%s", a, id, lang), fmt.Sprintf("%s%d&tx_cal[view]=list&tx_cal[n]=1%s", a, id, lang))
	for k := range 4 {
		to = append(to, fmt.Sprintf("%s%d%s", a, (id*4+k)%100, lang))
	}
	return words(u.RequestURI(), 100), to
}

// Sites as common software makes them are found to the last page that anybody would miss.
func TestSitesThatLookEndless(t *testing.T) {
	many(t)
	articles := series(149, "/index.php?title=P%d")
	var joomlas []string
	for c := range 4 {
		for i := range 50 {
			joomlas = append(joomlas, fmt.Sprintf("/index.php?option=com_content&view=article&id=%d&catid=%d&Itemid=11", (c+1)*1000+i, c+1))
		}
	}
	terms := []string{"/course?session=spring-semester-2023", "/course?session=spring-semester-2024", "/course?session=2023-2024-evening", "/course?sid=20240512111315001"}
	for name, x := range map[string]struct {
		section
		root string
		want []string
	}{
		"wordpress": {wordpress, "/", series(150, "/?p=%d")},
		"mediawiki": {mediawiki, "/index.php?title=P0", articles},
		"joomla":    {joomla, "/", joomlas},
		"typo3":     {typo3, "/index.php?id=1", slices.Concat(series(99, "/index.php?id=%d"), series(99, "/index.php?id=%d&L=1"), series(99, "/index.php?id=%d&L=2"))},
		"terms":     {func(u *url.URL) (string, []string) { return about(u, terms...) }, "/", terms},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t, map[string]site{"a.test": only(x.section)}, nil)
			r := newRig(t, w.dns)
			r.crawl(seeds(tasks.NoLimit, `"max_pages":20000`, w.url("a.test", x.root)))
			found := r.found()
			var lost []string
			for _, p := range x.want {
				if found[w.url("a.test", p)].State != catalog.Stored {
					lost = append(lost, p)
				}
			}
			if len(lost) > 0 {
				t.Errorf("%d of %d pages are not found: %.300q", len(lost), len(x.want), lost)
			}
			t.Logf("%d pages, %d of them left out", len(found), r.reasons()[catalog.Budget])
		})
	}
}

// Spaces that hide that they are endless cost little, too.
func TestEndlessSpacesInDisguise(t *testing.T) {
	next := func(months int, layout string, views ...string) section {
		return func(u *url.URL) (string, []string) {
			var at time.Time
			for _, v := range append(views, layout) {
				if x, err := time.Parse(v, u.RequestURI()); err == nil {
					at = x
				}
			}
			var to []string
			for _, v := range append(views, layout) {
				to = append(to, at.AddDate(0, months, 1).Format(v), at.AddDate(0, -months, -1).Format(v))
			}
			return about(u, to...)
		}
	}
	for name, x := range map[string]struct {
		section
		lure string
		most int64
	}{
		"a view behind the date": {next(1, "/cal/2006/01/month", "/cal/2006/01/02/day/"), "/cal/2024/05/month", 110},
		"names of months":        {next(2, "/cal/January-2006"), "/cal/May-2024", 110},
		"the day first":          {next(0, "/cal/02.01.2006", "/cal?datum=02.01.2006"), "/cal/12.05.2024", 110},
		"two languages": {func(u *url.URL) (string, []string) {
			at, _ := time.Parse("2006-01", u.Query().Get("month"))
			after := at.AddDate(0, 1, 0).Format("2006-01")
			return about(u, "http://b.test:PORT/cal?month="+after, "http://a.test:PORT/cal?month="+after)
		}, "/cal?month=2024-05", 220},
		"facets of one name": {func(u *url.URL) (string, []string) {
			var to []string
			for i := range 20 {
				if tag := fmt.Sprintf("tag=%d", 10+i); !strings.Contains(u.RawQuery, tag) {
					to = append(to, strings.Replace("/shop?"+u.RawQuery+"&"+tag, "?&", "?", 1))
				}
			}
			return about(u, to...)
		}, "/shop", 130},
		"facets with an index": {func(u *url.URL) (string, []string) {
			var to []string
			for i := range 20 {
				if value := fmt.Sprint("v", 10+i); !strings.Contains(u.RawQuery, value) {
					to = append(to, fmt.Sprintf("/shop?%s&f[%d]=%s", u.RawQuery, len(u.Query()), value))
				}
			}
			return about(u, to...)
		}, "/shop?f[0]=v9", 130},
	} {
		t.Run(name, func(t *testing.T) {
			here := func(rw http.ResponseWriter, r *http.Request) {
				_, port, _ := strings.Cut(r.Host, ":")
				endless(func(u *url.URL) (string, []string) {
					text, to := x.section(u)
					for i := range to {
						to[i] = strings.ReplaceAll(to[i], "PORT", port)
					}
					return text, to
				}, x.lure)(rw, r)
			}
			w := newWeb(t, map[string]site{"a.test": here, "b.test": here}, nil)
			r := newRig(t, w.dns)
			r.crawl(seeds(tasks.NoLimit, `"max_pages":800,"scope":"any"`, w.url("a.test", "/")))
			if cost := r.tally().Stored - 21; cost < 50 || cost > x.most {
				t.Errorf("it cost %d pages, want at most %d, and no less than a maze has", cost, x.most)
			}
		})
	}
}
