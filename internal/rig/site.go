package rig

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.org/trawl/lab"
)

// Whole says why a test of whole processes is not run.
func Whole(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts whole processes and takes long: make test runs it")
	}
}

// Slack is by how much a claim about time may be missed: a machine that is busy with other tests is no reason to fail. With
// TRAWL_E2E_STRICT set, alone on a machine, the claims are held to as they stand.
func Slack() int {
	if os.Getenv("TRAWL_E2E_STRICT") != "" {
		return 1
	}
	return 4
}

// Web starts a simulated web that ends with the test.
func Web(t *testing.T, c lab.Config) *lab.Web {
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

// Site is where one crawl lives: a data directory, and the environment that leads there.
type Site struct {
	T    *testing.T
	Data string
	Env  []string
}

// NewSite returns a site in a directory of its own. W, if not nil, is the web that it may crawl; env is added to the environment.
func NewSite(t *testing.T, w *lab.Web, env ...string) *Site {
	t.Helper()
	s := &Site{T: t, Data: t.TempDir()}
	for _, e := range os.Environ() { // nothing of the caller's own Trawl
		if name, _, _ := strings.Cut(e, "="); !strings.HasPrefix(name, "TRAWL_") && !strings.HasSuffix(name, "_URL") && name != "PORT" {
			s.Env = append(s.Env, e)
		}
	}
	s.Env = append(s.Env, "TRAWL_DATA="+s.Data, "PORT=0")
	if w != nil {
		s.Env = append(s.Env, "TRAWL_DNS="+w.DNS(), "TRAWL_ALLOW_NETS=127.0.1.0/24")
	}
	s.Env = append(s.Env, env...)
	return s
}

// Result is how a program ended.
type Result struct {
	Status   int
	Out, Err string
}

// Run runs a program to its end. The first argument names it.
func (s *Site) Run(args ...string) Result {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.T.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, args[0]), args[1:]...)
	cmd.Env = s.Env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		s.T.Fatalf("%v: %v", args, err)
	}
	if ctx.Err() != nil {
		s.T.Fatalf("%v: did not end\n%s%s", args, out.String(), errs.String())
	}
	return Result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// Must is Run for a program that has to succeed; it returns what it printed.
func (s *Site) Must(args ...string) string {
	s.T.Helper()
	r := s.Run(args...)
	if r.Status != 0 {
		s.T.Fatalf("%v: status %d\n%s%s", args, r.Status, r.Out, r.Err)
	}
	return r.Out
}

// JSON runs a program that has to succeed and reads what it prints.
func (s *Site) JSON(to any, args ...string) {
	s.T.Helper()
	if err := json.Unmarshal([]byte(s.Must(args...)), to); err != nil {
		s.T.Fatalf("%v: %v", args, err)
	}
}

// Start starts a program that is stopped, if it still runs, when the test ends.
func (s *Site) Start(args ...string) *Proc {
	s.T.Helper()
	p := &Proc{Cmd: exec.Command(filepath.Join(bin, args[0]), args[1:]...), Ended: make(chan struct{})}
	p.Cmd.Env = s.Env
	p.Cmd.Stdout, p.Cmd.Stderr = p, p
	if err := p.Cmd.Start(); err != nil {
		s.T.Fatal(err)
	}
	go func() {
		_ = p.Cmd.Wait() // how it ended is in ProcessState
		close(p.Ended)
	}()
	s.T.Cleanup(func() {
		p.Stop(s.T)
		if s.T.Failed() {
			s.T.Logf("%v printed:\n%s", args, Last(p.Printed(), 4000))
		}
	})
	return p
}

// CDXJ returns the lines of all indexes of the archive.
func (s *Site) CDXJ() []string {
	s.T.Helper()
	var lines []string
	for _, f := range s.Files("*.cdxj") {
		b, err := os.ReadFile(f)
		if err != nil {
			s.T.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(b)), "\n")...)
	}
	return lines
}

func (s *Site) Files(pattern string) []string {
	s.T.Helper()
	files, err := filepath.Glob(filepath.Join(s.Data, "warc", pattern))
	if err != nil || len(files) == 0 {
		s.T.Fatalf("no %s in the archive (%v)", pattern, err)
	}
	return files
}

// Enqueue submits a list of URLs, which has to succeed.
func (s *Site) Enqueue(urls []string, flags ...string) {
	s.T.Helper()
	if r := s.Enqueued(urls, flags...); r.Status != 0 {
		s.T.Fatalf("enqueue: status %d\n%s", r.Status, Last(r.Err, 2000))
	}
}

// Enqueued submits a list of URLs.
func (s *Site) Enqueued(urls []string, flags ...string) Result {
	s.T.Helper()
	list := filepath.Join(s.T.TempDir(), "urls.txt")
	if err := os.WriteFile(list, []byte(strings.Join(urls, "\n")+"\n"), 0o644); err != nil {
		s.T.Fatal(err)
	}
	return s.Run(append([]string{"enqueue", "--file", list}, flags...)...)
}

// Database opens the catalog for reading, beside the programs that write it.
func (s *Site) Database() *sql.DB {
	s.T.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "catalog.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		s.T.Fatal(err)
	}
	s.T.Cleanup(func() {
		if err := db.Close(); err != nil {
			s.T.Error(err)
		}
	})
	return db
}

// Number asks the database for one.
func Number(t *testing.T, db *sql.DB, query string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(context.WithoutCancel(t.Context()), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func Last(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
