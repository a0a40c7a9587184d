package simhash

import (
	"math/rand/v2"
	"testing"
)

// Hashes that are gathered by eights are counted as if one by one.
func TestCounter(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	for n := range 100 {
		var c counter
		var counts [64]int
		for range n {
			h := random.Uint64() | random.Uint64()&0xff // some bits have a majority
			c.add(h)
			for i := range counts {
				counts[i] += int(h >> i & 1)
			}
		}
		var want uint64
		for i, count := range counts {
			if 2*count > n {
				want |= 1 << i
			}
		}
		if got := c.majority(); got != want {
			t.Fatalf("of %d hashes: majority %x, want %x", n, got, want)
		}
	}
}
