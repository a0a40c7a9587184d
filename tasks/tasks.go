// Package tasks is what flows through Trawl: one struct for each stage, and what a stage answers. Start reading here.
//
//	admit → resolve → head → fetch → store → index
//
// A stage is a function from its task to the next tasks. Its kind is at once the asynq task type, the queue, the file in
// handlers/ and the method of handlers.Crawler. A stage never enqueues; the runners in queue/ and inline/ do.
package tasks

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Kind names a stage.
type Kind string

// The stages, in the order in which a visit meets them, and the periodic work. No kind begins with another: asynq's ServeMux
// matches prefixes.
const (
	KindAdmit     Kind = "admit"
	KindResolve   Kind = "resolve"
	KindHead      Kind = "head"
	KindFetch     Kind = "fetch"
	KindStore     Kind = "store"
	KindIndex     Kind = "index"
	KindPromote   Kind = "promote"
	KindReconcile Kind = "reconcile"
	KindSchedule  Kind = "schedule"
)

// QueuePeriodic holds the periodic work; every other kind has the queue of its own name.
const QueuePeriodic = "periodic"

// Spec is how a stage is run.
type Spec struct {
	Kind        Kind
	Queue       string
	Concurrency int           // runs at once in one process
	Timeout     time.Duration // of one run; the queue's own limit is longer, so that the stage always ends first
	Along       bool          // what it works on is in memory where the stage before it ran: it is run there at once if there is room
}

// Specs lists every kind in the order of the pipeline.
func Specs() []Spec {
	return []Spec{
		{KindAdmit, "admit", 32, time.Minute, true},
		{KindResolve, "resolve", 64, 30 * time.Second, false},
		{KindHead, "head", 128, 2 * time.Minute, false},
		{KindFetch, "fetch", 512, 6 * time.Minute, false},
		{KindStore, "store", 16, 2 * time.Minute, true},
		{KindIndex, "index", 1, 2 * time.Minute, false},
		{KindPromote, QueuePeriodic, 2, time.Minute, false},
		{KindReconcile, QueuePeriodic, 2, 2 * time.Minute, false},
		{KindSchedule, QueuePeriodic, 2, 2 * time.Minute, false},
	}
}

// Stages lists the stages of a visit, without the periodic work.
func Stages() []Kind {
	return []Kind{KindAdmit, KindResolve, KindHead, KindFetch, KindStore, KindIndex}
}

// SpecOf returns the spec of k.
func SpecOf(k Kind) Spec {
	for _, s := range Specs() {
		if s.Kind == k {
			return s
		}
	}
	panic("tasks: no such kind: " + string(k))
}

// Task is a unit of work of one stage.
type Task interface {
	Kind() Kind
	// ID is the same for the same piece of work: the second of two tasks with one ID in one queue is refused as already there.
	ID() string
	// About returns the visit that the task belongs to; the zero Visit for work that is not about one page.
	About() Visit
}

// Visit is one look at a page. Its ID is minted when the page is promoted and fences every write: a visit that was given to
// somebody else can no longer change the page.
type Visit struct {
	ID        string `json:"id"`
	Page      int64  `json:"page"` // row in the catalog; of the host when Robots
	URL       string `json:"url"`  // canonical
	Crawl     string `json:"crawl"`
	Submitter string `json:"sub,omitempty"`
	Depth     int    `json:"depth,omitempty"`
	Reach     int    `json:"reach"` // how many links further the crawl goes from here; NoLimit for any number
	Robots    bool   `json:"robots,omitempty"`
	Sitemap   bool   `json:"map,omitempty"`   // the page is a sitemap or a feed
	Tries     int    `json:"tries,omitempty"` // of the page that met an error so far
	Probe     bool   `json:"probe,omitempty"` // the host is in trouble, and this visit finds out whether it still is
	Prior     *Prior `json:"prior,omitempty"` // what an earlier visit left, for a conditional request
}

// NoLimit as a reach means that every link is followed.
const NoLimit = -1

// Prior is what the last stored visit of a page left behind.
type Prior struct {
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"mod,omitempty"`
	Payload      string    `json:"payload,omitempty"` // digest of the payload in the archive
	At           time.Time `json:"at"`
	URL          string    `json:"url,omitempty"` // where it was found, when a redirect led there
}

// NewID mints a visit's ID: 16 characters of the base32 alphabet.
func NewID() string { return rand.Text()[:16] }

// Leg is where a visit is heading right now: its page, or the next hop of a redirect.
type Leg struct {
	Visit  Visit         `json:"v"`
	Target string        `json:"to,omitempty"` // when it is not the page's own URL
	Hop    int           `json:"hop,omitempty"`
	Addrs  []netip.Addr  `json:"ip,omitempty"`
	DNS    time.Duration `json:"dns,omitempty"`  // what finding them took
	Slot   int64         `json:"slot,omitempty"` // Unix ms: the host must not be touched before
	Limit  Limit         `json:"lim"`
	Urgent bool          `json:"u,omitempty"`    // its slots come before those handed out earlier
	Head   bool          `json:"head,omitempty"` // a HEAD has already been answered
	Turn   bool          `json:"turn,omitempty"` // flips when a stage follows itself, so that the two IDs differ
}

// Limit is how hard the leg's host may be pressed, as of the moment at which the visit was handed out.
type Limit struct {
	Delay     time.Duration `json:"delay,omitempty"` // least time between two starts
	Floor     time.Duration `json:"floor,omitempty"` // what the delay would be without the crawl's own
	PerHost   int           `json:"per,omitempty"`   // visits at once
	PerDomain int           `json:"dom,omitempty"`   // visits at once at all hosts of the registrable domain; 0: no limit
	PerIP     int           `json:"ip,omitempty"`    // visits at once at all hosts at the address; 0: no limit
	Adapt     bool          `json:"adapt,omitempty"` // the delay grows with the host's response time
}

// URL is the address of this leg.
func (l Leg) URL() string {
	if l.Target != "" {
		return l.Target
	}
	return l.Visit.URL
}

// At is the leg's slot as a time; zero when it has none.
func (l Leg) At() time.Time {
	if l.Slot == 0 {
		return time.Time{}
	}
	return time.UnixMilli(l.Slot)
}

// ID is the visit's ID, marked when a stage follows itself.
func (l Leg) ID() string {
	if l.Turn {
		return TurnedID(l.Visit.ID)
	}
	return l.Visit.ID
}

// TurnedID is the other of the two task IDs that a visit can have in one queue.
func TurnedID(visit string) string { return visit + "~" }

// About returns the leg's visit.
func (l Leg) About() Visit { return l.Visit }

// Again returns the leg as its own successor in the same stage, with a later slot.
func (l Leg) Again(slot time.Time) Leg {
	l.Turn = !l.Turn
	l.Slot = slot.UnixMilli()
	return l
}

// Admit brings URLs to the frontier: what somebody submitted, or, when Page is set, the links of that page. Those do not travel:
// they are in the catalog, and so is the note that they have yet to be admitted, which no loss of the queue can undo.
type Admit struct {
	Batch     string          `json:"id"`
	Crawl     string          `json:"crawl"`
	Submitter string          `json:"sub,omitempty"`
	Origin    Origin          `json:"origin,omitempty"`
	Page      int64           `json:"page,omitempty"` // row of the page whose links are to be admitted
	From      string          `json:"from,omitempty"` // its URL
	Depth     int             `json:"depth,omitempty"`
	Reach     int             `json:"reach"`
	Priority  int             `json:"prio,omitempty"`
	Settings  json.RawMessage `json:"set,omitempty"`   // of a submission: the Settings that its submitter named, and no others
	Every     string          `json:"every,omitempty"` // of a submission: it is to be made again and again; see ParseEvery
	Sitemap   bool            `json:"map,omitempty"`   // the URLs are those of sitemaps or feeds
	Again     bool            `json:"again,omitempty"` // of a submission: pages that are stored already are visited again
	URLs      []string        `json:"urls,omitempty"`
}

// Origin says how a URL came to be known.
type Origin string

// The origins.
const (
	OriginSeed     Origin = "seed"
	OriginLink     Origin = "link"
	OriginRedirect Origin = "redirect"
	OriginSitemap  Origin = "sitemap" // also from a feed
	OriginRevisit  Origin = "revisit" // a page that was visited before
	OriginRetry    Origin = "retry"   // a page whose last visit met an error
)

// Kind implements Task.
func (Admit) Kind() Kind { return KindAdmit }

// ID implements Task.
func (t Admit) ID() string { return t.Batch }

// About implements Task.
func (t Admit) About() Visit { return Visit{Crawl: t.Crawl, Submitter: t.Submitter, URL: t.From} }

// Resolve finds the addresses of the leg's host.
type Resolve struct{ Leg }

// Kind implements Task.
func (Resolve) Kind() Kind { return KindResolve }

// Head asks for the HTTP header alone.
type Head struct{ Leg }

// Kind implements Task.
func (Head) Kind() Kind { return KindHead }

// Fetch gets the body and puts it into the archive.
type Fetch struct{ Leg }

// Kind implements Task.
func (Fetch) Kind() Kind { return KindFetch }

// Store reads what was fetched and writes page and links to the catalog.
type Store struct {
	Visit       Visit     `json:"v"`
	FinalURL    string    `json:"final,omitempty"` // when a redirect was followed
	Status      int       `json:"status"`
	ContentType string    `json:"ct,omitempty"`
	Encoding    string    `json:"ce,omitempty"`
	RobotsTag   []string  `json:"xr,omitempty"`
	ETag        string    `json:"etag,omitempty"`
	Modified    string    `json:"mod,omitempty"`
	Size        int64     `json:"size"`
	Digest      string    `json:"digest,omitempty"`  // of the decoded body
	Payload     string    `json:"payload,omitempty"` // of the body as archived
	WARC        WARC      `json:"warc"`
	Took        Took      `json:"took,omitzero"`
	Truncated   string    `json:"cut,omitempty"` // length, time or disconnect; why the body is not whole
	Unchanged   bool      `json:"same,omitempty"`
	At          time.Time `json:"at"`
}

// WARC is where a record stands in the archive.
type WARC struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// Kind implements Task.
func (Store) Kind() Kind { return KindStore }

// ID implements Task.
func (t Store) ID() string { return t.Visit.ID }

// About implements Task.
func (t Store) About() Visit { return t.Visit }

// URL is where the body was found.
func (t Store) URL() string {
	if t.FinalURL != "" {
		return t.FinalURL
	}
	return t.Visit.URL
}

// Index makes the next batch of stored pages searchable. Which pages those are, the catalog knows; Batch only keeps two
// announcements of one batch apart from the next.
type Index struct {
	Batch string `json:"id"`
}

// Kind implements Task.
func (Index) Kind() Kind { return KindIndex }

// ID implements Task.
func (t Index) ID() string { return t.Batch }

// About implements Task.
func (Index) About() Visit { return Visit{} }

// Promote moves due pages from the frontier into the window.
type Promote struct{}

// Kind implements Task.
func (Promote) Kind() Kind { return KindPromote }

// ID implements Task.
func (Promote) ID() string { return "promote" }

// About implements Task.
func (Promote) About() Visit { return Visit{} }

// Reconcile puts back into the frontier what the queue has lost.
type Reconcile struct{}

// Kind implements Task.
func (Reconcile) Kind() Kind { return KindReconcile }

// ID implements Task.
func (Reconcile) ID() string { return "reconcile" }

// About implements Task.
func (Reconcile) About() Visit { return Visit{} }

// Schedule submits again what is due: the entry that asynq shows, and whatever else is late.
type Schedule struct {
	Entry string `json:"id"`
}

// Kind implements Task.
func (Schedule) Kind() Kind { return KindSchedule }

// ID implements Task.
func (t Schedule) ID() string { return "schedule-" + t.Entry }

// About implements Task.
func (Schedule) About() Visit { return Visit{} }

// Encode returns t as a queue carries it.
func Encode(t Task) ([]byte, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode %s task: %w", t.Kind(), err)
	}
	return b, nil
}

// Decode reads what Encode wrote.
func Decode(k Kind, payload []byte) (Task, error) {
	switch k {
	case KindAdmit:
		return decode[Admit](k, payload)
	case KindResolve:
		return decode[Resolve](k, payload)
	case KindHead:
		return decode[Head](k, payload)
	case KindFetch:
		return decode[Fetch](k, payload)
	case KindStore:
		return decode[Store](k, payload)
	case KindIndex:
		return decode[Index](k, payload)
	case KindPromote:
		return Promote{}, nil
	case KindReconcile:
		return Reconcile{}, nil
	case KindSchedule:
		return decode[Schedule](k, payload)
	}
	return nil, fmt.Errorf("decode task: unknown kind %q", k)
}

func decode[T Task](k Kind, payload []byte) (Task, error) {
	var t T
	if err := json.Unmarshal(payload, &t); err != nil {
		return nil, fmt.Errorf("decode %s task: %w", k, err)
	}
	return t, nil
}
