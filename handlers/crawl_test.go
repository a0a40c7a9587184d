package handlers_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/fault"
	"example.org/trawl/tasks"
)

// links is a page that links to each of urls.
func links(urls ...string) string {
	var b strings.Builder
	for _, u := range urls {
		fmt.Fprintf(&b, "<a href=%q>to %s</a>\n", u, u)
	}
	return b.String()
}

func TestBoundsOfACrawl(t *testing.T) {
	const root = "http://a.site.test:PORT/dir/"
	site1 := pages(map[string]string{
		"/dir/":   links("in", "/out", "http://b.site.test:PORT/", "http://else.test:PORT/", "https://a.site.test:PORT/dir/tls", "mailto:x@site.test"),
		"/dir/in": links("deep"), "/dir/deep": links("deeper"), "/dir/deeper": "", "/out": "",
		"/many": links("m1", "m2", "m3", "m4", "m5", "m6", "m1"), "/m1": links("m7"), "/m2": "",
	})
	sites := map[string]site{"a.site.test": site1, "b.site.test": pages(map[string]string{"/": ""}), "else.test": pages(map[string]string{"/": ""})}
	w := newWeb(t, sites, nil)
	in, out, deep, deeper := "a.site.test/dir/in", "a.site.test/out", "a.site.test/dir/deep", "a.site.test/dir/deeper"
	start, b, other := "a.site.test/dir/", "b.site.test/", "else.test/"
	for _, c := range []struct {
		name     string
		seed     string
		reach    int
		settings string
		want     []string
	}{
		{"only the page", root, 0, ``, []string{start}},
		{"one link", root, 1, ``, []string{start, in, out}},
		{"two links", root, 2, ``, []string{start, in, out, deep}},
		{"any number", root, tasks.NoLimit, ``, []string{start, in, out, deep, deeper}},
		{"prefix", root, tasks.NoLimit, `"scope":"prefix"`, []string{start, in, deep, deeper}},
		{"domain", root, 1, `"scope":"domain"`, []string{start, in, out, b}},
		{"any host", root, 1, `"scope":"any"`, []string{start, in, out, b, other}},
		{"include", root, tasks.NoLimit, `"include":"/in$|/deep$"`, []string{start, in, deep}},
		{"exclude", root, tasks.NoLimit, `"exclude":"/deep$"`, []string{start, in, out}},
		{"a seed that is excluded is visited", root, 0, `"exclude":"."`, []string{start}},
		{"both", root, tasks.NoLimit, `"include":"/d","exclude":"deeper"`, []string{start, in, deep}},
		{"most pages", "http://a.site.test:PORT/many", tasks.NoLimit, `"max_pages":3`, []string{"a.site.test/many", "a.site.test/m1", "a.site.test/m2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, w.dns)
			if strings.Contains(c.settings, "any") || strings.Contains(c.settings, "domain") {
				// https at the web's own port is another host, which does not speak TLS: not what this is about.
				c.settings += `,"exclude":"^https:"`
			}
			r.crawl(seeds(c.reach, c.settings, strings.ReplaceAll(c.seed, "PORT", w.port)))
			var got []string
			for u := range r.found() {
				got = append(got, strings.Replace(strings.TrimPrefix(u, "http://"), ":"+w.port, "", 1))
			}
			slices.Sort(got)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("pages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	long := func(n int) site { // n hops and then a page
		return func(rw http.ResponseWriter, r *http.Request) {
			var at int
			_, _ = fmt.Sscanf(r.URL.RawQuery, "%d", &at)
			if at == n {
				_, _ = io.WriteString(rw, "<title>arrived</title>")
				return
			}
			moved(fmt.Sprintf("?%d", at+1))(rw, r)
		}
	}
	w := newWeb(t, map[string]site{
		"a.test": pages(nil).with(map[string]site{
			"/":       moved("http://b.test:PORT/"),
			"/self":   moved("/self"),
			"/pit":    moved("mailto:nobody@a.test"),
			"/bare":   status(http.StatusFound),
			"/ten":    long(10),
			"/eleven": long(11),
		}).with(hops(long(10), "/ten", 10)).with(hops(long(11), "/eleven", 11)),
		"b.test": pages(map[string]string{"/": links("x", "away"), "/x": ""}).with(map[string]site{"/away": moved("http://c.test:PORT/")}),
		"c.test": pages(map[string]string{"/": ""}),
	}, nil)
	r := newRig(t, w.dns)
	r.crawl(seeds(tasks.NoLimit, "", w.url("a.test", "/"), w.url("a.test", "/self"), w.url("a.test", "/pit"), w.url("a.test", "/bare"), w.url("a.test", "/ten"), w.url("a.test", "/eleven")))
	wantStates(t, r, map[string]string{
		w.url("a.test", "/"):       "ended redirected",
		w.url("a.test", "/self"):   "ended redirect_loop",
		w.url("a.test", "/pit"):    "ended bad_redirect",
		w.url("a.test", "/bare"):   "ended bad_redirect",
		w.url("a.test", "/ten"):    "stored",
		w.url("a.test", "/eleven"): "ended redirect_loop",
		w.url("b.test", "/"):       "stored", // what a seed redirects to is a seed
		w.url("b.test", "/x"):      "stored", // so its host belongs to the crawl
		w.url("b.test", "/away"):   "ended redirected",
		// c.test does not: what a link redirects to is a link.
	})
	if p := r.found()[w.url("b.test", "/")]; p.Depth != 0 {
		t.Errorf("the seed's target has depth %d", p.Depth)
	}
	if p := r.found()[w.url("a.test", "/ten")]; p.FinalURL != w.url("a.test", "/ten?10") || p.Title != "arrived" {
		t.Errorf("a page behind ten hops: %+v", p)
	}
}

// hops are the addresses of a chain of redirects.
func hops(s site, path string, n int) map[string]site {
	m := map[string]site{}
	for i := 1; i <= n; i++ {
		m[fmt.Sprintf("%s?%d", path, i)] = s
	}
	return m
}

func TestRobots(t *testing.T) {
	front := map[string]string{"/": links("secret", "open"), "/secret": "", "/open": ""}
	rules := func(s string) site {
		return func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, s) }
	}
	w := newWeb(t, map[string]site{
		"none.test":  pages(front),
		"rules.test": pages(front).with(map[string]site{"/robots.txt": rules("User-agent: *\nDisallow: /secret\n")}),
		"moved.test": pages(front).with(map[string]site{"/robots.txt": moved("http://other.test:PORT/its-robots.txt")}),
		"loop.test":  pages(front).with(map[string]site{"/robots.txt": moved("/robots.txt")}),
		"other.test": pages(nil).with(map[string]site{"/its-robots.txt": rules("User-agent: Trawl\nDisallow: /open\n")}),
	}, nil)
	for host, want := range map[string][2]string{
		"none.test":  {"stored", "stored"},
		"rules.test": {"ended robots", "stored"},
		"moved.test": {"stored", "ended robots"}, // a redirect leads to the rules of the host that was asked for, wherever it goes (RFC 9309 §2.3.1.2)
		"loop.test":  {"stored", "stored"},       // as if there were none (§2.3.1.2)
	} {
		t.Run(host, func(t *testing.T) {
			r := newRig(t, w.dns)
			r.crawl(seeds(tasks.NoLimit, "", w.url(host, "/")))
			wantStates(t, r, map[string]string{w.url(host, "/"): "stored", w.url(host, "/secret"): want[0], w.url(host, "/open"): want[1]})
		})
	}
}

func TestRobotsUnavailable(t *testing.T) {
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": "", "/x": ""}).with(map[string]site{"/robots.txt": status(http.StatusServiceUnavailable)})}, nil)
	r := newRig(t, w.dns)
	r.Policy.Patience = time.Hour
	r.put(nil, tasks.Next{Task: seeds(0, "", w.url("a.test", "/"), w.url("a.test", "/x"))})
	for try := 1; try <= 3; try++ {
		r.drain()
		h, err := r.catalog.Host(t.Context(), "http://a.test:"+w.port)
		if err != nil {
			t.Fatal(err)
		}
		if x := h.Trouble; x.State != catalog.HostRobots || x.Fails != try || x.GivenUp || h.Waiting != 2 {
			t.Fatalf("after try %d: %+v, %d pages waiting", try, x, h.Waiting)
		}
		// Before it is time to ask again nothing happens.
		r.runJob(&job{task: tasks.Promote{}})
		if len(r.queue) != 0 {
			t.Fatalf("after try %d something was promoted: %+v", try, r.queue[0].task)
		}
		if got := w.requests(); !slices.Equal(got, []string{"GET http://a.test/robots.txt"}) {
			t.Fatalf("try %d asked %q: want robots.txt once and nothing else", try, got)
		}
		r.clock.by = time.Until(h.Trouble.Until) + time.Second
		r.runJob(&job{task: tasks.Promote{}})
	}
	r.Policy.Patience = time.Nanosecond
	r.crawl()
	wantStates(t, r, map[string]string{w.url("a.test", "/"): "failed robots_unavailable", w.url("a.test", "/x"): "failed robots_unavailable"})
	if got := w.requests(); !slices.Equal(got, []string{"GET http://a.test/robots.txt"}) {
		t.Errorf("the last try asked %q", got)
	}
}

func TestRefusedByHeader(t *testing.T) {
	typed := func(mime, length string) site {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", mime)
			if length != "" {
				rw.Header().Set("Content-Length", length)
			}
			rw.WriteHeader(http.StatusOK)
		}
	}
	w := newWeb(t, map[string]site{"a.test": pages(nil).with(map[string]site{
		"/film.MP4":  typed("video/mp4", ""),
		"/big.zip":   typed("text/plain", fmt.Sprint(maxBody+1)),
		"/page.zip":  typed("text/html", ""), // only looks like one
		"/film":      typed("video/mp4", ""), // does not look like one: the body is not read
		"/gone.zip":  status(http.StatusGone),
		"/nohead.gz": func(rw http.ResponseWriter, r *http.Request) { headless(rw, r) },
	})}, nil)
	for _, c := range []struct {
		path, mode, want string
		asked            []string
	}{
		{"/film.MP4", "auto", "ended type", []string{"HEAD"}},
		{"/big.zip", "auto", "ended size", []string{"HEAD"}},
		{"/page.zip", "auto", "stored", []string{"GET", "HEAD"}},
		{"/film", "auto", "ended type", []string{"GET"}},
		{"/film", "always", "ended type", []string{"HEAD"}},
		{"/film.MP4", "never", "ended type", []string{"GET"}},
		{"/gone.zip", "auto", "ended gone", []string{"HEAD"}},
		{"/nohead.gz", "auto", "stored", []string{"GET", "HEAD"}}, // a host that does not know HEAD
	} {
		t.Run(c.mode+c.path, func(t *testing.T) {
			r := newRig(t, w.dns)
			r.crawl(seeds(0, fmt.Sprintf(`"head":%q`, c.mode), w.url("a.test", c.path)))
			wantStates(t, r, map[string]string{w.url("a.test", c.path): c.want})
			want := []string{"GET http://a.test/robots.txt"}
			for _, m := range c.asked {
				want = append(want, m+" http://a.test"+c.path)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, w.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func headless(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		rw.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	rw.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(rw, "text")
}

func TestTruncatedBodyIsKeptOnTheLastTryOnly(t *testing.T) {
	w := newWeb(t, map[string]site{"a.test": pages(nil).with(map[string]site{"/cut": func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(rw, "half of it")
		_ = http.NewResponseController(rw).Flush()
		panic(http.ErrAbortHandler)
	}})}, nil)
	r := newRig(t, w.dns)
	r.crawl(seeds(0, "", w.url("a.test", "/cut")))
	wantStates(t, r, map[string]string{w.url("a.test", "/cut"): "stored"})
	p, err := r.catalog.Page(t.Context(), "c", w.url("a.test", "/cut"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Truncated != "disconnect" || p.Size != int64(len("half of it")) {
		t.Errorf("kept %d octets, cut by %q", p.Size, p.Truncated)
	}
	if got, want := len(w.requests()), 1+1+fault.Of(fault.Reset).Retries; got != want {
		t.Errorf("%d requests, want robots.txt, a try and all retries: %d", got, want)
	}
	if got := r.records(); got["response /cut"] != 1 {
		t.Errorf("archived %v, want the page once", got)
	}
}

func TestRecrawlOfUnchangedPages(t *testing.T) {
	changed := "first"
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/same": "always the same"}).with(map[string]site{
		"/tag": func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("ETag", `"t"`)
			if r.Header.Get("If-None-Match") == `"t"` {
				rw.WriteHeader(http.StatusNotModified)
				return
			}
			_, _ = io.WriteString(rw, "tagged")
		},
		"/new": func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, changed) },
	})}, nil)
	r := newRig(t, w.dns)
	urls := []string{w.url("a.test", "/same"), w.url("a.test", "/tag"), w.url("a.test", "/new")}
	r.crawl(seeds(0, "", urls...))
	before := map[string]catalog.WARC{}
	for _, u := range urls {
		p, err := r.catalog.Page(t.Context(), "c", u)
		if err != nil {
			t.Fatal(err)
		}
		before[u] = p.WARC
	}
	first := r.found()
	changed = "second"
	r.crawl(seeds(0, `"recrawl":true`, urls...))
	for i, u := range urls {
		p, err := r.catalog.Page(t.Context(), "c", u)
		if err != nil {
			t.Fatal(err)
		}
		if p.State != catalog.Stored || p.Visits != 2 {
			t.Errorf("%s: %s after %d visits", u, p.State, p.Visits)
		}
		if same, want := p.WARC == before[u] && p.Digest == first[u].Digest, i < 2; same != want {
			t.Errorf("%s: content kept %v, want %v", u, same, want)
		}
	}
	want := map[string]int{
		"response /robots.txt": 0, // not a 2xx: nothing to keep
		"response /same":       1, "response /tag": 1, "response /new": 2,
		"revisit /same": 1, "revisit /tag": 1,
	}
	delete(want, "response /robots.txt")
	if diff := cmp.Diff(want, r.records()); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
	// Neither is an order that stays: the next submission visits nothing again.
	w.requests()
	r.crawl(seeds(0, "", urls...))
	if got := w.requests(); len(got) != 0 {
		t.Errorf("submitted again, %q were asked for", got)
	}
}

// records counts what is in the archive, as "response /path".
func (r *rig) records() map[string]int {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(r.dir, "warc", "*.warc.gz*"))
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]int{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			r.t.Fatal(err)
		}
		err = archive.Scan(bytes.NewReader(b), func(h archive.Header, _ int64, _ io.Reader) error {
			if kind := h.Get("WARC-Type"); kind == "response" || kind == "revisit" {
				u := h.Get("WARC-Target-URI")
				out[kind+" "+u[strings.LastIndexByte(u, '/'):]]++
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return out
}

func TestHostsThatMayNotOrCannotBeTouched(t *testing.T) {
	addrs := map[string]string{"private.test": "10.1.2.3", "meta.test": "169.254.169.254", "public.test": "203.0.113.7"}
	addrs["public.test"] = "93.184.215.14" // nobody is asked: without a contact only named networks are
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": ""})}, addrs)
	for _, c := range []struct {
		host    string
		contact bool
		want    string
	}{
		{"private.test", true, "ended private"},
		{"private.test", false, "ended private"},
		{"meta.test", true, "ended private"},
		{"public.test", false, "ended no_contact"},
		{"nowhere.test", true, "ended no_such_host"},
		{"a.test", false, "stored"}, // its network is named
	} {
		t.Run(fmt.Sprint(c.host, " ", c.contact), func(t *testing.T) {
			r := newRig(t, w.dns)
			r.Policy.HasContact = c.contact
			r.crawl(seeds(0, "", w.url(c.host, "/")))
			wantStates(t, r, map[string]string{w.url(c.host, "/"): c.want})
		})
	}
}

func TestLargeBodyIsReadBackFromTheArchive(t *testing.T) {
	filler := strings.Repeat("<p>many words</p>\n", 150_000) // above what fetch hands over in memory
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/big": filler + links("last"), "/last": "small"})}, nil)
	r := newRig(t, w.dns)
	r.crawl(seeds(tasks.NoLimit, "", w.url("a.test", "/big")))
	wantStates(t, r, map[string]string{w.url("a.test", "/big"): "stored", w.url("a.test", "/last"): "stored"})
	if n := r.archive.reads.Load(); n != 1 {
		t.Errorf("%d bodies were read from the archive, want the large one alone", n)
	}
}

// What the queue loses, reconcile finds: visits under way, and links that were on their way to admission.
func TestReconcile(t *testing.T) {
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": links("x"), "/x": ""})}, nil)
	r := newRig(t, w.dns)
	loseAll := func() { r.queue, r.known = nil, map[string]bool{}; r.epoch++ }
	root, x := w.url("a.test", "/"), w.url("a.test", "/x")

	r.put(nil, tasks.Next{Task: seeds(tasks.NoLimit, "", root)})
	r.step(tasks.KindAdmit) // the visit of robots.txt is under way
	loseAll()
	r.step(tasks.KindReconcile)
	r.runJob(&job{task: tasks.Promote{}})
	for _, k := range []tasks.Kind{tasks.KindResolve, tasks.KindFetch} {
		r.step(k)
	}
	wantStates(t, r, map[string]string{root: "queued"})

	// A visit that is alive is left alone, also in another epoch.
	r.epoch++
	r.step(tasks.KindReconcile)
	wantStates(t, r, map[string]string{root: "queued"})
	loseAll()
	stale := r.page(root).Visit
	r.step(tasks.KindReconcile)
	wantStates(t, r, map[string]string{root: "waiting"})
	r.runJob(&job{task: tasks.Promote{}})
	if r.page(root).Visit == stale {
		t.Error("the page was handed to the same visit again")
	}
	// The one that was given up comes back after all, and must not close the page.
	if _, err := r.Crawler.End(t.Context(), tasks.Visit{ID: stale, Page: r.page(root).ID}, tasks.Gone, tasks.Fact{}); err != nil {
		t.Fatal(err)
	}
	wantStates(t, r, map[string]string{root: "queued"})
	r.step(tasks.KindFetch)
	r.step(tasks.KindStore)
	wantStates(t, r, map[string]string{root: "stored"})

	loseAll() // the links of the root were to be admitted
	r.step(tasks.KindReconcile)
	r.crawl()
	wantStates(t, r, map[string]string{root: "stored", x: "stored"})
}

// What was handed out a moment ago may be on its way into the queue, also of another Redis, and however much the workers have to do.
func TestReconcileLeavesTheNewestAlone(t *testing.T) {
	for name, ready := range map[string]int{"idle": 0, "busy": 50} {
		t.Run(name, func(t *testing.T) {
			w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": ""})}, nil)
			r := newRig(t, w.dns)
			root := w.url("a.test", "/")
			r.put(nil, tasks.Next{Task: seeds(tasks.NoLimit, "", root)})
			for _, k := range []tasks.Kind{tasks.KindAdmit, tasks.KindResolve} {
				r.step(k)
			}
			r.load.Ready = ready
			r.step(tasks.KindFetch) // robots.txt
			wantStates(t, r, map[string]string{root: "queued"})
			r.queue, r.known = nil, map[string]bool{}
			r.epoch++
			r.handover = 10 * time.Second
			r.step(tasks.KindReconcile)
			wantStates(t, r, map[string]string{root: "queued"})
			r.handover = 0
			r.step(tasks.KindReconcile)
			wantStates(t, r, map[string]string{root: "waiting"})
		})
	}
}

func (r *rig) page(url string) catalog.Page {
	r.t.Helper()
	p, err := r.catalog.Page(r.t.Context(), "c", url)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// step runs the tasks of one kind until none is left.
func (r *rig) step(k tasks.Kind) {
	r.t.Helper()
	if k == tasks.KindReconcile {
		r.runJob(&job{task: tasks.Reconcile{}})
		return
	}
	ran := false
	for {
		i := slices.IndexFunc(r.queue, func(j *job) bool { return j.task.Kind() == k })
		if i < 0 {
			break
		}
		j := r.queue[i]
		r.queue = slices.Delete(r.queue, i, i+1)
		delete(r.known, key(j.task))
		r.runJob(j)
		ran = true
	}
	if !ran {
		r.t.Fatalf("no %s task is there", k)
	}
}

// A known page that is found nearer to a seed leads on to where it was too far away before.
func TestPageFoundNearer(t *testing.T) {
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": links("long"), "/long": links("page"), "/page": links("beyond"), "/beyond": ""})}, nil)
	r := newRig(t, w.dns)
	r.crawl(seeds(2, "", w.url("a.test", "/")))
	wantStates(t, r, map[string]string{w.url("a.test", "/"): "stored", w.url("a.test", "/long"): "stored", w.url("a.test", "/page"): "stored"})
	r.crawl(seeds(1, "", w.url("a.test", "/page")))
	if p, ok := r.found()[w.url("a.test", "/beyond")]; !ok || p.Depth != 1 {
		t.Errorf("the page beyond: found %v at depth %d, want depth 1", ok, p.Depth)
	}
	if p := r.found()[w.url("a.test", "/page")]; p.Depth != 0 || p.Visits != 1 {
		t.Errorf("the page itself: depth %d after %d visits; want 0 after one", p.Depth, p.Visits)
	}
}

// A host must not be able to fill Redis with what it says in its headers.
func TestHostileHeadersDoNotTravel(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	w := newWeb(t, map[string]site{"a.test": pages(nil).with(map[string]site{"/": func(rw http.ResponseWriter, _ *http.Request) {
		h := rw.Header()
		h.Set("Content-Type", "text/html; x="+long)
		h.Set("ETag", `"`+long+`"`)
		h.Set("Last-Modified", long)
		h.Set("Content-Encoding", long)
		for range 20 {
			h.Add("X-Robots-Tag", "otherbot: "+long)
		}
		_, _ = io.WriteString(rw, "<title>t</title>"+links("x"))
	}})}, nil)
	r := newRig(t, w.dns)
	r.put(nil, tasks.Next{Task: seeds(tasks.NoLimit, "", w.url("a.test", "/"))})
	for r.queue[0].task.Kind() != tasks.KindStore || r.queue[0].task.About().Robots {
		j := r.queue[0]
		r.queue = r.queue[1:]
		delete(r.known, key(j.task))
		r.runJob(j)
		if len(r.queue) == 0 {
			t.Fatal("the page was not fetched")
		}
	}
	if b, err := tasks.Encode(r.queue[0].task); err != nil || len(b) >= 1024 {
		t.Errorf("store's payload has %d octets (%v)", len(b), err)
	}
	r.crawl()
	wantStates(t, r, map[string]string{w.url("a.test", "/"): "stored"}) // and its links are not followed: it said more than was heard
}

// What closes a page says the same twice: its links need not wait for reconcile when a worker dies before it has enqueued them.
func TestClosingTwiceSaysTheSameTwice(t *testing.T) {
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": links("x"), "/x": ""}).with(map[string]site{"/gone": moved("http://b.test:PORT/")})}, nil)
	for path, closing := range map[string]tasks.Kind{"/": tasks.KindStore, "/gone": tasks.KindFetch} {
		r := newRig(t, w.dns)
		r.put(nil, tasks.Next{Task: seeds(tasks.NoLimit, "", w.url("a.test", path))})
		for len(r.queue) > 0 && (r.queue[0].task.Kind() != closing || r.queue[0].task.About().Robots) {
			j := r.queue[0]
			r.queue = r.queue[1:]
			delete(r.known, key(j.task))
			r.runJob(j)
		}
		if len(r.queue) == 0 {
			t.Fatalf("%s: no %s task came", path, closing)
		}
		for n := range 2 {
			next, err := r.line.Run(t.Context(), r.queue[0].task, 0)
			if err != nil || len(next) == 0 || next[0].Task.Kind() != tasks.KindAdmit {
				t.Errorf("%s, time %d: %v follows, %v; want the page's links to be admitted", path, n+1, next, err)
			}
		}
	}
}

// A submission that is made again and again is made once each time, however many processes are told, and once for all the times
// that were missed.
func TestSchedule(t *testing.T) {
	w := newWeb(t, map[string]site{"a.test": pages(map[string]string{"/": `<a href="/x">x</a>`, "/x": ""})}, nil)
	r := newRig(t, w.dns)
	task := seeds(tasks.NoLimit, "", w.url("a.test", "/"))
	task.Every = "24h"
	r.crawl(task)
	r.crawl(task) // delivered twice
	far := time.Now().Add(48 * time.Hour)
	list := func() catalog.Schedule {
		all, err := r.catalog.Schedules(t.Context(), far)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	s := list()
	if in := time.Until(s.Next); in < 23*time.Hour || in > 24*time.Hour {
		t.Fatalf("due in %s", in)
	}
	for visits := 2; visits < 4; visits++ {
		if mine, err := r.catalog.Tick(t.Context(), list(), time.Now(), time.Now().Add(-100*time.Hour)); err != nil || !mine {
			t.Fatal(mine, err)
		}
		var wg sync.WaitGroup
		results := make([]tasks.Result, 8)
		for i := range results {
			wg.Go(func() {
				var err error
				if results[i], err = r.Schedule(t.Context(), tasks.Schedule{Entry: "1"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, res := range results {
			r.put(nil, res.Next...)
		}
		r.crawl()
		got := r.found()
		if n := got[w.url("a.test", "/")].Visits; n != visits {
			t.Errorf("the page was visited %d times, want %d", n, visits)
		}
		if n := got[w.url("a.test", "/x")].Visits; n != 1 {
			t.Errorf("the page that it links to was visited %d times", n)
		}
		if in := time.Until(list().Next); in < 19*time.Hour || in > 24*time.Hour {
			t.Errorf("due again in %s", in)
		}
	}
}
