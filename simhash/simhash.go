// Package simhash tells near-duplicates among texts by 64-bit fingerprints (Charikar, "Similarity estimation techniques from
// rounding algorithms", 2002; Manku, Jain and Das Sarma, "Detecting near-duplicates for web crawling", 2007): texts that share
// most of their runs of three words have fingerprints that differ in few bits.
//
// How few depends on the share of what is different, not on its amount. A word that is changed is in three of these runs; in a
// text of a thousand words that flips one or two bits in the mean, in one of a hundred five. Near is therefore good at long
// texts and strict on short ones.
package simhash

import (
	"math/bits"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
)

// Near is the greatest distance of two fingerprints whose texts are taken for near-duplicates.
const Near = 3

const (
	minWords = 20  // fewer are too few to tell
	wordSize = 128 // octets of a word in lower case that are looked at
)

// Of returns the fingerprint of a text, or 0 if it has fewer than 20 words: it is too short to tell. Words are runs of Unicode
// letters, digits and the marks that belong to them, in lower case; in scripts that are written without spaces every letter is a
// word.
func Of(text string) uint64 {
	var (
		t    tally
		word [wordSize]byte
		n    int // octets of the word so far
	)
	for i := 0; i < len(text); {
		for i < len(text) && text[i] < utf8.RuneSelf { // nearly all of nearly every text
			c := ascii[text[i]]
			i++
			if c == 0 {
				if n > 0 {
					t.add(word[:n])
					n = 0
				}
			} else if n+utf8.UTFMax <= wordSize {
				word[n] = c
				n++
			}
		}
		if i == len(text) {
			break
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		kind := class(r)
		if kind != part && n > 0 {
			t.add(word[:n])
			n = 0
		}
		if kind != other && n+utf8.UTFMax <= wordSize {
			n += utf8.EncodeRune(word[n:], unicode.ToLower(r))
		}
		if kind == alone {
			t.add(word[:n])
			n = 0
		}
	}
	if n > 0 {
		t.add(word[:n])
	}
	if t.words < minWords {
		return 0
	}
	return max(t.counts.majority(), 1) // 0 is taken
}

// tally counts the runs of three words of a text.
type tally struct {
	counts counter
	last   [2]uint64 // hashes of the last two words
	words  int
}

func (t *tally) add(word []byte) {
	h := xxhash.Sum64(word)
	if t.words++; t.words > len(t.last) {
		t.counts.add(shingle(t.last[0], t.last[1], h))
	}
	t.last[0], t.last[1] = t.last[1], h
}

// Distance is the number of bits in which two fingerprints differ.
func Distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }

// Bands cuts a fingerprint into four parts. Of two fingerprints within Near of each other at least one part is the same, so that an
// index of parts finds all candidates.
func Bands(h uint64) [4]uint16 {
	return [4]uint16{uint16(h), uint16(h >> 16), uint16(h >> 32), uint16(h >> 48)}
}

// letter is what a rune is to a word.
type letter int

const (
	other letter = iota // between words
	part                // of a word
	alone               // a word of its own
)

// unspaced are the scripts that are written without spaces between words.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// ascii has the lower case of each octet that is part of a word, and 0 for the others.
var ascii = func() (t [utf8.RuneSelf]byte) {
	for c := range byte(utf8.RuneSelf) {
		switch {
		case 'A' <= c && c <= 'Z':
			t[c] = c | 0x20
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			t[c] = c
		}
	}
	return t
}()

// class is what a rune beyond ASCII is.
func class(r rune) letter {
	switch {
	case !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r):
		return other
	case r >= 0x0e00 && unicode.In(r, unspaced...): // Thai is the first of them
		return alone
	}
	return part
}

// shingle hashes three words in their order.
func shingle(first, second, third uint64) uint64 {
	const a, b = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f // odd numbers with their bits well spread
	h := bits.RotateLeft64(first*a, 23) ^ bits.RotateLeft64(second*b, 43) ^ third
	h = (h ^ h>>32) * a
	h = (h ^ h>>29) * b
	return h ^ h>>32
}

// counter counts, for each of the 64 bits, the hashes that have it. Bit i of plane k is bit k of the i-th count, so that a hash is
// added to all counts at once, in two steps in the mean.
type counter struct {
	planes [40]uint64 // no text in memory has 2^40 words
	added  uint64
}

func (c *counter) add(h uint64) {
	c.added++
	for k := 0; h != 0 && k < len(c.planes); k++ {
		c.planes[k], h = c.planes[k]^h, c.planes[k]&h
	}
}

// majority is the hash with those bits that more than half of the hashes have.
func (c *counter) majority() uint64 {
	var m uint64
	for i := range 64 {
		var count uint64
		for k, plane := range c.planes {
			count |= plane >> i & 1 << k
		}
		if 2*count > c.added {
			m |= 1 << i
		}
	}
	return m
}
