// Package revisit says when to look at a page again. It is arithmetic and nothing else: no clock, no state, no randomness of its
// own.
//
// Pages are taken to change as Poisson processes do, each with a rate of its own that nobody knows. A look tells only whether a
// page has changed since the look before, not how often (Cho and Garcia-Molina, "Estimating frequency of change", 2003, call
// this an incomplete history), so a page that had changed may have changed many times. History carries what is believed of the
// rate after such looks, as a Gamma distribution; Policy turns it into an interval.
//
// A visit is worth the freshness that it buys, and freshness is the fraction of time for which the copy is the page's current
// version. Under a budget the most freshness is had where one more visit buys equally much at every page (Cho and
// Garcia-Molina, "Effective page refresh policies", 2003; Azar et al., "Tractable near-optimal policies for crawling", 2018).
// This common gain is the price of a visit. It has a consequence that surprises: a page that changes much faster than the
// budget can follow gets few visits, because its copy is stale again at once.
package revisit

import (
	"math"
	"time"
)

// What is believed of a page before the first look: a Gamma distribution of its rate of changes with a mean of one change in
// PriorMean, which weighs as much as PriorChanges changes that were seen. It is wide on purpose, for the rates of pages spread
// from minutes to years.
const (
	PriorMean    = 24 * time.Hour
	PriorChanges = 0.5
)

// memory is how many looks are remembered, in the mean: each look takes one part in memory from the weight of those before.
const memory = 50

// History is what the looks at a page so far have shown. The zero value is a page that was not looked at again yet.
//
// The rate of changes is believed to follow a Gamma distribution with shape PriorChanges + Seen and rate PriorChanges *
// PriorMean + Over. Its mean is that of PriorChanges + Seen changes in that much time, and the more changes the surer it is. Over
// may be negative, for the prior's own time is more than what is needed to get to know a page that changes every minute.
type History struct {
	Looks   int           // how often the page was looked at again; for people, the arithmetic has no use for it
	Changes int           // after how many of these looks it had changed; likewise
	Seen    float64       // changes that are believed to have happened, beyond the prior's
	Over    time.Duration // the time in which they are believed to have happened, beyond the prior's
}

// gamma is a Gamma distribution of a rate in changes a second.
type gamma struct {
	shape float64
	rate  float64 // seconds
}

func (h History) belief() gamma {
	g := gamma{PriorChanges + h.Seen, PriorChanges*PriorMean.Seconds() + h.Over.Seconds()}
	if !(g.shape > 0 && g.rate > 0) { // not a history that Next has made
		return History{}.belief()
	}
	return g
}

// Next returns the history with one more look, at the end of an interval after the one before. What older looks have shown fades,
// so that a page may change its habits. An interval that is not positive shows nothing and leaves the history as it is.
func (h History) Next(interval time.Duration, changed bool) History {
	if interval <= 0 {
		return h
	}
	h.Looks++
	g := h.belief().faded()
	if changed {
		h.Changes++
		g = g.changed(interval.Seconds())
	} else {
		g.rate += interval.Seconds() // exact: the distribution stays a Gamma distribution
	}
	h.Seen = g.shape - PriorChanges
	h.Over = seconds(g.rate - PriorChanges*PriorMean.Seconds())
	return h
}

// faded is the belief some time later: of the same mean, but less certain, down to the certainty of the prior. It does not go
// back to the prior's mean, which knows less of the page than its oldest look.
func (g gamma) faded() gamma {
	keep := 1 - 1./memory
	if g.shape*keep < PriorChanges {
		keep = min(PriorChanges/g.shape, 1)
	}
	return gamma{g.shape * keep, g.rate * keep}
}

// changed is the belief after at least one change in t seconds. By Bayes' rule its density is that of g times 1-exp(-λt), which
// is no Gamma distribution; returned is the one with the same mean and variance.
func (g gamma) changed(t float64) gamma {
	ln := -math.Log1p(t / g.rate)       // of rate/(rate+t)
	likely := -math.Expm1(g.shape * ln) // that there is a change
	if likely < 1e-300 {                // less than a float64 can divide by
		return g
	}
	mean := g.shape / g.rate * -math.Expm1((g.shape+1)*ln) / likely
	square := g.shape / g.rate * (g.shape + 1) / g.rate * -math.Expm1((g.shape+2)*ln) / likely
	variance := square - mean*mean
	if !(variance > 0 && mean > 0) { // less than a float64 can tell apart
		return g
	}
	return gamma{mean * mean / variance, mean / variance}
}

// Rate is the estimated number of changes a second: the mean of what is believed.
func (h History) Rate() float64 {
	g := h.belief()
	return g.shape / g.rate
}

// seconds makes a duration of s seconds, the longest there is where s is longer.
func seconds(s float64) time.Duration {
	const longest = math.MaxInt64 / float64(time.Second)
	if s >= longest {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}
