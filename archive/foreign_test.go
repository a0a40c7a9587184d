package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.org/trawl/archive"
	"example.org/trawl/internal/archivetest"
)

// What the files in testdata/warcio hold, as offset, type and URL of each record.
var foreign = map[string][]string{
	"bad.arc": nil,
	"example-bad-non-chunked.warc.gz": {
		"0 warcinfo", "0 warcinfo", "0 response http://example.com/", "0 request http://example.com/", "0 revisit http://example.com/",
		"0 request http://example.com/",
	},
	"example-bad.warc.gz.bad": {
		"0 warcinfo", "0 response http://example.com?example=1", "0 request http://example.com?example=1",
		"0 revisit http://example.com?example=1", "0 request http://example.com?example=1", "0 response http://www.iana.org/domains/example",
	},
	"example-digest.warc": {
		"0 request http://example.com/", "922 request http://example.com/", "1840 request http://example.com/", "2758 request http://example.com/",
	},
	"example-iana.org-chunked.warc":       {"0 warcinfo", "405 response http://www.iana.org/", "8379 request http://www.iana.org/"},
	"example-resource.warc.gz":            {"0 warcinfo", "361 warcinfo", "802 resource http://example.com/"},
	"example-space-in-target-uri.warc.gz": {"0 warcinfo", "241 resource file:///example with spaces.png"},
	"example-space-in-url.arc": {
		"0 warcinfo filedesc://live-web-example.arc.gz",
		"151 response http://example.com/index.cfm?FuseAction=Email&EmailTitle=Examples From The Live Web&IsPopUp=False",
	},
	"example-trunc.warc": {"0 warcinfo", "488 warcinfo", "1197 response http://example.com/", "2566 request http://example.com/"},
	"example-wget-bad-target-uri.warc.gz": {
		"0 warcinfo", "410 request http://example.com/", "824 response http://example.com/",
		"1978 metadata metadata://gnu.org/software/wget/warc/MANIFEST.txt", "2295 resource metadata://gnu.org/software/wget/warc/wget_arguments.txt",
		"2681 resource metadata://gnu.org/software/wget/warc/wget.log",
	},
	"example-wrong-chunks.warc.gz": {"0 response http://example.com/"},
	"example.arc":                  {"0 warcinfo filedesc://live-web-example.arc.gz", "151 response http://example.com/"},
	"example.arc.gz":               {"0 warcinfo filedesc://live-web-example.arc.gz", "171 response http://example.com/"},
	"example.warc": {
		"0 warcinfo", "488 warcinfo", "1197 response http://example.com/", "2566 request http://example.com/", "3370 revisit http://example.com/",
		"4316 request http://example.com/",
	},
	"example.warc.gz": {
		"0 warcinfo", "353 warcinfo", "784 response http://example.com/", "2012 request http://example.com/", "2621 revisit http://example.com/",
		"3207 request http://example.com/",
	},
	"post-test.warc.gz": {
		"0 response http://httpbin.org/post", "720 request http://httpbin.org/post", "1196 response http://httpbin.org/post",
		"1919 request http://httpbin.org/post", "2395 response http://httpbin.org/post?foo=bar", "3118 request http://httpbin.org/post?foo=bar",
	},
}

// Where Scan differs on purpose.
var foreignDiffers = map[string]string{
	"example-space-in-url.arc":     "the record says 1591 bytes and the file ends after 1579",
	"example-trunc.warc":           "a record's length is two bytes short, and what follows it is no record",
	"example-wrong-chunks.warc.gz": "a record is spread over several gzip members, where each should have its own",
}

func TestScanForeign(t *testing.T) {
	files, err := filepath.Glob("testdata/warcio/*")
	if err != nil || len(files) != len(foreign) {
		t.Fatalf("%d files, want %d: %v", len(files), len(foreign), err)
	}
	same := 0
	for _, f := range files {
		name := filepath.Base(f)
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := scanned(data)
		ok := slices.Equal(got, foreign[name])
		if ok {
			same++
		}
		if why := foreignDiffers[name]; ok != (why == "") {
			t.Errorf("%s (difference: %q): ended with %v\n got %q\nwant %q", name, why, err, got, foreign[name])
		}
		if err != nil && !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %d records, %v", name, len(got), err)
	}
	t.Logf("%d of %d files read as listed", same, len(files))
}

// scanned lists the records whose blocks can be read.
func scanned(data []byte) ([]string, error) {
	var got []string
	err := archive.Scan(bytes.NewReader(data), func(h archive.Header, off int64, block io.Reader) error {
		if _, err := io.Copy(io.Discard, block); err != nil {
			return err
		}
		got = append(got, strings.TrimSpace(fmt.Sprint(off, " ", h.Get("WARC-Type"), " ", h.Get("WARC-Target-URI"))))
		return nil
	})
	return got, err
}

func FuzzScan(f *testing.F) {
	files, _ := filepath.Glob("testdata/warcio/*")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := scanned(data); err != nil && !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%v is not ErrDamaged", err)
		}
	})
}

// Another project's reader finds in our files what we wrote. TRAWL_WARCIO is the path of dist/cli.js of npm's warcio 2.4.11.
func TestForeignReader(t *testing.T) {
	cli := os.Getenv("TRAWL_WARCIO")
	node, err := exec.LookPath("node")
	if cli == "" || err != nil {
		t.Skip("needs node and npm's warcio, with its dist/cli.js named by TRAWL_WARCIO")
	}
	dir := t.TempDir()
	s := open(t, dir, archive.Options{Operator: "Test", Contact: "test@example.org", UserAgent: "trawl-test"})
	for i, size := range []int{0, 10, 40 << 10, 700 << 10} {
		x := archivetest.Exchange(t, s, fmt.Sprintf("http://www.example.org/%d?b&a", i), archivetest.Bytes(size))
		if _, _, err := s.Append(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		x.Revisit = &archive.Revisit{Profile: archive.SamePayload, RefersToURI: x.URL, RefersToDate: x.At, PayloadDigest: x.Body.Digest()}
		if _, _, err := s.Append(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.warc.gz"))
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	ours, err := scanned(data)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, cli, "index", names[0], "-f", "offset,warc-type,warc-target-uri").Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := strings.NewReplacer(`{"offset":`, "", `,"warc-type":"`, " ", `","warc-target-uri":"`, " ", `"}`, "").Replace(strings.TrimSpace(string(out)))
	if theirs != strings.Join(ours, "\n") {
		t.Errorf("npm's warcio lists\n%s\nwe list\n%s", theirs, strings.Join(ours, "\n"))
	}

	out, err = exec.Command(node, cli, "cdx-index", names[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(strings.TrimSuffix(names[0], ".warc.gz") + ".cdxj")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(out), "\n")
	slices.Sort(lines)
	// npm's warcio gives a revisit the status of its head; pywb's indexer, whose form ours is, "-".
	ourLines := strings.SplitAfter(strings.ReplaceAll(string(index), `"warc/revisit","status":"-"`, `"warc/revisit","status":"200"`), "\n")
	slices.Sort(ourLines)
	if !slices.Equal(lines, ourLines) {
		t.Errorf("npm's warcio indexes\n%s\nwe index\n%s", lines, ourLines)
	}
	t.Logf("%d records and %d index lines, the same by npm's warcio", len(ours), len(lines)-1)
}
