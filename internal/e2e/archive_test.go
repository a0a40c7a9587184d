package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestForeignReader has warcio, somebody else's WARC library, read the archive record by record and compares every digest with
// what it reads. WARCIO_MODULE names its module, as make test does.
func TestForeignReader(t *testing.T) {
	rig.Whole(t)
	module := os.Getenv("WARCIO_MODULE")
	if module == "" {
		t.Skip("WARCIO_MODULE does not name warcio's module: make test installs it")
	}
	w := rig.Web(t, lab.Config{Seed: 26, Hosts: 3, Pages: 400})
	s := rig.NewSite(t, w)
	s.Must(rig.Seeded(w, "trawl", "crawl")...)
	s.Must(rig.Seeded(w, "trawl", "crawl", "--recrawl")...)
	for _, f := range s.Files("*.warc.gz") {
		if out, err := exec.Command("gzip", "-t", f).CombinedOutput(); err != nil {
			t.Errorf("gzip -t %s: %v %s", f, err, out)
		}
		cmd := exec.Command("node", "testdata/check.mjs", f)
		cmd.Env = append(os.Environ(), "WARCIO_MODULE="+module)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("warcio on %s: %v\n%s", f, err, rig.Last(string(out), 2000))
		}
		t.Logf("%s", out)
	}
	if open, _ := filepath.Glob(filepath.Join(s.Data, "warc", "*.open")); len(open) > 0 {
		t.Errorf("left open: %v", open)
	}
}
