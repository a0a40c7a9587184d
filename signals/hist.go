package signals

import (
	"encoding/json"
	"time"
)

// histBuckets is how many buckets a Hist has: the first is up to a millisecond, each further one up to twice the one before, and the
// last without a bound; 2^17 ms are two minutes.
const histBuckets = 19

// Hist counts durations in buckets, each twice as wide as the one before.
type Hist struct {
	n   [histBuckets]int64
	sum time.Duration
}

// Add counts a duration.
func (h *Hist) Add(d time.Duration) {
	i := 0
	for b := time.Millisecond; d > b && i < histBuckets-1; b *= 2 {
		i++
	}
	h.n[i]++
	h.sum += d
}

// Join counts what o has counted.
func (h *Hist) Join(o Hist) {
	for i, n := range o.n {
		h.n[i] += n
	}
	h.sum += o.sum
}

// N is how many were counted.
func (h *Hist) N() (n int64) {
	for _, b := range h.n {
		n += b
	}
	return n
}

// Sum is all of them together.
func (h *Hist) Sum() time.Duration { return h.sum }

// Mean is the mean; 0 of none.
func (h *Hist) Mean() time.Duration {
	if n := h.N(); n > 0 {
		return h.sum / time.Duration(n)
	}
	return 0
}

// Quantile is the duration below which that part of them is, to within its bucket; 0 of none.
func (h *Hist) Quantile(q float64) time.Duration {
	n := float64(h.N())
	if n == 0 {
		return 0
	}
	below, low := 0.0, time.Duration(0)
	for i, b := range h.n {
		high := time.Millisecond << i
		if below+float64(b) >= q*n && b > 0 {
			return low + time.Duration((q*n-below)/float64(b)*float64(high-low))
		}
		below, low = below+float64(b), high
	}
	return low
}

// Buckets calls fn with each bucket's upper bound, which is 0 for the last, and how many were counted up to there.
func (h *Hist) Buckets(fn func(bound time.Duration, upTo int64)) {
	var n int64
	for i, b := range h.n {
		n += b
		bound := time.Millisecond << i
		if i == histBuckets-1 {
			bound = 0
		}
		fn(bound, n)
	}
}

// IsZero tells whether nothing was counted.
func (h Hist) IsZero() bool { return h == Hist{} }

// MarshalJSON implements json.Marshaler: the sum in microseconds, then the buckets up to the last that is not empty.
func (h Hist) MarshalJSON() ([]byte, error) {
	last := 0
	for i, b := range h.n {
		if b > 0 {
			last = i + 1
		}
	}
	return json.Marshal(append([]int64{h.sum.Microseconds()}, h.n[:last]...))
}

// UnmarshalJSON implements json.Unmarshaler. Buckets that it does not know are added to its last.
func (h *Hist) UnmarshalJSON(b []byte) error {
	var all []int64
	if err := json.Unmarshal(b, &all); err != nil || len(all) == 0 {
		return err
	}
	*h = Hist{sum: time.Duration(all[0]) * time.Microsecond}
	for i, n := range all[1:] {
		h.n[min(i, histBuckets-1)] += n
	}
	return nil
}
