package frontier

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Unit is something that is touched with care: a host, its registrable domain, an address. Units returns those of a visit.
type Unit struct {
	Name   string        // "https://example.org:443", "domain example.org", "ip 192.0.2.1": unique over all kinds
	Delay  time.Duration // least time between two starts
	Places int           // visits at once
	Adapt  bool          // Delay grows with the time that answers take; of a host only
}

// Seen is what a visit saw of the host.
type Seen struct {
	Lag time.Duration // from Start to the first byte of the answer; 0 when there was none
	End End
}

// End is what the end of a visit says of the host.
type End int

// The ends, by what they do to the host's streak of bad ones.
const (
	Neither End = iota // leaves it as it is
	Well               // ends it
	Badly              // makes it longer by one
)

// ErrHeld is what Enter and Start say to a visit of a host that is held, unless the visit is a probe.
var ErrHeld = errors.New("the host is held")

// Permit is how long a place lasts after the last Enter of its visit.
const Permit = 45 * time.Second

// Slowness is how many times as long as its answers take a host that adapts is left alone, up to slowest.
const Slowness = 2

const (
	// slowest bounds what a delay grows to with the time that answers take.
	slowest = 30 * time.Second
	// maxLag bounds how much of the time to the first byte counts as the way of the request to the host.
	maxLag = 250 * time.Millisecond
	// unclaimed is how long, besides the unit's delay, a moment is kept for a visit that does not come for it.
	unclaimed = time.Minute
	// precedence is for how long after its moment others let an urgent visit pass that does not come.
	precedence = 5 * time.Second
	// holding is how long a hold lasts that nothing takes away.
	holding = 30 * 24 * time.Hour
)

// busyWait is when to ask again for a place at a unit that has none free.
func busyWait(delay time.Duration) time.Duration {
	d := max(delay/4, 20*time.Millisecond)
	return min(d, time.Second) + rand.N(10*time.Millisecond)
}
