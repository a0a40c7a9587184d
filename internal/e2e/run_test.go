package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/lab"
)

// bin is where the programs are built, once for all tests.
var bin string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trawl-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	cmd := exec.Command("go", "build", "-o", dir, "example.org/trawl/cmd/trawl", "example.org/trawl/cmd/enqueue")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// whole says why a test of whole processes is not run.
func whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole processes and takes long: make test runs it")
	}
}

// slack is by how much a claim about time may be missed: a machine that is busy with other tests is no reason to fail. With
// TRAWL_E2E_STRICT set, alone on a machine, the claims are held to as they stand.
func slack() int {
	if os.Getenv("TRAWL_E2E_STRICT") != "" {
		return 1
	}
	return 4
}

// web starts a simulated web that ends with the test.
func web(t *testing.T, c lab.Config) *lab.Web {
	t.Helper()
	w, err := lab.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// site is where one crawl lives: a data directory, and the environment that leads there.
type site struct {
	t    *testing.T
	data string
	env  []string
}

func newSite(t *testing.T, w *lab.Web, env ...string) *site {
	t.Helper()
	s := &site{t: t, data: t.TempDir()}
	for _, e := range os.Environ() { // nothing of the caller's own Trawl
		if name, _, _ := strings.Cut(e, "="); !strings.HasPrefix(name, "TRAWL_") && !strings.HasSuffix(name, "_URL") && name != "PORT" {
			s.env = append(s.env, e)
		}
	}
	s.env = append(s.env, "TRAWL_DATA="+s.data, "PORT=0")
	if w != nil {
		s.env = append(s.env, "TRAWL_DNS="+w.DNS(), "TRAWL_ALLOW_NETS=127.0.1.0/24")
	}
	s.env = append(s.env, env...)
	return s
}

// result is how a program ended.
type result struct {
	status   int
	out, err string
}

// run runs a program to its end. The first argument names it.
func (s *site) run(args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, args[0]), args[1:]...)
	cmd.Env = s.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%v: %v", args, err)
	}
	if ctx.Err() != nil {
		s.t.Fatalf("%v: did not end\n%s%s", args, out.String(), errs.String())
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// must is run for a program that has to succeed; it returns what it printed.
func (s *site) must(args ...string) string {
	s.t.Helper()
	r := s.run(args...)
	if r.status != 0 {
		s.t.Fatalf("%v: status %d\n%s%s", args, r.status, r.out, r.err)
	}
	return r.out
}

// proc is a program that goes on.
type proc struct {
	cmd    *exec.Cmd
	ended  chan struct{}
	mu     sync.Mutex
	output bytes.Buffer
}

// Write gathers what the program prints.
func (p *proc) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

func (p *proc) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// start starts a program that is stopped, if it still runs, when the test ends.
func (s *site) start(args ...string) *proc {
	s.t.Helper()
	p := &proc{cmd: exec.Command(filepath.Join(bin, args[0]), args[1:]...), ended: make(chan struct{})}
	p.cmd.Env = s.env
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	s.t.Cleanup(func() {
		p.stop(s.t)
		if s.t.Failed() {
			s.t.Logf("%v printed:\n%s", args, last(p.printed(), 4000))
		}
	})
	return p
}

func last(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// stop asks the program to end, and makes it.
func (p *proc) stop(t *testing.T) {
	t.Helper()
	if !p.running() {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
		t.Errorf("%v did not end within 30 s of SIGTERM", p.cmd.Args)
	}
}

// kill ends the program at once, as the kernel does.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

func (p *proc) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// waitFor polls until ok, and fails the test when that takes too long.
func waitFor(t *testing.T, what string, atMost time.Duration, ok func() bool) {
	t.Helper()
	atMost *= time.Duration(slack())
	deadline := time.NewTimer(atMost)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s: not within %s", what, atMost)
		}
	}
}

// page is a line of the JSONL export.
type page map[string]any

func (p page) str(key string) string {
	s, _ := p[key].(string)
	return s
}

// export returns the pages by URL, and fails on one that is there twice.
func (s *site) export(args ...string) map[string]page {
	s.t.Helper()
	out := s.must(append([]string{"trawl", "export", "--format", "jsonl"}, args...)...)
	pages := map[string]page{}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var p page
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pages
		} else if err != nil {
			s.t.Fatal(err)
		}
		if pages[p.str("url")] != nil {
			s.t.Fatalf("%s is there twice", p.str("url"))
		}
		pages[p.str("url")] = p
	}
}

// outcome is what truth and catalog must agree on.
type outcome struct {
	State, Reason, Digest, FinalURL, Title, MIME, Charset string
	Depth                                                 int
}

// checkTruth compares what was crawled with what is right, page for page.
func checkTruth(t *testing.T, truth lab.Truth, pages map[string]page) {
	t.Helper()
	want, got := map[string]outcome{}, map[string]outcome{}
	for _, p := range truth.Pages {
		if !p.Reachable {
			continue
		}
		o := outcome{State: p.State, Reason: p.Reason, Depth: p.Depth}
		if p.Fault != "" {
			o.Reason = string(p.Fault)
		}
		if p.Stored {
			o.Digest, o.FinalURL, o.Title, o.MIME, o.Charset = p.Digest, p.FinalURL, p.Title, p.MIME, p.Charset
		}
		want[p.URL] = o
	}
	for u, p := range pages {
		depth, _ := p["depth"].(float64)
		o := outcome{State: p.str("state"), Reason: p.str("reason"), Depth: int(depth)}
		if o.State == "stored" {
			o.Digest, o.FinalURL, o.Title, o.MIME, o.Charset = p.str("digest"), p.str("final_url"), p.str("title"), p.str("mime"), p.str("charset")
		}
		got[u] = o
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("truth (-) and catalog (+) differ:\n%s", last(diff, 3000))
	}
	if truth.Counts.Stored == 0 {
		t.Fatal("a web of which nothing is stored proves nothing")
	}
}

// comparable returns the pages without what differs between two crawls of one web: times, places in the archive, and which of two
// pages that say the same came first.
func comparable(pages map[string]page) map[string]page {
	for _, p := range pages {
		for _, k := range []string{"first_seen", "fetched_at", "next_due", "warc", "duplicate", "duplicate_of"} {
			delete(p, k)
		}
	}
	return pages
}

// seeded returns the arguments that submit all seeds, to be crawled at full speed.
func seeded(w *lab.Web, program ...string) []string {
	return append(append(program, "--depth", "-1", "--delay", "0"), w.Seeds()...)
}
