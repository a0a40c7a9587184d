// Package archivetest holds what every archive must do, whatever it keeps its files on.
package archivetest

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"example.org/trawl/archive"
	"example.org/trawl/fault"
)

// Archive is what the suite asks of an archive; the comments on archive.Store's methods are the contract.
type Archive interface {
	NewSpool() *archive.Spool
	Append(ctx context.Context, x archive.Exchange) (archive.Ref, string, error)
	Read(ref archive.Ref) (archive.Record, error)
	Body(ref archive.Ref) (*archive.Response, error)
	Copy(ref archive.Ref, w io.Writer) error
	Sync() error
	Close() error
}

// Run runs the suite; open returns an empty archive, which the suite closes.
func Run(t *testing.T, open func(t *testing.T) Archive) {
	for name, test := range map[string]func(*testing.T, Archive){
		"round trip": roundTrip, "revisit": revisit, "truncated": truncated, "injection": injection, "heads": heads,
		"copy": copied, "concurrent": concurrent, "refusals": refusals, "spool": spool,
	} {
		t.Run(name, func(t *testing.T) {
			a := open(t)
			t.Cleanup(func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, a)
		})
	}
}

// Exchange returns an ordinary exchange with the body in a spool, which is closed when the test ends.
func Exchange(t testing.TB, a interface{ NewSpool() *archive.Spool }, url string, body []byte) archive.Exchange {
	t.Helper()
	sp := a.NewSpool()
	t.Cleanup(func() { _ = sp.Close() })
	if _, err := sp.Write(body); err != nil {
		t.Fatal(err)
	}
	return archive.Exchange{
		URL: url, IP: "127.0.1.7", At: time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.UTC),
		RequestHead:  []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
		ResponseHead: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n", len(body)),
		Body:         sp,
	}
}

// Bytes returns n bytes that are neither all alike nor compressible to nothing.
func Bytes(n int) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

func digest(b []byte) string {
	sum := sha1.Sum(b)
	return "sha1:" + base32.StdEncoding.EncodeToString(sum[:])
}

func mustAppend(t *testing.T, a Archive, x archive.Exchange) (archive.Ref, string) {
	t.Helper()
	ref, d, err := a.Append(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return ref, d
}

// read returns the record at ref and its body.
func read(t *testing.T, a Archive, ref archive.Ref) (archive.Record, []byte) {
	t.Helper()
	rec, err := a.Read(ref)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Body.Close()
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec, body
}

func wantFields(t *testing.T, rec archive.Record, want map[string]string) {
	t.Helper()
	for k, v := range want {
		if got := rec.Header.Get(k); got != v {
			t.Errorf("%s: %q, want %q", k, got, v)
		}
	}
}

func roundTrip(t *testing.T, a Archive) {
	for _, size := range []int{0, 1, 37 << 10, 256 << 10, 256<<10 + 1, 3 << 20} {
		want := Bytes(size)
		x := Exchange(t, a, fmt.Sprintf("http://example.org/?size=%d", size), want)
		ref, d := mustAppend(t, a, x)
		if err := a.Sync(); err != nil {
			t.Fatal(err)
		}
		rec, got := read(t, a, ref)
		if !bytes.Equal(got, want) || !bytes.Equal(rec.HTTPHead, x.ResponseHead) {
			t.Errorf("%d bytes came back as %d, or with another head %q", size, len(got), rec.HTTPHead)
		}
		if d != digest(want) {
			t.Errorf("%d bytes: digest %s, want %s", size, d, digest(want))
		}
		wantFields(t, rec, map[string]string{
			"WARC-Type": "response", "WARC-Target-URI": x.URL, "WARC-IP-Address": "127.0.1.7", "WARC-Date": "2026-03-04T05:06:07.123456Z",
			"WARC-Payload-Digest": d, "WARC-Block-Digest": digest(append(bytes.Clone(x.ResponseHead), want...)), "WARC-Truncated": "",
		})
		res, err := a.Body(ref)
		if err != nil {
			t.Fatal(err)
		}
		if res.Status != 200 || res.Header.Get("content-type") != "text/html; charset=utf-8" {
			t.Errorf("status %d, header %v", res.Status, res.Header)
		}
		_ = res.Body.Close()
	}
	x := Exchange(t, a, "http://example.org/nothing", nil)
	x.Body = nil
	ref, d := mustAppend(t, a, x)
	if _, got := read(t, a, ref); len(got) != 0 || d != digest(nil) {
		t.Errorf("no body came back as %q, digest %s", got, d)
	}
}

func revisit(t *testing.T, a Archive) {
	for _, profile := range []string{archive.SamePayload, archive.NotModified} {
		x := Exchange(t, a, "http://example.org/again", []byte("the same"))
		x.Revisit = &archive.Revisit{
			Profile: profile, RefersToURI: "http://example.org/first", RefersToDate: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
			PayloadDigest: digest([]byte("the same")),
		}
		ref, d := mustAppend(t, a, x)
		rec, body := read(t, a, ref)
		if len(body) != 0 || !bytes.Equal(rec.HTTPHead, x.ResponseHead) || d != x.Revisit.PayloadDigest {
			t.Errorf("%s: body %q, head %q, digest %s", profile, body, rec.HTTPHead, d)
		}
		cut := map[string]string{archive.SamePayload: "length"}[profile]
		wantFields(t, rec, map[string]string{
			"WARC-Type": "revisit", "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/" + profile,
			"WARC-Refers-To-Target-URI": "http://example.org/first", "WARC-Refers-To-Date": "2025-01-02T03:04:05.000000Z",
			"WARC-Payload-Digest": d, "WARC-Block-Digest": digest(x.ResponseHead), "WARC-Truncated": cut,
		})
	}
}

func truncated(t *testing.T, a Archive) {
	for _, why := range []string{"length", "time", "disconnect"} {
		x := Exchange(t, a, "http://example.org/", []byte("half of it"))
		x.Truncated = why
		ref, _ := mustAppend(t, a, x)
		rec, _ := read(t, a, ref)
		wantFields(t, rec, map[string]string{"WARC-Truncated": why, "WARC-Payload-Digest": digest([]byte("half of it"))})
	}
}

func injection(t *testing.T, a Archive) {
	const evil = "x\r\nWARC-Evil: 1\r\n\r\nWARC/1.1\nWARC-Type: warcinfo\x00"
	x := Exchange(t, a, "http://example.org/"+evil, []byte("body"))
	x.IP, x.Truncated = evil, evil
	x.Revisit = &archive.Revisit{Profile: evil, RefersToURI: evil, PayloadDigest: evil}
	ref, _ := mustAppend(t, a, x)
	rec, _ := read(t, a, ref)
	wantFields(t, rec, map[string]string{
		"WARC-Evil": "", "WARC-Type": "revisit",
		"WARC-Target-URI": "http://example.org/x%0D%0AWARC-Evil:%201%0D%0A%0D%0AWARC/1.1%0AWARC-Type:%20warcinfo%00",
	})
}

// heads checks that head and payload stay apart, whatever line ends the head has.
func heads(t *testing.T, a Archive) {
	for _, head := range []string{"HTTP/1.0 200 OK\nA: b\n\n", "HTTP/1.0 200 OK\r\n\r\nA: b\r\n\r\n", "HTTP/1.0 200 OK\r\n\nA: b", "HTTP/1.0 200 OK\n \r\nA: b\r"} {
		x := Exchange(t, a, "http://example.org/", []byte("body"))
		x.ResponseHead = []byte(head)
		ref, _ := mustAppend(t, a, x)
		rec, body := read(t, a, ref)
		if string(rec.HTTPHead) != "HTTP/1.0 200 OK\r\nA: b\r\n\r\n" || string(body) != "body" {
			t.Errorf("%q came back as %q with body %q", head, rec.HTTPHead, body)
		}
	}
	x := Exchange(t, a, "http://example.org/", []byte("body"))
	x.ResponseHead = nil
	if _, _, err := a.Append(t.Context(), x); err == nil {
		t.Error("an exchange without a response head was archived")
	}
}

func copied(t *testing.T, a Archive) {
	var all bytes.Buffer
	for _, body := range []string{"one", "two"} {
		ref, _ := mustAppend(t, a, Exchange(t, a, "http://example.org/"+body, []byte(body)))
		if err := a.Copy(ref, &all); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err := archive.Scan(&all, func(h archive.Header, _ int64, block io.Reader) error {
		b, err := io.ReadAll(block)
		got = append(got, h.Get("WARC-Target-URI")+" "+string(b[len(b)-3:]))
		return err
	})
	if want := "http://example.org/one one, http://example.org/two two"; err != nil || strings.Join(got, ", ") != want {
		t.Errorf("copied records read as %v, %v", got, err)
	}
}

func concurrent(t *testing.T, a Archive) {
	const writers, each = 8, 12
	refs := make([][]archive.Ref, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				sp := a.NewSpool()
				_, _ = fmt.Fprintf(sp, "body %d %d", w, i)
				ref, _, err := a.Append(context.Background(), archive.Exchange{
					URL: "http://example.org/", ResponseHead: []byte("HTTP/1.1 200 OK\r\n\r\n"), Body: sp,
				})
				_ = sp.Close()
				if err != nil {
					t.Error(err)
				}
				refs[w] = append(refs[w], ref)
			}
			if err := a.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for w := range refs {
		for i, ref := range refs[w] {
			if _, body := read(t, a, ref); string(body) != fmt.Sprintf("body %d %d", w, i) {
				t.Errorf("writer %d, record %d reads %q", w, i, body)
			}
		}
	}
}

func refusals(t *testing.T, a Archive) {
	ref, _ := mustAppend(t, a, Exchange(t, a, "http://example.org/", []byte("body")))
	for name, r := range map[string]archive.Ref{
		"parent": {File: "../" + ref.File, Offset: ref.Offset, Length: ref.Length}, "folder": {File: "a/" + ref.File, Length: 1},
		"backslash": {File: `..\` + ref.File, Length: 1}, "none": {Length: 1}, "dots": {File: "..", Length: 1},
		"negative": {File: ref.File, Offset: -1, Length: 1}, "no length": {File: ref.File, Offset: ref.Offset},
	} {
		if _, err := a.Read(r); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%s: %v, want fs.ErrInvalid", name, err)
		}
		if err := a.Copy(r, io.Discard); err == nil {
			t.Errorf("%s was copied", name)
		}
	}
	gone := ref
	gone.File = "x" + gone.File
	if _, err := a.Read(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	off := ref
	off.Offset++
	if _, err := a.Read(off); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("inside a record: %v", err)
	}
	for _, change := range []int64{-1, 1} {
		r := ref
		r.Length += change
		rec, err := a.Read(r)
		if err == nil {
			_, err = io.ReadAll(rec.Body)
			_ = rec.Body.Close()
		}
		if !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("length wrong by %d: %v", change, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := a.Append(ctx, Exchange(t, a, "http://example.org/", nil)); fault.KindOf(err) != fault.Stopped {
		t.Errorf("cancelled: %v", err)
	}
}

func spool(t *testing.T, a Archive) {
	for _, size := range []int{10, 256 << 10, 600 << 10} {
		sp := a.NewSpool()
		want := Bytes(size)
		for part := range bytes.SplitSeq(want, []byte{0}) { // pieces of many sizes
			_, _ = sp.Write(part)
		}
		want = bytes.ReplaceAll(want, []byte{0}, nil)
		for range 2 {
			got, err := io.ReadAll(sp.Reader())
			if err != nil || !bytes.Equal(got, want) || sp.Size() != int64(len(want)) || sp.Digest() != digest(want) {
				t.Errorf("%d bytes: read %d, size %d, %s, %v", size, len(got), sp.Size(), sp.Digest(), err)
			}
		}
		if err := errors.Join(sp.Close(), sp.Close()); err != nil {
			t.Error(err)
		}
		if _, err := sp.Write([]byte("late")); err == nil {
			t.Error("a closed spool takes bytes")
		}
	}
}
