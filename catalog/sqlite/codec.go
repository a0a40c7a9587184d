package sqlite

import (
	"strings"

	"github.com/klauspost/compress/zstd"
)

// codec packs texts and lists of links. It is safe for concurrent use.
type codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newCodec() (*codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		return nil, err
	}
	return &codec{enc, dec}, nil
}

func (c *codec) pack(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return c.enc.EncodeAll([]byte(s), nil)
}

func (c *codec) unpack(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	s, err := c.dec.DecodeAll(b, nil)
	return string(s), err
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
