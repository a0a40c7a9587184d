package dashboard_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"example.org/trawl/catalog"
	"example.org/trawl/dashboard"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/tasks"
)

// say has a request carry a body.
func say(kind, body string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", kind)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
}

const (
	asJSON = "application/json"
	asForm = "application/x-www-form-urlencoded"
)

// TestControlAPI has an operator do what the commands do, and sees in the catalog that it is done.
func TestControlAPI(t *testing.T) {
	c := filled(t)
	srv := serveOn(t, redistest.Start(t), dashboard.Login{}, c)
	for _, x := range []struct {
		name, path, kind, body string
		status                 int
		want                   string
	}{
		{"pause a crawl", "pause", asJSON, `{"crawl":"docs"}`, 200, `{"name":"docs","paused":"crawl"}`},
		{"resume it, by a form", "resume", asForm, "crawl=docs", 200, `{"name":"docs","resumed":"crawl"}`},
		{"resume it again", "resume", asJSON, `{"crawl":"docs"}`, 409, `not paused`},
		{"pause a host", "pause", asJSON, `{"host":"a.test"}`, 200, `{"name":"http://a.test:80","paused":"host"}`},
		{"pause no such host", "pause", asJSON, `{"host":"none.test"}`, 404, `there is no host`},
		{"pause two things", "pause", asJSON, `{"host":"a.test","crawl":"docs"}`, 400, `exclude each other`},
		{"pause nothing", "pause", asJSON, `{}`, 400, `say what to pause`},
		{"pause what there is not", "pause", asJSON, `{"name":"docs"}`, 400, `want crawl, host, submitter, fault`},
		{"pause what is no object", "pause", asJSON, `["docs"]`, 400, `want an object`},
		{"pause and more", "pause", asJSON, `{"crawl":"docs"} {}`, 400, `nothing behind it`},
		{"retry no such kind", "retry", asJSON, `{"fault":"bad_luck"}`, 400, `no such kind`},
		{"retry", "retry", asJSON, `{"host":"http://a.test"}`, 200, `{"retried":2}`},
		{"cancel a kind", "cancel", asJSON, `{"crawl":"docs","fault":"tls"}`, 400, `no kind of failure`},
		{"cancel", "cancel", asJSON, `{"submitter":"ann"}`, 200, `{"cancelled":`},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := ask(t, "POST", srv.URL+"/api/"+x.path, say(x.kind, x.body))
			if a.StatusCode != x.status || !strings.Contains(a.body, x.want) {
				t.Errorf("%s: %s, want %d and %s", a.Status, a.body, x.status, x.want)
			}
		})
	}
	pauses, err := c.Pauses(t.Context())
	if err != nil || len(pauses) != 1 || pauses[0].Name != okHost {
		t.Errorf("paused: %+v (%v), want the host", pauses, err)
	}
	if n, err := c.Open(t.Context(), catalog.Choice{}); err != nil || n != 0 {
		t.Errorf("%d pages are open (%v), but all were cancelled", n, err)
	}
	if a := ask(t, "POST", srv.URL+"/api/cancel", func(r *http.Request) {
		say(asForm, "crawl=docs")(r)
		r.Header.Set("Origin", "https://elsewhere.example")
	}); a.StatusCode != http.StatusForbidden {
		t.Errorf("another site may cancel: %s", a.Status)
	}
}

// TestURLsAPI submits by the API what enqueue would.
func TestURLsAPI(t *testing.T) {
	rdb, url := redistest.Client(t)
	srv := serve(t, url, dashboard.Login{User: "ada", Password: "pw"})
	post := func(body string) answer {
		t.Helper()
		return ask(t, "POST", srv.URL+"/api/urls", func(r *http.Request) {
			say(asJSON, body)(r)
			r.SetBasicAuth("ada", "pw")
		})
	}
	a := post(`{"urls":["http://a.test/","ftp://b.test/"],"crawl":"docs","depth":-1,"delay":"2s","max_pages":50}`)
	var got struct {
		Crawl, Submitter string
		Submitted        int
		Refused          []struct{ URL, Error string }
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != 200 || got.Crawl != "docs" || got.Submitter != "ada" || got.Submitted != 1 || len(got.Refused) != 1 {
		t.Fatalf("%s: %s (%v)", a.Status, a.body, err)
	}
	keys, err := rdb.Keys(t.Context(), "asynq:{admit}:t:*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("tasks: %v (%v), want one", keys, err)
	}
	msg, err := rdb.HGet(t.Context(), keys[0], "msg").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"http://a.test/", string(tasks.OriginSeed), `"max_pages":50`, "2000000000"} {
		if !strings.Contains(msg, want) {
			t.Errorf("the task does not say %s: %q", want, msg)
		}
	}
	for body, want := range map[string]string{
		`{"crawl":"docs"}`:                         "no URL given",
		`{"urls":["http://a.test/"],"colour":1}`:   `\"colour\": want urls`,
		`{"urls":["http://a.test/"],"depth":-5}`:   "depth -5",
		`{"urls":["http://a.test/"],"depth":"x"}`:  `invalid argument \"x\" for \"depth\"`,
		`{"urls":["http://a.test/"],"every":"x"}`:  "every",
		`{"urls":[{"a":1}]}`:                       `\"urls\": want a text`,
		`{"urls":["` + strings.Repeat("x", 17<<20): "at most",
	} {
		if a := post(body); a.StatusCode/100 != 4 || !strings.Contains(a.body, want) {
			t.Errorf("%.60s: %s: %s, want %s", body, a.Status, a.body, want)
		}
	}
}

// TestDo has somebody look at what a verb would do, and then do it, without a script.
func TestDo(t *testing.T) {
	c := filled(t)
	srv := serveOn(t, redistest.Start(t), dashboard.Login{}, c)
	for _, x := range []struct {
		name, method, query string
		status              int
		want                []string
		open                int64
	}{
		{"what a pause would do", "GET", "verb=pause&crawl=docs", 200, []string{"Pause crawl docs", "5 open pages", `name="crawl" value="docs"`, `method="post"`}, 5},
		{"pause", "POST", "verb=pause&crawl=docs", 200, []string{"Paused crawl docs.", `href="/crawls"`}, 5},
		{"resume", "POST", "verb=resume&crawl=docs", 200, []string{"Resumed crawl docs."}, 5},
		{"resume it again", "POST", "verb=resume&crawl=docs", 409, []string{"not paused"}, 5},
		{"what a retry would do", "GET", "verb=retry&host=a.test&fault=tls", 200, []string{"0 failed pages"}, 5},
		{"what a cancel would do", "GET", "verb=cancel&host=a.test", 200, []string{"End these pages", "cannot be taken back"}, 5},
		{"cancel by looking", "GET", "verb=cancel&crawl=docs", 200, []string{"5 open pages end"}, 5},
		{"cancel", "POST", "verb=cancel&crawl=docs", 200, []string{"Cancelled crawl docs: 5 pages."}, 0},
		{"no such verb", "POST", "verb=delete&crawl=docs", 400, []string{"want pause, resume, cancel or retry"}, 0},
		{"no such crawl", "GET", "verb=pause&crawl=%3Cscript%3E", 404, []string{"There is no crawl", "&lt;script&gt;"}, 0},
		{"nothing", "POST", "verb=cancel", 400, []string{"Say what to cancel"}, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			var a answer
			if x.method == "GET" {
				a = ask(t, "GET", srv.URL+"/do?"+x.query, nil)
			} else {
				a = ask(t, "POST", srv.URL+"/do", say(asForm, x.query))
			}
			for _, want := range x.want {
				if a.StatusCode != x.status || !strings.Contains(a.body, want) {
					t.Errorf("%s, want %d and %s:\n%s", a.Status, x.status, want, a.body)
				}
			}
			if n, err := c.Open(t.Context(), catalog.Choice{}); err != nil || n != x.open {
				t.Errorf("%d pages are open (%v), want %d", n, err, x.open)
			}
		})
	}
}

// TestSchedules shows a schedule, asks whether it is to go, and has it gone.
func TestSchedules(t *testing.T) {
	srv := serveOn(t, redistest.Start(t), dashboard.Login{}, filled(t))
	for _, x := range []struct {
		method, path string
		status       int
		want         string
	}{
		{"GET", "/schedules", 200, "http://a.test/stored and 1 more"},
		{"GET", "/schedules?remove=1", 200, `action="/schedules/1/remove"`},
		{"POST", "/schedules/7/remove", 404, "There is no schedule 7."},
		{"POST", "/schedules/x/remove", 404, "There is no schedule x."},
		{"GET", "/schedules", 200, `href="/schedules?remove=1"`},
		{"POST", "/schedules/1/remove", 200, "Schedule 1 submits nothing any more."},
		{"GET", "/schedules", 200, "Nothing is submitted again and again."},
	} {
		if a := ask(t, x.method, srv.URL+x.path, nil); a.StatusCode != x.status || !strings.Contains(a.body, x.want) {
			t.Errorf("%s %s: %s, want %d and %s:\n%s", x.method, x.path, a.Status, x.status, x.want, a.body)
		}
	}
}

// TestCrawls starts a crawl by the form, and has it say what is wrong without losing what was typed.
func TestCrawls(t *testing.T) {
	rdb, url := redistest.Client(t)
	srv := serveOn(t, url, dashboard.Login{}, filled(t))
	for _, x := range []struct {
		name, form string
		status     int
		want       []string
		tasks      int
	}{
		{"no URL", "urls=+&crawl=new", 400, []string{"Name at least one URL", `name="crawl" value="new"`}, 0},
		{"a wrong delay", "urls=http://a.test/&delay=soon", 400, []string{"Delay &#34;soon&#34;", "http://a.test/</textarea>"}, 0},
		{"hostile", "urls=" + "%3C%2Ftextarea%3E%3Cscript%3E" + "&crawl=%22%3E%3Cscript%3E", 400, []string{"&lt;/textarea&gt;&lt;script&gt;"}, 0},
		{"one of two", "urls=http://a.test/%0D%0Aftp://b.test/&crawl=new&depth=-1&delay=&max-pages=&scope=domain&every=", 200, []string{"1 URL submitted to the crawl new", "ftp://b.test/"}, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			a := ask(t, "POST", srv.URL+"/crawls", say(asForm, x.form))
			for _, want := range x.want {
				if a.StatusCode != x.status || !strings.Contains(a.body, want) {
					t.Errorf("%s, want %d and %s:\n%s", a.Status, x.status, want, a.body)
				}
			}
			keys, err := rdb.Keys(t.Context(), "asynq:{admit}:t:*").Result()
			if err != nil || len(keys) != x.tasks {
				t.Errorf("tasks: %v (%v), want %d", keys, err, x.tasks)
			}
		})
	}
	a := ask(t, "GET", srv.URL+"/crawls", nil)
	for _, want := range []string{"docs", "/do?verb=pause&amp;crawl=docs", "/do?verb=cancel&amp;crawl=docs", "pages are closed"} {
		if !strings.Contains(a.body, want) {
			t.Errorf("it does not say %s:\n%s", want, a.body)
		}
	}
}
