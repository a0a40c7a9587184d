// Command bench measures Trawl on a simulated web. Speed lets Trawl's ways to crawl, floors and peers have the same web, one after the
// other and round by round, so that what slows the machine down for a while slows all of them, and prints what each needed; the
// others look at one condition each. RESULTS.md has the tables.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options say what is measured.
type options struct {
	rounds   int
	pages    int
	hosts    int
	seed     int
	only     string
	bin      string // where trawl and enqueue are
	limit    time.Duration
	steady   time.Duration
	frontier int
	write    bool
}

// measurements are what can be asked for by name.
func measurements() map[string]func(context.Context, options) error {
	return map[string]func(context.Context, options) error{"speed": speed, "load": load, "polite": polite, "workers": workersTable, "growth": growth, "memory": memory, "profile": profiles, "quick": quick}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		if err := runFloor(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench: floor:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often each has its turn")
	flag.IntVar(&o.pages, "pages", 5000, "pages of the web, where the measurement does not say")
	flag.IntVar(&o.hosts, "hosts", 1, "hosts of the web, where the measurement does not say")
	flag.IntVar(&o.seed, "seed", 1, "the same seed gives the same web")
	flag.StringVar(&o.only, "only", "", "run only these, parts of their names with commas between them")
	flag.StringVar(&o.bin, "bin", "bin", "where trawl and enqueue are")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "the longest that one turn may take")
	flag.DurationVar(&o.steady, "steady", 40*time.Second, "how long load and polite look at a crawl that is under way")
	flag.IntVar(&o.frontier, "frontier", 2_000_000, "pages of the large frontier of growth")
	flag.BoolVar(&o.write, "write", false, "quick: what Trawl allocates now is what it is known to allocate")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "bench [flags] [%s]…\n", strings.Join(slices.Sorted(maps.Keys(measurements())), "|"))
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	names := flag.Args()
	if len(names) == 0 {
		names = []string{"speed"}
	}
	for _, name := range names {
		do := measurements()[name]
		if do == nil {
			flag.Usage()
			os.Exit(2)
		}
		if err := do(ctx, o); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

// speed lets Trawl, the floors and the peers have their turns.
func speed(ctx context.Context, o options) error { return o.turns(ctx, entrants()) }

// workersTable lets Trawl have one worker, and more.
func workersTable(ctx context.Context, o options) error {
	var all []entrant
	for _, n := range []int{1, 2, 4} {
		all = append(all, entrant{fmt.Sprint("workers: ", n), keepsAll, workers(n, "on"), true})
	}
	for _, o.hosts = range []int{1, 500} {
		if err := o.turns(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

// turns lets all have their turns, and prints what they needed; also what there is when it is stopped.
func (o options) turns(ctx context.Context, all []entrant) error {
	all = slices.DeleteFunc(all, func(e entrant) bool { return !o.wants(e.name) })
	if len(all) == 0 {
		return fmt.Errorf("nobody is called %q", o.only)
	}
	turns := map[string][]turn{}
	for round := range o.rounds {
		for _, e := range all {
			t, err := o.turn(ctx, e)
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), printTable(os.Stdout, o, all, turns))
			}
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			fmt.Fprintf(os.Stderr, "round %d: %-24s %s\n", round+1, e.name, t)
			turns[e.name] = append(turns[e.name], t)
		}
	}
	return printTable(os.Stdout, o, all, turns)
}

// wants tells whether a name has one of the words that were asked for.
func (o options) wants(name string) bool {
	return slices.ContainsFunc(strings.Split(o.only, ","), func(w string) bool { return strings.Contains(name, w) })
}

// turn lets e run once.
func (o options) turn(ctx context.Context, e entrant) (t turn, err error) {
	err = o.onCourse(ctx, func(ctx context.Context, c *course) error {
		began := time.Now()
		err := e.run(ctx, c)
		t = turn{took: time.Since(began), used: c.used}
		if c.took > 0 {
			t.took = c.took
		}
		got, gerr := c.web.got(ctx)
		t.got, t.of, t.asked = got.pages, c.web.pages, got.requests
		if err == nil && gerr == nil && e.whole {
			err = got.check(t.of, len(c.web.roots))
		}
		return errors.Join(err, gerr)
	})
	return t, err
}

// onCourse gives do a web and a directory of its own.
func (o options) onCourse(ctx context.Context, do func(context.Context, *course) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "trawl-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := openWeb(ctx, o, dir)
	if err != nil {
		return err
	}
	err = do(ctx, &course{options: o, web: w, dir: dir})
	_, cerr := w.close()
	return errors.Join(err, cerr)
}
