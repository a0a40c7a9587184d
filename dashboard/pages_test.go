package dashboard_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/dashboard"
	"example.org/trawl/frontier"
	"example.org/trawl/internal/redistest"
)

// Of the catalog that filled makes.
const (
	okHost   = "http://a.test:80"
	deadHost = "http://b.test:80"
	okPage   = "http://a.test/stored"
	badPage  = "http://a.test/failed"
	// evil attacks whoever shows it, on a page, in an attribute, and by changing the direction of what follows.
	evil     = `"><script>alert(1)</script><img src=x onerror=alert(2)> ` + "\u202etxt.exe\x1b[31m"
	evilPage = "http://a.test/" + `"><svg onload=alert(3)>` // as no canonical URL is
)

// longHost is as long as a name gets without a point in it, twice.
var longHost = "http://" + strings.Repeat("long", 15) + "." + strings.Repeat("name", 15) + ".test:80"

// filled is a catalog with pages in all states, of hosts that do well and that do not.
func filled(t *testing.T) *sqlite.Catalog {
	t.Helper()
	c, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, now := t.Context(), time.Now()
	cr, err := c.Submit(ctx, "docs", []string{frontier.Root("host", "http://a.test/")}, now, func(json.RawMessage) (catalog.Crawl, error) {
		return catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{Delay: time.Second, PerHost: 1}, MaxPages: 1000}, nil
	})
	must(err)
	a := catalog.Admission{Crawl: cr.ID, Submitter: "ann", Origin: "seed", Now: now.Add(-time.Hour)}
	for _, p := range []struct{ host, url string }{
		{okHost, okPage},
		{okHost, badPage},
		{okHost, evilPage},
		{okHost, "http://a.test/again"},
		{okHost, "http://a.test/queued"},
		{okHost, "http://a.test/gone"},
		{deadHost, "http://b.test/one"},
		{deadHost, "http://b.test/two"},
		{longHost, strings.TrimSuffix(longHost, ":80") + "/"},
	} {
		a.Pages = append(a.Pages, catalog.Candidate{URL: p.url, Host: p.host, Reach: catalog.NoLimit})
	}
	_, err = c.Admit(ctx, a)
	must(err)
	visits := map[string]catalog.Promoted{}
	for range 2 { // first robots.txt
		batches, err := c.Promote(ctx, catalog.Window{Now: now, Lease: time.Hour, Horizon: time.Hour, Total: 1000, NewID: func() string { return "robots" }})
		must(err)
		for _, b := range batches {
			if b.RobotsVisit != "" && b.Host != longHost {
				must(c.SetRobots(ctx, b.HostID, b.RobotsVisit, catalog.Robots{
					State: catalog.RobotsRead, Body: []byte("User-agent: *\r\nDisallow: /private/\r\n# </pre>" + evil), CrawlDelay: 2 * time.Second, At: now, Until: now.Add(time.Hour),
				}))
			}
			for _, p := range b.Pages {
				visits[p.URL] = p
			}
		}
	}
	p := visits[okPage]
	_, err = c.Store(ctx, catalog.Storing{
		Page: p.ID, Visit: p.Visit, Status: 200, MIME: "text/html", Size: 1000, Digest: "sha256:1", Payload: "sha1:1", FetchedAt: now, Title: evil,
		WARC: catalog.WARC{File: "a.warc.gz", Offset: 7, Length: 9}, Text: "text",
	})
	must(err)
	for _, u := range []string{badPage, evilPage} { // the latter is the example
		p = visits[u]
		_, err = c.CloseVisit(ctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: "server_error", Now: now, Stage: "fetch", Attempts: 4, Err: "HTTP 500 " + evil})
		must(err)
	}
	must(c.AddSchedule(ctx, catalog.Schedule{Key: "k", Spec: "@every 1h", Next: now.Add(time.Hour), Task: json.RawMessage(`{"crawl":"docs","sub":"ann","urls":["` + okPage + `","http://a.test/b"]}`)}))
	p = visits["http://a.test/gone"]
	_, err = c.CloseVisit(ctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Ended, Reason: "not_found", Status: 404, Now: now})
	must(err)
	p = visits["http://a.test/again"]
	must(c.Postpone(ctx, catalog.Postponed{Page: p.ID, Visit: p.Visit, Due: now.Add(time.Hour), Spent: true, Attempt: catalog.Attempt{At: now, Stage: "fetch", Fault: "stalled", Err: evil}}))
	p = visits["http://b.test/one"]
	_, err = c.HoldHost(ctx, catalog.Hold{
		Host: deadHost, State: catalog.HostDead, Began: now, Now: now, Quiet: time.Hour, Page: p.ID, Visit: p.Visit, Wait: func(int) time.Duration { return time.Hour },
		Attempt: catalog.Attempt{At: now, Stage: "fetch", Fault: "unreachable", Err: evil},
	})
	must(err)
	must(c.SetHost(ctx, okHost, &catalog.HostLimits{Delay: 5 * time.Second, PerHost: 2}, now))
	return c
}

func TestPages(t *testing.T) {
	redisURL := redistest.Start(t)
	empty := serve(t, redisURL, dashboard.Login{})
	full := serveOn(t, redisURL, dashboard.Login{}, filled(t))
	page := func(u string) string { return "/pages?url=" + url.QueryEscape(u) }
	for _, tt := range []struct {
		name string
		srv  *httptest.Server
		path string
		code int
		want []string
	}{
		{"hosts, of nothing", empty, "/hosts", 200, []string{"No host has pages waiting."}},
		{"failures, of nothing", empty, "/failures", 200, []string{"No page has failed."}},
		{"pages, of nothing", empty, "/pages", 200, []string{`name="url"`}},
		{"a page, of nothing", empty, page(okPage), 200, []string{"There is no crawl yet."}},
		{"a host, of nothing", empty, "/hosts?host=a.test", 200, []string{"There is no host &#34;a.test&#34;"}},

		{"hosts", full, "/hosts", 200, []string{deadHost, okHost, longHost, "unreachable, 1 in a row", "5s, 2 at once"}},
		{"hosts in a state", full, "/hosts?state=dead", 200, []string{deadHost, "<option selected>dead</option>"}},
		{"hosts in a state without any", full, "/hosts?state=dns", 200, []string{"No host is in the state dns."}},
		{"hosts with empty fields", full, "/hosts?state=&host=", 200, []string{deadHost, okHost}},
		{"hosts, fewer", full, "/hosts?limit=1", 200, []string{"The 1 with the most pages waiting."}},
		{"hosts in no such state", full, "/hosts?state=tired", 400, []string{"State &#34;tired&#34;: want backoff, dns, robots, dead or paused."}},
		{"too many hosts", full, "/hosts?limit=501", 400, []string{"want a number from 1 to 500"}},
		{"hosts without a number", full, "/hosts?limit=x", 400, []string{"want a number from 1 to 500"}},
		{"a host", full, "/hosts?host=a.test", 200, []string{"Host http://a.test:80</h1>", "5s between two starts, 2 at once", "2s, which its robots.txt asks for", "Disallow: /private/\n", "read "}},
		{"a host in trouble", full, "/hosts?host=" + url.QueryEscape(deadHost), 200, []string{"It does not answer", "In trouble since", "unreachable, once so far"}},
		{"a host that is in another state", full, "/hosts?host=b.test&state=dns", 200, []string{"The host &#34;b.test&#34; is not in the state dns."}},
		{"no such host", full, "/hosts?host=nowhere.test", 200, []string{"There is no host &#34;nowhere.test&#34;"}},
		{"a host that is none", full, "/hosts?host=" + url.QueryEscape(evil), 200, []string{"There is no host"}},

		{"failures", full, "/failures", 200, []string{"server error</a>", "the host answers with a server error", "HTTP 500"}},
		{"failures of a kind", full, "/failures?fault=server_error", 200, []string{"Failures: server error</h1>", "A page is tried 3 more times", "trawl retry --fault server_error", "All kinds", badPage, "HTTP 500"}},
		{"failures of a kind, further on", full, "/failures?fault=server_error&before=1", 200, []string{"Failures: server error</h1>", "<tbody></tbody>"}},
		{"failures of a kind without any", full, "/failures?fault=tls", 200, []string{"No page has failed of this."}},
		{"failures of a host", full, "/failures?host=a.test&crawl=docs", 200, []string{"<option selected>docs</option>", okHost, "trawl retry --crawl docs --host a.test"}},
		{"failures of a host without any", full, "/failures?host=b.test", 200, []string{"No page has failed, of those that are chosen."}},
		{"failures of no such kind", full, "/failures?fault=bad+luck", 400, []string{"Fault &#34;bad luck&#34;: there is no such kind."}},
		{"failures of no such crawl", full, "/failures?crawl=none", 200, []string{"There is no crawl &#34;none&#34;."}},
		{"failures of no such host", full, "/failures?host=nowhere.test", 200, []string{"There is no host &#34;nowhere.test&#34;."}},

		{"a stored page", full, page(okPage), 200, []string{"<p class=\"sentence\">Stored ", "submitted by ann", "a.warc.gz at 7, 9 octets"}},
		{"a failed page", full, page(badPage), 200, []string{"<p class=\"sentence bad\">Failed ", " of server error.", "/failures?fault=server_error&amp;crawl=docs"}},
		{"a page that waits", full, page("http://a.test/again"), 200, []string{"Waits: for its next try; expected to start at ", "<b>attempt</b>", "stalled"}},
		{"a page that waits for its host", full, page("http://b.test/one"), 200, []string{"is in trouble; expected to start at "}},
		{"a page that is visited", full, page("http://a.test/queued"), 200, []string{"Queued: a visit is under way."}},
		{"a page that ended", full, page("http://a.test/gone"), 200, []string{"<p class=\"sentence\">Ended ", ": not found.", "HTTP 404"}},
		{"an unknown page", full, page("http://a.test/never"), 200, []string{"Not known to crawl docs", `<option value="">any crawl</option><option>docs`}},
		{"an unknown page of a crawl", full, page("http://a.test/never") + "&crawl=docs", 200, []string{"Not known to crawl docs", "in scope of crawl docs"}},
		{"a page of no such crawl", full, page(okPage) + "&crawl=none", 200, []string{"There is no crawl &#34;none&#34;."}},
		{"no URL", full, page("ftp://a.test/"), 400, []string{"This is no URL that can be crawled"}},
		{"a URL that is too long", full, page("http://a.test/" + strings.Repeat("x", 9000)), 400, []string{"longer than 8192 octets"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(t, "GET", tt.srv.URL+tt.path, nil)
			if a.StatusCode != tt.code {
				t.Errorf("%s, want %d", a.Status, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(a.body, want) {
					t.Errorf("it does not say %q:\n%s", want, a.body)
				}
			}
			for _, bad := range []string{"<script>alert", "<img src=x", "<svg onload", "\u202e", "\x1b", "&#8238;"} {
				if strings.Contains(a.body, bad) {
					t.Errorf("%q is in it:\n%s", bad, a.body)
				}
			}
			if n := strings.Count(a.body, "<h1"); n != 1 {
				t.Errorf("%d headings", n)
			}
			secure(t, a)
		})
	}
}

func TestPagesAPI(t *testing.T) {
	redisURL := redistest.Start(t)
	empty := serve(t, redisURL, dashboard.Login{})
	full := serveOn(t, redisURL, dashboard.Login{}, filled(t))
	for _, tt := range []struct {
		name string
		srv  *httptest.Server
		path string
		code int
		want string // in the error
	}{
		{"hosts in no such state", full, "/api/hosts?state=tired", 400, "want backoff"},
		{"no such host", full, "/api/hosts?host=nowhere.test", 404, `there is no host "nowhere.test"`},
		{"failures of no such kind", full, "/api/failures?fault=luck", 400, `fault "luck"`},
		{"failures of no such crawl", full, "/api/failures?crawl=none", 404, `there is no crawl "none"`},
		{"failed pages of no such kind", full, "/api/failures/pages?fault=luck", 400, `fault "luck"`},
		{"failed pages of no such host", full, "/api/failures/pages?host=nowhere.test", 404, `there is no host "nowhere.test"`},
		{"no page named", full, "/api/pages", 400, "say which page"},
		{"no URL", full, "/api/pages?url=ftp://a.test/", 400, "refused"},
		{"a page of no such crawl", full, "/api/pages?url=http://a.test/stored&crawl=none", 404, `there is no crawl "none"`},
		{"a page without any crawl", empty, "/api/pages?url=http://a.test/stored", 404, `there is no crawl "default"`},
		{"an unknown page", full, "/api/pages?url=http://a.test/never&crawl=docs", 404, "not known to crawl docs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(t, "GET", tt.srv.URL+tt.path, nil)
			var e struct {
				Error string `json:"error"`
			}
			decode(t, a, &e)
			if a.StatusCode != tt.code || !strings.Contains(e.Error, tt.want) {
				t.Errorf("%s %s, want %d and %q", a.Status, a.body, tt.code, tt.want)
			}
		})
	}
	list := func(srv *httptest.Server, path string) (out []map[string]any) {
		t.Helper()
		a := ask(t, "GET", srv.URL+path, nil)
		if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.body, "[") {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
		decode(t, a, &out)
		return out
	}
	for _, path := range []string{"/api/hosts", "/api/hosts?state=paused", "/api/failures"} {
		if got := list(empty, path); len(got) != 0 {
			t.Errorf("%s of nothing: %v", path, got)
		}
	}
	trouble := list(full, "/api/hosts?state=dead")
	if len(trouble) != 1 || trouble[0]["host"] != deadHost || trouble[0]["fault"] != "unreachable" {
		t.Fatalf("dead hosts: %v", trouble)
	}
	keys(t, "host in trouble", trouble[0], "host", "site", "state", "since", "until", "fails", "fault", "error", "robots", "delay_s", "pace_s", "eta_s",
		"waiting", "queued", "stored", "failed", "ended", "bytes")
	if got := list(full, "/api/hosts?host=a.test"); len(got) != 1 || got[0]["own"] == nil {
		t.Errorf("a host by its name: %v", got)
	}
	failures := list(full, "/api/failures?host=a.test&crawl=docs&fault=server_error")
	if len(failures) != 1 || failures[0]["pages"] != 2.0 || failures[0]["example"] != evilPage {
		t.Fatalf("failures: %v", failures)
	}
	if failed := list(full, "/api/failures/pages?host=a.test&fault=server_error"); len(failed) != 2 || failed[0]["url"] != evilPage || failed[1]["url"] != badPage {
		t.Errorf("failed pages: %v", failed)
	}
	keys(t, "group of failures", failures[0], "fault", "pages", "hosts", "attempts", "first", "last", "example", "error")

	// Without a crawl it is one that knows the page.
	var x map[string]any
	decode(t, ask(t, "GET", full.URL+"/api/pages?url=HTTP://a.test:80/again", nil), &x)
	keys(t, "page", x, "url", "canonical", "page", "host", "waits_for", "expected_start", "steps")
	if x["canonical"] != "http://a.test/again" || x["waits_for"] != "retry" {
		t.Errorf("a page: %v", x)
	}
	var got []string
	steps, _ := x["steps"].([]any)
	for _, s := range steps {
		what, _ := s.(map[string]any)["what"].(string)
		got = append(got, what)
	}
	if diff := cmp.Diff([]string{"url", "scope", "robots", "delay", "delay", "admitted", "attempt", "waiting"}, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestPagesGuarded(t *testing.T) {
	srv := serve(t, redistest.Start(t), dashboard.Login{User: "ada", Password: "correct horse"})
	for _, path := range []string{"/hosts", "/failures", "/pages?url=" + okPage, "/api/hosts", "/api/failures", "/api/pages?url=" + okPage} {
		if a := ask(t, "GET", srv.URL+path, nil); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a login: %s", path, a.Status)
		}
	}
}

// Hosts and failures need no Redis; where a visit is cannot be told without it, and is said within seconds.
func TestPagesWithoutRedis(t *testing.T) {
	rdb, redisURL := redistest.Client(t)
	srv := serveOn(t, redisURL, dashboard.Login{}, filled(t))
	_ = rdb.ShutdownNoSave(t.Context()).Err() // its answer is a connection that ends
	for path, want := range map[string]int{"/hosts": 200, "/failures": 200, "/pages?url=" + okPage: 200, "/pages?url=http://a.test/queued": 503, "/api/pages?url=http://a.test/queued": 503} {
		began := time.Now()
		if a := ask(t, "GET", srv.URL+path, nil); a.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, a.Status, want)
		}
		if took := time.Since(began); took > 20*time.Second { // the client alone would try for half a minute, and longer
			t.Errorf("%s took %s: nobody looks for as long", path, took)
		}
	}
}
