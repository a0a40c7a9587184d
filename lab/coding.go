package lab

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// codingsRoom bounds the bytes of compressed bodies that are kept.
const codingsRoom = 64 << 20

// codings keeps compressed bodies: they cost ten times as much to make as the pages themselves.
type codings struct {
	mu     sync.Mutex
	bodies map[coded][]byte
	size   int
}

type coded struct {
	page, version int // among the pages of all hosts; of the page
	coding        string
}

func newCodings() *codings { return &codings{bodies: make(map[coded][]byte)} }

func (c *codings) get(key coded) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.bodies[key]
	return b, ok
}

func (c *codings) put(key coded, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.size+len(body) > codingsRoom {
		// A crawl asks for a page once: which ones are kept matters little, so all go at once.
		clear(c.bodies)
		c.size = 0
	}
	if _, ok := c.bodies[key]; !ok {
		c.bodies[key] = body
		c.size += len(body)
	}
}

// compress encodes body with a content coding: gzip, br or zstd.
func compress(coding string, body []byte) ([]byte, error) {
	var b bytes.Buffer
	var enc io.WriteCloser
	var err error
	switch coding {
	case "gzip":
		enc, err = gzip.NewWriterLevel(&b, gzip.BestSpeed)
	case "br":
		enc = brotli.NewWriterLevel(&b, 1)
	case "zstd":
		enc, err = zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	default:
		return nil, fmt.Errorf("compress: unknown coding %q", coding)
	}
	if err != nil {
		return nil, fmt.Errorf("compress %s: %w", coding, err)
	}
	if _, err := enc.Write(body); err != nil {
		return nil, fmt.Errorf("compress %s: %w", coding, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("compress %s: %w", coding, err)
	}
	return b.Bytes(), nil
}

// accepts tells whether an Accept-Encoding names the coding and does not refuse it (RFC 9110 §12.5.3).
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			q := strings.ReplaceAll(strings.ToLower(params), " ", "")
			return !strings.HasPrefix(q, "q=0") || strings.Trim(q[len("q=0"):], ".0") != ""
		}
	}
	return false
}
