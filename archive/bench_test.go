package archive

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// page is 37 KB of HTML-like text: words of a skewed vocabulary between tags.
func page() []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	for b.Len() < 37<<10 {
		fmt.Fprintf(&b, "<p class=\"c%d\"><a href=\"/page/%d\">", r.IntN(5), r.IntN(10000))
		for range 12 {
			fmt.Fprintf(&b, "w%x ", int(r.ExpFloat64()*900))
		}
		b.WriteString("</a></p>\n")
	}
	return b.Bytes()
}

// BenchmarkLevel is the ground for the level: go test -bench Level -count 5 ./archive
func BenchmarkLevel(b *testing.B) {
	data := page()
	for _, level := range []int{1, 3, 6} {
		b.Run(fmt.Sprint(level), func(b *testing.B) {
			var n int64
			out := &counter{w: io.Discard}
			gz, _ := gzip.NewWriterLevel(out, level)
			for b.Loop() {
				out.n = 0
				gz.Reset(out)
				_, _ = gz.Write(data)
				_ = gz.Close()
				n = out.n
			}
			b.SetBytes(int64(len(data)))
			b.ReportMetric(float64(len(data))/float64(n), "ratio")
		})
	}
}

// BenchmarkAppend archives pages of 37 KB, without fsync.
func BenchmarkAppend(b *testing.B) {
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := page()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		sp := s.NewSpool()
		_, _ = sp.Write(data)
		if _, _, err := s.Append(b.Context(), Exchange{
			URL: "http://example.org/", RequestHead: []byte("GET / HTTP/1.1\r\n\r\n"), ResponseHead: []byte("HTTP/1.1 200 OK\r\n\r\n"), Body: sp,
		}); err != nil {
			b.Fatal(err)
		}
		_ = sp.Close()
	}
}
