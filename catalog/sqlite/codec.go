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

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
