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

	"github.com/cespare/xxhash/v2"

	"example.org/trawl/words"
)

// Near is the greatest distance of two fingerprints whose texts are taken for near-duplicates.
const Near = 3

const minWords = 20 // fewer are too few to tell

// Of returns the fingerprint of a text, or 0 if it has fewer than 20 words: it is too short to tell.
func Of(text string) uint64 {
	var t tally
	words.Each(text, t.add)
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

// shingle hashes three words in their order.
func shingle(first, second, third uint64) uint64 {
	const a, b = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f // odd numbers with their bits well spread
	h := bits.RotateLeft64(first*a, 23) ^ bits.RotateLeft64(second*b, 43) ^ third
	h = (h ^ h>>32) * a
	h = (h ^ h>>29) * b
	return h ^ h>>32
}

// counter counts, for each of the 64 bits, the hashes that have it. Bit i of plane k is bit k of the i-th count, so that a hash is
// added to all counts at once. Eight are gathered and added in a tree (Harley and Seal): one by one, some of the 64 counts carries
// through seven planes nearly every time.
type counter struct {
	planes [40]uint64 // no text in memory has 2^40 words
	added  uint64
	next   [8]uint64 // the last added%8 are not in the planes yet
}

func (c *counter) add(h uint64) {
	c.next[c.added%8] = h
	if c.added++; c.added%8 == 0 {
		c.gather()
	}
}

// gather adds what is in next to the planes, and empties it.
func (c *counter) gather() {
	n, p := &c.next, &c.planes
	var twoA, twoB, fourA, fourB, carry uint64
	p[0], twoA = add3(p[0], n[0], n[1])
	p[0], twoB = add3(p[0], n[2], n[3])
	p[1], fourA = add3(p[1], twoA, twoB)
	p[0], twoA = add3(p[0], n[4], n[5])
	p[0], twoB = add3(p[0], n[6], n[7])
	p[1], fourB = add3(p[1], twoA, twoB)
	p[2], carry = add3(p[2], fourA, fourB)
	for k := 3; carry != 0 && k < len(p); k++ {
		p[k], carry = p[k]^carry, p[k]&carry
	}
	*n = [8]uint64{}
}

// add3 adds three bits, 64 times.
func add3(a, b, c uint64) (sum, carry uint64) { return a ^ b ^ c, a&b | (a^b)&c }

// majority is the hash with those bits that more than half of the hashes have.
func (c *counter) majority() uint64 {
	c.gather()
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
