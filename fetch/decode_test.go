package fetch_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"example.org/trawl/fault"
	"example.org/trawl/fetch"
)

// encode applies one coding to what r gives.
func encode(t testing.TB, coding string, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch coding {
	case "gzip", "x-gzip":
		w, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, err = flate.NewWriter(&b, 5)
	case "br":
		w = brotli.NewWriterLevel(&b, 5)
	case "zstd":
		w, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zeros is n bytes of nothing.
func zeros(n int64) io.Reader { return io.LimitReader(nothing{}, n) }

type nothing struct{}

func (nothing) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func decode(t testing.TB, r io.Reader, encoding string, maxBytes, maxRatio int64) (n int64, head []byte, err error) {
	t.Helper()
	d, err := fetch.Decode(r, encoding, maxBytes, maxRatio)
	if err != nil {
		return 0, nil, err
	}
	defer d.Close()
	var b bytes.Buffer
	n, err = io.CopyN(&b, d, 1<<20)
	if err == nil {
		var more int64
		more, err = io.Copy(io.Discard, d)
		n += more
	} else if err == io.EOF {
		err = nil
	}
	return n, b.Bytes(), err
}

func TestDecode(t *testing.T) {
	page := strings.Repeat("<p>Trawl reads what it is sent.</p>\n", 2000)
	one := func(c string) []byte { return encode(t, c, strings.NewReader(page)) }
	twice := encode(t, "gzip", bytes.NewReader(one("br")))
	half := page[:len(page)/2]
	tests := []struct {
		name, encoding string
		in             []byte
		want           string
		err            error
	}{
		{"no coding", "", []byte(page), page, nil},
		{"identity", "identity", []byte(page), page, nil},
		{"gzip", "gzip", one("gzip"), page, nil},
		{"upper case and spaces", " GZip ,", one("gzip"), page, nil},
		{"x-gzip", "x-gzip", one("gzip"), page, nil},
		{"deflate with zlib's frame", "deflate", one("deflate"), page, nil},
		{"deflate without", "deflate", one("raw"), page, nil},
		{"br", "br", one("br"), page, nil},
		{"zstd", "zstd", one("zstd"), page, nil},
		{"two codings", "br, gzip", twice, page, nil},
		{"two in the wrong order", "gzip, br", twice, "", fetch.ErrEncoding},
		{"two members of gzip", "gzip", append(encode(t, "gzip", strings.NewReader(half)), encode(t, "gzip", strings.NewReader(half))...), half + half, nil},
		{"padding after gzip", "gzip", append(one("gzip"), make([]byte, 512)...), page, nil},
		{"empty body, gzip", "gzip", nil, "", nil},
		{"empty body, br", "br", nil, "", nil},
		{"empty body, zstd", "zstd", nil, "", nil},
		{"empty body, deflate", "deflate", nil, "", nil},
		{"three codings", "gzip, gzip, gzip", nil, "", nil},
		{"four codings", "gzip, gzip, gzip, gzip", nil, "", fetch.ErrEncoding},
		{"unknown", "compress", []byte(page), "", fetch.ErrEncoding},
		{"not gzip at all", "gzip", []byte(page), "", fetch.ErrEncoding},
		{"not br at all", "br", []byte("\xff\xff\xff\xff\xff"), "", fetch.ErrEncoding},
		{"not zstd at all", "zstd", []byte(page), "", fetch.ErrEncoding},
		{"gzip's header cut", "gzip", one("gzip")[:5], "", io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // the second time with what the first gave back
				_, got, err := decode(t, iotest.OneByteReader(bytes.NewReader(tt.in)), tt.encoding, 0, 0)
				if !errors.Is(err, tt.err) || string(got) != tt.want {
					t.Fatalf("%d bytes, %v; want %d, %v", len(got), err, len(tt.want), tt.err)
				}
			}
		})
	}
}

// What was decoded before a cut is given, and the cut is told.
func TestDecodeCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	page := make([]byte, 400_000)
	for i := range page {
		page[i] = "abcdefghijklmnop"[rng.IntN(16)]
	}
	for _, coding := range []string{"gzip", "deflate", "br", "zstd"} {
		t.Run(coding, func(t *testing.T) {
			all := encode(t, coding, bytes.NewReader(page))
			n, got, err := decode(t, bytes.NewReader(all[:len(all)*3/4]), coding, 0, 0)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, fetch.ErrEncoding) {
				t.Errorf("error %v", err)
			}
			if n < 100_000 || !bytes.Equal(got, page[:len(got)]) {
				t.Errorf("%d bytes before the cut, or not the right ones", n)
			}
			// An error of the source is its own, with its kind.
			stalled := fault.New(fault.Stalled, errors.New("nothing came"))
			_, _, err = decode(t, io.MultiReader(bytes.NewReader(all[:len(all)/2]), iotest.ErrReader(stalled)), coding, 0, 0)
			if fault.KindOf(err) != fault.Stalled || errors.Is(err, fetch.ErrEncoding) {
				t.Errorf("the source's error became %v", err)
			}
		})
	}
}

func TestDecodeBound(t *testing.T) {
	for _, coding := range []string{"identity", "gzip", "br", "zstd"} {
		body := []byte("0123456789")
		if coding != "identity" {
			body = encode(t, coding, bytes.NewReader(body))
		}
		for _, tt := range []struct {
			bound, n int64
			err      error
		}{{9, 9, fetch.ErrTooLarge}, {10, 10, nil}, {11, 10, nil}} {
			n, _, err := decode(t, bytes.NewReader(body), coding, tt.bound, 0)
			if n != tt.n || !errors.Is(err, tt.err) {
				t.Errorf("%s, bound %d: %d bytes, %v", coding, tt.bound, n, err)
			}
		}
	}
}

// A bomb ends at a bound, and what decoding it allocates is bounded too, however large the bomb.
func TestBombs(t *testing.T) {
	const size = 128 << 20
	gz := encode(t, "gzip", zeros(size))
	members := bytes.Repeat(encode(t, "gzip", strings.NewReader("")), 1<<19)
	tests := []struct {
		name, encoding string
		in             []byte
		err            error
		atMost         int64 // decoded bytes
	}{
		{"gzip", "gzip", gz, fetch.ErrTooLarge, 64 << 20},
		{"gzip twice", "gzip, gzip", encode(t, "gzip", bytes.NewReader(gz)), fetch.ErrBomb, 32 << 20},
		{"br", "br", encode(t, "br", zeros(size)), fetch.ErrBomb, 64 << 20},
		{"zstd", "zstd", encode(t, "zstd", zeros(size)), fetch.ErrBomb, 64 << 20},
		{"empty members inside gzip", "gzip, gzip", encode(t, "gzip", io.MultiReader(
			bytes.NewReader(members), bytes.NewReader(members), bytes.NewReader(members), bytes.NewReader(members),
			bytes.NewReader(members), bytes.NewReader(members), bytes.NewReader(members), bytes.NewReader(members))), fetch.ErrTooLarge, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d, err := fetch.Decode(bytes.NewReader(tt.in), tt.encoding, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, d)
			_ = d.Close()
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes on the wire, stopped after %d, %d allocated: %v", len(tt.in), n, after.TotalAlloc-before.TotalAlloc, err)
			if !errors.Is(err, tt.err) || n > tt.atMost {
				t.Errorf("%d bytes, %v; want at most %d, %v", n, err, tt.atMost, tt.err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 24<<20 {
				t.Errorf("%d bytes allocated", used)
			}
		})
	}
}

// A frame of zstd may ask for a window of up to 8 MiB (RFC 9659), and no more.
func TestZstdWindow(t *testing.T) {
	for _, tt := range []struct {
		window int
		err    error
	}{{8 << 20, nil}, {16 << 20, fetch.ErrEncoding}} {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(tt.window), zstd.WithSingleSegment(false))
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.NewChaCha8([32]byte{})
		if _, err := io.Copy(w, io.LimitReader(rng, 20<<20)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := decode(t, &b, "zstd", 0, 0); !errors.Is(err, tt.err) {
			t.Errorf("window of %d: %v", tt.window, err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	page := strings.Repeat("<p>Trawl reads what it is sent.</p>\n", 1000)
	for _, coding := range []string{"gzip", "br", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			in := encode(b, coding, strings.NewReader(page))
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				d, err := fetch.Decode(bytes.NewReader(in), coding, 0, 0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, d); err != nil {
					b.Fatal(err)
				}
				_ = d.Close()
			}
		})
	}
}
