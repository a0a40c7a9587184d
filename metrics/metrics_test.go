package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/queue"
	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape asks for the metrics: the text, and the series with their values.
func scrape(t *testing.T, h http.Handler) (text string, series map[string]float64) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	text = w.Body.String()
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, text)
	}
	series = map[string]float64{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(strings.TrimSpace(line[i+1:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		series[line[:i]] = value
	}
	return text, series
}

// beat is what a process counted of real events: two fetches, one of which failed, a lookup, a page that is new.
func beat(id string, state *signals.State) signals.Beat {
	now := time.Now()
	f := signals.NewFold(now.Add(-signals.Every))
	event := func(what events.What, stage tasks.Kind, n uint64) events.Event {
		return events.Event{At: now.Add(-time.Second), What: what, Stage: stage, URL: "https://secret.example/a", Host: "https://secret.example:443", Submitter: "ann", Tally: events.Tally{Run: n}}
	}
	for n := range uint64(3) {
		f.Record(event(events.Started, tasks.KindFetch, n+1))
	}
	done := event(events.Done, tasks.KindFetch, 1)
	done.Took, done.Status, done.Bytes, done.Follows = 300*time.Millisecond, 200, 1000, []tasks.Kind{tasks.KindStore}
	done.Net = tasks.Took{Connect: 20 * time.Millisecond, TLS: 30 * time.Millisecond, FirstByte: 100 * time.Millisecond, Body: 150 * time.Millisecond}
	f.Record(done)
	bad := event(events.Retrying, tasks.KindFetch, 2)
	bad.Fault, bad.Took = fault.Reset, 3*time.Minute // beyond the last bound
	f.Record(bad)
	f.Record(event(events.Started, tasks.KindResolve, 9))
	gone := event(events.Ended, tasks.KindResolve, 9)
	gone.Reason = string(tasks.NoSuchHost)
	f.Record(gone)
	fresh := event(events.Admitted, tasks.KindAdmit, 0)
	fresh.Origin = tasks.OriginLink
	f.Record(fresh)
	b := f.Beat(now)
	b.Process = signals.Process{ID: id, Host: "box", PID: 7, Role: "worker", Started: now.Add(-time.Hour), Stages: tasks.Stages(), CPU: 0.5, Cores: 2, Memory: 1 << 20, Files: 9}
	b.State = state
	return b
}

// stateNow is a state that has everything.
func stateNow() *signals.State {
	s := &signals.State{
		At: time.Now(), Open: 12, Closed: 30, Unindexed: 2, ETA: 60, Backlog: map[string]int64{"polite": 10, "ready": 2}, Troubled: map[string]int64{"held": 1},
		Redis: signals.Redis{Ping: time.Millisecond, Used: 1 << 20, Max: 1 << 30, Evicted: 5, Fsyncs: 1}, Disks: []signals.Disk{{Path: "/data", Free: 1 << 30, Size: 1 << 40}, {Path: "/data", Free: 1 << 30}},
		Canaries: map[string]signals.Canary{signals.CanaryDNS: {Took: time.Millisecond}, signals.CanaryArchive: {Took: time.Second, Err: "no"}},
		Queues:   map[tasks.Kind]signals.Queue{}, Hosts: []signals.Waiting{{Name: "https://secret.example:443", Pages: 10}}, Submitters: []signals.Waiting{{Name: "ann", Pages: 10}},
	}
	for _, k := range tasks.Stages() {
		s.Queues[k] = signals.Queue{Pending: 3, Oldest: time.Second, Workers: 1, Slots: 8}
	}
	return s
}

func write(t *testing.T, rdb redis.UniversalClient, all ...signals.Beat) {
	t.Helper()
	for _, b := range all {
		if err := signals.Write(t.Context(), rdb, b); err != nil {
			t.Fatal(err)
		}
	}
}

func want(t *testing.T, got map[string]float64, series string, value float64) {
	t.Helper()
	if x, ok := got[series]; !ok || math.Abs(x-value) > 1e-9 {
		t.Errorf("%s is %v (there: %v), want %v", series, x, ok, value)
	}
}

// The sums are of all processes, the gauges of what was said last, and no series names whom or what is crawled.
func TestScrape(t *testing.T) {
	rdb, _ := redistest.Client(t)
	h := New(signals.NewHistory(rdb, why.Length)).Handler()
	_, got := scrape(t, h)
	want(t, got, "trawl_up", 1)
	want(t, got, `trawl_verdict{verdict="unknown"}`, 1)
	want(t, got, `trawl_stage_tasks_total{outcome="done",stage="fetch"}`, 0)

	write(t, rdb, beat("one", nil), beat("two", stateNow()))
	text, got := scrape(t, h)
	for series, value := range map[string]float64{
		"trawl_beats_total": 2,
		`trawl_stage_tasks_total{outcome="done",stage="fetch"}`:                            2,
		`trawl_stage_tasks_total{outcome="retried",stage="fetch"}`:                         2,
		`trawl_stage_tasks_total{outcome="ended",stage="resolve"}`:                         2,
		`trawl_stage_faults_total{fault="connection_reset",stage="fetch"}`:                 2,
		`trawl_stage_enqueued_total{stage="store"}`:                                        2,
		`trawl_stage_started_total{stage="fetch"}`:                                         6,
		`trawl_stage_busy_seconds_total{stage="fetch"}`:                                    2, // the one that goes on, in two processes
		`trawl_stage_active{stage="fetch"}`:                                                2,
		`trawl_stage_slots{stage="fetch"}`:                                                 8,
		`trawl_stage_service_seconds_count{stage="fetch"}`:                                 4,
		`trawl_stage_service_seconds_sum{stage="fetch"}`:                                   360.6,
		`trawl_stage_service_seconds_bucket{stage="fetch",le="0.256"}`:                     0,
		`trawl_stage_service_seconds_bucket{stage="fetch",le="0.512"}`:                     2,
		`trawl_stage_service_seconds_bucket{stage="fetch",le="131.072"}`:                   2,
		`trawl_stage_service_seconds_bucket{stage="fetch",le="+Inf"}`:                      4,
		"trawl_http_answers_total":                                                         2,
		"trawl_http_bytes_total":                                                           2000,
		"trawl_http_body_seconds_sum":                                                      0.3,
		`trawl_dns_lookups_total{outcome="missing"}`:                                       2,
		`trawl_dns_lookups_total{outcome="found"}`:                                         0,
		"trawl_pages_arrived_total":                                                        2,
		`trawl_pages{state="open"}`:                                                        12,
		`trawl_backlog_pages{reason="polite"}`:                                             10,
		"trawl_index_lag_pages":                                                            2,
		`trawl_queue_tasks{queue="store",state="pending"}`:                                 3,
		`trawl_queue_oldest_seconds{queue="store"}`:                                        1,
		"trawl_redis_memory_max_bytes":                                                     1 << 30,
		"trawl_redis_evicted_keys_total":                                                   5,
		`trawl_disk_free_bytes{path="/data"}`:                                              1 << 30,
		`trawl_canary_up{canary="archive"}`:                                                0,
		`trawl_canary_up{canary="dns"}`:                                                    1,
		`trawl_process_cpu_cores{process="one",role="worker"}`:                             0.5,
		`trawl_process_info{machine="box",pid="7",process="two",role="worker",version=""}`: 1,
	} {
		want(t, got, series, value)
	}
	for _, secret := range []string{"secret.example", `"ann"`} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in the metrics", secret)
		}
	}
}

// What Prometheus' own linter has to say: nothing.
func TestLint(t *testing.T) {
	rdb, _ := redistest.Client(t)
	write(t, rdb, beat("one", stateNow()))
	text, _ := scrape(t, New(signals.NewHistory(rdb, why.Length)).Handler())
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// kinds reads of each name what it is.
func kinds(text string) map[string]string {
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// Sums never fall, whatever comes: new beats, old ones, none, a Redis that begins anew. The buckets of a histogram are cumulative.
func TestSumsNeverFall(t *testing.T) {
	rdb, _ := redistest.Client(t)
	h := New(signals.NewHistory(rdb, why.Length)).Handler()
	old := beat("three", nil)
	old.At = old.At.Add(-time.Hour)
	again := stateNow()
	again.Redis.Evicted, again.Redis.Fsyncs = 2, 0 // Redis was started again
	away := stateNow()
	away.Redis = signals.Redis{Err: "away"}
	back := stateNow()
	back.At, back.Redis.Evicted = back.At.Add(time.Second), 3
	before := map[string]float64{}
	for i, news := range [][]signals.Beat{{beat("one", stateNow())}, {beat("one", nil), beat("two", again)}, {}, {old}, {beat("one", away)}, {beat("four", back)}} {
		write(t, rdb, news...)
		text, got := scrape(t, h)
		kind := kinds(text)
		sums := map[string]float64{}
		for series, value := range got {
			name, _, _ := strings.Cut(series, "{")
			if kind[name] == "gauge" {
				continue
			}
			sums[series] = value
			if value < before[series] {
				t.Errorf("scrape %d: %s fell from %v to %v", i, series, before[series], value)
			}
		}
		for series := range before {
			if _, ok := sums[series]; !ok {
				t.Errorf("scrape %d: %s is gone", i, series)
			}
		}
		if len(sums) < 100 {
			t.Fatalf("scrape %d: only %d sums", i, len(sums))
		}
		before = sums
		cumulative(t, text)
	}
	want(t, before, "trawl_beats_total", 6)
	want(t, before, "trawl_redis_evicted_keys_total", 5+2+1)
	want(t, before, `trawl_stage_tasks_total{outcome="done",stage="fetch"}`, 6)
}

// cumulative looks at every histogram in text: bounds and counts rise, up to the count of all.
func cumulative(t *testing.T, text string) {
	t.Helper()
	bucket := regexp.MustCompile(`^(\w+)_bucket\{(.*?),?le="([^"]+)"\} (\S+)$`)
	count := regexp.MustCompile(`^(\w+)_count(?:\{(.*)\})? (\S+)$`)
	type point struct{ bound, n float64 }
	last, found := map[string]point{}, 0
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := bucket.FindStringSubmatch(line); m != nil {
			bound, err1 := strconv.ParseFloat(m[3], 64)
			n, err2 := strconv.ParseFloat(m[4], 64)
			if err1 != nil || err2 != nil {
				t.Fatalf("%s: %v %v", line, err1, err2)
			}
			id := m[1] + " " + m[2]
			if p, ok := last[id]; ok && (bound <= p.bound || n < p.n) {
				t.Errorf("%s after %v", line, p)
			}
			last[id] = point{bound, n}
		} else if m := count.FindStringSubmatch(line); m != nil {
			found++
			if p := last[m[1]+" "+m[2]]; fmt.Sprint(p.n) != m[3] || !math.IsInf(p.bound, 1) {
				t.Errorf("%s, but the last bucket is %v", line, p)
			}
		}
	}
	if found < 2*len(tasks.Specs()) {
		t.Errorf("only %d histograms", found)
	}
}

// While Redis is away what was known is said, and soon; counts do not fall.
func TestRedisAway(t *testing.T) {
	rdb, url := redistest.Client(t)
	patient, err := queue.Open(url) // the client that the program has: it would try for half a minute
	if err != nil {
		t.Fatal(err)
	}
	defer patient.Close()
	h := New(signals.NewHistory(patient, why.Length)).Handler()
	write(t, rdb, beat("a", stateNow()))
	_, before := scrape(t, h)
	want(t, before, "trawl_up", 1)
	o := rdb.(*redis.Client).Options()
	last := redis.NewClient(&redis.Options{Network: o.Network, Addr: o.Addr, MaxRetries: -1}) // the answer to this command is a connection that ends
	defer last.Close()
	if err := last.ShutdownNoSave(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, after := scrape(t, h)
	want(t, after, "trawl_up", 0)
	if took := time.Since(began); took > 10*readTime {
		t.Errorf("it took %s to say so", took)
	}
	for series, n := range before {
		if strings.Contains(series, "_total") && after[series] < n {
			t.Errorf("%s was %g, and is %g", series, n, after[series])
		}
	}
}

// Many may scrape at once, while beats come in.
func TestScrapesAtOnce(t *testing.T) {
	rdb, _ := redistest.Client(t)
	h := New(signals.NewHistory(rdb, why.Length)).Handler()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 5 {
				scrape(t, h)
			}
		})
	}
	for range 20 {
		write(t, rdb, beat("a", stateNow()))
	}
	all.Wait()
	_, series := scrape(t, h)
	want(t, series, "trawl_beats_total", 20)
}

// docs/metrics.md lists what is exported, in the same words, and docs/grafana.json asks for nothing else.
func TestDocumented(t *testing.T) {
	var out strings.Builder
	out.WriteString("# Metrics\n\n`trawl web` (and `up`) serve these at `/metrics`, behind the login if there is one: Prometheus knows basic auth. They are sums of what all\n" +
		"processes measured since the serving process began, and half an hour before; a scrape scans no queue and asks no database.\n" +
		"[grafana.json](grafana.json) is a dashboard of them.\n\n| name | type | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range table {
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", m.name, m.kind, strings.Join(m.labels, ", "), m.means)
	}
	const path = "../docs/metrics.md"
	text, err := os.ReadFile(path)
	if err != nil || string(text) != out.String() {
		if os.Getenv("UPDATE") != "" {
			err = os.WriteFile(path, []byte(out.String()), 0o644)
		}
		t.Errorf("%s is not what is exported (UPDATE=1 writes it): %v", path, err)
	}
	board, err := os.ReadFile("../docs/grafana.json")
	if err != nil || !json.Valid(board) {
		t.Fatalf("docs/grafana.json: %v", err)
	}
	known := map[string]bool{}
	for _, m := range table {
		known[m.name] = true
		if m.kind == isHistogram {
			known[m.name+"_bucket"], known[m.name+"_sum"], known[m.name+"_count"] = true, true, true
		}
	}
	asked := regexp.MustCompile(`trawl_[a-z0-9_]+`).FindAllString(string(board), -1)
	if len(asked) < 20 {
		t.Errorf("only %d series are asked for", len(asked))
	}
	for _, name := range asked {
		if !known[name] {
			t.Errorf("docs/grafana.json asks for %s, which there is not", name)
		}
	}
}
