package revisit

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const day = 24 * time.Hour

// The web that is simulated. Rates are spread log-normally: two pages in three change between every 7 hours and every 2 weeks,
// a few every ten minutes or twice a year.
const (
	pages       = 3000
	days        = 60
	medianGap   = 2 * day // between two changes
	spread      = 1.9     // standard deviation of the rate's logarithm
	fastest     = time.Minute
	slowest     = 180 * day
	perDay      = pages // visits
	adjustEvery = time.Hour
)

// page is one page of the web and what a policy keeps of it.
type page struct {
	rate     float64 // changes a second
	at       float64 // of the next visit, in seconds
	interval float64 // since the visit before
	history  History
}

// agenda is a heap of pages by the time of their next visit.
type agenda []*page

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)        { *a = append(*a, x.(*page)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	p := (*a)[last]
	*a = (*a)[:last]
	return p
}

// scheduler is a policy as the simulation sees it: the interval, in seconds, to p's next visit after one that found it changed or
// not; the first interval when it was only just found. spent is told the visits of every adjustEvery.
type scheduler interface {
	first(p *page) float64
	next(p *page, changed bool) float64
	spent(visits, allowed float64)
}

// result is what a policy made of its visits.
type result struct {
	fresh  float64       // the fraction of time for which a copy is current, mean over pages
	age    time.Duration // how long ago the copy ceased to be current (0 while it is), mean over time and pages
	visits int
}

// simulate has s look after the web for its days. Because changes come without memory, the first one after a visit is all that
// matters, and it is drawn anew after each.
func simulate(s scheduler, seed uint64) result {
	const end = days * 24 * 3600.
	random := rand.New(rand.NewPCG(seed, 1))
	todo := make(agenda, pages)
	for i := range todo {
		rate := math.Exp(random.NormFloat64()*spread) / medianGap.Seconds()
		p := &page{rate: min(max(rate, 1/slowest.Seconds()), 1/fastest.Seconds())}
		p.interval = s.first(p) * random.Float64() // not all at once
		p.at = p.interval
		todo[i] = p
	}
	heap.Init(&todo)
	var r result
	fresh, age, visits, adjusted := 0., 0., 0, 0.
	for len(todo) > 0 {
		p := todo[0]
		for min(p.at, end) > adjusted+adjustEvery.Seconds() {
			s.spent(float64(visits), perDay*adjustEvery.Hours()/24)
			visits, adjusted = 0, adjusted+adjustEvery.Seconds()
		}
		lived := min(p.interval, end-(p.at-p.interval))
		current := min(random.ExpFloat64()/p.rate, lived)
		fresh += current
		age += (lived - current) * (lived - current) / 2
		if p.at >= end {
			heap.Pop(&todo)
			continue
		}
		visits++
		r.visits++
		p.interval = s.next(p, current < lived)
		p.at += p.interval
		heap.Fix(&todo, 0)
	}
	r.fresh = fresh / end / pages
	r.age = seconds(age / end / pages)
	return r
}

// fixed visits every page equally often.
type fixed struct{ interval float64 }

func (f fixed) first(*page) float64      { return f.interval }
func (f fixed) next(*page, bool) float64 { return f.interval }
func (f fixed) spent(float64, float64)   {}

// nutch is the rule of Apache Nutch's AdaptiveFetchSchedule without its shift towards the last change: an interval becomes 40 %
// longer after a look in vain and 20 % shorter after another. Its bounds, a minute and a year, are scaled. It sets out from the
// interval of the fixed policy, which does better by it than its own thirty days.
type nutch struct{ from, scale float64 }

func (n nutch) first(*page) float64 { return n.from }
func (n nutch) next(p *page, changed bool) float64 {
	before := p.interval
	if p.history.Looks == 0 { // the interval to the first visit was cut by chance
		before = n.from
	}
	p.history.Looks++
	factor := 1.4
	if changed {
		factor = 0.8
	}
	return min(max(before*factor, n.scale*time.Minute.Seconds()), n.scale*(365*day).Seconds())
}
func (n nutch) spent(float64, float64) {}

// ours is Policy with rates as History has them.
type ours struct{ policy *Policy }

func (o ours) first(p *page) float64 { return o.policy.Interval(p.history).Seconds() }
func (o ours) next(p *page, changed bool) float64 {
	p.history = p.history.Next(seconds(p.interval), changed)
	return o.policy.Interval(p.history).Seconds()
}
func (o ours) spent(visits, allowed float64) { *o.policy = o.policy.Adjust(visits, allowed) }

// knowing is Policy with the true rates, at a fixed price: what could be had at best.
type knowing struct{ policy Policy }

func (k knowing) first(p *page) float64 {
	const sure = 1e9 // changes seen
	return k.policy.interval(gamma{sure, sure / p.rate}).Seconds()
}
func (k knowing) next(p *page, _ bool) float64 { return k.first(p) }
func (k knowing) spent(float64, float64)       {}

// spending runs the policy that run makes with a factor at which it spends, within half a percent, that many visits; the more
// visits the smaller the factor.
func spending(visits int, least, most float64, run func(factor float64) result) result {
	var r result
	for range 24 {
		middle := math.Sqrt(least * most)
		r = run(middle)
		switch d := float64(r.visits-visits) / float64(visits); {
		case math.Abs(d) < 0.005:
			return r
		case d > 0:
			least = middle
		default:
			most = middle
		}
	}
	return r
}

// TestPolicies compares policies on the same web with the same number of visits: go test -run TestPolicies -v ./revisit
func TestPolicies(t *testing.T) {
	if testing.Short() {
		t.Skip("some millions of simulated visits")
	}
	const seed = 20
	bounds := Bounds{Least: time.Minute, Most: days * day}
	own := simulate(ours{&Policy{Bounds: bounds}}, seed)
	if d := float64(own.visits)/(perDay*days) - 1; math.Abs(d) > 0.05 {
		t.Errorf("%d visits are spent of %d allowed", own.visits, perDay*days)
	}
	every := (days * day).Seconds() * pages / float64(own.visits)
	t.Logf("%-18s %9s %8s %8s", "policy", "freshness", "age", "visits")
	say := func(name string, r result) result {
		t.Logf("%-18s %9.4f %8s %8d", name, r.fresh, r.age.Round(time.Minute), r.visits)
		if d := float64(r.visits)/float64(own.visits) - 1; math.Abs(d) > 0.02 {
			t.Errorf("%s: %d visits, while ours spends %d: they cannot be compared", name, r.visits, own.visits)
		}
		return r
	}
	even := say("fixed interval", simulate(fixed{every}, seed))
	adaptive := say("Nutch's rule", spending(own.visits, 1, 1e4, func(f float64) result {
		return simulate(nutch{every, f}, seed)
	}))
	say("ours", own)
	best := say("ours, rates known", spending(own.visits, 1e3, 1e6, func(f float64) result {
		return simulate(knowing{Policy{bounds, f}}, seed)
	}))
	if own.fresh < even.fresh || own.fresh < adaptive.fresh {
		t.Error("ours is not the freshest of those that have to find the rates")
	}
	if own.fresh < 0.95*best.fresh {
		t.Error("ours is far from what it would be if the rates were known")
	}
}
