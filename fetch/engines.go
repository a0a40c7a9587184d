package fetch

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window of zstd that a content coding may ask for (RFC 9659).
const maxWindow = 8 << 20

// Decoders are dear to make and cheap to reuse. A pool has no state that anyone could see.
var (
	buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}
	gzips   = sync.Pool{New: func() any { return new(gzip.Reader) }}
	flates  = sync.Pool{New: func() any { return flate.NewReader(nil) }}
	brotlis = sync.Pool{New: func() any { return brotli.NewReader(nil) }}
	zstds   sync.Pool // of *zstd.Decoder; made in openZstd, which can report an error
)

func openEngine(coding string, r *bufio.Reader) (engine, error) {
	switch coding {
	case "gzip", "x-gzip":
		return openGzip(r)
	case "deflate":
		return openDeflate(r)
	case "br":
		b := brotlis.Get().(*brotli.Reader)
		if err := b.Reset(r); err != nil {
			return nil, err
		}
		return brotliEngine{b}, nil
	}
	return openZstd(r)
}

// gzipEngine reads member after member, and passes over whatever follows the last: servers pad, and browsers do not mind.
type gzipEngine struct {
	z *gzip.Reader
	r *bufio.Reader
}

func openGzip(r *bufio.Reader) (engine, error) {
	z := gzips.Get().(*gzip.Reader)
	if err := z.Reset(r); err != nil {
		return nil, noEOF(err)
	}
	z.Multistream(false)
	return &gzipEngine{z, r}, nil
}

func (g *gzipEngine) Read(p []byte) (int, error) {
	for {
		n, err := g.z.Read(p)
		if n > 0 || err == nil {
			if err == io.EOF { //nolint:errorlint // the next Read finds it again
				err = nil
			}
			return n, err
		}
		if err != io.EOF { //nolint:errorlint // only the bare value ends a member
			return 0, err
		}
		magic, err := g.r.Peek(2)
		if err != nil && err != io.EOF { //nolint:errorlint // as above
			return 0, err
		}
		if !bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
			return 0, io.EOF
		}
		if err := g.z.Reset(g.r); err != nil {
			return 0, noEOF(err)
		}
		g.z.Multistream(false)
	}
}

func (g *gzipEngine) release() { gzips.Put(g.z) }

// openDeflate tells zlib, which the standard means, from the raw stream that some servers send.
func openDeflate(r *bufio.Reader) (engine, error) {
	if h, err := r.Peek(2); err == nil && h[0]&0x0f == 8 && h[0]>>4 <= 7 && (int(h[0])<<8|int(h[1]))%31 == 0 {
		z, err := zlib.NewReader(r)
		if err != nil {
			return nil, noEOF(err)
		}
		return zlibEngine{z}, nil
	}
	f := flates.Get().(io.ReadCloser)
	if err := f.(flate.Resetter).Reset(r, nil); err != nil {
		return nil, err
	}
	return flateEngine{f}, nil
}

// zlibEngine is not pooled: hardly any server sends it.
type zlibEngine struct{ io.ReadCloser }

func (z zlibEngine) release() { _ = z.Close() }

type flateEngine struct{ io.ReadCloser }

func (f flateEngine) release() { flates.Put(f.ReadCloser) }

type brotliEngine struct{ *brotli.Reader }

func (b brotliEngine) release() { brotlis.Put(b.Reader) }

type zstdEngine struct{ *zstd.Decoder }

func openZstd(r *bufio.Reader) (engine, error) {
	z, ok := zstds.Get().(*zstd.Decoder)
	if !ok {
		var err error
		// One goroutine: ours. So a decoder that the pool forgets leaves nothing behind.
		z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
	}
	if err := z.Reset(r); err != nil {
		return nil, err
	}
	return zstdEngine{z}, nil
}

func (z zstdEngine) release() {
	if z.Reset(nil) == nil {
		zstds.Put(z.Decoder)
	}
}

// noEOF keeps a stream that ends inside its header from looking like one that ended.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
