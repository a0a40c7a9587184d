// Command bench lets Trawl's ways to crawl have the same simulated web, one after the other and round by round, so that what slows the
// machine down for a while slows all of them, and prints what each needed. RESULTS.md has the tables.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options say what is measured.
type options struct {
	rounds int
	pages  int
	hosts  int
	seed   int
	only   string
	bin    string // where trawl and enqueue are
	limit  time.Duration
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
	flag.IntVar(&o.pages, "pages", 5000, "pages of the web")
	flag.IntVar(&o.hosts, "hosts", 1, "hosts of the web")
	flag.IntVar(&o.seed, "seed", 1, "the same seed gives the same web")
	flag.StringVar(&o.only, "only", "", "run only these, parts of their names with commas between them")
	flag.StringVar(&o.bin, "bin", "bin", "where trawl and enqueue are")
	flag.DurationVar(&o.limit, "limit", 10*time.Minute, "the longest that one turn may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run lets all have their turns, and prints what they needed; also what there is when it is stopped.
func run(ctx context.Context, o options) (err error) {
	all, err := chosen(entrants(), o.only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "trawl-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	turns := map[string][]turn{}
	for round := range o.rounds {
		for _, e := range all {
			t, err := o.turn(ctx, e, filepath.Join(dir, fmt.Sprint(round)))
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

// chosen are those whose names have one of the words, or all.
func chosen(all []entrant, words string) (out []entrant, err error) {
	if words == "" {
		return all, nil
	}
	for _, e := range all {
		if slices.ContainsFunc(strings.Split(words, ","), func(w string) bool { return strings.Contains(e.name, w) }) {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		err = fmt.Errorf("nobody is called %q", words)
	}
	return out, err
}

// turn gives e a web and a directory of its own.
func (o options) turn(ctx context.Context, e entrant, dir string) (t turn, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w, err := openWeb(ctx, o, dir)
	if err != nil {
		return t, err
	}
	c := &course{options: o, web: w, dir: dir}
	began := time.Now()
	err = e.run(ctx, c)
	t = turn{took: time.Since(began), used: c.used}
	if c.took > 0 {
		t.took = c.took
	}
	got, gerr := w.got(ctx)
	t.got, t.of, t.asked = got.pages, w.pages, got.requests
	used, cerr := w.close()
	t.used = append(t.used, used)
	if err == nil && e.whole && t.got < t.of {
		err = fmt.Errorf("it got %d of %d pages", t.got, t.of)
	}
	return t, errors.Join(err, gerr, cerr)
}
