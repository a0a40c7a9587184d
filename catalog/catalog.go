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
	ID       int64
	Name     string
	Settings json.RawMessage // all of them, as the handlers read them
	Delay    time.Duration   // these three also as the catalog itself needs them
	PerHost  int
	MaxPages int64
	Roots    []string // what its scope is made of
	Readmit  bool     // of a change: it concerns links that were read before, which are to be admitted once more
	Created  time.Time
}

// Candidate is a URL that may be new to a crawl.
type Candidate struct {
	URL      string // canonical
	Host     string // scheme://name:port
	Depth    int
	Reach    int // links that may be followed from it, and so on; NoLimit
	Priority int // greater is sooner
}

// Admission is a batch of candidates for one crawl.
type Admission struct {
	Crawl     int64
	Submitter string
	Origin    string
	From      string // the URL that links to them
	Lead      *Lead  // the page that links to them: it leads nowhere new once this is written
	Now       time.Time
	Pages     []Candidate
}

// Admitted says what became of an Admission.
type Admitted struct {
	New   []string // URLs that were not known
	Hosts []int64  // hosts of the new pages
	Leads []Lead   // closed pages that turn out to be nearer, or to reach further: where they lead is to be admitted again
	Over  int      // candidates that the crawl's MaxPages left out
}

// Window bounds one promotion.
type Window struct {
	Now     time.Time
	Lease   time.Duration // how long a visit may take before reconcile asks after it
	Horizon time.Duration // how much of a host's time may be handed out at once
	Total   int           // queued pages in all
	Hosts   []int64       // only these; nil: whichever are due
	NewID   func() string // mints the ID of a robots visit
}

// Batch is what one host has been handed out.
type Batch struct {
	HostID    int64
	Host      string
	Delay     time.Duration // the greater of its crawls' and its robots.txt's
	PerHost   int
	RobotsAt  time.Time // when the robots rules that hold were read
	RobotsBad bool      // no robots.txt could be had, for longer than is waited for
	Pages     []Promoted
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
	// Of the last stored visit, if there was one.
	FinalURL, ETag, LastModified, Payload string
	FetchedAt                             time.Time
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
	ETag         string
	LastModified string
	FetchedAt    time.Time
	WARC         WARC
	Text         string
	Links        []string
	Follow       bool // the links may be followed
	Searchable   bool
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
	// Of a failure.
	Stage    string
	Attempts int
	Err      string
}

// RobotsState says what is known of a host's robots.txt.
type RobotsState int

// The states of robots.txt.
const (
	RobotsUnknown     RobotsState = iota // not read, or too long ago
	RobotsRead                           // rules as they stand in Body
	RobotsAllow                          // there is none: all is allowed (RFC 9309 §2.3.1.3)
	RobotsUnavailable                    // it could not be had: nothing is allowed until Until (§2.3.1.4)
)

// RobotsPatience is how often in a row robots.txt may be unavailable before the host's pages fail.
const RobotsPatience = 3

// Robots is what is known of a host's robots.txt.
type Robots struct {
	State      RobotsState
	Body       []byte
	CrawlDelay time.Duration
	At         time.Time
	Until      time.Time // when it is to be read again
	Fails      int       // times in a row that it could not be had
}

// Host is the unit of politeness.
type Host struct {
	ID     int64
	Name   string // scheme://name:port
	Robots Robots
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

// Backlog splits the waiting pages by what they wait for.
type Backlog struct {
	Robots  int64 // robots.txt of their host is not read yet
	Backoff int64 // robots.txt of their host could not be had
	Polite  int64 // their host has its window full
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
	State     State
	Reason    string
	Visit     string
	Tries     int
	Visits    int
	Due       time.Time
	FirstSeen time.Time
	Indexed   bool
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

// Found is a page of search results.
type Found struct {
	Hits  []Hit `json:"hits"`
	Total int64 `json:"total"`
}
