package rig

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/archive"
	"example.org/trawl/lab"
)

// Page is a line of the JSONL export.
type Page map[string]any

func (p Page) Str(key string) string {
	s, _ := p[key].(string)
	return s
}

// Export returns the pages by URL, and fails on one that is there twice.
func (s *Site) Export(args ...string) map[string]Page {
	s.T.Helper()
	out := s.Must(append([]string{"trawl", "export", "--format", "jsonl"}, args...)...)
	pages := map[string]Page{}
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var p Page
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pages
		} else if err != nil {
			s.T.Fatal(err)
		}
		if pages[p.Str("url")] != nil {
			s.T.Fatalf("%s is there twice", p.Str("url"))
		}
		pages[p.Str("url")] = p
	}
}

// outcome is what truth and catalog must agree on.
type outcome struct {
	State, Reason, Digest, FinalURL, Title, MIME, Charset string
	Depth                                                 int
}

// CheckTruth compares what was crawled with what is right, page for page.
func CheckTruth(t *testing.T, truth lab.Truth, pages map[string]Page) {
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
		o := outcome{State: p.Str("state"), Reason: p.Str("reason"), Depth: int(depth)}
		if o.State == "stored" {
			o.Digest, o.FinalURL, o.Title, o.MIME, o.Charset = p.Str("digest"), p.Str("final_url"), p.Str("title"), p.Str("mime"), p.Str("charset")
		}
		got[u] = o
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("truth (-) and catalog (+) differ:\n%s", Last(diff, 3000))
	}
	if truth.Counts.Stored == 0 {
		t.Fatal("a web of which nothing is stored proves nothing")
	}
}

// Comparable returns the pages without what differs between two crawls of one web: times, places in the archive, and which of two
// pages that say the same came first.
func Comparable(pages map[string]Page) map[string]Page {
	for _, p := range pages {
		for _, k := range []string{"first_seen", "fetched_at", "next_due", "warc", "duplicate", "duplicate_of"} {
			delete(p, k)
		}
	}
	return pages
}

// CheckArchive reads the body of every stored page, and of nothing else, where the catalog says that it is.
func CheckArchive(t *testing.T, dir string, pages map[string]Page) {
	t.Helper()
	store, err := archive.Open(dir, archive.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for url, p := range pages {
		at, ok := p["warc"].(map[string]any)
		if !ok {
			t.Errorf("%s: %v", url, p)
			continue
		}
		rec, err := store.Read(archive.Ref{File: at["file"].(string), Offset: int64(at["offset"].(float64)), Length: int64(at["length"].(float64))})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		body, err := io.ReadAll(rec.Body)
		sum := sha256.Sum256(body)
		if got := "sha256:" + hex.EncodeToString(sum[:]); err != nil || got != p.Str("digest") {
			t.Errorf("%s: %d bytes, %v, that are not the page's", url, len(body), err)
		}
		rec.Body.Close()
	}
	indexes, err := filepath.Glob(filepath.Join(dir, "*.cdxj"))
	if err != nil || len(indexes) == 0 {
		t.Fatalf("no index in %s (%v)", dir, err)
	}
	for _, name := range indexes {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			var e struct{ URL string }
			if err := json.Unmarshal([]byte(line[strings.IndexByte(line, '{'):]), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if pages[e.URL] == nil && PathOf(e.URL) != "/robots.txt" {
				t.Errorf("%s is in the archive and is no page", e.URL)
			}
		}
	}
}

// Exact stops the workers, and compares truth, catalog and archive. An outage has a kind of its own: what a worker takes for a bug
// costs a try, though not one that the catalog counts.
func (s *Site) Exact(truth lab.Truth, warc string, procs ...*Proc) {
	s.T.Helper()
	pages := s.Export()
	CheckTruth(s.T, truth, pages)
	for _, p := range procs {
		p.Stop(s.T)
		if strings.Contains(p.Printed(), `"fault":"internal"`) {
			s.T.Errorf("%v took an outage for a bug", p.Cmd.Args)
		}
	}
	CheckArchive(s.T, warc, pages)
}
