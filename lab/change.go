package lab

import (
	"math"
	"time"
)

// edition is the state of a page's text at a moment.
type edition struct {
	version int       // how often it has changed
	changed time.Time // the last change; zero when there was none
	hasty   bool      // the change before was in the same second: a date, which has whole seconds, does not tell the two apart
}

// soonest bounds how often a page changes on average, so that the walk through its changes ends.
const soonest = time.Millisecond

// edition walks through the changes of page k, a Poisson process since the lab began: the gaps between them are drawn from
// an exponential distribution. Logarithms may differ in the last bit between machines, which moves a change by less than the
// microseconds that it is rounded to; which versions there are, and what they say, is the same everywhere.
func (m *model) edition(s *site, k int, kd kind, at time.Time) edition {
	var e edition
	if len(m.rates) == 0 || !kd.html() && kd != plainText {
		return e
	}
	mean := m.rates[k%len(m.rates)]
	if mean <= 0 {
		return e
	}
	mean = max(mean, soonest)
	r := stream(m.seed, s.index, k, forChange)
	for next := m.began; ; {
		u := float64(r.next()>>11+1) / (1 << 53) // above 0, at most 1
		gap := -math.Log(u) * float64(mean)
		if gap > float64(at.Sub(next)) {
			return e
		}
		next = next.Add(max(time.Duration(gap).Round(time.Microsecond), time.Microsecond))
		if next.After(at) {
			return e
		}
		e.hasty = e.version > 0 && next.Unix() == e.changed.Unix()
		e.changed = next
		e.version++
	}
}

// Version is how often a page had changed at a moment: 0 before the first change, for pages whose body never changes
// (redirects, errors, PDF, images), and for what is no page of the lab. The body says "Version N." from the first change on.
func (w *Web) Version(url string, at time.Time) int {
	s, k, ok := w.locate(url)
	if !ok {
		return 0
	}
	return w.model.edition(s, k, w.model.kind(s, k), at).version
}
