package archive_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.org/trawl/archive"
	"example.org/trawl/internal/archivetest"
)

// wantWhole checks a folder whose stores are all finished: so many segments, each passing a full gzip read by the standard library and
// a scan, each with a sorted index whose lines lead to their records; and nothing else.
func wantWhole(t *testing.T, dir string, segments int) (lines int) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, n := range names {
		if strings.HasSuffix(n.Name(), ".cdxj") {
			continue
		}
		base, ok := strings.CutSuffix(n.Name(), ".warc.gz")
		if !ok {
			t.Errorf("%s was left behind", n.Name())
			continue
		}
		found++
		data, err := os.ReadFile(filepath.Join(dir, n.Name()))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil {
			t.Errorf("%s: %v", n.Name(), err)
		}
		lines += wantIndexed(t, filepath.Join(dir, base+".cdxj"), data)
	}
	if found != segments {
		t.Errorf("%d segments, want %d", found, segments)
	}
	return lines
}

func wantIndexed(t *testing.T, index string, data []byte) int {
	t.Helper()
	text, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if !slices.IsSorted(lines) {
		t.Errorf("%s is not sorted", index)
	}
	want := 0
	if err := archive.Scan(bytes.NewReader(data), func(h archive.Header, _ int64, _ io.Reader) error {
		if k := h.Get("WARC-Type"); k == "response" || k == "revisit" {
			want++
		}
		return nil
	}); err != nil || want != len(lines) {
		t.Errorf("%s has %d lines for %d records: %v", index, len(lines), want, err)
	}
	for _, l := range lines {
		f := strings.SplitN(l, " ", 3)
		var e struct{ URL, Digest, Offset, Length string }
		if err := json.Unmarshal([]byte(f[2]), &e); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		off, _ := strconv.Atoi(e.Offset)
		n, _ := strconv.Atoi(e.Length)
		found := false
		err := archive.Scan(bytes.NewReader(data[off:off+n]), func(h archive.Header, _ int64, block io.Reader) error {
			found = h.Get("WARC-Target-URI") == e.URL && h.Get("WARC-Payload-Digest") == "sha1:"+e.Digest
			_, err := io.Copy(io.Discard, block)
			return err
		})
		if err != nil || !found {
			t.Errorf("%s leads nowhere: %v", l, err)
		}
	}
	return len(lines)
}

// A segment cut at any byte of its last exchange keeps all that was before.
func TestTornTail(t *testing.T) {
	made := t.TempDir()
	s := open(t, made, archive.Options{})
	var refs []archive.Ref
	for _, body := range []string{"first", "second", "third"} {
		ref, _, err := s.Append(t.Context(), archivetest.Exchange(t, s, "http://example.org/"+body, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, ref)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	name := refs[0].File
	data, err := os.ReadFile(filepath.Join(made, name))
	if err != nil {
		t.Fatal(err)
	}
	last := refs[2]
	dir := t.TempDir()
	for cut := last.Offset; cut <= int64(len(data)); cut++ {
		torn := bytes.Clone(data[:cut])
		if cut%2 == 1 {
			torn = append(torn, make([]byte, 700)...) // what a file system may leave after the loss of power
		}
		if err := os.WriteFile(filepath.Join(dir, name+".open"), torn, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := archive.Open(dir, archive.Options{})
		if err != nil {
			t.Fatal(err)
		}
		want := 2
		if bytes.HasPrefix(torn, data[:last.Offset+last.Length]) { // a member's last bytes may be zeros themselves
			want = 3
		}
		for i, ref := range refs {
			res, err := s.Body(ref)
			if i >= want {
				if err == nil {
					t.Errorf("cut at %d: record %d is half there", cut, i)
					_ = res.Body.Close()
				}
				continue
			}
			if err != nil {
				t.Fatalf("cut at %d: record %d: %v", cut, i, err)
			}
			_ = res.Body.Close()
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := wantWhole(t, dir, 1); got != want {
			t.Errorf("cut at %d: %d index lines, want %d", cut, got, want)
		}
		for _, f := range []string{name, strings.TrimSuffix(name, ".warc.gz") + ".cdxj"} {
			if err := os.Remove(filepath.Join(dir, f)); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("cut at each of %d bytes", int64(len(data))-last.Offset+1)
}

// Open does away with what a crash at an awkward moment leaves, and leaves alone what is not its own.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, archive.Options{})
	ref, _, err := s.Append(t.Context(), archivetest.Exchange(t, s, "http://example.org/", []byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	base := strings.TrimSuffix(ref.File, ".warc.gz")
	if err := os.Remove(filepath.Join(dir, base+".cdxj")); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{
		base + ".cdxj.open", "ABC.spool", "trawl-20260101000000-00000-h.warc.gz.open", "trawl-20260101000000-00000-h.cdxj.open",
		"other.warc.gz.open",
	} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir, archive.Options{})
	if _, err := os.Stat(filepath.Join(dir, "other.warc.gz.open")); err != nil {
		t.Error("a foreign file was taken away")
	}
	_ = os.Remove(filepath.Join(dir, "other.warc.gz.open"))
	if n := wantWhole(t, dir, 1); n != 1 {
		t.Errorf("%d index lines, want 1", n)
	}
}

// Two stores on one folder, as two processes have them, write to files of their own, and each reads the other's.
func TestTwoStores(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, dir, archive.Options{}), open(t, dir, archive.Options{})
	ra, _, err := a.Append(t.Context(), archivetest.Exchange(t, a, "http://example.org/a", []byte("a")))
	if err != nil {
		t.Fatal(err)
	}
	rb, _, err := b.Append(t.Context(), archivetest.Exchange(t, b, "http://example.org/b", []byte("b")))
	if err != nil {
		t.Fatal(err)
	}
	if ra.File == rb.File {
		t.Fatalf("both write to %s", ra.File)
	}
	c := open(t, dir, archive.Options{}) // must leave the living alone
	for _, s := range []*archive.Store{a, b, c} {
		for _, ref := range []archive.Ref{ra, rb} {
			res, err := s.Body(ref)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ra.File)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an open segment has its final name: %v", err)
	}
	if err := errors.Join(a.Close(), b.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, dir, 2)
}
