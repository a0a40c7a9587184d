package dashboard_test

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/dashboard"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
	"example.org/trawl/tasks"
)

// browser starts a Chromium that cannot reach anything but this machine: what a page asks of another host becomes an error.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("this test needs a real browser: make test installs it (Debian's package chromium)")
	}
	ctx, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
	)...)
	ctx, cancel := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		cancel()
		stop()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// tab is a page that somebody looks at, and what it did that a good page does not do.
type tab struct {
	*testing.T
	ctx  context.Context
	base string

	mu      sync.Mutex
	errors  []string // in the console
	outside []string // requests to other hosts
	answers []string // from other hosts
	dialogs []string
}

func open(t *testing.T, b context.Context, base string) *tab {
	t.Helper()
	p := &tab{T: t, base: base}
	ctx, cancel := context.WithTimeout(b, 30*time.Second)
	t.Cleanup(cancel)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithListener(p.note))
	t.Cleanup(closeTab)
	p.ctx = ctx
	p.do(chromedp.EmulateViewport(1280, 800))
	return p
}

func (p *tab) note(e any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.ConsoleAPICalledTypeLog {
			p.errors = append(p.errors, fmt.Sprintf("console.%s", e.Type))
		}
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, e.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, p.base) && !strings.HasPrefix(e.Request.URL, "data:") {
			p.outside = append(p.outside, e.Request.URL)
		}
	case *network.EventResponseReceived:
		if !strings.HasPrefix(e.Response.URL, p.base) && !strings.HasPrefix(e.Response.URL, "data:") {
			p.answers = append(p.answers, e.Response.URL)
		}
	case *page.EventJavascriptDialogOpening:
		p.dialogs = append(p.dialogs, e.Message)
	}
}

// clean fails the test for what the page did that it should not.
func (p *tab) clean() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for what, all := range map[string][]string{"in the console": p.errors, "asked of another host": p.outside, "dialog": p.dialogs} {
		for _, s := range all {
			p.Errorf("%s: %s", what, s)
		}
	}
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

func (p *tab) visit(path string) {
	p.Helper()
	p.do(chromedp.Navigate(p.base + path))
}

// eval is the value of a JavaScript expression.
func eval[V any](p *tab, expr string) V {
	p.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[V](expr))
	if err != nil {
		p.Fatalf("%s: %v", expr, err)
	}
	return v
}

// call sends a command of the browser's protocol.
func call[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, cmd, params)
		return err
	})
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser for half a minute: not with -short")
	}
	s := newStand(t, lab.Config{Seed: 5, Hosts: 4, Pages: 240})
	s.crawl(t)
	b := browser(t)

	t.Run("overview", func(t *testing.T) {
		p := open(t, b, s.base)
		p.visit("/")
		for _, heading := range []string{"Stages", "Backlog", "Crawls", "Recent events"} {
			if !eval[bool](p, fmt.Sprintf(`[...document.querySelectorAll("h2")].some(h => h.textContent.startsWith(%q))`, heading)) {
				t.Errorf("no section %q", heading)
			}
		}
		rows := func(section string) []string {
			return eval[[]string](p, fmt.Sprintf(`[...document.querySelectorAll("section[aria-labelledby=%s] tbody th")].map(h => h.textContent)`, section))
		}
		if diff := cmp.Diff(stageNames(), rows("stages")); diff != "" {
			t.Errorf("stages (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{slowCrawl, doneCrawl}, rows("crawls")); diff != "" {
			t.Errorf("crawls (-want +got):\n%s", diff)
		}
		if n := eval[int](p, `document.querySelectorAll(".events tbody tr").length`); n == 0 {
			t.Error("no events")
		}
		if n := eval[int](p, `document.querySelectorAll(".bar rect").length`); n == 0 || n != eval[int](p, `document.querySelectorAll(".legend li").length`) {
			t.Errorf("%d parts of the bar, not one for each reason", n)
		}
		p.clean()
	})

	t.Run("why", func(t *testing.T) {
		p := open(t, b, s.base)
		p.visit("/why")
		eventually(t, "the first signals are there", func() bool { return eval[bool](p, `document.querySelectorAll(".charts polyline").length > 7`) })
		for _, heading := range []string{"As it went", "Ruled out", "How fresh this is"} {
			if !eval[bool](p, fmt.Sprintf(`[...document.querySelectorAll("h2")].some(h => h.textContent.startsWith(%q))`, heading)) {
				t.Errorf("no section %q", heading)
			}
		}
		if verdict := eval[string](p, `document.querySelector(".verdict .word").textContent`); verdict == "" || verdict == "unknown" {
			t.Errorf("the verdict is %q", verdict)
		}
		was := eval[string](p, `document.querySelector("footer time").textContent`)
		eventually(t, "the page is brought up to date", func() bool { return eval[string](p, `document.querySelector("footer time").textContent`) != was })
		p.clean()
	})

	t.Run("live", func(t *testing.T) {
		p := open(t, b, s.base)
		p.visit("/")
		const stored = `[...document.querySelectorAll("section[aria-labelledby=crawls] tbody tr")].find(r => r.cells[0].textContent === "` + slowCrawl + `").cells[4].textContent`
		before := eval[string](p, stored)
		// What a reload or a careless update would lose: an own mark on an element, the focus, and how far a table is scrolled.
		p.do(chromedp.EmulateViewport(380, 700))
		eval[bool](p, `window.stayed = document.querySelector("#stages ~ .scroll"), stayed.scrollLeft = 60, document.querySelector("#stages ~ .scroll a").focus({preventScroll: true}), true`)
		was := eval[float64](p, `stayed.scrollLeft`)
		eventually(t, "the number of stored pages changes", func() bool { return eval[string](p, stored) != before })
		if !eval[bool](p, `stayed.isConnected && stayed.contains(document.activeElement)`) || eval[float64](p, `stayed.scrollLeft`) != was || was == 0 {
			t.Errorf("the update lost focus or scroll position (it was %v)", was)
		}
		p.do(chromedp.Click(chromedp.ID("pause")))
		if got := eval[string](p, `document.getElementById("pause").textContent`); got != "Go on" {
			t.Errorf("the button of a page that is paused says %q", got)
		}
		p.clean()
		// A server that is away is told.
		p.do(chromedp.Click(chromedp.ID("pause")), call(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Offline: true}}}))
		eventually(t, "the page says that it is old", func() bool { return eval[bool](p, `!document.getElementById("stale").hidden`) })
	})

	t.Run("widths", func(t *testing.T) {
		p := open(t, b, s.base)
		for _, path := range []string{"/", "/why", "/workers", "/stages/fetch", "/search", "/search?q=quokka"} {
			for _, width := range []int64{380, 768, 1600} {
				p.do(chromedp.EmulateViewport(width, 800))
				p.visit(path)
				if got := eval[int64](p, `document.documentElement.scrollWidth`); got > width {
					t.Errorf("%s at a width of %d is %d wide", path, width, got)
				}
			}
		}
		p.clean()
	})

	t.Run("stages and workers", func(t *testing.T) {
		p := open(t, b, s.base)
		p.visit("/")
		p.do(chromedp.Click(chromedp.CSS(`a[href="/stages/fetch"]`)), chromedp.WaitReady(chromedp.CSS(".charts")))
		eventually(t, "the stage's signals are drawn", func() bool { return eval[int](p, `document.querySelectorAll(".charts polyline").length`) > 5 })
		if got := eval[string](p, `document.querySelector("main").innerText`); !strings.Contains(got, "first byte") || !strings.Contains(got, "lab.test") {
			t.Errorf("it says neither where the time goes nor who takes it:\n%s", got)
		}
		p.visit("/workers")
		eventually(t, "the process is listed", func() bool {
			return eval[bool](p, `[...document.querySelectorAll("tbody td")].some(c => c.textContent === "up")`)
		})
		p.clean()
	})

	t.Run("colours", func(t *testing.T) {
		p := open(t, b, s.base)
		for _, theme := range []string{"light", "dark"} {
			p.do(scheme(theme))
			p.visit("/search?q=quokka")
			ratio := func(selector string) float64 { return eval[float64](p, fmt.Sprintf(contrast, selector)) }
			enough := func(selectors ...string) {
				for _, s := range selectors {
					if r := ratio(s); r < 4.5 { // WCAG 2.2, 1.4.3
						t.Errorf("%s: the contrast of %s is %.1f", theme, s, r)
					}
				}
			}
			enough("body", "h2 a", ".url", ".note", "mark", "nav a", "button")
			p.visit("/")
			enough(".sentence", "thead th", "tbody th a", ".zero", ".legend", "footer")
		}
		if got := eval[string](p, `getComputedStyle(document.body).backgroundColor`); got == "rgb(255, 255, 255)" {
			t.Error("dark is white")
		}
		p.clean()
	})

	t.Run("without JavaScript", func(t *testing.T) {
		p := open(t, b, s.base)
		p.do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
		p.visit("/")
		// The browser's own view of the page: a script to ask it with would not run.
		html, err := chromedp.Run(p.ctx, chromedp.Text(chromedp.CSS("body")))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{slowCrawl, "fetch", "Recent events", "Reload"} {
			if !strings.Contains(html, want) {
				t.Errorf("the page does not show %q", want)
			}
		}
		if strings.Contains(html, "Pause") {
			t.Error("there is a button that does nothing")
		}
		p.visit("/search")
		p.do(chromedp.SendKeys(chromedp.ID("q"), "quokka"), chromedp.Submit(chromedp.ID("q")), chromedp.WaitReady(chromedp.CSS(".hits mark")))
		p.clean()
	})

	t.Run("hostile page", func(t *testing.T) {
		p := open(t, b, s.base)
		p.visit("/search?q=" + url.QueryEscape(`quokka wombat`))
		if got := eval[string](p, `document.querySelector(".hits h2").textContent`); got != hostileTitle {
			t.Errorf("the title is shown as %q, want %q", got, hostileTitle)
		}
		if got := eval[string](p, `document.querySelector(".hits a").href`); got != s.hostile {
			t.Errorf("the title leads to %s, want %s", got, s.hostile)
		}
		if got := eval[[]string](p, `[...document.querySelectorAll("mark")].map(m => m.textContent)`); len(got) < 2 {
			t.Errorf("%q are marked, want both words", got)
		}
		if n := eval[int](p, `document.querySelectorAll("main script, main img, .hits svg").length`); n != 0 {
			t.Errorf("%d elements come from the page", n)
		}
		p.visit("/search?q=" + url.QueryEscape(`"><script>alert(5)</script>`))
		p.clean()
	})

	t.Run("asynqmon", func(t *testing.T) {
		p := open(t, b, s.base)
		p.visit("/asynqmon/")
		eventually(t, "asynqmon lists every stage", func() bool {
			text := eval[string](p, `document.querySelector("table")?.innerText ?? ""`)
			return !slices.ContainsFunc(stageNames(), func(stage string) bool { return !strings.Contains(text, stage) })
		})
		p.visit("/asynqmon/queues/fetch?status=scheduled")
		eventually(t, "asynqmon shows tasks as JSON", func() bool { return eval[bool](p, `document.body.innerText.includes("lab.test")`) })
		p.mu.Lock()
		defer p.mu.Unlock()
		if len(p.answers) > 0 {
			t.Errorf("asynqmon got something from another host: %q", p.answers)
		}
	})
}

// The pages for hosts, failures and one page, of a catalog in which everything that others wrote attacks whoever shows it.
func TestBrowserPages(t *testing.T) {
	if testing.Short() {
		t.Skip("drives a browser: not with -short")
	}
	srv := serveOn(t, redistest.Start(t), dashboard.Login{}, filled(t))
	b := browser(t)
	paths := []string{
		"/hosts", "/hosts?state=dead", "/hosts?host=a.test", "/hosts?host=" + url.QueryEscape(deadHost), "/hosts?host=" + url.QueryEscape(longHost), "/hosts?host=" + url.QueryEscape(evil),
		"/failures", "/failures?fault=server_error", "/failures?fault=server_error&host=a.test", "/failures?crawl=" + url.QueryEscape(evil),
		"/pages", "/pages?url=" + url.QueryEscape(okPage), "/pages?url=" + url.QueryEscape(badPage), "/pages?url=" + url.QueryEscape("http://a.test/again"),
		"/pages?url=" + url.QueryEscape(strings.TrimSuffix(longHost, ":80")+"/"+strings.Repeat("x", 300)),
	}
	refused := []string{"/hosts?state=" + url.QueryEscape(evil), "/failures?fault=" + url.QueryEscape(evil), "/pages?url=" + url.QueryEscape(evil)}

	t.Run("widths", func(t *testing.T) {
		p := open(t, b, srv.URL)
		for _, path := range slices.Concat(paths, refused, []string{"/crawls", "/schedules?remove=1", "/do?verb=cancel&crawl=docs", "/do?verb=retry&host=" + url.QueryEscape(longHost)}) {
			for _, width := range []int64{380, 768, 1600} {
				p.do(chromedp.EmulateViewport(width, 800))
				p.visit(path)
				if got := eval[int64](p, `document.documentElement.scrollWidth`); got > width {
					t.Errorf("%s at a width of %d is %d wide", path, width, got)
				}
			}
		}
	})

	t.Run("cancel without JavaScript", func(t *testing.T) {
		c := filled(t)
		p := open(t, b, serveOn(t, redistest.Start(t), dashboard.Login{}, c).URL)
		p.do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
		p.visit("/crawls")
		p.do(chromedp.Click(chromedp.CSS(`a[href^="/do?verb=cancel"]`)), chromedp.WaitReady(chromedp.CSS(`form[action="/do"] button`)))
		if n, err := c.Open(t.Context(), catalog.Choice{}); err != nil || n == 0 {
			t.Errorf("looking at what it would do has done it (%v)", err)
		}
		p.do(chromedp.Click(chromedp.CSS(`form[action="/do"] button`)), chromedp.WaitReady(chromedp.CSS("p[role=status]")))
		if n, err := c.Open(t.Context(), catalog.Choice{}); err != nil || n != 0 {
			t.Errorf("%d pages are open (%v)", n, err)
		}
		p.clean()
	})

	t.Run("hostile text", func(t *testing.T) {
		p := open(t, b, srv.URL)
		for _, path := range slices.Concat(refused, paths) {
			p.visit(path)
			if path == refused[len(refused)-1] { // a browser takes a 400 for an error, which it is
				p.mu.Lock()
				p.errors = nil
				p.mu.Unlock()
			}
			if n := eval[int](p, `document.querySelectorAll("main script, main img, main svg, [onerror], [onload]").length`); n != 0 {
				t.Errorf("%s: %d elements come from what others wrote", path, n)
			}
			if n := eval[int](p, `[...document.links].filter(a => !a.href.startsWith("http") || a.host !== location.host && a.rel !== "noopener noreferrer").length`); n != 0 {
				t.Errorf("%s: %d links lead elsewhere without a guard", path, n)
			}
			if n := eval[int](p, `document.querySelectorAll("h1").length`); n != 1 {
				t.Errorf("%s: %d headings", path, n)
			}
		}
		for path, selector := range map[string]string{
			"/hosts?state=dead": "td.why", "/hosts?host=a.test": "pre", "/failures": "dd", "/pages?url=" + url.QueryEscape(okPage): "h2", "/pages?url=" + url.QueryEscape(badPage): ".bad .says",
		} {
			p.visit(path)
			if got := eval[string](p, fmt.Sprintf(`document.querySelector(%q).textContent`, selector)); !strings.Contains(got, `"><script>alert(1)</script><img src=x onerror=alert(2)>`) {
				t.Errorf("%s: what others wrote is shown as %q", path, got)
			}
		}
		p.visit("/failures")
		if got := eval[string](p, `document.querySelector("dt a").textContent`); got != evilPage {
			t.Errorf("the example is %q, want %q", got, evilPage)
		}
		p.clean()
	})

	t.Run("colours", func(t *testing.T) {
		p := open(t, b, srv.URL)
		for _, theme := range []string{"light", "dark"} {
			p.do(scheme(theme))
			for path, selectors := range map[string][]string{
				"/hosts": {"td.warn", "td.why", "tbody th a", "select", ".filter label", "button"}, "/hosts?host=b.test": {".facts th", ".facts td", ".sentence .warn", "summary"},
				"/failures": {"tbody th a", "td", "dd"}, "/pages?url=" + url.QueryEscape(badPage): {".life b", ".life .bad b", ".life time", ".says", ".pages a"},
			} {
				p.visit(path)
				for _, sel := range selectors {
					if r := eval[float64](p, fmt.Sprintf(contrast, sel)); r < 4.5 { // WCAG 2.2, 1.4.3
						t.Errorf("%s, %s: the contrast of %s is %.1f", path, theme, sel, r)
					}
				}
			}
		}
		p.clean()
	})

	t.Run("without JavaScript", func(t *testing.T) {
		p := open(t, b, srv.URL)
		p.do(call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
		p.visit("/pages")
		p.do(chromedp.SendKeys(chromedp.ID("url"), badPage), chromedp.Submit(chromedp.ID("url")), chromedp.WaitReady(chromedp.CSS(".life .bad")))
		p.visit("/schedules")
		p.do(chromedp.Click(chromedp.CSS("tbody a")), chromedp.WaitReady(chromedp.CSS("tbody button")), chromedp.Click(chromedp.CSS("tbody button")), chromedp.WaitReady(chromedp.CSS(".sentence[role=status]")))
		p.visit("/hosts")
		p.do(chromedp.SendKeys(chromedp.CSS("input[name=host]"), "b.test"), chromedp.Submit(chromedp.CSS("input[name=host]")), chromedp.WaitReady(chromedp.CSS(".facts")))
		p.clean()
	})
}

// contrast is the ratio of the colours of an element's text and of what is behind it, as WCAG 2.2 defines it.
const contrast = `(() => {
	let e = document.querySelector(%q);
	const numbers = c => c.match(/[\d.]+/g).map(Number);
	const light = c => { const [r, g, b] = numbers(c).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ink = light(getComputedStyle(e).color);
	while (numbers(getComputedStyle(e).backgroundColor)[3] === 0) e = e.parentElement;
	const ground = light(getComputedStyle(e).backgroundColor);
	return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
})()`

func stageNames() (out []string) {
	for _, k := range tasks.Stages() {
		out = append(out, string(k))
	}
	return out
}

var screenshots = flag.String("screenshots", "", "write the pictures of the documents into this folder")

// TestScreenshots writes the pictures that the documents show: go test ./dashboard -run TestScreenshots -screenshots ../docs
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("writes files: name a folder with -screenshots")
	}
	s := newStand(t, lab.Config{Seed: 11, Hosts: 8, Pages: 800, Errors: true})
	s.enqueue(t, "handbook", "0", s.seeds[:4]...)
	s.enqueue(t, "news", "150ms", s.seeds[2:]...)
	s.enqueue(t, "archive", "1s", s.seeds[4:]...)
	eventually(t, "a crawl is nearly through, and others have a backlog", func() bool {
		h, n := s.tally(t, "handbook"), s.tally(t, "news")
		return h.Stored > 200 && h.Open() < 40 && n.Stored > 150 && n.Open() > 50
	})
	p := open(t, browser(t), s.base)
	p.do(scheme("light"))
	for _, picture := range []struct{ name, path, ready string }{
		{"overview", "/", `document.querySelectorAll(".events tbody tr").length > 20`},
		{"why", "/why", `document.querySelectorAll(".charts polyline").length > 7`},
		{"crawls", "/crawls", `document.querySelectorAll(".progress rect").length > 2`},
		{"workers", "/workers", `document.querySelectorAll("tbody tr").length > 0`},
		{"stage", "/stages/fetch", `document.querySelectorAll(".charts polyline").length > 7`},
		{"hosts", "/hosts", `document.querySelectorAll("tbody tr").length > 3`},
		{"pages", "/pages?crawl=handbook&url=" + url.QueryEscape(s.seeds[0]), `document.querySelectorAll(".life li").length > 3`},
		{"do", "/do?verb=cancel&crawl=archive", `document.querySelector("form button") !== null`},
		{"search", "/search?crawl=handbook&q=" + url.QueryEscape("vimko sta*"), `document.querySelectorAll("mark").length > 3`},
		{"asynqmon", "/asynqmon/", `document.body.innerText.includes("fetch")`},
		{"failures", "/failures?fault=server_error", `document.querySelectorAll("tbody tr").length > 4`},
	} {
		if picture.name == "failures" {
			eventually(t, "pages have been tried often enough to fail", func() bool {
				pages, err := s.catalog.FailedPages(t.Context(), catalog.Choice{Fault: "server_error"}, 0, 5)
				return err == nil && len(pages) > 3
			})
		}
		p.visit(picture.path)
		eventually(t, picture.name+" is there", func() bool { return eval[bool](p, picture.ready) })
		png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if len(png) > 200_000 {
			t.Errorf("%s has %d bytes: too many for a picture in a document", picture.name, len(png))
		}
		if err := os.WriteFile(filepath.Join(*screenshots, picture.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
