package revisit_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.org/trawl/revisit"
)

const day = 24 * time.Hour

var bounds = revisit.Bounds{Least: time.Minute, Most: 90 * day}

// watch has a page that changes once in gap, in the mean, looked at n times, at intervals between half and one and a half times
// every.
func watch(h revisit.History, random *rand.Rand, gap, every time.Duration, n int) revisit.History {
	for range n {
		d := time.Duration((0.5 + random.Float64()) * float64(every))
		changed := random.Float64() < -math.Expm1(-d.Seconds()/gap.Seconds())
		h = h.Next(d, changed)
	}
	return h
}

// The estimate is unbiased to some percent over many pages, also where most looks find a change and the mere count of changes
// would tell a third of the truth.
func TestRateFindsTheTruth(t *testing.T) {
	for _, c := range []struct {
		gap, every time.Duration
		within     float64 // of the mean over pages
	}{
		{10 * day, day, 0.25},
		{day, day, 0.15},
		{time.Hour, time.Hour, 0.15},
		{8 * time.Hour, day, 0.25}, // three changes between two looks
		{90 * day, 30 * day, 0.25},
	} {
		random := rand.New(rand.NewPCG(1, 2))
		const pages = 200
		sum := 0.
		for range pages {
			sum += watch(revisit.History{}, random, c.gap, c.every, 400).Rate() * c.gap.Seconds()
		}
		t.Logf("one change in %s, looks every %s: estimated %.3f of the true rate", c.gap, c.every, sum/pages)
		if math.Abs(sum/pages-1) > c.within {
			t.Errorf("one change in %s, looks every %s: estimated %.3f of the true rate", c.gap, c.every, sum/pages)
		}
	}
}

func TestRateFollowsAChangeOfHabits(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	h := watch(revisit.History{}, random, 2*time.Hour, time.Hour, 1000)
	busy := h.Rate()
	h = watch(h, random, 30*day, time.Hour, 300)
	if quiet := h.Rate(); quiet > busy/20 {
		t.Errorf("a page that changed every 2 hours has been quiet for 300 looks, and its rate went from %.2g to %.2g", busy, quiet)
	}
	h = watch(h, random, 2*time.Hour, 2*time.Hour, 300)
	if again := h.Rate(); again < busy/2 || again > busy*2 {
		t.Errorf("a page is as busy as before, and its rate was %.2g and is %.2g", busy, again)
	}
}

func TestRateOfAPageNeverSeen(t *testing.T) {
	var h revisit.History
	if got, want := h.Rate(), 1/revisit.PriorMean.Seconds(); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("%g changes a second, want %g", got, want)
	}
	if h.Next(0, true) != h || h.Next(-time.Hour, false) != h {
		t.Error("a look without an interval shows something")
	}
	if got := h.Next(day, true).Next(day, false); got.Looks != 2 || got.Changes != 1 {
		t.Errorf("%d looks, %d changes", got.Looks, got.Changes)
	}
}

// drawHistory is any history that looks can make.
func drawHistory(t *rapid.T) revisit.History {
	var h revisit.History
	for range rapid.IntRange(0, 60).Draw(t, "looks") {
		h = h.Next(drawInterval(t, "interval"), rapid.Bool().Draw(t, "changed"))
	}
	return h
}

// drawInterval is any interval from a millisecond to thirty years, as likely short as long.
func drawInterval(t *rapid.T, label string) time.Duration {
	return time.Duration(math.Pow(10, rapid.Float64Range(6, 18).Draw(t, label)))
}

func TestWhatLooksShow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, d := drawHistory(t), drawInterval(t, "next")
		rate := h.Rate()
		if !(rate > 0) || math.IsInf(rate, 0) {
			t.Fatalf("%+v: a rate of %g", h, rate)
		}
		changed, not := h.Next(d, true).Rate(), h.Next(d, false).Rate()
		if !(changed > not) {
			t.Fatalf("%+v: a change after %s gives a rate of %g, none %g", h, d, changed, not)
		}
		if longer := h.Next(2*d, false).Rate(); longer > not {
			t.Fatalf("%+v: quiet for %s gives %g, twice as long %g", h, d, not, longer)
		}
	})
}

func TestIntervalKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		b := revisit.Bounds{Least: drawInterval(t, "least")}
		b.Most = b.Least + drawInterval(t, "most")
		price := math.Pow(10, rapid.Float64Range(-3, 9).Draw(t, "price"))
		d := revisit.Policy{Bounds: b, Price: price}.Interval(h)
		if d < b.Least || d > b.Most {
			t.Fatalf("%s is not within %s and %s", d, b.Least, b.Most)
		}
		if dearer := (revisit.Policy{Bounds: b, Price: 2 * price}).Interval(h); float64(dearer) < float64(d)*(1-1e-6) {
			t.Fatalf("at twice the price the interval is %s, not %s", dearer, d)
		}
		if free := (revisit.Policy{Bounds: b}).Interval(h); free < b.Least || free > b.Most {
			t.Fatalf("without a price, %s is not within %s and %s", free, b.Least, b.Most)
		}
		wider := revisit.Bounds{Least: b.Least / 2, Most: b.Most}
		if e := (revisit.Policy{Bounds: wider, Price: price}).Interval(h); float64(e) > float64(d)*(1+1e-6) {
			t.Fatalf("with a smaller least interval it is %s, not %s", e, d)
		}
	})
}

// Among pages that can be followed, the busier is visited more often; those that cannot, least of all.
func TestIntervalOfSlowAndFastPages(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	p := revisit.Policy{Bounds: bounds, Price: 4 * 3600}
	free := revisit.Policy{Bounds: bounds}
	once := revisit.History{}.Next(10*time.Minute, true) // perhaps by chance
	slow := watch(revisit.History{}, random, 60*day, 5*day, 300)
	daily := watch(revisit.History{}, random, day, day, 300)
	hectic := watch(revisit.History{}, random, 10*time.Minute, 10*time.Minute, 300)
	if s, d, h := p.Interval(slow), p.Interval(daily), p.Interval(hectic); !(d < s) || h < 7*day || p.Interval(once) > h/2 {
		t.Errorf("slow %s, daily %s, hectic %s, hectic perhaps %s", s, d, h, p.Interval(once))
	}
	if s, d, h := free.Interval(slow), free.Interval(daily), free.Interval(hectic); !(h < d && d < s) {
		t.Errorf("without a budget: slow %s, daily %s, hectic %s", s, d, h)
	}
	if odd := (revisit.Policy{Bounds: revisit.Bounds{Least: time.Hour, Most: time.Minute}, Price: 1}).Interval(daily); odd != time.Hour {
		t.Errorf("bounds that cross give %s", odd)
	}
}

func TestAdjust(t *testing.T) {
	p := revisit.Policy{Bounds: bounds}
	if p.Adjust(10, 20) != p || p.Adjust(20, 10).Price <= 0 {
		t.Error("a price is made where there is no need, or none where there is")
	}
	p.Price = 100
	for _, odd := range [][2]float64{{0, 0}, {-1, 1}, {1, -1}, {math.NaN(), 1}, {1, math.NaN()}, {math.Inf(1), math.Inf(1)}} {
		if p.Adjust(odd[0], odd[1]) != p {
			t.Errorf("spent %g of %g moves the price", odd[0], odd[1])
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		spent, allowed := rapid.Float64Range(0, 1e6).Draw(t, "spent"), rapid.Float64Range(0.1, 1e6).Draw(t, "allowed")
		switch q := p.Adjust(spent, allowed); {
		case spent > allowed && q.Price < p.Price, spent < allowed && q.Price > p.Price:
			t.Fatalf("spent %g of %g: the price goes from %g to %g", spent, allowed, p.Price, q.Price)
		case q.Price < p.Price/2 || q.Price > p.Price*2 || q.Bounds != p.Bounds:
			t.Fatalf("spent %g of %g: %+v", spent, allowed, q)
		}
	})
	for range 1000 {
		p = p.Adjust(0, 1)
	}
	if p.Price <= 0 {
		t.Error("a budget that is never used loses its price")
	}
}

func TestJitter(t *testing.T) {
	if a, b, c := revisit.Jitter(time.Hour, 0), revisit.Jitter(time.Hour, 0.5), revisit.Jitter(time.Hour, 1); a != 54*time.Minute || b != time.Hour || c != 66*time.Minute {
		t.Errorf("%s, %s, %s", a, b, c)
	}
	if d := revisit.Jitter(math.MaxInt64, 0.999); d != math.MaxInt64 {
		t.Errorf("the longest duration becomes %s", d)
	}
}

func TestGone(t *testing.T) {
	for _, c := range []struct {
		status int
		want   []time.Duration
	}{
		{404, []time.Duration{day, 4 * day, 16 * day, 64 * day, 90 * day}},
		{410, []time.Duration{30 * day, 90 * day}},
	} {
		for i, want := range c.want {
			if d, ok := revisit.Gone(i+1, c.status, bounds); d != want || !ok {
				t.Errorf("after %d answers of %d: %s, %v; want %s", i+1, c.status, d, ok, want)
			}
		}
		if d, ok := revisit.Gone(len(c.want)+1, c.status, bounds); ok {
			t.Errorf("after %d answers of %d it is visited again, in %s", len(c.want)+1, c.status, d)
		}
	}
	if _, ok := revisit.Gone(1<<40, 404, bounds); ok {
		t.Error("a page that is long gone is visited again")
	}
}

func BenchmarkNextAndInterval(b *testing.B) {
	p := revisit.Policy{Bounds: bounds, Price: 4 * 3600}
	h := watch(revisit.History{}, rand.New(rand.NewPCG(7, 8)), day, day, 100)
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Interval(h.Next(day, true))
	}
}
