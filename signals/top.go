package signals

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// How many counters of a Top are kept while counting, and how many of them are told.
const (
	topKept = 128
	topTold = 8
)

// Top finds the few that have the most, with a bounded number of counters. When there are too many, the median is taken from all of
// them and the lesser half goes (Anderson et al.: A High-Performance Algorithm for Identifying Frequent Items in Data Streams, 2017).
// A count is then too low by at most the total divided by half the number of counters, so whoever owns half is never missed.
type Top struct {
	total int64
	n     map[string]int64
}

// Share is one of a Top with its part of the whole.
type Share struct {
	Name  string
	N     int64
	Share float64
}

// Add counts n more of name.
func (t *Top) Add(name string, n int64) {
	if n <= 0 || name == "" {
		return
	}
	t.total += n
	t.put(name, n)
}

func (t *Top) put(name string, n int64) {
	if t.n == nil {
		t.n = map[string]int64{}
	}
	if t.n[name] += n; len(t.n) <= topKept {
		return
	}
	all := slices.Sorted(maps.Values(t.n))
	median := all[len(all)/2]
	for k, c := range t.n {
		if c <= median {
			delete(t.n, k)
		} else {
			t.n[k] = c - median
		}
	}
}

func (t *Top) add(o *Top) {
	t.total += o.total
	for name, n := range o.n {
		t.put(name, n)
	}
}

// Total is what was counted of all.
func (t *Top) Total() int64 {
	if t == nil {
		return 0
	}
	return t.total
}

// Shares lists who has the most, at most so many.
func (t *Top) Shares(most int) []Share {
	if t.Total() == 0 {
		return nil
	}
	out := make([]Share, 0, len(t.n))
	for name, n := range t.n {
		out = append(out, Share{name, n, min(float64(n)/float64(t.total), 1)})
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return out[:min(most, len(out))]
}

// Of is the part of the whole that name has.
func (t *Top) Of(name string) float64 {
	if t.Total() == 0 {
		return 0
	}
	return min(float64(t.n[name])/float64(t.total), 1)
}

// topJSON is a Top as it is written: who has the most, and the rest as a number.
type topJSON struct {
	Total int64            `json:"of"`
	N     map[string]int64 `json:"n,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (t *Top) MarshalJSON() ([]byte, error) {
	out := topJSON{t.total, map[string]int64{}}
	for _, s := range t.Shares(topTold) {
		out.N[s.Name] = s.N
	}
	return json.Marshal(out)
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Top) UnmarshalJSON(b []byte) error {
	var in topJSON
	err := json.Unmarshal(b, &in)
	t.total, t.n = in.Total, in.N
	return err
}
