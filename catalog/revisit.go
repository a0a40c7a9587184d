package catalog

import "time"

// Revisit is when a closed page is looked at again, and what looks so far have shown: see package revisit.
type Revisit struct {
	At      time.Time // zero: not again
	Last    time.Time // the look before; zero: there was none
	Looks   int
	Changes int
	Seen    float64
	Over    time.Duration
	Gone    int // looks in a row that found it gone
}

// Plan says, of what was known of a page before a visit, what is known after it and when the next is due. It may be called more
// than once. A nil Plan leaves a page alone.
type Plan func(Revisit) Revisit

// Price is what a look at a page of a crawl has to be worth, and how many looks were begun at that price.
type Price struct {
	Seconds float64 // of freshness
	Since   time.Time
	Looks   int64
	Late    int64 // pages that are due and were not looked at, for the budget does not allow for it
}
