package archive

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.org/trawl/fault"
)

func simple(s *Store, url, body string) Exchange {
	sp := s.NewSpool()
	_, _ = sp.Write([]byte(body))
	return Exchange{URL: url, RequestHead: []byte("GET / HTTP/1.1\r\n\r\n"), ResponseHead: []byte("HTTP/1.1 200 OK\r\n\r\n"), Body: sp}
}

func mustAppend(t *testing.T, s *Store, x Exchange) Ref {
	t.Helper()
	ref, _, err := s.Append(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func globbed(t *testing.T, dir, pattern string) int {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return len(m)
}

func TestRollBySize(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{SegmentSize: 2000})
	if err != nil {
		t.Fatal(err)
	}
	var refs []Ref
	for range 12 {
		refs = append(refs, mustAppend(t, s, simple(s, "http://example.org/", "body")))
	}
	files := map[string]bool{}
	for _, ref := range refs {
		files[ref.File] = true
		rec, err := s.Read(ref)
		if err != nil {
			t.Fatal(err)
		}
		_ = rec.Body.Close()
	}
	if len(files) < 4 {
		t.Errorf("%d segments of 2,000 bytes", len(files))
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if n := globbed(t, dir, "*.warc.gz"); n != len(files) || globbed(t, dir, "*.cdxj") != n || globbed(t, dir, "*.open") != 0 {
		t.Errorf("%d segments on disk, want %d, each with its index", n, len(files))
	}
	if _, _, err := s.Append(t.Context(), simple(s, "http://example.org/", "late")); err == nil {
		t.Error("a closed store takes records")
	}
}

func TestRollByAge(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := Open(t.TempDir(), Options{SegmentAge: time.Hour, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := mustAppend(t, s, simple(s, "http://example.org/", "body"))
	now = now.Add(time.Hour - time.Second)
	b := mustAppend(t, s, simple(s, "http://example.org/", "body"))
	now = now.Add(time.Second)
	c := mustAppend(t, s, simple(s, "http://example.org/", "body"))
	if a.File != b.File || b.File == c.File {
		t.Errorf("segments %s, %s, %s", a.File, b.File, c.File)
	}
	if !strings.HasPrefix(a.File, "trawl-20260102030405-00000-") || !strings.HasPrefix(c.File, "trawl-20260102040405-00001-") {
		t.Errorf("names %s, %s", a.File, c.File)
	}
}

// An idle store finishes its segment too.
func TestRollByAgeWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.TempDir(), Options{SegmentAge: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ref := mustAppend(t, s, simple(s, "http://example.org/", "body"))
		time.Sleep(59 * time.Minute) // the bubble's clock, not ours
		synctest.Wait()
		if _, err := s.root.Stat(ref.File); err == nil {
			t.Error("finished too early")
		}
		time.Sleep(time.Minute)
		if err := s.Sync(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := s.root.Stat(ref.File); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// disk fills up: room is what may yet be written.
type disk struct {
	file
	room      *int
	stuck     *bool // cannot even be cut
	unsynced  *bool
	truncated *int
}

func (d disk) WriteAt(p []byte, off int64) (int, error) {
	n := min(len(p), *d.room)
	*d.room -= n
	n, err := d.file.WriteAt(p[:n], off)
	if err == nil && n < len(p) {
		err = &os.PathError{Op: "write", Path: "segment", Err: syscall.ENOSPC}
	}
	return n, err
}

func (d disk) Truncate(n int64) error {
	*d.truncated++
	if *d.stuck {
		return syscall.EIO
	}
	return d.file.Truncate(n)
}

func (d disk) Sync() error {
	if *d.unsynced {
		return syscall.EIO
	}
	return d.file.Sync()
}

func TestDiskFull(t *testing.T) {
	room, truncated, stuck, unsynced := 1<<20, 0, false, false
	dir := t.TempDir()
	s, err := open(dir, Options{}, func(f file) file { return disk{f, &room, &stuck, &unsynced, &truncated} })
	if err != nil {
		t.Fatal(err)
	}
	refs := []Ref{mustAppend(t, s, simple(s, "http://example.org/1", "one"))}
	for left := range 300 { // torn at each byte
		room = left
		if _, _, err := s.Append(t.Context(), simple(s, "http://example.org/no", "no")); fault.KindOf(err) != fault.DiskFull {
			t.Fatalf("with %d bytes left: %v", left, err)
		}
	}
	if truncated != 300 {
		t.Errorf("cut back %d times, want 300", truncated)
	}
	room = 1 << 20
	refs = append(refs, mustAppend(t, s, simple(s, "http://example.org/2", "two")))

	room, stuck = 100, true
	if _, _, err := s.Append(t.Context(), simple(s, "http://example.org/no", "no")); fault.KindOf(err) != fault.DiskFull {
		t.Error(err)
	}
	room, stuck = 1<<20, false
	refs = append(refs, mustAppend(t, s, simple(s, "http://example.org/3", "three")))
	if refs[2].File == refs[1].File {
		t.Error("a segment with a torn end is written on")
	}

	unsynced = true
	if err := s.Sync(); fault.KindOf(err) != fault.StoreDown {
		t.Errorf("failed fsync: %v", err)
	}
	unsynced = false
	refs = append(refs, mustAppend(t, s, simple(s, "http://example.org/4", "four")))
	if refs[3].File == refs[2].File {
		t.Error("a segment whose fsync failed is written on")
	}

	room = 0 // no segment can be begun either
	s.mu.Lock()
	s.retire()
	s.mu.Unlock()
	if _, _, err := s.Append(t.Context(), simple(s, "http://example.org/no", "no")); fault.KindOf(err) != fault.DiskFull {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantBodies(t, dir, refs, "one", "two", "three", "four")
}

// wantBodies opens the folder anew, which recovers it, and reads all.
func wantBodies(t *testing.T, dir string, refs []Ref, bodies ...string) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, ref := range refs {
		rec, err := s.Read(ref)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rec.Body)
		_ = rec.Body.Close()
		if err != nil || string(b) != bodies[i] {
			t.Errorf("record %d: %q, %v", i, b, err)
		}
	}
	if globbed(t, dir, "*.open") != 0 || globbed(t, dir, "*.spool") != 0 {
		t.Error("files were left behind")
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.warc.gz"))
	for _, n := range names {
		b, _ := os.ReadFile(n)
		good, _, err := inspect(bytes.NewReader(b), filepath.Base(n))
		if err != nil || good.end != int64(len(b)) {
			t.Errorf("%s is good up to %d of %d: %v", n, good.end, len(b), err)
		}
	}
}

// An index that could not be written is made from the WARC.
func TestIndexLags(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, simple(s, "http://example.org/b", "one"))
	_ = s.seg.index.Close()
	mustAppend(t, s, simple(s, "http://example.org/a", "two"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "*.cdxj"))
	b, err := os.ReadFile(names[0])
	if err != nil || bytes.Count(b, []byte("\n")) != 2 || !bytes.HasPrefix(b, []byte("org,example)/a ")) {
		t.Errorf("index %s, %v", b, err)
	}
}

// A bit that flips on the disk is noticed by whoever reads the body.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ref := mustAppend(t, s, simple(s, "http://example.org/", "a body of some length"))
	name := filepath.Join(dir, ref.File+openSuffix)
	good, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	harmless := 0                                              // the last byte of the compressed data may have bits that mean nothing
	for i := ref.Offset + 10; i < ref.Offset+ref.Length; i++ { // bytes 4 to 9 of a member say nothing of its content
		bad := bytes.Clone(good)
		bad[i] ^= 4
		if err := os.WriteFile(name, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		rec, err := s.Read(ref)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(rec.Body)
			_ = rec.Body.Close()
		}
		if err == nil && string(body) == "a body of some length" {
			harmless++
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %q, %v", i, body, err)
		}
	}
	if harmless > 1 {
		t.Errorf("%d flipped bits were not noticed", harmless)
	}
	if err := os.WriteFile(name, good, 0o644); err != nil {
		t.Fatal(err)
	}
}
