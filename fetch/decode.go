package fetch

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ErrBomb ends a body whose decoded form is out of all proportion to what was sent.
var ErrBomb = errors.New("decompression bomb")

// ErrEncoding says that a body is not what its content coding says, or that the coding is not known.
var ErrEncoding = errors.New("content coding")

const (
	defaultMaxBytes = 64 << 20
	defaultMaxRatio = 2000
	ratioFrom       = 10 << 20 // a small page may be as dense as it likes
	maxCodings      = 3
)

// Decode undoes a Content-Encoding (RFC 9110 §8.4): gzip, x-gzip, deflate (in either reading), br, zstd, identity, or a list
// of up to three of them in the order they were applied. An encoding that is not known is an ErrEncoding at once.
//
// The reader gives at most maxBytes bytes and then ErrTooLarge, or ErrBomb once it has given more than 10 MiB and more than
// maxRatio bytes for each byte read from r; with several codings the bounds hold after each of them. A bound of 0 or less is
// the default: 64 MiB, 2,000. A stream that is damaged ends with an ErrEncoding, one that is cut with an ErrEncoding that is an
// io.ErrUnexpectedEOF too, and an error of r itself comes through as it is; what was given before is good. An empty
// stream is empty whatever its coding.
//
// Memory is bounded whatever is sent: at most some 17 MiB for a coding (brotli's largest window), a few hundred KiB for most.
// Close gives the decoders back; it does not close r.
func Decode(r io.Reader, encoding string, maxBytes, maxRatio int64) (io.ReadCloser, error) {
	codings, err := split(encoding)
	if err != nil {
		return nil, err
	}
	if maxBytes <= 0 {
		maxBytes = defaultMaxBytes
	}
	if maxRatio <= 0 {
		maxRatio = defaultMaxRatio
	}
	wire := &meter{r: r}
	d := &decoder{out: wire}
	for i := len(codings) - 1; i >= 0; i-- { // the last applied comes off first
		s := &stage{coding: codings[i], src: wire, in: d.out}
		d.stages = append(d.stages, s)
		d.out = &limit{r: s, wire: wire, left: maxBytes, ratio: maxRatio}
	}
	if len(codings) == 0 {
		d.out = &limit{r: wire, wire: wire, left: maxBytes, ratio: maxRatio}
	}
	return d, nil
}

// split reads a list of codings; identity is none.
func split(encoding string) ([]string, error) {
	var out []string
	var unknown error
	for c := range strings.SplitSeq(encoding, ",") {
		c = strings.ToLower(strings.TrimSpace(c))
		switch c {
		case "", "identity":
			continue
		case "gzip", "x-gzip", "deflate", "br", "zstd":
		default:
			unknown = fmt.Errorf("%w: %q is not known", ErrEncoding, c)
		}
		out = append(out, c)
	}
	if unknown == nil && len(out) > maxCodings {
		unknown = fmt.Errorf("%w: %d of them", ErrEncoding, len(out))
	}
	return out, unknown
}

// decoder is the pile of stages.
type decoder struct {
	out    io.Reader
	stages []*stage
}

func (d *decoder) Read(p []byte) (int, error) { return d.out.Read(p) }

// Close returns the pooled parts.
func (d *decoder) Close() error {
	for _, s := range d.stages {
		s.end(errClosed)
	}
	d.out = failed{errClosed}
	return nil
}

type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// meter counts what comes from the wire and remembers how that ended.
type meter struct {
	r   io.Reader
	n   int64
	err error
}

func (m *meter) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.err = err
	return n, err
}

// limit holds the bounds after one stage.
type limit struct {
	r     io.Reader
	wire  *meter
	left  int64
	given int64
	ratio int64
	err   error
}

func (l *limit) Read(p []byte) (int, error) {
	if l.err != nil || len(p) == 0 {
		return 0, l.err
	}
	var one [1]byte
	buf := p[:min(int64(len(p)), l.left)]
	if l.left == 0 {
		buf = one[:] // is there more?
	}
	n, err := l.r.Read(buf)
	if l.left == 0 {
		if n > 0 {
			err = ErrTooLarge
		}
		l.err = err
		return 0, err
	}
	l.left -= int64(n)
	l.given += int64(n)
	if err == nil && l.given > ratioFrom && l.given/l.ratio > l.wire.n {
		err = ErrBomb
	}
	l.err = err
	return n, err
}

// stage undoes one coding. It opens its decoder at the first Read, so that Decode itself never waits for the peer.
type stage struct {
	coding string
	in     io.Reader
	src    *meter
	buf    *bufio.Reader
	dec    engine
	err    error
}

// engine is a pooled decoder.
type engine interface {
	io.Reader
	release()
}

func (s *stage) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.dec == nil {
		if err := s.open(); err != nil {
			return 0, s.end(s.name(err))
		}
	}
	n, err := s.dec.Read(p)
	if err != nil {
		err = s.end(s.name(err))
	}
	return n, err
}

func (s *stage) open() error {
	s.buf = buffers.Get().(*bufio.Reader)
	s.buf.Reset(s.in)
	if _, err := s.buf.Peek(1); err != nil {
		return err // the bare io.EOF of an empty body, or the peer's error
	}
	var err error
	s.dec, err = openEngine(s.coding, s.buf)
	return err
}

// name says what an error of the decoder means. Whatever failed below is the better reason.
func (s *stage) name(err error) error {
	switch {
	case err == io.EOF: //nolint:errorlint // only the bare value is an end
		return err
	case s.src.err != nil && s.src.err != io.EOF: //nolint:errorlint // as above
		return s.src.err
	case errors.Is(err, ErrTooLarge), errors.Is(err, ErrBomb), errors.Is(err, ErrEncoding):
		return err // of the stage before
	}
	return fmt.Errorf("%w %s: %w", ErrEncoding, s.coding, err)
}

// end gives everything back and keeps the reason.
func (s *stage) end(err error) error {
	if s.err != nil {
		return s.err
	}
	s.err = err
	if s.dec != nil {
		s.dec.release()
		s.dec = nil
	}
	if s.buf != nil {
		s.buf.Reset(nil)
		buffers.Put(s.buf)
		s.buf = nil
	}
	return err
}
