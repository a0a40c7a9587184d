package observe_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/observe"
	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

var discard = slog.New(slog.DiscardHandler)

func openCatalog(t *testing.T) *sqlite.Catalog {
	t.Helper()
	c, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "catalog.db"), discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The state has what catalog, queues, Redis, disks and canaries say; what is down is not tried once more.
func TestState(t *testing.T) {
	rdb, _ := redistest.Client(t)
	c := openCatalog(t)
	tried := 0
	o := observe.Look{
		Catalog: c, Queues: status.NewQueues(rdb), Redis: observe.RedisOf(rdb), Dirs: []string{t.TempDir(), "/nowhere"},
		Canaries: map[string]observe.Canary{
			signals.CanaryDNS:     func(context.Context) error { tried++; return errors.New("refused") },
			signals.CanaryArchive: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		},
	}
	s := o.State(t.Context())
	if s.Canaries[signals.CanaryDNS].Err != "refused" || s.Canaries[signals.CanaryArchive].Err == "" || s.Canaries[signals.CanaryDatabase].Err != "" || s.Canaries[signals.CanaryDatabase].Took <= 0 {
		t.Errorf("canaries: %+v", s.Canaries)
	}
	if s.Redis.Used == 0 || s.Redis.Ping <= 0 || s.Redis.Err != "" || len(s.Disks) != 1 || s.Disks[0].Free == 0 || len(s.Queues) != len(tasks.Stages()) || len(s.Missing) != 1 {
		t.Errorf("%+v", s)
	}
	if err := c.Declare(t.Context(), catalog.Outage{Kind: "dns_down", Since: time.Now(), Err: "refused"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if s = o.State(t.Context()); len(s.Outages) != 1 || tried != 1 {
		t.Errorf("during an outage: %+v, the resolver was asked %d times", s.Outages, tried)
	}
}

// One process of all says what is everybody's, and another takes over when it is gone.
func TestOneLeads(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for several beats: not with -short")
	}
	rdb, _ := redistest.Client(t)
	c := openCatalog(t)
	run := func(role string, stages []tasks.Kind) (stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		o := observe.New(observe.Options{Role: role, Stages: stages, Fold: signals.NewFold(time.Now()), Redis: rdb, Log: discard, Look: observe.Look{Catalog: c, Queues: status.NewQueues(rdb), Redis: observe.RedisOf(rdb)}})
		wg.Go(func() { o.Run(ctx) })
		return func() { cancel(); wg.Wait() }
	}
	leader := func(since time.Time) (role string) {
		beats, err := signals.Read(t.Context(), rdb, since)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range beats {
			if b.State == nil {
				continue
			}
			if role != "" && role != b.Process.Role {
				t.Errorf("both %s and %s lead", role, b.Process.Role)
			}
			role = b.Process.Role
		}
		return role
	}
	began := time.Now()
	stopWorker, stopWeb := run("worker", tasks.Stages()), run("web", nil)
	defer stopWeb()
	eventually(t, "the worker leads", func() bool { return leader(began) == "worker" })
	stopWorker()
	began = time.Now()
	eventually(t, "the other takes over", func() bool { return leader(began) == "web" })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 600 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("%s: not within a minute", what)
}

// hook takes alerts, and refuses the first.
type hook struct {
	mu    sync.Mutex
	got   []observe.Alert
	asked int
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked++; h.asked == 1 {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	var a observe.Alert
	b, _ := io.ReadAll(r.Body)
	if err := json.Unmarshal(b, &a); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.got = append(h.got, a)
}

// beats writes n states, one for each tick up to now, so that what is judged has lasted.
func beats(t *testing.T, rdb redis.UniversalClient, change func(*signals.State)) {
	t.Helper()
	s := signals.State{At: time.Now(), Open: 10, Backlog: map[string]int64{"polite": 10}, Queues: map[tasks.Kind]signals.Queue{}}
	for _, k := range tasks.Stages() {
		s.Queues[k] = signals.Queue{Workers: 1, Slots: 8}
	}
	if change != nil {
		change(&s)
	}
	b := signals.Beat{At: time.Now(), Span: signals.Every, Process: signals.Process{ID: "p", Stages: tasks.Stages()}, State: &s}
	// Of the tick that is over: a window ends with it.
	b.At = b.At.Truncate(signals.Every)
	if err := signals.Write(t.Context(), rdb, b); err != nil {
		t.Fatal(err)
	}
}

// An incident is told once for each of its causes, although the first try is refused, and its end is told once, whoever is in charge.
func TestAlerts(t *testing.T) {
	rdb, _ := redistest.Client(t)
	h := &hook{}
	srv := httptest.NewServer(h)
	defer srv.Close()
	a := observe.NewAlerts(srv.URL, rdb, discard)
	down := func(kind string) func(*signals.State) {
		return func(s *signals.State) { s.Outages = []signals.Outage{{Fault: kind, Since: s.At, Err: "gone"}} }
	}
	say := func(n int, change func(*signals.State)) {
		for range n {
			beats(t, rdb, change)
			_ = a.Consider(t.Context()) // a refusal is tried again
		}
	}
	say(3, nil)
	say(1, down("dns_down"))
	say(2, nil) // too short to tell of
	say(5, down("dns_down"))
	a = observe.NewAlerts(srv.URL, rdb, discard) // another process is in charge
	say(3, down("dns_down"))
	say(3, down("disk_full"))
	say(3, down("dns_down"))
	say(5, nil)
	say(3, nil)
	say(3, down("disk_full"))
	var got []string
	for _, x := range h.got {
		got = append(got, x.Event+" "+string(x.Report.Verdict))
	}
	want := []string{"alarm dns_down", "alarm storage_failing", "recovered healthy", "alarm storage_failing"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("told %q, want %q", got, want)
	}
	if h.got[0].Incident != h.got[2].Incident || h.got[2].Incident == h.got[3].Incident || !strings.Contains(h.got[0].Text, "dns down") {
		t.Errorf("%+v", h.got)
	}
}

func TestAlertCommand(t *testing.T) {
	rdb, _ := redistest.Client(t)
	file := filepath.Join(t.TempDir(), "alert")
	a := observe.NewAlerts("cat > "+file, rdb, discard)
	for range 3 {
		beats(t, rdb, func(s *signals.State) { s.Redis.Evicted, s.Disks = 0, []signals.Disk{{Path: "/data", Free: 1}} })
		if err := a.Consider(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	var got observe.Alert
	if err == nil {
		err = json.Unmarshal(text, &got)
	}
	if err != nil || got.Report.Verdict != why.StorageFailing {
		t.Errorf("%s, %v", text, err)
	}
	bad := observe.NewAlerts("echo broken; exit 3", rdb, discard)
	rdb.Del(t.Context(), "trawl:incident")
	for range 2 {
		err = bad.Consider(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a command that fails: %v", err)
	}
}
