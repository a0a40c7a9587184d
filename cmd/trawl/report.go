package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/events"
	"example.org/trawl/frontier"
	"example.org/trawl/queue"
	"example.org/trawl/robots"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// briefRedis connects to the Redis of the running processes, if there is one: nil without REDIS_URL.
func (a *app) briefRedis(ctx context.Context) (redis.UniversalClient, func(), error) {
	if a.cfg.RedisURL == "" {
		return nil, func() {}, nil
	}
	rdb, err := queue.OpenBriefly(ctx, a.cfg.RedisURL)
	if err != nil {
		return nil, nil, err
	}
	return rdb, func() { _ = rdb.Close() }, nil
}

func statusCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show counts, backlog by reason and stages",
		Long:  "Show how many pages each crawl has in each state and what the open ones wait for; with REDIS_URL also the stages.",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			rdb, done, err := a.briefRedis(ctx)
			if err != nil {
				return err
			}
			defer done()
			return a.withCatalog(ctx, func(c *sqlite.Catalog) error {
				s, err := status.Collect(ctx, c, rdb)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
				}
				printStatus(cmd.OutOrStdout(), s)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printStatus(w io.Writer, s status.Status) {
	if len(s.Crawls) == 0 {
		fmt.Fprintln(w, "there is no crawl yet")
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "crawl\tadmitted\twaiting\tqueued\tstored\tfailed\tended\tsize\t")
	for _, c := range s.Crawls {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", c.Name, humanize.Comma(c.Admitted), humanize.Comma(c.Waiting), humanize.Comma(c.Queued),
			humanize.Comma(c.Stored), humanize.Comma(c.Failed), humanize.Comma(c.Ended), bytesOf(c.Bytes))
	}
	t.Flush()
	var waits []string
	for _, r := range status.Reasons() {
		if n := s.Backlog[r]; n > 0 {
			waits = append(waits, fmt.Sprintf("%s %s", humanize.Comma(n), r))
		}
	}
	if len(waits) > 0 {
		fmt.Fprintf(w, "\nbacklog: %s\n", strings.Join(waits, ", "))
	}
	if s.IndexLag > 0 {
		fmt.Fprintf(w, "not searchable yet: %s\n", humanize.Comma(s.IndexLag))
	}
	if len(s.Stages) == 0 {
		return
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "stage\tpending\tactive\tscheduled\tretry\tdone/s\terrors/s\tp50 ms\tp95 ms\tworkers\t")
	for _, st := range s.Stages {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t\n", st.Stage, st.Pending, st.Active, st.Sched, st.Retry, st.DonePerS, st.ErrPerS, st.P50, st.P95, st.Workers)
	}
	t.Flush()
}

func tailCommand(a *app) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Follow the event feed",
		Args:  submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if a.cfg.RedisURL == "" {
				return errNoRedis
			}
			rdb, done, err := a.briefRedis(ctx)
			if err != nil {
				return err
			}
			defer done()
			since := "$"
			if all {
				since = "0"
			}
			err = events.Follow(ctx, rdb, since, func(e events.Event) error { return printEvent(cmd.OutOrStdout(), e, asJSON) })
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line")
	cmd.Flags().BoolVar(&all, "all", false, "begin with the oldest event that is kept")
	return cmd
}

func printEvent(w io.Writer, e events.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(e.Map())
	}
	why := ""
	switch {
	case e.Fault != "":
		why = string(e.Fault) + " "
	case e.Reason != "":
		why = e.Reason + " "
	}
	_, err := fmt.Fprintf(w, "%s  %-9s %-8s %7.1f ms  %s%s\n", e.At.Format("15:04:05.000"), e.Stage, e.What, float64(e.Took.Microseconds())/1000, printable(why), printable(e.URL))
	return err
}

// explanation is a page's life.
type explanation struct {
	URL       string    `json:"url"`
	Canonical string    `json:"canonical"`
	Page      *pageJSON `json:"page,omitempty"`
	Steps     []step    `json:"steps"`
}

type step struct {
	What string `json:"what"`
	Says string `json:"says"`
}

func explainCommand(a *app) *cobra.Command {
	var crawl string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain URL",
		Short: "Show one page's life: every decision, and when it is due",
		Args:  submit.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
				x, err := explain(cmd.Context(), c, crawl, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(x)
				}
				for _, s := range x.Steps {
					fmt.Fprintf(cmd.OutOrStdout(), "%-10s %s\n", s.What, printable(s.Says))
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&crawl, "crawl", "default", "name of the crawl")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// explain goes through the decisions that the stages make about a URL, in their order.
func explain(ctx context.Context, c *sqlite.Catalog, crawl, raw string) (explanation, error) {
	x := explanation{URL: raw}
	say := func(what, format string, args ...any) {
		x.Steps = append(x.Steps, step{what, fmt.Sprintf(format, args...)})
	}
	u, err := weburl.Canonical(raw)
	if err != nil {
		say("url", "refused: %v", err)
		return x, nil
	}
	x.Canonical = u
	say("url", "%s", u)
	cr, err := c.Crawl(ctx, crawl)
	if errors.Is(err, catalog.ErrNotFound) {
		return x, fmt.Errorf("there is no crawl %q", crawl)
	}
	if err != nil {
		return x, err
	}
	if err := explainScope(cr, u, say); err != nil {
		return x, err
	}
	page, err := c.Page(ctx, crawl, u)
	known := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return x, err
	}
	if err := explainRobots(ctx, c, u, say); err != nil {
		return x, err
	}
	if !known {
		say("frontier", "not known to crawl %s: never submitted, and no crawled page links to it in scope", crawl)
		return x, nil
	}
	x.Page = new(toJSON(page))
	return x, explainPage(ctx, c, page, say)
}

func explainScope(cr catalog.Crawl, u string, say func(string, string, ...any)) error {
	s, err := tasks.Defaults().Merge(cr.Settings)
	if err != nil {
		return err
	}
	scope, err := frontier.NewScope(cr.Roots, s.Include, s.Exclude)
	if err != nil {
		return err
	}
	ok, rule := scope.Holds(u)
	if trap := frontier.Trap(u); trap != "" {
		say("trap", "as a link it would be passed over: %s", trap)
	}
	if ok {
		say("scope", "in scope of crawl %s by %s", cr.Name, rule)
	} else {
		say("scope", "as a link it is out of scope of crawl %s: %s", cr.Name, rule)
	}
	return nil
}

func explainRobots(ctx context.Context, c *sqlite.Catalog, u string, say func(string, string, ...any)) error {
	h, err := c.Host(ctx, weburl.Host(u))
	if errors.Is(err, catalog.ErrNotFound) {
		say("robots", "%s has never been asked for its robots.txt", weburl.Host(u))
		return nil
	}
	if err != nil {
		return err
	}
	age := humanize.Time(h.Robots.At)
	switch h.Robots.State {
	case catalog.RobotsUnknown:
		say("robots", "robots.txt is not read yet: the pages of %s wait for it", h.Name)
	case catalog.RobotsAllow:
		say("robots", "%s has no robots.txt (asked %s): all is allowed", h.Name, age)
	case catalog.RobotsUnavailable:
		say("robots", "robots.txt could not be had (%d times, the last %s): nothing is fetched; asked again at %s", h.Robots.Fails, age, h.Robots.Until.Format(time.DateTime))
	case catalog.RobotsRead:
		verdict, rule := "forbidden", ""
		ok, rule := robots.Parse(h.Robots.Body).For(agent).Allowed(weburl.Path(u))
		if ok {
			verdict = "allowed"
		}
		if rule == "" {
			rule = "no rule"
		}
		say("robots", "%s by %s (read %s)", verdict, rule, age)
		if h.Robots.CrawlDelay > 0 {
			say("delay", "robots.txt asks for %s between two visits of the host", h.Robots.CrawlDelay)
		}
	}
	return nil
}

func explainPage(ctx context.Context, c *sqlite.Catalog, p catalog.Page, say func(string, string, ...any)) error {
	found := "submitted by " + p.Submitter
	if p.Via != "" {
		found = fmt.Sprintf("found as a %s on %s, %d links from what %s submitted", p.Origin, p.Via, p.Depth, p.Submitter)
	}
	say("admitted", "%s, %s", p.FirstSeen.Format(time.DateTime), found)
	switch p.State {
	case catalog.Waiting:
		say("waiting", "due %s", p.Due.Format(time.DateTime))
	case catalog.Queued:
		say("queued", "visit %s is under way", p.Visit)
	case catalog.Stored:
		say("stored", "%s, HTTP %d, %s, %s, visit %d", p.FetchedAt.Format(time.DateTime), p.Status, p.MIME, bytesOf(p.Size), p.Visits)
		say("archive", "%s at %d, %d octets", p.WARC.File, p.WARC.Offset, p.WARC.Length)
	case catalog.Ended:
		say("ended", "%s, %s%s", p.FetchedAt.Format(time.DateTime), strings.ReplaceAll(p.Reason, "_", " "), httpStatus(p.Status))
	case catalog.Failed:
		stage, text, err := c.Failure(ctx, p.ID)
		if err != nil {
			return err
		}
		say("failed", "%s, %s after %d tries in %s: %s", p.FetchedAt.Format(time.DateTime), strings.ReplaceAll(p.Reason, "_", " "), p.Tries, stage, text)
	}
	if p.FinalURL != "" {
		say("leads to", "%s", p.FinalURL)
	}
	return nil
}

func httpStatus(status int) string {
	if status == 0 {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d)", status)
}
