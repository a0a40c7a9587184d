// Package fault says how things fail. An error that matters to the crawl carries a Kind, and the table in this package
// says of each kind how often it is tried again, after how long, and who is to blame. Every decision about a failure reads
// this table; nothing else in the program looks into an error's text.
package fault

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"
)

// Kind names a way to fail. It is what users see in `failures`, in events and in metrics.
type Kind string

// The kinds, by who is to blame.
const (
	// The resolver.
	DNSDown Kind = "dns_down" // timeout, SERVFAIL, REFUSED: the resolver gave no answer

	// The host.
	Refused     Kind = "connect_refused"    // the port is closed
	Unreachable Kind = "unreachable"        // no route, or the connection timed out
	Reset       Kind = "connection_reset"   // the peer closed or reset before the answer was whole
	TLS         Kind = "tls"                // handshake or certificate
	FirstByte   Kind = "first_byte_timeout" // no answer in time
	Stalled     Kind = "stalled"            // the body stopped, or the whole took too long
	Protocol    Kind = "protocol"           // not HTTP as RFC 9110 and 9112 have it
	ServerError Kind = "server_error"       // 5xx
	PushedBack  Kind = "pushed_back"        // 429, or 503 with or without Retry-After
	RobotsDown  Kind = "robots_unavailable" // robots.txt gave 5xx or nothing (RFC 9309 §2.3.1.4)

	// Our own parts.
	UplinkDown  Kind = "uplink_down"  // no host can be reached any more: it is not theirs
	StoreDown   Kind = "store_down"   // the archive could not be written or read
	DiskFull    Kind = "disk_full"    // no space left on the device
	CatalogDown Kind = "catalog_down" // the database did not answer
	RedisDown   Kind = "redis_down"   // Redis did not answer
	QuotaFull   Kind = "quota_full"   // the submitter has as many pages waiting as it may
	Panic       Kind = "panic"        // a stage panicked: a bug, or a page made to cause one
	Stopped     Kind = "stopped"      // the process was told to stop: not the page's fault
	Internal    Kind = "internal"     // anything without a kind: a bug until it has one
)

// Blame is the party whose trouble a kind is.
type Blame string

// The parties.
const (
	BlameHost      Blame = "host"
	BlameResolver  Blame = "resolver"
	BlameSubmitter Blame = "submitter"
	BlameOurs      Blame = "ours"
)

// Rule is what to do about a kind.
type Rule struct {
	Kind    Kind
	Blame   Blame
	Retries int           // further tries of a page after the first; Forever for what is not the page's trouble and burns none
	After   time.Duration // before the first retry; doubled for each further one
	AtMost  time.Duration // the longest wait between two tries
	Means   string        // one line for people
}

// Forever marks a kind that never gives up on a page: the trouble is not the page's. If it is the host's, the host is left alone for
// as long as the rule says, longer each time, and all its pages wait.
const Forever = -1

// table is the one place where retry and blame are decided.
var table = []Rule{
	{DNSDown, BlameResolver, Forever, 5 * time.Second, 20 * time.Minute, "the name cannot be resolved"},
	{Refused, BlameHost, Forever, 5 * time.Second, 20 * time.Minute, "the host refuses connections"},
	{Unreachable, BlameHost, Forever, 5 * time.Second, 20 * time.Minute, "the host cannot be reached"},
	{Reset, BlameHost, 3, 2 * time.Second, 5 * time.Minute, "the host cut the connection"},
	{TLS, BlameHost, Forever, 30 * time.Second, 20 * time.Minute, "no secure connection to the host"},
	{FirstByte, BlameHost, 2, 10 * time.Second, 5 * time.Minute, "the host gave no answer in time"},
	{Stalled, BlameHost, 2, 10 * time.Second, 5 * time.Minute, "the answer stopped half-way"},
	{Protocol, BlameHost, 1, 5 * time.Second, time.Minute, "the answer is not HTTP"},
	{ServerError, BlameHost, 3, 5 * time.Second, 5 * time.Minute, "the host answers with a server error"},
	{PushedBack, BlameHost, Forever, time.Minute, 24 * time.Hour, "the host asks for fewer requests"},
	{RobotsDown, BlameHost, Forever, 10 * time.Second, time.Hour, "robots.txt cannot be had, so nothing may be fetched"},
	{UplinkDown, BlameOurs, Forever, 2 * time.Second, time.Minute, "no host can be reached any more"},
	{StoreDown, BlameOurs, Forever, time.Second, time.Minute, "the archive cannot be written or read"},
	{DiskFull, BlameOurs, Forever, 5 * time.Second, time.Minute, "the disk is full"},
	{CatalogDown, BlameOurs, Forever, time.Second, 30 * time.Second, "the database does not answer"},
	{RedisDown, BlameOurs, Forever, time.Second, 30 * time.Second, "Redis does not answer"},
	{QuotaFull, BlameSubmitter, Forever, 5 * time.Second, time.Minute, "the submitter has as many pages waiting as its quota allows"},
	{Panic, BlameOurs, 2, time.Second, time.Minute, "a stage panicked"},
	{Stopped, BlameOurs, Forever, 0, 0, "the process was stopped"},
	{Internal, BlameOurs, 3, time.Second, time.Minute, "an error without a kind: please report it"},
}

// Rules lists the table, for pages and documentation.
func Rules() []Rule { return slices.Clone(table) }

// Of returns the rule of k; an unknown kind is treated as Internal.
func Of(k Kind) Rule {
	for _, r := range table {
		if r.Kind == k {
			return r
		}
	}
	return Of(Internal)
}

// Wait is how long to wait before retry n (1 for the first).
func (r Rule) Wait(n int) time.Duration {
	d := r.After
	for range n - 1 {
		if d >= r.AtMost {
			break
		}
		d *= 2
	}
	return min(d, r.AtMost)
}

// GivesUp tells whether a visit that has failed n times is out of tries.
func (r Rule) GivesUp(n int) bool { return r.Retries != Forever && n > r.Retries }

// Error is an error with its kind.
type Error struct {
	Kind Kind
	Err  error
	// RetryAfter is what the peer asked for; 0 when it said nothing.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return string(e.Kind) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New marks err as of kind k; nil stays nil. An error that already has a kind keeps it: the place nearest to the cause knows best.
func New(k Kind, err error) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return err
	}
	return &Error{Kind: k, Err: err}
}

// KindOf returns the kind that err carries, or what can be told from the cause itself: no space left is DiskFull, a cancelled
// context is Stopped, everything else Internal.
func KindOf(err error) Kind {
	if e := (*Error)(nil); errors.As(err, &e) {
		if e.Kind != DiskFull && errors.Is(err, syscall.ENOSPC) {
			return DiskFull
		}
		return e.Kind
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return DiskFull
	case errors.Is(err, context.Canceled):
		return Stopped
	}
	return Internal
}

// RetryAfter returns what the peer asked for, or 0.
func RetryAfter(err error) time.Duration {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

type triesKey struct{}

// WithTries tells a stage, through ctx, how often its page has met an error before.
func WithTries(ctx context.Context, failed int) context.Context {
	return context.WithValue(ctx, triesKey{}, failed)
}

// LastTry tells whether an error of kind k would now be the visit's last.
func LastTry(ctx context.Context, k Kind) bool {
	failed, _ := ctx.Value(triesKey{}).(int)
	return Of(k).GivesUp(failed + 1)
}
