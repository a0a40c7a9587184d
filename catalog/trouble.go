package catalog

import (
	"encoding/json"
	"time"
)

// HostState says whether a host can be visited.
type HostState string

// The states of a host, in the order in which implementations number them from 0.
const (
	HostOK      HostState = "ok"
	HostBackoff HostState = "backoff" // it asked for fewer requests
	HostDNS     HostState = "dns"     // its name cannot be resolved
	HostRobots  HostState = "robots"  // its robots.txt cannot be had, so nothing is allowed
	HostDead    HostState = "dead"    // it does not answer
	HostPaused  HostState = "paused"  // by an operator, whatever else it is
)

// HostStates lists the states that a host gets into by itself, in order.
func HostStates() []HostState {
	return []HostState{HostOK, HostBackoff, HostDNS, HostRobots, HostDead}
}

// Trouble is why a host is not visited. Its pages wait, and keep their tries, until a single visit finds that it is over.
type Trouble struct {
	State   HostState
	Since   time.Time // when it began
	Until   time.Time // when the next visit tries it
	Fails   int       // times in a row that it was met
	Fault   string
	Err     string
	GivenUp bool // it has lasted for longer than is waited for: pages fail of it
}

// Hold is a trouble that a visit met at a host.
type Hold struct {
	Host  string
	State HostState
	Began time.Time // when the visit began: a trouble that was noted later is the same one
	Now   time.Time
	// Wait is for how long the host is to be left alone after the nth time in a row. It may be called more than once.
	Wait     func(n int) time.Duration
	Patience time.Duration // how long a host may be in trouble before its pages fail
	Quiet    time.Duration // of a push-back: after how long without one the count begins again
	Attempt
	// Page and Visit of a page that is to wait again, or, for a visit to robots.txt, Visit alone.
	Page  int64
	Visit string
}

// Held says how a host stands after a Hold.
type Held struct {
	Holds int64 // how often it was ever held
	Trouble
}

// Outage is something that everybody needs and that is down: no page is handed out meanwhile, and none loses a try.
type Outage struct {
	Kind  string // a fault.Kind
	Since time.Time
	Err   string
}

// Choice chooses pages by what they belong to; a field that is empty chooses all.
type Choice struct {
	Crawl     string
	Host      string
	Submitter string
	Fault     string // of failed pages: of what they failed
}

// Pause is what an operator has paused.
type Pause struct {
	What  string    `json:"what"` // crawl, host or submitter
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// HostLimits is how hard an operator lets one host be pressed, whatever the crawls say.
type HostLimits struct {
	Delay   time.Duration // least time between two starts
	PerHost int           // visits at once
}

// Under returns what holds at a host whose robots.txt asks for crawlDelay: that raises the delay.
func (l HostLimits) Under(crawlDelay time.Duration) HostLimits {
	if l.Delay == 0 && crawlDelay > 0 {
		l.PerHost = 1 // more make no sense where a delay is asked for
	}
	l.Delay = max(l.Delay, crawlDelay)
	return l
}

// Failures are the pages that failed of one kind.
type Failures struct {
	Fault    string    `json:"fault"`
	Pages    int64     `json:"pages"`
	Hosts    int64     `json:"hosts"`
	Attempts int64     `json:"attempts"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Example  string    `json:"example"` // a URL
	Err      string    `json:"error"`   // of the example
}

// FailedPage is one of the pages that failed.
type FailedPage struct {
	ID       int64     `json:"id"`
	URL      string    `json:"url"`
	Crawl    string    `json:"crawl"`
	Fault    string    `json:"fault"`
	Stage    string    `json:"stage"`
	Attempts int       `json:"attempts"`
	Last     time.Time `json:"last"`
	Err      string    `json:"error"`
}

// Schedule is a submission that is made again and again.
type Schedule struct {
	ID   int64           `json:"id"`
	Key  string          `json:"-"`    // of the submission: one that arrives twice makes one schedule
	Spec string          `json:"spec"` // as cron has it, or @every with a duration
	Next time.Time       `json:"next"`
	Last *time.Time      `json:"last,omitempty"`
	Task json.RawMessage `json:"task"`
}

// Queue is what is to be visited at a host before a page that waits.
type Queue struct {
	Ahead  int64         // pages of the host that come first, those handed out among them
	Pace   time.Duration // how far apart the host's starts are
	From   time.Time     // when the host can be visited, and the page is due
	Paused string        // what an operator has paused that the page belongs to, "" for nothing
}

// CancelledKey is the word under which a catalog keeps when pages were cancelled last (Unix milliseconds): visits of them may still
// be on their way.
const CancelledKey = "cancelled"

// Quota is what a submitter is allowed.
type Quota struct {
	Submitter string `json:"submitter"`
	Weight    int64  `json:"weight"`      // its share of the turns, in hundredths of what others have
	Most      int64  `json:"max_waiting"` // pages that may wait; 0: any number
	PerMinute int64  `json:"per_minute"`  // pages that are handed out; 0: any number
	Waiting   int64  `json:"waiting"`     // pages that do wait
}
