package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.org/trawl/internal/redistest"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestInterrupted stops a crawl of limited depth with Ctrl-C again and again. It ends within a moment, with status 130, and the
// last run leaves nothing out.
func TestInterrupted(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 31, Hosts: 3, Pages: 3000})
	truth, err := w.TruthFor(lab.Ask{MaxDepth: 3})
	if err != nil {
		t.Fatal(err)
	}
	s := rig.NewSite(t, w)
	args := append([]string{"trawl", "crawl", "--depth", "3", "--delay", "0"}, w.Seeds()...)
	for i := range 8 {
		p := s.Start(args...)
		select {
		case <-p.Ended:
			t.Fatalf("over after %d interruptions: the web is too small for this test", i)
		case <-time.After(time.Duration(200+40*i) * time.Millisecond):
		}
		if err := p.Cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.Ended:
		case <-time.After(20 * time.Second):
			t.Fatal("Ctrl-C did not end it")
		}
		if c := p.Cmd.ProcessState.ExitCode(); c != 130 {
			t.Fatalf("status %d after Ctrl-C: %s", c, p.Printed())
		}
	}
	s.Must(args...)
	rig.CheckTruth(t, truth, s.Export())
	if out := s.Must("trawl", "status", "--json"); !strings.Contains(out, `"index_lag":0`) {
		t.Errorf("pages are left that cannot be searched: %s", out)
	}
}

// TestPageLimitRaised crawls with a limit and then without.
func TestPageLimitRaised(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 32, Hosts: 2, Pages: 300})
	s := rig.NewSite(t, w)
	out := s.Must(append(rig.Seeded(w, "trawl", "crawl"), "--max-pages", "60")...)
	if n := len(s.Export()); n != 60 {
		t.Errorf("%d pages, want 60", n)
	}
	if !strings.Contains(out, "--max-pages") {
		t.Errorf("the summary does not say what kept it from more: %s", out)
	}
	s.Must(append(rig.Seeded(w, "trawl", "crawl"), "--max-pages", "1000")...)
	rig.CheckTruth(t, w.Truth(), s.Export())
}

// TestBadInput gives the programs what they cannot use: each answers with one line that names it and says what to do.
func TestBadInput(t *testing.T) {
	rig.Whole(t)
	w := rig.Web(t, lab.Config{Seed: 33, Hosts: 1, Pages: 10})
	seed := w.Seeds()[0]
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	redis := "REDIS_URL=" + redistest.Start(t)
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "catalog.db"), []byte(strings.Repeat("no database ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env    []string
		args   string
		status int
		says   []string
	}{
		"no contact":          {[]string{"TRAWL_ALLOW_NETS="}, "trawl crawl http://example.org/", 1, []string{"TRAWL_CONTACT"}},
		"no url":              {nil, "trawl crawl", 2, []string{"no URL"}},
		"not a url":           {nil, "trawl crawl --delay 0 http://[::1 " + seed, 3, []string{"refused", "[::1"}},
		"other scheme":        {nil, "trawl crawl ftp://example.org/x", 3, []string{"refused", "ftp"}},
		"enqueue other":       {[]string{redis}, "enqueue mailto:a@b.example " + seed, 3, []string{"refused", "mailto"}},
		"unknown flag":        {nil, "trawl crawl --dept 1 " + seed, 2, []string{"--dept"}},
		"bad delay":           {nil, "trawl crawl --delay soon " + seed, 2, []string{"--delay"}},
		"bad scope":           {nil, "trawl crawl --scope planet " + seed, 2, []string{"--scope"}},
		"bad expression":      {nil, "trawl crawl --include ( " + seed, 2, []string{"--include"}},
		"unknown command":     {nil, "trawl crwal", 2, []string{"crwal"}},
		"unknown setting":     {[]string{"TRAWL_CONTCT=x"}, "trawl status", 2, []string{"TRAWL_CONTCT", "TRAWL_CONTACT"}},
		"no redis":            {nil, "trawl worker", 1, []string{"REDIS_URL"}},
		"redis away":          {[]string{"REDIS_URL=redis://127.0.0.1:1"}, "trawl worker", 1, []string{"127.0.0.1:1"}},
		"redis away, enqueue": {[]string{"REDIS_URL=redis://127.0.0.1:1"}, "enqueue " + seed, 1, []string{"127.0.0.1:1", "REDIS_URL"}},
		"port in use":         {[]string{redis, "PORT=" + port}, "trawl web", 1, []string{port, "PORT"}},
		"damaged database":    {[]string{"TRAWL_DATA=" + damaged}, "trawl status", 1, []string{"catalog.db", "backup"}},
		"nothing here":        {nil, "trawl status --data " + filepath.Join(damaged, "none"), 1, []string{"nothing was crawled"}},
		"not a directory":     {nil, "trawl crawl --data /dev/null/x " + seed, 1, []string{"/dev/null", "TRAWL_DATA"}},
		"nothing to look for": {nil, "trawl search -data", 2, []string{"-d"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := rig.NewSite(t, w, tt.env...)
			r := s.Run(strings.Fields(tt.args)...)
			if r.Status != tt.status {
				t.Errorf("status %d, want %d\n%s%s", r.Status, tt.status, r.Out, r.Err)
			}
			lines := strings.Split(strings.TrimSpace(r.Err), "\n")
			for _, want := range tt.says {
				if !strings.Contains(lines[len(lines)-1]+lines[0], want) {
					t.Errorf("standard error does not name %q:\n%s", want, r.Err)
				}
			}
			if tt.status != 3 && len(lines) != 1 {
				t.Errorf("%d lines on standard error, want one:\n%s", len(lines), r.Err)
			}
		})
	}
}
