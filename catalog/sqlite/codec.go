package sqlite

import (
	"strings"

	"github.com/klauspost/compress/s2"
)

// pack packs a text or a list of links: quickly, for it is done for every page, and the archive keeps the page itself.
func pack(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return s2.Encode(nil, []byte(s))
}

func unpack(b []byte) (string, error) {
	if len(b) == 0 {
		return "", nil
	}
	s, err := s2.Decode(nil, b)
	return string(s), err
}

// unpackedSize is 0 where that cannot be known.
func unpackedSize(b []byte) int {
	n, err := s2.DecodedLen(b)
	if err != nil {
		return 0
	}
	return n
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
