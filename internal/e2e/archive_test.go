package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"example.org/trawl/lab"
)

// cdxj returns the lines of all indexes of the archive.
func (s *site) cdxj() []string {
	s.t.Helper()
	var lines []string
	for _, f := range s.files("*.cdxj") {
		b, err := os.ReadFile(f)
		if err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, strings.Split(strings.TrimSpace(string(b)), "\n")...)
	}
	return lines
}

func (s *site) files(pattern string) []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.data, "warc", pattern))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no %s in the archive (%v)", pattern, err)
	}
	return files
}

// TestForeignReader has warcio, somebody else's WARC library, read the archive record by record and compares every digest with
// what it reads. WARCIO_MODULE names its module, as make test does.
func TestForeignReader(t *testing.T) {
	whole(t)
	module := os.Getenv("WARCIO_MODULE")
	if module == "" {
		t.Skip("WARCIO_MODULE does not name warcio's module: make test installs it")
	}
	w := web(t, lab.Config{Seed: 26, Hosts: 3, Pages: 400})
	s := newSite(t, w)
	s.must(seeded(w, "trawl", "crawl")...)
	s.must(seeded(w, "trawl", "crawl", "--recrawl")...)
	for _, f := range s.files("*.warc.gz") {
		if out, err := exec.Command("gzip", "-t", f).CombinedOutput(); err != nil {
			t.Errorf("gzip -t %s: %v %s", f, err, out)
		}
		cmd := exec.Command("node", "testdata/check.mjs", f)
		cmd.Env = append(os.Environ(), "WARCIO_MODULE="+module)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("warcio on %s: %v\n%s", f, err, last(string(out), 2000))
		}
		t.Logf("%s", out)
	}
	if open, _ := filepath.Glob(filepath.Join(s.data, "warc", "*.open")); len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
}
