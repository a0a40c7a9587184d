package revisit

import (
	"math"
	"time"
)

// Bounds are those of an interval. Both are to be positive, and Least not above Most; where it is, Least holds.
type Bounds struct{ Least, Most time.Duration }

func (b Bounds) clamp(d time.Duration) time.Duration {
	return max(b.Least, min(d, b.Most))
}

// Policy spends a budget of visits where it buys most freshness. Bounds and budget are the caller's; the price is found by
// Adjust.
type Policy struct {
	Bounds Bounds
	// Price is what a visit has to buy to be worth it: seconds for which a copy is current that otherwise would not be (the
	// Lagrange multiplier of the budget). 0 is no budget: intervals follow the rate alone.
	Price float64
}

const (
	// followed is how many intervals there are to a change, in the mean, where there is no budget. With two, a copy is current
	// for four fifths of the time.
	followed = 2
	// firstPrice is what Adjust sets out from when a budget is first exceeded, in seconds.
	firstPrice = 3600
	// stiffness is the power of the excess by which Adjust moves a price. Spending answers to a price only when the pages come up
	// again, a day or a month later, so a price that followed every excess at once would swing.
	stiffness = 0.1
	// maxStep is by how much Adjust changes a price at once, at most.
	maxStep = 2
	// leastPrice and mostPrice, in seconds, keep a price where it can still be moved back.
	leastPrice, mostPrice = 1e-3, 1e9
	// halvings are enough to find an interval within a millionth, between any bounds.
	halvings = 48
)

// Interval is how long to wait before the next look: the interval at which one more visit buys as much freshness as it costs, in
// the mean over what is believed of the page's rate, within the bounds. Because the whole belief counts, a page of which little
// is known is looked at sooner than one that is known to change at the same rate but too fast to follow.
func (p Policy) Interval(h History) time.Duration { return p.interval(h.belief()) }

func (p Policy) interval(g gamma) time.Duration {
	if !(p.Price > 0) {
		return p.Bounds.clamp(seconds(g.rate / g.shape / followed))
	}
	least, most := max(p.Bounds.Least.Seconds(), 1e-9), p.Bounds.Most.Seconds()
	switch {
	case g.gain(least) >= p.Price:
		return p.Bounds.clamp(p.Bounds.Least)
	case g.gain(most) <= p.Price:
		return p.Bounds.clamp(p.Bounds.Most)
	}
	for range halvings {
		middle := math.Sqrt(least * most)
		if g.gain(middle) < p.Price {
			least = middle
		} else {
			most = middle
		}
	}
	return p.Bounds.clamp(seconds(most))
}

// gain is how many seconds of a current copy one more visit buys where visits are t seconds apart.
//
// At a known rate λ a copy is current for the fraction (1-exp(-λt))/(λt) of the time; the derivative by the frequency 1/t is
// (1 - exp(-λt)(1+λt)) / λ. It grows with t: the rarer the visits, the more one of them buys, up to 1/λ. Here it is averaged
// over the Gamma distribution of λ.
func (g gamma) gain(t float64) float64 {
	ln := -math.Log1p(t / g.rate)
	first := -ln // of the integral of u^(shape-2) from rate/(rate+t) to 1
	if k := g.shape - 1; math.Abs(k) > 1e-9 {
		first = -math.Expm1(k*ln) / k
	}
	return g.rate*first - t*math.Exp(g.shape*ln)
}

// Adjust returns the policy with a price at which the visits spent come nearer to the visits allowed, both counted over the same
// time, the last hour or so. It is meant to be called about once an hour: called more rarely it is slow to reach the right price,
// which takes it a few dozen calls, and called more often it may swing. A policy without a price gets one when more is spent
// than allowed. Numbers that cannot be, negative ones and nothing spent of nothing, change nothing.
func (p Policy) Adjust(spent, allowed float64) Policy {
	over := spent / allowed
	switch {
	case !(spent >= 0 && allowed >= 0 && over >= 0):
		return p
	case p.Price > 0:
		p.Price *= min(max(math.Pow(over, stiffness), 1./maxStep), maxStep)
		p.Price = min(max(p.Price, leastPrice), mostPrice)
	case over > 1:
		p.Price = firstPrice
	}
	return p
}

// Jitter spreads d by up to a tenth either way, by r, a number from 0 up to 1, so that pages that were found together do not stay
// together.
func Jitter(d time.Duration, r float64) time.Duration {
	return seconds(d.Seconds() * (0.9 + 0.2*min(max(r, 0), 1)))
}

// How often a page that is gone is looked at before it is left alone, and how long after its first such answer it is looked at
// again; every further wait is goneSlower times longer. A 410 is said on purpose (RFC 9110 section 15.5.11), a 404 may be a slip.
const (
	gone404Looks = 5
	gone410Looks = 2
	gone404After = 24 * time.Hour
	gone410After = 30 * 24 * time.Hour
	goneSlower   = 4
)

// Gone is when to look again at a page that has answered with status, 404 or 410, that many times in a row: fewer and fewer
// visits, then never (ok is false).
func Gone(times, status int, b Bounds) (d time.Duration, ok bool) {
	looks, d := gone404Looks, gone404After
	if status == 410 {
		looks, d = gone410Looks, gone410After
	}
	if times > looks {
		return 0, false
	}
	for range times - 1 {
		d *= goneSlower
	}
	return b.clamp(d), true
}
