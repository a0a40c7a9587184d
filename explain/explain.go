// Package explain goes through the decisions that are made about one URL, in their order, and says what came of each: the same in
// the terminal, as JSON and in a browser.
package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/catalog"
	"example.org/trawl/frontier"
	"example.org/trawl/robots"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// Catalog is what is asked of the database.
type Catalog interface {
	Crawl(ctx context.Context, name string) (catalog.Crawl, error)
	Host(ctx context.Context, name string) (catalog.Host, error)
	Page(ctx context.Context, crawl, url string) (catalog.Page, error)
	Attempts(ctx context.Context, page int64) ([]catalog.Attempt, error)
	Failure(ctx context.Context, page int64) (stage, text string, err error)
	Maze(ctx context.Context, page int64) (*catalog.Maze, error)
	Queue(ctx context.Context, page int64, now time.Time) (catalog.Queue, error)
	Outages(ctx context.Context) ([]catalog.Outage, error)
}

// Where tells in which stage a visit has a task, and from when it may touch its host; found is false when it has none.
type Where func(ctx context.Context, visit string) (stage tasks.Kind, slot time.Time, found bool, err error)

// Explainer explains URLs.
type Explainer struct {
	Catalog Catalog
	Where   Where  // nil where there are no queues to look into
	Agent   string // how robots.txt names the crawler
}

// Explanation is a page's life.
type Explanation struct {
	URL       string        `json:"url"`
	Canonical string        `json:"canonical"`
	Page      *Page         `json:"page,omitempty"`
	Host      *status.Host  `json:"host,omitempty"`
	Waits     string        `json:"waits_for,omitempty"`      // a reason of the backlog
	Expected  *time.Time    `json:"expected_start,omitempty"` // when the page will be asked for; left out when that cannot be told
	Maze      *catalog.Maze `json:"maze,omitempty"`           // the endless-looking space that the page is in
	Steps     []Step        `json:"steps"`
}

// Step is a decision, or what happened.
type Step struct {
	What string    `json:"what"`
	Says string    `json:"says"` // hostile in parts: URLs and errors
	At   time.Time `json:"-"`    // zero: it has no moment of its own
}

// NoCrawlError says that there is no crawl of that name; it is a catalog.ErrNotFound.
type NoCrawlError struct{ Name string }

func (e NoCrawlError) Error() string { return fmt.Sprintf("there is no crawl %q", e.Name) }

// Is implements errors.Is.
func (NoCrawlError) Is(target error) bool { return target == catalog.ErrNotFound }

// say adds a step.
func (x *Explanation) say(what, format string, args ...any) {
	x.sayAt(time.Time{}, what, format, args...)
}

// sayAt adds a step that has a moment.
func (x *Explanation) sayAt(at time.Time, what, format string, args ...any) {
	x.Steps = append(x.Steps, Step{what, fmt.Sprintf(format, args...), at})
}

// URL goes through the decisions that the stages make about a URL in a crawl. One that is refused, or that the crawl does not know,
// is explained too. The error is a NoCrawlError, or the catalog's.
func (e Explainer) URL(ctx context.Context, crawl, raw string) (*Explanation, error) {
	x := &Explanation{URL: raw}
	u, err := weburl.Canonical(raw)
	if err != nil {
		x.say("url", "refused: %v", err)
		return x, nil
	}
	x.Canonical = u
	x.say("url", "%s", u)
	cr, err := e.Catalog.Crawl(ctx, crawl)
	if errors.Is(err, catalog.ErrNotFound) {
		return x, NoCrawlError{crawl}
	}
	if err != nil {
		return x, err
	}
	if err := x.scope(cr, u); err != nil {
		return x, err
	}
	page, err := e.Catalog.Page(ctx, crawl, u)
	known := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return x, err
	}
	if err := e.robots(ctx, u, x); err != nil {
		return x, err
	}
	if !known {
		x.say("frontier", "not known to crawl %s: never submitted, and no crawled page links to it in scope", crawl)
		return x, nil
	}
	x.Page = new(PageOf(page))
	return x, e.page(ctx, page, x)
}

func (x *Explanation) scope(cr catalog.Crawl, u string) error {
	s, err := tasks.Defaults().Merge(cr.Settings)
	if err != nil {
		return err
	}
	scope, err := frontier.NewScope(cr.Roots, s.Include, s.Exclude)
	if err != nil {
		return err
	}
	ok, rule := scope.Holds(u)
	if bare := frontier.Bare(u); bare != u {
		x.say("session", "as a link it would be taken for %s", bare)
	}
	if trap := frontier.Trap(u); trap != "" {
		x.say("trap", "as a link it would be passed over: %s", trap)
	}
	if ok {
		x.say("scope", "in scope of crawl %s by %s", cr.Name, rule)
	} else {
		x.say("scope", "as a link it is out of scope of crawl %s: %s", cr.Name, rule)
	}
	return nil
}

func (e Explainer) robots(ctx context.Context, u string, x *Explanation) error {
	h, err := e.Catalog.Host(ctx, weburl.Host(u))
	if errors.Is(err, catalog.ErrNotFound) {
		x.say("robots", "%s has never been asked for its robots.txt", weburl.Host(u))
		return nil
	}
	if err != nil {
		return err
	}
	x.Host = new(status.HostOf(h, time.Now()))
	age := humanize.Time(h.Robots.At)
	switch h.Robots.State {
	case catalog.RobotsUnknown:
		x.say("robots", "robots.txt is not read yet: the pages of %s wait for it", h.Name)
	case catalog.RobotsAllow:
		x.say("robots", "%s has no robots.txt (asked %s): all is allowed", h.Name, age)
	case catalog.RobotsRead:
		verdict, rule := "forbidden", ""
		ok, rule := robots.Parse(h.Robots.Body).For(e.Agent).Allowed(weburl.Path(u))
		if ok {
			verdict = "allowed"
		}
		if rule == "" {
			rule = "no rule"
		}
		x.say("robots", "%s by %s (read %s)", verdict, rule, age)
		if h.Robots.CrawlDelay > 0 {
			x.say("delay", "robots.txt asks for %s between two visits of the host", h.Robots.CrawlDelay)
		}
	}
	if h.Own != nil {
		x.say("delay", "an operator has set %s for %s, and %d visits at once: trawl hosts reset takes that back", h.Own.Delay, h.Name, h.Own.PerHost)
	}
	if why := x.Host.Why(); why != "" || h.Paused {
		x.say("host", "%s %s", x.Host.State, why)
	}
	return nil
}

func (e Explainer) page(ctx context.Context, p catalog.Page, x *Explanation) error {
	found := "submitted by " + p.Submitter
	if p.Via != "" {
		found = fmt.Sprintf("found as a %s on %s, %d links from what %s submitted", p.Origin, p.Via, p.Depth, p.Submitter)
	}
	x.sayAt(p.FirstSeen, "admitted", "%s, %s", p.FirstSeen.Format(time.DateTime), found)
	if err := e.maze(ctx, p, x); err != nil {
		return err
	}
	attempts, err := e.Catalog.Attempts(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		x.sayAt(a.At, "attempt", "%s, %s: %s: %s%s", a.At.Format(time.DateTime), a.Stage, a.Fault, a.Err, tookWords(a.Took))
	}
	switch p.State {
	case catalog.Waiting:
		return e.waiting(ctx, p, x)
	case catalog.Queued:
		return e.queued(ctx, p, x)
	case catalog.Stored:
		x.sayAt(p.FetchedAt, "stored", "%s, HTTP %d, %s, %s, visit %d%s", p.FetchedAt.Format(time.DateTime), p.Status, p.MIME, humanize.Bytes(uint64(max(p.Size, 0))), p.Visits, tookWords(p.Took))
		if p.Copy != catalog.NoCopy {
			x.say("copy", "%s of %s", p.Copy, p.CopyOf)
		}
		x.say("archive", "%s at %d, %d octets", p.WARC.File, p.WARC.Offset, p.WARC.Length)
	case catalog.Ended:
		if p.Reason == catalog.Budget {
			x.say("ended", "budget: it is left out until the maze has led somewhere, or a page outside links to it; --maze-pages lets in more")
			break
		}
		x.sayAt(p.FetchedAt, "ended", "%s, %s%s", p.FetchedAt.Format(time.DateTime), strings.ReplaceAll(p.Reason, "_", " "), httpStatus(p.Status))
	case catalog.Failed:
		stage, text, err := e.Catalog.Failure(ctx, p.ID)
		if err != nil {
			return err
		}
		x.sayAt(p.FetchedAt, "failed", "%s, %s after %d tries in %s: %s", p.FetchedAt.Format(time.DateTime), strings.ReplaceAll(p.Reason, "_", " "), p.Tries, stage, text)
	}
	if r := p.Revisit; !r.At.IsZero() && p.State != catalog.Waiting {
		x.sayAt(r.At, "next due", "%s (%d looks so far found %d changes)", r.At.Local().Format(time.DateTime), r.Looks, r.Changes)
	}
	if p.FinalURL != "" {
		x.say("leads to", "%s", p.FinalURL)
	}
	return nil
}

// maze says which endless-looking space the page is in.
func (e Explainer) maze(ctx context.Context, p catalog.Page, x *Explanation) error {
	m, err := e.Catalog.Maze(ctx, p.ID)
	if err != nil || m == nil {
		return err
	}
	most := "any number"
	if m.Most > 0 {
		most = humanize.Comma(m.Most)
	}
	x.Maze = m
	x.say("maze", "%s: of what only it leads to, %s of at most %s pages were let in and %s left out; it led to %s new pages outside",
		m.Name, humanize.Comma(m.Pages), most, humanize.Comma(m.Held), humanize.Comma(m.Yield))
	return nil
}

// waiting says what a page waits for, and when it will be asked for.
func (e Explainer) waiting(ctx context.Context, p catalog.Page, x *Explanation) error {
	now := time.Now()
	q, err := e.Catalog.Queue(ctx, p.ID, now)
	if err != nil {
		return err
	}
	down, err := e.Catalog.Outages(ctx)
	if err != nil {
		return err
	}
	after := ""
	if p.Fault != "" {
		after = fmt.Sprintf(" after %d tries, the last of which met %s", p.Tries, p.Fault)
	}
	start := q.From.Add(time.Duration(q.Ahead) * q.Pace)
	host := catalog.HostOK
	if x.Host != nil {
		host = x.Host.State
	}
	switch {
	case q.Paused != "":
		x.Waits = "paused"
		x.say("waiting", "for %s, which is paused: trawl resume takes that back", q.Paused)
		return nil
	case len(down) > 0:
		x.Waits = "backoff"
		x.say("waiting", "nothing is handed out since %s: %s (%s)", down[0].Since.Format(time.DateTime), down[0].Kind, down[0].Err)
		return nil
	case host == catalog.HostDNS || host == catalog.HostRobots:
		x.Waits = string(host)
	case host != catalog.HostOK:
		x.Waits = "backoff"
	case p.Fault != "" && p.Due.After(now):
		x.Waits = "retry"
	case p.Due.After(now):
		x.Waits = "revisit"
	case x.Host != nil && x.Host.Robots == "unknown":
		x.Waits = "robots"
	case q.Pace > 0:
		x.Waits = "polite"
	default:
		x.Waits = "backpressure"
	}
	if q.Pace == 0 && q.Ahead > 0 {
		x.say("waiting", "behind %s pages of its host, which has no delay to keep: as soon as the workers get to it%s", humanize.Comma(q.Ahead), after)
		return nil
	}
	x.Expected = new(start.UTC())
	x.sayAt(start, "waiting", "behind %s pages of its host, %s apart%s: expected to start at %s", humanize.Comma(q.Ahead), q.Pace, after, start.Local().Format(time.DateTime))
	return nil
}

// queued says where in the queues a visit is.
func (e Explainer) queued(ctx context.Context, p catalog.Page, x *Explanation) error {
	x.Waits = "ready"
	if e.Where == nil {
		x.say("queued", "visit %s is under way", p.Visit)
		return nil
	}
	stage, slot, found, err := e.Where(ctx, p.Visit)
	switch {
	case err != nil:
		return err
	case !found:
		x.say("queued", "visit %s is between two stages", p.Visit)
	case slot.After(time.Now()):
		x.Waits, x.Expected = "polite", new(slot.UTC())
		x.sayAt(slot, "queued", "visit %s waits in %s for its slot at %s", p.Visit, stage, slot.Local().Format(time.DateTime))
	default:
		x.say("queued", "visit %s is in %s", p.Visit, stage)
	}
	return nil
}

// tookWords says where the time of an exchange went; "" when that is not known.
func tookWords(t catalog.Took) string {
	if t == (catalog.Took{}) {
		return ""
	}
	ms := func(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
	return fmt.Sprintf(" (DNS %s, connect %s, TLS %s, first byte %s, body %s)", ms(t.DNS), ms(t.Connect), ms(t.TLS), ms(t.FirstByte), ms(t.Body))
}

func httpStatus(status int) string {
	if status == 0 {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d)", status)
}
