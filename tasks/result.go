package tasks

import (
	"encoding/json"
	"net/netip"
	"time"
)

// Result is what a stage answers: the tasks that follow, or the end of the visit with its reason. Beside an error only Fact counts.
type Result struct {
	Next     []Next
	End      Reason // not empty: the visit ends here
	Fact     Fact
	Admitted []Visit  // pages that are new to the frontier
	Closed   []Closed // other visits that were ended on the way
}

// Closed is a visit that was closed before its first stage: it ended for a reason, or failed of a fault.
type Closed struct {
	Visit  Visit
	Reason Reason
	Fault  string // a fault.Kind
}

// Next is a task and the moment from which it may run.
type Next struct {
	Task Task
	At   time.Time // zero: now
}

// Fact is what a stage run adds to its event.
type Fact struct {
	Bytes  int64
	Status int
	Digest string
	WARC   WARC
	Reason string // a word on why nothing more was done
	URL    string // where a redirect leads
	Took   Took
	Type   string     // media type
	Addr   netip.Addr // who was asked
	Origin Origin     // of the pages that were admitted
}

// Took is where the time of an exchange went, and that of finding its host's address.
type Took struct {
	Connect, TLS, FirstByte, Body, DNS time.Duration
}

// MarshalJSON implements json.Marshaler: a list of microseconds, for a payload is to be short.
func (t Took) MarshalJSON() ([]byte, error) {
	return json.Marshal([]int64{t.Connect.Microseconds(), t.TLS.Microseconds(), t.FirstByte.Microseconds(), t.Body.Microseconds(), t.DNS.Microseconds()})
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Took) UnmarshalJSON(b []byte) error {
	var us [5]int64
	if err := json.Unmarshal(b, &us); err != nil {
		return err
	}
	for i, d := range []*time.Duration{&t.Connect, &t.TLS, &t.FirstByte, &t.Body, &t.DNS} {
		*d = time.Duration(us[i]) * time.Microsecond
	}
	return nil
}

// Then returns a result that goes on with next. A leg with a slot waits for it.
func Then(next ...Task) Result {
	r := Result{Next: make([]Next, 0, len(next))}
	for _, t := range next {
		r.Next = append(r.Next, Next{Task: t, At: slotOf(t)})
	}
	return r
}

// End returns a result that ends the visit by policy: a definite answer or a rule closed the page.
func End(reason Reason) Result { return Result{End: reason} }

// Done returns a result after which nothing follows.
func Done() Result { return Result{} }

// With adds what is to be told of the run.
func (r Result) With(f Fact) Result {
	r.Fact = f
	return r
}

// And adds further tasks.
func (r Result) And(next ...Task) Result {
	r.Next = append(r.Next, Then(next...).Next...)
	return r
}

func slotOf(t Task) time.Time {
	if l, ok := t.(interface{ At() time.Time }); ok {
		return l.At()
	}
	return time.Time{}
}

// Reason says why a page ended.
type Reason string

// The reasons for which a page ends.
const (
	NotFound     Reason = "not_found"     // 404
	Gone         Reason = "gone"          // 410
	ClientError  Reason = "client_error"  // any other 4xx
	Robots       Reason = "robots"        // robots.txt forbids it
	OutOfScope   Reason = "scope"         // outside what the crawl is about
	Type         Reason = "type"          // a media type that is not wanted
	Size         Reason = "size"          // larger than allowed
	Redirected   Reason = "redirected"    // to another host, which is a page of its own
	RedirectLoop Reason = "redirect_loop" // to itself, or too many times
	BadRedirect  Reason = "bad_redirect"  // to no URL, or to a scheme that is not crawled
	NoSuchHost   Reason = "no_such_host"  // the name does not exist (NXDOMAIN) or has no address
	Private      Reason = "private"       // the host's addresses are not public
	Cancelled    Reason = "cancelled"     // by an operator
	NoContact    Reason = "no_contact"    // the crawl has no contact, so only allowed networks may be touched
)
