// Package pages measures how long the dashboard's pages take, in a whole Trawl that crawls, with many pages in its frontier.
package pages

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
	"example.org/trawl/internal/redistest"
	"example.org/trawl/lab"
)

var (
	frontier = flag.Int("pages", 2_000, "how many pages wait")
	stored   = flag.Int("stored", 500, "how many pages can be searched")
	times    = flag.Int("times", 5, "how often each page is asked for")
	table    = flag.String("table", "", "append the table to this file")
)

const (
	hosts = 1000
	rate  = 50 // visits a second while the pages are looked at
)

// TestPages asks for every page, again and again, while a crawl goes on, and says how long that takes.
func TestPages(t *testing.T) {
	w, err := lab.Start(context.WithoutCancel(t.Context()), lab.Config{Seed: 5, Hosts: hosts, Pages: max(*frontier, hosts) + *stored, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	truth, err := w.TruthFor(lab.Ask{MaxDepth: -1, NoDigests: true})
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	for _, p := range truth.Pages {
		urls = append(urls, p.URL)
	}
	s := up(t, w)
	first := min(*stored, len(urls)/2)
	s.enqueue(t, "handbook", "0", urls[:first])
	s.until(t, "all of the first crawl is stored and searchable", func(n catalog.Counts, lag int64) bool {
		return n.Admitted() >= int64(first+s.failed) && n.Open() == 0 && lag == 0
	})
	s.enqueue(t, "frontier", (hosts * time.Second / rate).String(), urls[first:])
	s.until(t, "the second is admitted", func(n catalog.Counts, _ int64) bool { return n.Admitted() >= int64(len(urls)+s.failed) })

	s.until(t, "its hosts have been visited once, all at the same time", func(n catalog.Counts, _ int64) bool { return n.Stored >= int64(first+min(hosts*5/4, len(urls)/10)) })
	page, err := s.catalog.Page(t.Context(), "handbook", urls[0])
	if err != nil {
		t.Fatal(err)
	}
	q := url.QueryEscape
	var b strings.Builder
	all := s.count(t)
	fmt.Fprintf(&b, "\nOf %d pages %d wait, on %d hosts, %d are stored, %d have failed, and %d are visited a second.\n\n| page | median | p95 | bytes |\n|---|---|---|---|\n", all.Admitted(), all.Waiting, hosts, all.Stored, all.Failed, rate)
	for _, path := range []string{
		"/", "/why", "/crawls", "/hosts", "/hosts?state=backoff", "/hosts?host=" + q(hostOf(urls[len(urls)-1])), "/failures", "/failures?crawl=frontier", "/failures?fault=" + string(fault.Reset),
		"/pages", "/pages?url=" + q(urls[0]), "/pages?url=" + q(urls[len(urls)-1]), "/workers", "/stages/fetch", "/search?q=the", "/search?q=" + q(page.Title), "/search?q=zebra",
		"/do?verb=cancel&crawl=frontier", "/do?verb=retry&crawl=frontier", "/api/status", "/api/why", "/api/hosts", "/metrics",
	} {
		took, size := s.ask(t, path)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %d |\n", path, ms(took[len(took)/2]), ms(took[len(took)*95/100]), size)
	}
	t.Log(b.String())
	if *table == "" {
		return
	}
	f, err := os.OpenFile(*table, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(b.String()); err != nil {
		t.Fatal(err)
	}
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

func hostOf(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// site is a whole Trawl in one process.
type site struct {
	bin, base string
	env       []string
	catalog   *sqlite.Catalog
	failed    int // pages
}

// up starts it. It ends with the test.
func up(t *testing.T, w *lab.Web) *site {
	t.Helper()
	s := &site{bin: filepath.Join(t.TempDir(), "trawl")}
	if out, err := exec.Command("go", "build", "-o", s.bin, "../../cmd/trawl").CombinedOutput(); err != nil {
		t.Fatalf("build trawl: %v\n%s", err, out)
	}
	data := t.TempDir()
	var err error
	if s.catalog, err = sqlite.Open(t.Context(), filepath.Join(data, "catalog.db"), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	s.fail(t, *frontier/20)
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + data, "PORT=0", "REDIS_URL=" + redistest.Start(t), "TRAWL_DATA=" + data, "TRAWL_LOG=error",
		"TRAWL_DNS=" + w.DNS(), "TRAWL_ALLOW_NETS=127.0.0.0/8",
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, s.bin, "up")
	cmd.Env, cmd.Stderr = s.env, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // ended by a signal, on purpose
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	_, after, ok := strings.Cut(line, "dashboard ")
	if err != nil || !ok {
		t.Fatalf("trawl up said %q (%v), not where its dashboard is", line, err)
	}
	s.base, _, _ = strings.Cut(after, "/ ")
	return s
}

// fail leaves n failed pages behind, of hosts that are not there any more.
func (s *site) fail(t *testing.T, n int) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	cr, err := s.catalog.Submit(ctx, "broken", nil, now, func(json.RawMessage) (catalog.Crawl, error) {
		return catalog.Crawl{Settings: json.RawMessage(`{}`), Limits: catalog.Limits{PerHost: n}, MaxPages: int64(n)}, nil
	})
	a := catalog.Admission{Crawl: cr.ID, Submitter: "bench", Origin: "seed", Now: now}
	for i := range n {
		host := fmt.Sprintf("http://gone%d.example", i%100)
		a.Pages = append(a.Pages, catalog.Candidate{URL: fmt.Sprint(host, "/", i), Host: host + ":80"})
	}
	if err == nil {
		_, err = s.catalog.Admit(ctx, a)
	}
	for err == nil && s.failed < n {
		var got []catalog.Batch
		now = now.Add(time.Second)
		got, err = s.catalog.Promote(ctx, catalog.Window{Now: now, Lease: time.Hour, Horizon: time.Hour, Total: n + 100, NewID: rand.Text})
		var all errgroup.Group
		for _, b := range got {
			if b.RobotsVisit != "" {
				all.Go(func() error {
					return s.catalog.SetRobots(ctx, b.HostID, b.RobotsVisit, catalog.Robots{State: catalog.RobotsAllow, At: now, Until: now.Add(time.Hour)})
				})
			}
			s.failed += len(b.Pages)
			all.Go(func() (err error) {
				for _, p := range b.Pages {
					_, cerr := s.catalog.CloseVisit(ctx, catalog.Closing{Page: p.ID, Visit: p.Visit, State: catalog.Failed, Reason: string(fault.Reset), Now: now, Stage: "fetch", Attempts: 3, Err: "connection reset by peer"})
					err = errors.Join(err, cerr)
				}
				return err
			})
		}
		err = errors.Join(err, all.Wait())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// enqueue submits URLs as a user does.
func (s *site) enqueue(t *testing.T, crawl, delay string, urls []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.bin, "enqueue", "--crawl", crawl, "--submitter", "bench", "--depth", "0", "--delay", delay, "--max-pages", strconv.Itoa(len(urls)+1), "-")
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(strings.Join(urls, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("trawl enqueue: %v\n%s", err, bytes.TrimSpace(out[:min(len(out), 2000)]))
	}
}

func (s *site) count(t *testing.T) catalog.Counts {
	t.Helper()
	all, err := s.catalog.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return catalog.Total(all)
}

// until waits, for a time that only a fault uses up.
func (s *site) until(t *testing.T, what string, ok func(n catalog.Counts, lag int64) bool) {
	t.Helper()
	for deadline := time.Now().Add(3*time.Minute + time.Duration(*frontier+20**stored)*time.Millisecond); ; time.Sleep(200 * time.Millisecond) {
		lag, err := s.catalog.IndexLag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := s.count(t)
		if ok(n, lag) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s: %+v", what, n)
		}
	}
}

// ask asks for a page and returns how long each answer took, in order, and the size of the last.
func (s *site) ask(t *testing.T, path string) (took []time.Duration, size int) {
	t.Helper()
	for range *times {
		began := time.Now()
		r, err := http.Get(s.base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		took = append(took, time.Since(began))
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s (%v)\n%s", path, r.Status, err, body[:min(len(body), 2000)])
		}
		if strings.HasPrefix(path, "/api/") && !json.Valid(body) {
			t.Errorf("%s: no JSON", path)
		}
		size = len(body)
	}
	slices.Sort(took)
	return took, size
}
