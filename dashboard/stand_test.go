package dashboard_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		built.clean()
		os.Exit(code)
	}))
}

// stand is a whole Trawl that has crawled: a Redis of its own, the built program as one process, and the web it crawls.
type stand struct {
	base    string // of the program's dashboard
	redis   string
	rdb     redis.UniversalClient
	catalog *sqlite.Catalog
	bin     string
	env     []string
	seeds   []string
	hostile string // URL of the page that attacks whoever shows it
}

// Of the page that attacks. The title also gets past a filter that only looks for whole tags.
const (
	hostileTitle = `<script>alert(1)</script><img src=x onerror=alert(2)> quokka`
	hostileText  = `<p>The quokka said &lt;script&gt;alert(3)&lt;/script&gt; and "&gt;&lt;svg onload=alert(4)&gt; to the wombat.</p>`
)

// The crawls of a stand.
const (
	doneCrawl = "handbook" // through
	slowCrawl = "archive"  // polite, so that it runs on for the whole test
)

// newStand starts everything.
func newStand(t *testing.T, c lab.Config) *stand {
	t.Helper()
	s := &stand{bin: program(t)}
	s.rdb, s.redis = redistest.Client(t)
	web, err := lab.Start(context.WithoutCancel(t.Context()), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = web.Close() })
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><title>%s</title>%s", strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(hostileTitle), hostileText)
	}))
	t.Cleanup(hostile.Close)
	data := t.TempDir()
	s.seeds, s.hostile = web.Seeds(), hostile.URL+"/"
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + data, "PORT=0", "REDIS_URL=" + s.redis, "TRAWL_DATA=" + data, "TRAWL_LOG=error",
		"TRAWL_DNS=" + web.DNS(), "TRAWL_ALLOW_NETS=127.0.0.0/8",
	}
	s.up(t)
	if s.catalog, err = sqlite.Open(t.Context(), filepath.Join(data, "catalog.db"), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// crawl lets the first crawl run through, until it is searchable, and the second begin.
func (s *stand) crawl(t *testing.T) {
	t.Helper()
	s.enqueue(t, doneCrawl, "0", append(s.seeds, s.hostile)...)
	eventually(t, "the crawl is through and searchable", func() bool {
		lag, err := s.catalog.IndexLag(t.Context())
		return err == nil && lag == 0 && s.tally(t, doneCrawl).Stored > 0 && s.tally(t, doneCrawl).Open() == 0
	})
	s.enqueue(t, slowCrawl, "1s", s.seeds...)
	eventually(t, "the second crawl is under way", func() bool { n := s.tally(t, slowCrawl); return n.Stored > 0 && n.Open() > 20 })
}

// up runs the program until the test ends.
func (s *stand) up(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, s.bin, "up")
	cmd.Env, cmd.Stderr = s.env, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // ended by a signal, on purpose
	})
	_, after, ok := strings.Cut(line, "dashboard ")
	if err != nil || !ok {
		t.Fatalf("trawl up said %q (%v), not where its dashboard is", line, err)
	}
	s.base, _, _ = strings.Cut(after, "/ ")
}

// enqueue submits URLs as a user does.
func (s *stand) enqueue(t *testing.T, crawl, delay string, urls ...string) {
	t.Helper()
	args := append([]string{"enqueue", "--crawl", crawl, "--submitter", "test", "--depth", "-1", "--delay", delay}, urls...)
	cmd := exec.CommandContext(t.Context(), s.bin, args...)
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("trawl enqueue: %v\n%s", err, out)
	}
}

func (s *stand) tally(t *testing.T, crawl string) catalog.Tally {
	t.Helper()
	all, err := s.catalog.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if c.Crawl == crawl {
			return c
		}
	}
	return catalog.Tally{}
}

// built is the program, built once for all tests that want it.
var built build

type build struct {
	once sync.Once
	dir  string
	err  error
}

func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "trawl-dashboard-test-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir, "../cmd/trawl").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build trawl: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "trawl")
}

func (b *build) clean() {
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// eventually fails the test when ok does not hold within a time that only a fault uses up.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
