package lab

// rng is SplitMix64: a few instructions a draw, no allocation, and the same numbers on every machine and Go version, which
// the digests of the pages depend on. Only whole numbers are drawn: floating point may round differently elsewhere.
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// n draws from 0 to below-1.
func (r *rng) n(below int) int {
	return int((r.next() >> 32) * uint64(below) >> 32)
}

// oneIn is true once in n draws.
func (r *rng) oneIn(n int) bool { return r.n(n) == 0 }

func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// purpose keeps the draws for one part of a page apart from those for another, so that a change to one part leaves the
// others as they were.
type purpose uint64

const (
	forKind purpose = iota + 1
	forPath
	forLook
	forLinks
	forBody
	forRedirect
	forTitle
	forProse
	forSite
	forDelivery
	forChange
	forTrap
	forDead
)

// stream starts the draws that belong to page k of host h.
func stream(seed uint64, h, k int, p purpose) rng {
	return rng{mix(seed ^ mix(uint64(h)<<40^uint64(k)<<8^uint64(p)))}
}
