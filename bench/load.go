package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.org/trawl/lab"
)

const (
	warmUp   = 5 * time.Second // of a crawl, before load looks at it
	pageSize = 37_000          // octets of a page, about
)

// load measures what Trawl adds to the load average while it fills a line: the CPU seconds of its processes and its Redis in a second.
func load(ctx context.Context, o options) error {
	fmt.Printf("\n%s of a crawl that keeps everything, on %d hosts, after %s to warm up; bodies alone count as octets\n\n", o.steady, o.hosts, warmUp)
	fmt.Println("| | line, Mbit/s | Mbit/s | of the line | load | pages/s | ms CPU a page | not searchable yet at the end |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for range o.rounds {
		for _, mbit := range []int{10, 100} {
			for _, w := range o.ways() {
				from, to, err := o.filled(ctx, w, int64(mbit)*1e6/8)
				if err != nil {
					return fmt.Errorf("%s at %d Mbit/s: %w", w.name, mbit, err)
				}
				took := to.at.Sub(from.at)
				t := turn{took: took, got: int(to.n.Stored - from.n.Stored), used: since(from.used, to.used)}
				sent := float64(to.n.Bytes-from.n.Bytes) * 8 / 1e6 / took.Seconds()
				fmt.Printf("| %s | %d | %.1f | %.0f %% | %.3f | %.0f | %s | %d |\n",
					w.name, mbit, sent, 100*sent/float64(mbit), t.cpu().Seconds()/took.Seconds(), t.rate(), t.perPage(), to.lag)
			}
		}
	}
	return nil
}

// filled crawls a web behind a line of so many octets a second, and looks at the crawl twice. The rest comes without the line, so that
// it can be seen whether all came.
func (o options) filled(ctx context.Context, w way, line int64) (from, to sample, err error) {
	o.pages = int(1.2 * float64(line) / pageSize * (warmUp + o.steady).Seconds())
	err = o.onCourse(ctx, func(ctx context.Context, c *course) error {
		if err := c.web.trouble(ctx, lab.Trouble{Line: line}); err != nil {
			return err
		}
		err := w.run(ctx, c, []string{"--delay", "0"}, func(s *system) (err error) {
			if err = pass(ctx, warmUp); err == nil {
				from, err = c.sample(ctx, s, 0)
			}
			if err == nil {
				err = pass(ctx, o.steady)
			}
			if err == nil {
				to, err = c.sample(ctx, s, 0)
			}
			if err == nil && to.n.Open() == 0 {
				err = errors.New("the web has too few pages")
			}
			if err == nil {
				err = c.web.trouble(ctx, lab.Trouble{})
			}
			if err == nil {
				err = c.done(ctx)
			}
			return err
		})
		if err == nil {
			err = c.whole(ctx)
		}
		return err
	})
	return from, to, err
}
