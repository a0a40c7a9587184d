// Package catalog is the truth about a crawl: its pages, hosts, crawls, submitters and failures, and what every page said. It
// holds the types that all implementations share; sqlite/ is the default one. What an implementation promises is tested by
// internal/catalogtest.
//
//	waiting → queued → stored | failed | ended
//
// At every moment, of every crawl, host and submitter: admitted = waiting + queued + stored + failed + ended.
package catalog

import (
	"encoding/json"
	"errors"
	"time"
)

// State is where a page stands.
type State string

// The states, in the order in which implementations number them from 0.
const (
	Waiting State = "waiting" // known, and not yet handed out
	Queued  State = "queued"  // handed out: a visit is under way
	Stored  State = "stored"  // its body is in the archive and its text here
	Failed  State = "failed"  // every allowed try met an error
	Ended   State = "ended"   // a definite answer or a rule closed it
)

// States lists all states in order.
func States() []State { return []State{Waiting, Queued, Stored, Failed, Ended} }

// Errors that callers tell apart.
var (
	// ErrNotFound says that there is no such crawl, page or host.
	ErrNotFound = errors.New("not in the catalog")
	// ErrFenced says that the visit no longer owns its page: somebody else was given it.
	ErrFenced = errors.New("the visit no longer owns its page")
	// ErrNewer says that the database was written by a later version.
	ErrNewer = errors.New("written by a newer version of trawl")
)

// NoLimit as a reach means any number of links.
const NoLimit = -1

// Crawl is a named collection of pages.
type Crawl struct {
	ID        int64
	Name      string
	Settings  json.RawMessage // all of them, as the handlers read them
	Limits                    // these and MaxPages also as the catalog itself needs them
	MaxPages  int64
	MazePages int64    // that are visited of a maze before it has led anywhere; 0: no limit
	Price     float64  // that a look at a page has to be worth: see Price
	Roots     []string // what its scope is made of
	Readmit   bool     // of a change: it concerns links that were read before, which are to be admitted once more
	Created   time.Time
}

// Limits is how hard a host may be pressed.
type Limits struct {
	Delay     time.Duration // least time between two starts
	PerHost   int           // visits at once
	PerDomain int           // visits at once at all hosts of a registrable domain; 0: no limit
	PerIP     int           // visits at once at all hosts at one address; 0: no limit
	Adapt     bool          // the delay grows with the host's response time
}

// Candidate is a URL that may be new to a crawl.
type Candidate struct {
	URL      string // canonical
	Host     string // scheme://name:port
	Depth    int
	Reach    int       // links that may be followed from it, and so on; NoLimit
	Priority int       // greater is sooner
	Sitemap  bool      // it is a sitemap or a feed
	Modified time.Time // when it changed last, as a sitemap says: it is visited again if it was visited before that
	Maze     string    // that it is in by its looks; "": none
	Form     string    // path and names of the parameters, of a URL with a query
	Beside   bool      // the page that links to it has the same path, and a query too
	Within   []Allowance
}

// Admission is a batch of candidates for one crawl.
type Admission struct {
	Crawl      int64
	Submitter  string
	Origin     string
	From       string // the URL that links to them
	Finder     int64  // the page that does, unless it is one that lists what there is; 0: they come from outside
	FinderForm string // as Candidate.Form
	Lead       *Lead  // the page that links to them: it leads nowhere new once this is written
	Now        time.Time
	Again      bool // pages that are closed are visited once more
	Pages      []Candidate
}

// Admitted says what became of an Admission.
type Admitted struct {
	New   []string // URLs that were not known
	Leads []Lead   // closed pages that turn out to be nearer, or to reach further: where they lead is to be admitted again
	Over  int      // candidates that the crawl's MaxPages, or an Allowance, left out
	Held  int      // candidates that are in a maze, and left out for now
	Quota int      // candidates that its submitter's quota does not let in for now
}

// Window bounds one promotion.
type Window struct {
	Now     time.Time
	Lease   time.Duration // how long a visit may wait and take before reconcile asks after it
	Horizon time.Duration // how much of a host's time may be handed out at once
	Total   int           // queued pages in all; a quarter more for pages of high priority
	Ready   int           // pages that can be visited at once, not when it is their host's turn again; 0: no bound of its own, below: by so many there are too many
	NewID   func() string // mints the ID of a robots visit
}

// Batch is what one host has been handed out, of one lane: one crawl, submitter and priority.
type Batch struct {
	HostID   int64
	Host     string
	Limits                 // the strictest of the crawls that have pages open there, or the host's own, and of its robots.txt
	Floor    time.Duration // what the delay would be without this crawl's own, and without the host's
	Pace     time.Duration // how far apart its starts turned out to be, as far as is known
	Queued   int           // its pages that were handed out before
	RobotsAt time.Time     // when the robots rules that hold were read
	Holds    int64         // how often the host was ever held: see HoldHost
	Probe    bool          // the host is in trouble, and this one visit is to find out whether it still is
	Urgent   bool          // of high priority
	GivenUp  *Trouble      // the host has been in trouble for too long: the pages are to fail of it
	Pages    []Promoted
	// RobotsVisit is set when robots.txt has to be read before any page: the visit that is to do it.
	RobotsVisit string
}

// Promoted is a page that was handed out to a visit.
type Promoted struct {
	ID        int64
	Visit     string
	URL       string
	Crawl     string
	Submitter string
	Depth     int
	Reach     int
	Sitemap   bool
	Tries     int // that met an error so far
	// Of the last stored visit, if there was one.
	FinalURL, ETag, LastModified, Payload string
	BodyAt                                time.Time // when the body that is in the archive came
}

// Lease is a visit that has been under way for long.
type Lease struct {
	Visit  string
	Page   int64 // the host's ID when Robots
	Robots bool
}

// WARC is where a record stands in the archive.
type WARC struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// Storing is a page with what a visit found.
type Storing struct {
	Page         int64
	Visit        string
	Unchanged    bool // 304 or the same digest again: the content stays as it is
	Status       int
	FinalURL     string
	MIME         string
	Charset      string
	Size         int64
	Digest       string
	Payload      string
	Truncated    string
	Title        string
	Description  string
	Lang         string
	Canonical    string
	Defers       bool   // Canonical is another page, which is indexed in its place
	Print        uint64 // fingerprint of its text, by package simhash; 0: none
	ETag         string
	LastModified string
	FetchedAt    time.Time
	Took         Took
	WARC         WARC
	Text         string
	Links        []string
	Follow       bool // the links may be followed
	Searchable   bool
	Plan         Plan
}

// Lead is a closed page whose links, or whose redirect, are still to be admitted.
type Lead struct {
	Page      int64
	Crawl     string
	Submitter string
	URL       string
	Depth     int
	Reach     int
}

// Outlinks is where a closed page leads.
type Outlinks struct {
	Page     int64
	URL      string
	Depth    int
	Reach    int
	Sitemap  bool
	Reason   string   // why the page ended, if it did
	FinalURL string   // where it redirects to, if that is why
	Links    []string // of its body
}

// Closing is a page that a visit ends or fails.
type Closing struct {
	Page     int64
	Visit    string
	State    State // Ended or Failed
	Reason   string
	Status   int
	FinalURL string
	Follow   bool // FinalURL is a page of its own
	Now      time.Time
	Took     Took
	Plan     Plan
	// Of a failure.
	Stage    string
	Attempts int
	Err      string
}

// Took is where the time of an exchange went, and that of finding its host's address.
type Took struct {
	Connect, TLS, FirstByte, Body, DNS time.Duration
}

// Attempt is a try that met an error.
type Attempt struct {
	At    time.Time
	Stage string
	Fault string
	Err   string
	Took  Took
}

// Postponed is a visit that is over without its page being closed: the page waits for another.
type Postponed struct {
	Page  int64
	Visit string
	Due   time.Time // zero: it keeps its place among those that wait
	Spent bool      // the page has one try less
	Attempt
}

// RobotsState says what is known of a host's robots.txt.
type RobotsState int

// The states of robots.txt.
const (
	RobotsUnknown RobotsState = iota // not read, or too long ago
	RobotsRead                       // rules as they stand in Body
	RobotsAllow                      // there is none: all is allowed (RFC 9309 §2.3.1.3)
)

// Robots is what is known of a host's robots.txt.
type Robots struct {
	State      RobotsState
	Body       []byte
	CrawlDelay time.Duration
	At         time.Time
	Until      time.Time // when it is to be read again
}

// Host is the unit of politeness.
type Host struct {
	ID      int64
	Name    string // scheme://name:port
	Site    string // its registrable domain
	Robots  Robots
	Pace    time.Duration // how far apart its starts turned out to be; 0: not known
	NextAt  time.Time     // when promotion looks at it again
	Trouble Trouble
	Own     *HostLimits // nil: it is pressed as hard as its crawls say
	Paused  bool
	Counts
}

// Counts says how many pages are in each state.
type Counts struct {
	Waiting int64 `json:"waiting"`
	Queued  int64 `json:"queued"`
	Stored  int64 `json:"stored"`
	Failed  int64 `json:"failed"`
	Ended   int64 `json:"ended"`
	Bytes   int64 `json:"bytes"` // of all bodies ever stored
}

// Admitted is the number of all pages.
func (c Counts) Admitted() int64 { return c.Waiting + c.Queued + c.Stored + c.Failed + c.Ended }

// Open is the number of pages that are not closed.
func (c Counts) Open() int64 { return c.Waiting + c.Queued }

// Tally is a crawl with its counts.
type Tally struct {
	Crawl string
	Counts
	Reasons map[string]int64 // pages by why they ended or failed
}

// Total adds up the counts of crawls.
func Total(all []Tally) (c Counts) {
	for _, t := range all {
		c.Waiting += t.Waiting
		c.Queued += t.Queued
		c.Stored += t.Stored
		c.Failed += t.Failed
		c.Ended += t.Ended
		c.Bytes += t.Bytes
	}
	return c
}

// Backlog splits the waiting pages by what they wait for.
type Backlog struct {
	Robots  int64 // robots.txt of their host is not read yet, or cannot be had
	Backoff int64 // their host is in trouble, or asked for fewer requests
	DNS     int64 // their host's name cannot be resolved
	Paused  int64 // an operator paused crawl, submitter or host
	Budget  int64 // their submitter has used up its pages a minute
	Retry   int64 // they wait for another try
	Polite  int64 // their host has its window full, or is visited as fast as it may be
	Room    int64 // the window as a whole is full
	Later   int64 // not due yet
}

// Page is everything that the catalog knows of a page.
type Page struct {
	ID        int64
	URL       string
	Crawl     string
	Submitter string
	Host      string
	HostID    int64
	Origin    string
	Via       string
	Depth     int
	Reach     int
	Priority  int
	Sitemap   bool // it is a sitemap or a feed
	State     State
	Reason    string
	Fault     string // of the last try, while it waits for another
	Visit     string
	Tries     int // that met an error
	Visits    int
	Due       time.Time
	Revisit   Revisit // its next look; only At, Last, Looks and Changes
	FirstSeen time.Time
	Indexed   bool
	Copy      Copy
	CopyOf    string // the URL that it is a copy of
	Storing
	// Text and Links only when asked for.
}

// Filter chooses pages to read.
type Filter struct {
	Crawl string // "" for all
	State State  // "" for all
	Text  bool   // with the text
	Links bool   // with the links
}

// Query is a search.
type Query struct {
	Words string // words, "phrases", prefix*, -without
	Crawl string // "" for all
	Limit int
	From  int // results to pass over
}

// Hit is a page that a search found.
type Hit struct {
	URL       string    `json:"url"`
	Crawl     string    `json:"crawl"`
	Title     string    `json:"title"`
	Snippet   []Piece   `json:"snippet"`
	FetchedAt time.Time `json:"fetched_at"`
}

// Piece is a stretch of a snippet.
type Piece struct {
	Text string `json:"text"`
	Mark bool   `json:"mark,omitempty"` // it matches the query
}

// MostRanked bounds the pages that are compared for a search, the newest first: a word of every page must not cost what all pages cost.
const MostRanked = 5000

// Found is a page of search results.
type Found struct {
	Hits  []Hit `json:"hits"`
	Total int64 `json:"total"` // pages that match, of which the best are shown; at most MostRanked
	More  bool  `json:"more"`  // older pages match too, and were not looked at
}
