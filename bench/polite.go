package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/lab"
)

const (
	politeHosts = 500
	politeDelay = time.Second
	politeWarm  = 10 * time.Second // from the first request on: robots.txt of all hosts, and the first links
)

// polite measures how well a second between two starts at a host is kept and used, at many hosts at once, as the web's log has it. No
// host runs dry, for each has more pages than seconds pass.
func polite(ctx context.Context, o options) error {
	fmt.Printf("\n%d hosts, %s between two starts at one; %s from %s after the first request on, the least gap of all requests\n\n", politeHosts, politeDelay, o.steady, politeWarm)
	fmt.Println("| | starts/s | least gap, ms | late by, p50 ms | p99 | at most | load |")
	fmt.Println("|---|---|---|---|---|---|---|")
	for range o.rounds {
		for _, w := range o.ways() {
			p, used, err := o.politely(ctx, w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			cpu := turn{used: used}.cpu()
			fmt.Printf("| %s | %.0f | %.1f | %.0f | %.0f | %.0f | %.2f |\n", w.name, float64(len(p.late))/o.steady.Seconds(), ms(p.least),
				ms(p.late[len(p.late)/2]), ms(p.late[len(p.late)*99/100]), ms(p.late[len(p.late)-1]), cpu.Seconds()/o.steady.Seconds())
			if p.least < politeDelay {
				return fmt.Errorf("%s: %s", w.name, p.closest)
			}
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// politely crawls for a while, and tells what the web saw and what the steady time took.
func (o options) politely(ctx context.Context, w way) (p starts, used []usage, err error) {
	seconds := int((politeWarm + o.steady).Seconds()) + 5
	o.hosts, o.pages = politeHosts, 8*politeHosts*seconds // the smallest host has a sixth of the mean
	err = o.onCourse(ctx, func(ctx context.Context, c *course) error {
		if n := c.web.smallest(); n < seconds {
			return fmt.Errorf("a host has %d pages, too few for %d seconds", n, seconds)
		}
		err := w.run(ctx, c, []string{"--delay", politeDelay.String()}, func(s *system) error {
			if err := c.begun(ctx); err != nil {
				return err
			}
			if err := pass(ctx, politeWarm); err != nil {
				return err
			}
			before, err := s.used(ctx)
			if err != nil {
				return err
			}
			if err := pass(ctx, o.steady); err != nil {
				return err
			}
			after, err := s.used(ctx)
			if err != nil {
				return err
			}
			used = since(before, after)
			got, err := c.web.got(ctx)
			if err != nil {
				return err
			}
			// What came by now is stored in a moment, or it is lost.
			return c.watch(ctx, func(_ *sqlite.Catalog, n catalog.Counts) (bool, error) { return n.Stored >= int64(got.pages), nil })
		})
		if err != nil {
			return err
		}
		p, err = c.web.starts(ctx, politeWarm, o.steady)
		return err
	})
	return p, used, err
}

// begun waits for the first request.
func (c *course) begun(ctx context.Context) error {
	for {
		got, err := c.web.got(ctx)
		if err != nil || got.requests > 0 {
			return err
		}
		if err := pass(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// smallest is how many pages the host with the fewest has.
func (w *web) smallest() int {
	pages := map[string]int{}
	for u := range w.stored {
		host, _, _ := strings.Cut(strings.TrimPrefix(u, "http://"), "/")
		pages[host]++
	}
	return slices.Min(slices.Collect(maps.Values(pages)))
}

// starts is how requests followed each other at their hosts.
type starts struct {
	least   time.Duration   // between any two at one host
	closest string          // which two
	late    []time.Duration // of the steady time: after the moment when they might have been, in order
}

// starts reads the log, of which the first request comes warm before the steady time.
func (w *web) starts(ctx context.Context, warm, steady time.Duration) (s starts, err error) {
	var from time.Time
	last := map[string]lab.Request{}
	err = ask(ctx, w, "/_log", func(r lab.Request) {
		if from.IsZero() {
			from = r.At.Add(warm)
		}
		before, ok := last[r.Host]
		last[r.Host] = r
		if !ok {
			return
		}
		gap := r.At.Sub(before.At)
		if s.closest == "" || gap < s.least {
			s.least, s.closest = gap, fmt.Sprintf("%s was asked for %s only %s after %s", r.Host, r.Path, gap, before.Path)
		}
		if !r.At.Before(from) && r.At.Before(from.Add(steady)) {
			s.late = append(s.late, gap-politeDelay)
		}
	})
	if err == nil && len(s.late) == 0 {
		err = errors.New("nothing was asked for in the steady time")
	}
	slices.Sort(s.late)
	return s, err
}
