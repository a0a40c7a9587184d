package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/archive"
	"example.org/trawl/internal/rig"
	"example.org/trawl/lab"
)

// TestUnchangedWeb visits webs again in which nothing has changed and every page carries a validator. The hosts answer 304, the
// archive gets no body but revisit records that name the record they stand for, and the catalog says what it said before.
func TestUnchangedWeb(t *testing.T) {
	rig.Whole(t)
	for name, c := range map[string]lab.Config{
		"plain": {Seed: 27, Hosts: 5, Pages: 500, Plain: true, Validators: true},
		"mixed": {Seed: 28, Hosts: 5, Pages: 500, Validators: true}, // redirects, errors, content codings
	} {
		t.Run(name, func(t *testing.T) {
			w := rig.Web(t, c)
			s := rig.NewSite(t, w)
			s.Must(rig.Seeded(w, "trawl", "crawl")...)
			first, counts := s.Export("--links", "--text"), countsOf(s)
			rig.CheckTruth(t, w.Truth(), first)
			for visit := 2.0; visit <= 3; visit++ {
				before := sizes(s)
				w.ResetLog()
				s.Must(rig.Seeded(w, "trawl", "crawl", "--recrawl")...)

				checkAnswers(t, w, first)
				if diff := cmp.Diff(counts, countsOf(s)); diff != "" {
					t.Errorf("the counts after the first (-) and visit %v (+) differ:\n%s", visit, diff)
				}
				checkGrowth(t, s, before, first)
				again := s.Export("--links", "--text")
				for _, u := range []map[string]rig.Page{first, again} {
					for _, p := range u {
						delete(p, "fetched_at")
					}
				}
				for _, p := range again {
					if p["visits"] != visit {
						t.Errorf("%s was visited %v times", p.Str("url"), p["visits"])
					}
					p["visits"] = 1.0
				}
				if diff := cmp.Diff(first, again); diff != "" {
					t.Errorf("first (-) and visit %v (+) differ:\n%s", visit, rig.Last(diff, 3000))
				}
			}
		})
	}
}

// countsOf is all that trawl status counts of the crawls, bytes and reasons among it.
func countsOf(s *rig.Site) []map[string]any {
	s.T.Helper()
	var st struct{ Crawls []map[string]any }
	s.JSON(&st, "trawl", "status", "--json")
	return st.Crawls
}

// checkAnswers looks in the log of a second round at what the stored pages were answered with. Each is asked for once, with its
// validator, also behind a redirect.
func checkAnswers(t *testing.T, w *lab.Web, pages map[string]rig.Page) {
	t.Helper()
	own, behind := 0, 0
	for _, p := range pages {
		switch {
		case p.Str("state") != "stored":
		case p.Str("final_url") == p.Str("url"):
			own++
		default:
			behind++
		}
	}
	var requests []lab.Request
	rig.WaitFor(t, "the last status in the log", 10*time.Second, func() bool {
		requests = rig.PageRequests(w)
		return !slices.ContainsFunc(requests, func(r lab.Request) bool { return r.Status == 0 })
	})
	by := map[int]int{} // status
	for _, r := range requests {
		by[r.Status]++
	}
	t.Logf("%d pages, %d stored of their own and %d behind redirects; answers to %d requests by status: %v", len(pages), own, behind, len(requests), by)
	if asked := by[200] + by[304]; asked != own+behind || by[304]*100 < asked*99 || own < 300 {
		t.Errorf("%d of %d requests for %d pages were answered with 304, want at least 99 %%", by[304], asked, own+behind)
	}
	if len(pages) == own && len(requests) != own {
		t.Errorf("%d requests for %d pages", len(requests), own)
	}
}

// record is a record of the archive with its whole block.
type record struct {
	archive.Header
	block []byte
}

// refers says of which URL, moment and payload a record is, by the fields of these names.
func (r record) refers(uri, date string) string {
	return r.Get(uri) + " " + r.Get(date) + " " + r.Get("WARC-Payload-Digest")
}

// archived reads files of the archive.
func archived(t *testing.T, files []string) (all []record) {
	t.Helper()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		err = archive.Scan(f, func(h archive.Header, _ int64, block io.Reader) error {
			b, err := io.ReadAll(block)
			all = append(all, record{h, b})
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return all
}

// sizes are the files of the archive that are finished, with their bytes.
func sizes(s *rig.Site) map[string]int64 {
	s.T.Helper()
	out := map[string]int64{}
	for _, name := range s.Files("*.warc.gz") {
		info, err := os.Stat(name)
		if err != nil {
			s.T.Fatal(err)
		}
		out[name] = info.Size()
	}
	return out
}

// checkGrowth looks at what a second round has added to the archive: a revisit record for each stored page and no body of any.
func checkGrowth(t *testing.T, s *rig.Site, before map[string]int64, pages map[string]rig.Page) {
	t.Helper()
	var old, added []string
	was, grown := int64(0), int64(0)
	for name, size := range sizes(s) {
		switch had, ok := before[name]; {
		case !ok:
			added, grown = append(added, name), grown+size
		case had != size:
			t.Errorf("%s had %d bytes and has %d", name, had, size)
		default:
			old, was = append(old, name), was+size
		}
	}
	if len(old) != len(before) {
		t.Errorf("of %d files %d are left", len(before), len(old))
	}
	responses := map[string]bool{}
	for _, r := range archived(t, old) {
		if r.Get("WARC-Type") == "response" {
			responses[r.refers("WARC-Target-URI", "WARC-Date")] = true
		}
	}
	types, revisits := map[string]int{}, map[string]int{}
	for _, r := range archived(t, added) {
		kind, url := r.Get("WARC-Type"), r.Get("WARC-Target-URI")
		types[kind]++
		switch kind {
		case "warcinfo", "request":
		case "revisit":
			revisits[url]++
			if head := bytes.Index(r.block, []byte("\r\n\r\n")) + 4; head != len(r.block) {
				t.Errorf("the revisit of %s has %d bytes after a head of %d", url, len(r.block)-head, head)
			}
			if to := r.refers("WARC-Refers-To-Target-URI", "WARC-Refers-To-Date"); !responses[to] {
				t.Errorf("the revisit of %s stands for what is not in the archive: %s", url, to)
			}
			checkProfile(t, r, url)
		case "response": // a redirect is archived as it comes
			if rig.PathOf(url) != "/robots.txt" && !bytes.Contains(r.block, []byte("\r\nLocation: ")) {
				t.Errorf("%s was archived again: %.60q", url, r.block)
			}
		default:
			t.Errorf("a record of type %q: %s", kind, url)
		}
	}
	want := map[string]int{}
	for _, p := range pages {
		if p.Str("state") == "stored" {
			want[p.Str("final_url")]++
		}
	}
	if diff := cmp.Diff(want, revisits); diff != "" {
		t.Errorf("stored pages (-) and revisits (+) differ:\n%s", rig.Last(diff, 3000))
	}
	t.Logf("the archive grew from %d bytes by %d: %v", was, grown, types)
	if grown*10 > was {
		t.Errorf("the archive grew from %d bytes by %d, want at most a tenth", was, grown)
	}
	t.Run("warcio", func(t *testing.T) {
		if diff := cmp.Diff(types, warcioTypes(t, added)); diff != "" {
			t.Errorf("records by Trawl (-) and by warcio (+) differ:\n%s", diff)
		}
	})
}

// checkProfile checks that a revisit record says what the host had said: 304, or the same once more.
func checkProfile(t *testing.T, r record, url string) {
	t.Helper()
	profile := archive.NotModified
	if bytes.HasPrefix(r.block, []byte("HTTP/1.1 200 ")) {
		profile = archive.SamePayload
	} else if !bytes.HasPrefix(r.block, []byte("HTTP/1.1 304 ")) {
		t.Errorf("the revisit of %s: %.60q", url, r.block)
	}
	if got := r.Get("WARC-Profile"); !strings.HasSuffix(got, "/revisit/"+profile) {
		t.Errorf("the revisit of %s has the profile %q, want %s", url, got, profile)
	}
}

// warcioTypes counts the records of files by type, as warcio reads them; it finds every digest right.
func warcioTypes(t *testing.T, files []string) map[string]int {
	t.Helper()
	module := os.Getenv("WARCIO_MODULE")
	if module == "" {
		t.Skip("WARCIO_MODULE does not name warcio's module: make test installs it")
	}
	cmd := exec.Command("node", append([]string{"testdata/check.mjs"}, files...)...)
	cmd.Env = append(os.Environ(), "WARCIO_MODULE="+module)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("warcio: %v\n%s", err, rig.Last(string(out), 2000))
	}
	_, rest, _ := strings.Cut(string(out), " records ")
	types := map[string]int{}
	if err := json.NewDecoder(strings.NewReader(rest)).Decode(&types); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return types
}
