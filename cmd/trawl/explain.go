package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/frontier"
	"example.org/trawl/queue"
	"example.org/trawl/robots"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// explanation is a page's life.
type explanation struct {
	URL       string        `json:"url"`
	Canonical string        `json:"canonical"`
	Page      *pageJSON     `json:"page,omitempty"`
	Host      *status.Host  `json:"host,omitempty"`
	Waits     string        `json:"waits_for,omitempty"`      // a reason of the backlog
	Expected  *time.Time    `json:"expected_start,omitempty"` // when the page will be asked for; left out when that cannot be told
	Maze      *catalog.Maze `json:"maze,omitempty"`           // the endless-looking space that the page is in
	Steps     []step        `json:"steps"`
}

// say adds a step.
func (x *explanation) say(what, format string, args ...any) {
	x.Steps = append(x.Steps, step{what, fmt.Sprintf(format, args...)})
}

type step struct {
	What string `json:"what"`
	Says string `json:"says"`
}

func explainCommand(a *app) *cobra.Command {
	var crawl string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain URL...",
		Short: "Show one page's life: every decision, and when it is due",
		Args:  submit.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.withBoth(ctx, func(c *sqlite.Catalog, rdb redis.UniversalClient) error {
				for i, url := range args {
					x, err := explain(ctx, c, rdb, crawl, url)
					if err != nil {
						return err
					}
					if asJSON {
						if err := json.NewEncoder(cmd.OutOrStdout()).Encode(x); err != nil {
							return err
						}
						continue
					}
					if i > 0 {
						fmt.Fprintln(cmd.OutOrStdout())
					}
					for _, s := range x.Steps {
						fmt.Fprintf(cmd.OutOrStdout(), "%-10s %s\n", s.What, printable(s.Says))
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&crawl, "crawl", "default", "name of the crawl")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return cmd
}

// explain goes through the decisions that the stages make about a URL, in their order.
func explain(ctx context.Context, c *sqlite.Catalog, rdb redis.UniversalClient, crawl, raw string) (*explanation, error) {
	x := &explanation{URL: raw}
	u, err := weburl.Canonical(raw)
	if err != nil {
		x.say("url", "refused: %v", err)
		return x, nil
	}
	x.Canonical = u
	x.say("url", "%s", u)
	cr, err := c.Crawl(ctx, crawl)
	if errors.Is(err, catalog.ErrNotFound) {
		return x, fmt.Errorf("there is no crawl %q", crawl)
	}
	if err != nil {
		return x, err
	}
	if err := explainScope(cr, u, x); err != nil {
		return x, err
	}
	page, err := c.Page(ctx, crawl, u)
	known := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return x, err
	}
	if err := explainRobots(ctx, c, u, x); err != nil {
		return x, err
	}
	if !known {
		x.say("frontier", "not known to crawl %s: never submitted, and no crawled page links to it in scope", crawl)
		return x, nil
	}
	x.Page = new(toJSON(page))
	return x, explainPage(ctx, c, rdb, page, x)
}

func explainScope(cr catalog.Crawl, u string, x *explanation) error {
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

func explainRobots(ctx context.Context, c *sqlite.Catalog, u string, x *explanation) error {
	h, err := c.Host(ctx, weburl.Host(u))
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
		ok, rule := robots.Parse(h.Robots.Body).For(agent).Allowed(weburl.Path(u))
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
	if why := whyHost(*x.Host); why != "" || h.Paused {
		x.say("host", "%s %s", x.Host.State, why)
	}
	return nil
}

func explainPage(ctx context.Context, c *sqlite.Catalog, rdb redis.UniversalClient, p catalog.Page, x *explanation) error {
	found := "submitted by " + p.Submitter
	if p.Via != "" {
		found = fmt.Sprintf("found as a %s on %s, %d links from what %s submitted", p.Origin, p.Via, p.Depth, p.Submitter)
	}
	x.say("admitted", "%s, %s", p.FirstSeen.Format(time.DateTime), found)
	if err := explainMaze(ctx, c, p, x); err != nil {
		return err
	}
	attempts, err := c.Attempts(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		x.say("attempt", "%s, %s: %s: %s%s", a.At.Format(time.DateTime), a.Stage, a.Fault, a.Err, tookWords(a.Took))
	}
	switch p.State {
	case catalog.Waiting:
		return explainWaiting(ctx, c, p, x)
	case catalog.Queued:
		return explainQueued(ctx, rdb, p, x)
	case catalog.Stored:
		x.say("stored", "%s, HTTP %d, %s, %s, visit %d%s", p.FetchedAt.Format(time.DateTime), p.Status, p.MIME, bytesOf(p.Size), p.Visits, tookWords(p.Took))
		if p.Copy != catalog.NoCopy {
			x.say("copy", "%s of %s", p.Copy, p.CopyOf)
		}
		x.say("archive", "%s at %d, %d octets", p.WARC.File, p.WARC.Offset, p.WARC.Length)
	case catalog.Ended:
		if p.Reason == catalog.Budget {
			x.say("ended", "budget: it is left out until the maze has led somewhere, or a page outside links to it; --maze-pages lets in more")
			break
		}
		x.say("ended", "%s, %s%s", p.FetchedAt.Format(time.DateTime), strings.ReplaceAll(p.Reason, "_", " "), httpStatus(p.Status))
	case catalog.Failed:
		stage, text, err := c.Failure(ctx, p.ID)
		if err != nil {
			return err
		}
		x.say("failed", "%s, %s after %d tries in %s: %s", p.FetchedAt.Format(time.DateTime), strings.ReplaceAll(p.Reason, "_", " "), p.Tries, stage, text)
	}
	if r := p.Revisit; !r.At.IsZero() && p.State != catalog.Waiting {
		x.say("next due", "%s (%d looks so far found %d changes)", r.At.Local().Format(time.DateTime), r.Looks, r.Changes)
	}
	if p.FinalURL != "" {
		x.say("leads to", "%s", p.FinalURL)
	}
	return nil
}

// explainMaze says which endless-looking space the page is in.
func explainMaze(ctx context.Context, c *sqlite.Catalog, p catalog.Page, x *explanation) error {
	m, err := c.Maze(ctx, p.ID)
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

// explainWaiting says what a page waits for, and when it will be asked for.
func explainWaiting(ctx context.Context, c *sqlite.Catalog, p catalog.Page, x *explanation) error {
	now := time.Now()
	q, err := c.Queue(ctx, p.ID, now)
	if err != nil {
		return err
	}
	down, err := c.Outages(ctx)
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
	x.say("waiting", "behind %s pages of its host, %s apart%s: expected to start at %s", humanize.Comma(q.Ahead), q.Pace, after, start.Local().Format(time.DateTime))
	return nil
}

// explainQueued says where in the queues a visit is.
func explainQueued(ctx context.Context, rdb redis.UniversalClient, p catalog.Page, x *explanation) error {
	x.Waits = "ready"
	if rdb == nil {
		x.say("queued", "visit %s is under way", p.Visit)
		return nil
	}
	stage, slot, found, err := queue.NewWork(rdb).Whereabouts(ctx, p.Visit)
	switch {
	case err != nil:
		return err
	case !found:
		x.say("queued", "visit %s is between two stages", p.Visit)
	case slot.After(time.Now()):
		x.Waits, x.Expected = "polite", new(slot.UTC())
		x.say("queued", "visit %s waits in %s for its slot at %s", p.Visit, stage, slot.Local().Format(time.DateTime))
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
