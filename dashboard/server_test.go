package dashboard_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/crypto/bcrypt"

	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/dashboard"
	"example.org/trawl/events"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
	"example.org/trawl/queue"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

// serve serves a dashboard on the Redis at url and a catalog of its own.
func serve(t *testing.T, redisURL string, l dashboard.Login) *httptest.Server {
	t.Helper()
	c, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, redisURL, l, c)
}

// serveOn serves a dashboard on a catalog, which it closes.
func serveOn(t *testing.T, redisURL string, l dashboard.Login, c *sqlite.Catalog) *httptest.Server {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	rdb, err := queue.Open(redisURL) // the patient client that the program has
	if err != nil {
		t.Fatal(err)
	}
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dashboard.New(dashboard.Options{
		Catalog: c, Redis: rdb, RedisConn: asynq.RedisClientOpt{Network: o.Network, Addr: o.Addr}, Login: l, Log: log,
		Where: queue.NewWork(rdb).Whereabouts,
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(d)
	t.Cleanup(func() {
		srv.Close()
		for _, part := range []io.Closer{d, rdb, c} {
			if err := part.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return srv
}

type answer struct {
	*http.Response
	body string
}

// ask sends one request; change may alter it.
func ask(t *testing.T, method, url string, change func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp, string(body)}
}

func TestLogin(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("correct horse"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	redisURL := redistest.Start(t)
	for name, l := range map[string]dashboard.Login{"password": {User: "ada", Password: "correct horse"}, "bcrypt hash": {User: "ada", Password: string(hash)}} {
		t.Run(name, func(t *testing.T) {
			srv := serve(t, redisURL, l)
			for _, c := range []struct {
				name, user, password string
				want                 int
			}{
				{"nobody", "", "", http.StatusUnauthorized},
				{"another user", "eve", "correct horse", http.StatusUnauthorized},
				{"another password", "ada", "correct", http.StatusUnauthorized},
				{"no password", "ada", "", http.StatusUnauthorized},
				{"the stored form as password", "ada", string(hash), http.StatusUnauthorized},
				{"the right ones", "ada", "correct horse", http.StatusOK},
			} {
				for _, path := range []string{"/", "/search", "/hosts", "/failures", "/pages", "/api/status", "/api/search?q=a", "/api/hosts", "/api/failures", "/asynqmon/", "/asynqmon/api/queues", "/static/trawl.css"} {
					a := ask(t, "GET", srv.URL+path, func(r *http.Request) {
						r.Host = "trawl.example.org" // with a login, under whichever name
						if c.user != "" {
							r.SetBasicAuth(c.user, c.password)
						}
					})
					if a.StatusCode != c.want {
						t.Errorf("%s: GET %s: %s, want %d", c.name, path, a.Status, c.want)
					}
					if challenge := a.Header.Get("WWW-Authenticate"); (c.want == http.StatusUnauthorized) != strings.HasPrefix(challenge, "Basic ") {
						t.Errorf("%s: GET %s: challenge %q", c.name, path, challenge)
					}
				}
			}
			for _, path := range []string{"/healthz", "/readyz"} { // for platforms, which have no login
				if a := ask(t, "GET", srv.URL+path, nil); a.StatusCode != http.StatusOK {
					t.Errorf("GET %s: %s", path, a.Status)
				}
			}
		})
	}
}

func TestWithoutLogin(t *testing.T) {
	srv := serve(t, redistest.Start(t), dashboard.Login{})
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "localhost": 200, "[::1]:8080": 200, "127.0.0.1": 200,
		"rebinding.example": 403, "rebinding.example:8080": 403, "localhost.rebinding.example": 403, "127.0.0.1.rebinding.example:80": 403,
		"192.0.2.7:8080": 403, "0.0.0.0:8080": 403,
	} {
		for _, path := range []string{"/", "/api/status", "/asynqmon/"} {
			if a := ask(t, "GET", srv.URL+path, func(r *http.Request) { r.Host = host }); a.StatusCode != want {
				t.Errorf("GET %s of %s: %s, want %d", path, host, a.Status, want)
			}
		}
	}
}

func TestAddress(t *testing.T) {
	if got := dashboard.Address(dashboard.Login{}, 8080); got != "127.0.0.1:8080" {
		t.Errorf("without a login it listens on %s: anybody could reach it", got)
	}
	if got := dashboard.Address(dashboard.Login{User: "ada", Password: "x"}, 8080); got != ":8080" {
		t.Errorf("with a login it listens on %s", got)
	}
}

func TestRequests(t *testing.T) {
	srv := serve(t, redistest.Start(t), dashboard.Login{})
	elsewhere := func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") }
	for _, c := range []struct {
		name, method, path string
		change             func(*http.Request)
		want               int
	}{
		{"overview", "GET", "/", nil, 200},
		{"overview with nothing in it", "HEAD", "/", nil, 200},
		{"why, of nothing", "GET", "/why", nil, 200},
		{"API of why, of nothing", "GET", "/api/why", nil, 200},
		{"workers, of none", "GET", "/workers", nil, 200},
		{"stage, of no crawl", "GET", "/stages/fetch", nil, 200},
		{"no such stage", "GET", "/stages/nothing", nil, 404},
		{"no such page", "GET", "/nothing", nil, 404},
		{"no such API", "GET", "/api/nothing", nil, 404},
		{"search in no such crawl", "GET", "/search?q=a&crawl=none", nil, 200},
		{"API of no such crawl", "GET", "/api/search?q=a&crawl=none", nil, 404},
		{"wrong method", "POST", "/api/status", nil, 405},
		{"from another site", "POST", "/api/status", elsewhere, 403},
		{"from another site, by fetch metadata", "POST", "/", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"from another site, to asynqmon", "POST", "/asynqmon/api/queues/fetch:pause", elsewhere, 403},
		{"asynqmon changes nothing", "POST", "/asynqmon/api/queues/fetch:pause", nil, 405},
		{"asynqmon deletes nothing", "DELETE", "/asynqmon/api/queues/fetch", nil, 405},
		{"asynqmon without its slash", "GET", "/asynqmon", nil, 301},
		{"health", "GET", "/healthz", nil, 200},
		{"readiness", "GET", "/readyz", nil, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, c.method, srv.URL+c.path, c.change)
			if a.StatusCode != c.want {
				t.Errorf("%s, want %d: %s", a.Status, c.want, a.body)
			}
			secure(t, a)
		})
	}
}

// secure checks what every answer has to say.
func secure(t *testing.T, a answer) {
	t.Helper()
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := a.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'self'", "frame-ancestors 'none'", "base-uri "} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %s", policy, want)
		}
	}
	if own := !strings.HasPrefix(a.Request.URL.Path, "/asynqmon"); own && strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q lets scripts in", policy)
	}
}

func TestRedisDown(t *testing.T) {
	redisURL := redistest.Start(t)
	srv := serve(t, redisURL, dashboard.Login{})
	if a := ask(t, "GET", srv.URL+"/readyz", nil); a.StatusCode != http.StatusOK {
		t.Errorf("with Redis: %s %s", a.Status, a.body)
	}
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	o.MaxRetries = -1 // the answer to this command is a connection that ends
	rdb := redis.NewClient(o)
	defer rdb.Close()
	if err := rdb.ShutdownNoSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	t.Run("down", func(t *testing.T) { // all at once: each waits for Redis for seconds
		for path, want := range map[string]string{"/readyz": "redis does not answer", "/": "<h1>No answer</h1>", "/api/status": `{"error":`, "/why": "Redis cannot be used", "/api/why": `{"verdict":"redis",`} {
			t.Run(path, func(t *testing.T) {
				t.Parallel()
				a := ask(t, "GET", srv.URL+path, nil)
				status := http.StatusServiceUnavailable
				if strings.HasSuffix(path, "/why") { // this is what it is for
					status = http.StatusOK
				}
				if a.StatusCode != status || !strings.Contains(a.body, want) {
					t.Errorf("%s: %s", a.Status, a.body)
				}
				if strings.Contains(a.body, strings.TrimPrefix(redisURL, "unix://")) {
					t.Errorf("it tells where Redis is: %s", a.body)
				}
				secure(t, a)
			})
		}
	})
	if a := ask(t, "GET", srv.URL+"/healthz", nil); a.StatusCode != http.StatusOK {
		t.Errorf("the process is alive, and says %s", a.Status)
	}
}

// The event feed comes as server-sent events, as it is chosen, to each who asks; a server that ends lets go of them.
func TestEvents(t *testing.T) {
	redisURL := redistest.Start(t)
	srv := serve(t, redisURL, dashboard.Login{})
	o, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(o)
	defer rdb.Close()
	read := func(query string) (next func() map[string]any, end func()) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/events"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%v, %v", resp, err)
		}
		lines := bufio.NewScanner(resp.Body)
		return func() (e map[string]any) {
			for lines.Scan() {
				if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
					if err := json.Unmarshal([]byte(data), &e); err != nil {
						t.Errorf("%s: %v", data, err)
					}
					return e
				}
			}
			return nil
		}, func() { resp.Body.Close() }
	}
	all, endAll := read("")
	failed, endFailed := read("?event=failed&crawl=docs")
	defer endAll()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // again and again: a reader begins with what comes after it has come
		for {
			feed := events.NewFeed(rdb, slog.New(slog.DiscardHandler))
			feed.Record(events.Event{At: time.Now(), What: events.Done, Stage: tasks.KindFetch, Crawl: "docs", URL: "http://a.test/\ndata: {}"})
			feed.Record(events.Event{At: time.Now(), What: events.Failed, Stage: tasks.KindFetch, Crawl: "other"})
			feed.Record(events.Event{At: time.Now(), What: events.Failed, Stage: tasks.KindStore, Crawl: "docs"})
			feed.Close()
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	for range 3 {
		if e := all(); e["event"] == nil || e["id"] == nil {
			t.Errorf("%v", e)
		}
		if e := failed(); e["event"] != "failed" || e["crawl"] != "docs" || e["stage"] != "store" {
			t.Errorf("%v", e)
		}
	}
	endFailed()
	if e := all(); e["event"] == nil {
		t.Errorf("after another has gone: %v", e)
	}
	close(stop)
	wg.Wait()
}

func TestAPI(t *testing.T) {
	s := newStand(t, lab.Config{Seed: 3, Hosts: 3, Pages: 120})
	empty := ask(t, "GET", s.base+"/", nil)
	if !strings.Contains(empty.body, "Nothing has been submitted yet") || empty.StatusCode != http.StatusOK {
		t.Errorf("the overview of nothing: %s", empty.Status)
	}
	s.crawl(t)

	t.Run("status", func(t *testing.T) {
		a := ask(t, "GET", s.base+"/api/status", nil)
		if got := a.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("type %q", got)
		}
		var raw struct {
			Crawls, Stages []map[string]any
			Backlog        map[string]int64
		}
		var top map[string]any
		decode(t, a, &raw)
		decode(t, a, &top)
		delete(top, "links_waiting") // more than was promised
		delete(top, "links_waiting") // more than was promised, as are the reasons below; another key is to be put down here
		keys(t, "status", top, "crawls", "backlog", "index_lag", "stages")
		for _, c := range raw.Crawls {
			delete(c, "reasons")
			keys(t, "crawl", c, "name", "admitted", "waiting", "queued", "stored", "failed", "ended", "bytes", "eta_s")
		}
		var stages []string
		for _, st := range raw.Stages {
			keys(t, "stage", st, "stage", "pending", "active", "scheduled", "retry", "in_per_s", "done_per_s", "errors_per_s", "p50_ms", "p95_ms", "workers", "slots", "oldest_s")
			name, _ := st["stage"].(string)
			stages = append(stages, name)
		}
		if diff := cmp.Diff([]string{"admit", "resolve", "head", "fetch", "store", "index"}, stages); diff != "" {
			t.Errorf("stages (-want +got):\n%s", diff)
		}
		want := []string{"ready", "polite", "backoff", "dns", "robots", "retry", "budget", "paused", "backpressure", "revisit"}
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(maps.Keys(raw.Backlog))); diff != "" {
			t.Errorf("backlog (-want +got):\n%s", diff)
		}
		var st status.Status
		decode(t, a, &st)
		var backlog, open int64
		for _, n := range st.Backlog {
			backlog += n
		}
		for _, c := range st.Crawls {
			open += c.Waiting + c.Queued
			if sum := c.Waiting + c.Queued + c.Stored + c.Failed + c.Ended; c.Admitted != sum {
				t.Errorf("crawl %s: %d admitted, %d in the states", c.Name, c.Admitted, sum)
			}
		}
		if backlog != open || open == 0 {
			t.Errorf("a backlog of %d, and %d pages waiting or queued", backlog, open)
		}
	})

	t.Run("search", func(t *testing.T) {
		search := func(query url.Values) (f found) {
			a := ask(t, "GET", s.base+"/api/search?"+query.Encode(), nil)
			if a.StatusCode != http.StatusOK {
				t.Errorf("%v: %s", query, a.Status)
			}
			decode(t, a, &f)
			if f.Hits == nil {
				t.Errorf("%v: hits is no list: %s", query, a.body)
			}
			return f
		}
		f := search(url.Values{"q": {"quokka wombat"}})
		if f.Total != 1 || len(f.Hits) != 1 {
			t.Fatalf("%d pages with both words, want one", f.Total)
		}
		h := f.Hits[0]
		if h.URL != s.hostile || h.Crawl != doneCrawl || h.Title != hostileTitle || time.Since(h.FetchedAt) > time.Hour {
			t.Errorf("got %+v", h)
		}
		var marked []string
		for _, p := range h.Snippet {
			if p.Mark {
				marked = append(marked, p.Text)
			}
		}
		if diff := cmp.Diff([]string{"quokka", "wombat"}, marked); diff != "" {
			t.Errorf("marked (-want +got):\n%s", diff)
		}
		for name, q := range map[string]url.Values{
			"nothing": {}, "no such word": {"q": {"xyzzyplugh"}}, "another crawl": {"q": {"quokka"}, "crawl": {slowCrawl}}, "left out": {"q": {"quokka -wombat"}},
			"beyond the end": {"q": {"quokka"}, "from": {"10"}}, "only signs": {"q": {`" AND ( NEAR *`}},
		} {
			if f := search(q); len(f.Hits) != 0 {
				t.Errorf("%s: %d hits", name, len(f.Hits))
			}
		}
		// A number out of range is brought into it, and page by page all comes in the same order.
		all := search(url.Values{"q": {"lab"}, "limit": {"100000"}, "from": {"-5"}})
		if all.Total < 20 || len(all.Hits) != int(min(all.Total, 100)) {
			t.Fatalf("%d of %d hits at once", len(all.Hits), all.Total)
		}
		for from := range 5 {
			one := search(url.Values{"q": {"lab"}, "limit": {"1"}, "from": {fmt.Sprint(from)}})
			if len(one.Hits) != 1 || one.Hits[0].URL != all.Hits[from].URL {
				t.Errorf("from %d on: %+v, want %s", from, one.Hits, all.Hits[from].URL)
			}
		}
	})
}

// found is the answer of /api/search as another program reads it.
type found struct {
	Hits []struct {
		URL       string    `json:"url"`
		Crawl     string    `json:"crawl"`
		Title     string    `json:"title"`
		FetchedAt time.Time `json:"fetched_at"`
		Snippet   []struct {
			Text string `json:"text"`
			Mark bool   `json:"mark"`
		} `json:"snippet"`
	} `json:"hits"`
	Total int64 `json:"total"`
}

func decode(t *testing.T, a answer, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

func keys(t *testing.T, what string, m map[string]any, want ...string) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(maps.Keys(m))); diff != "" {
		t.Errorf("keys of a %s (-want +got):\n%s", what, diff)
	}
}
