package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"runtime/trace"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/frontier"
	"example.org/trawl/handlers"
	"example.org/trawl/inline"
	"example.org/trawl/signals"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

type crawlOptions struct {
	flags      *submit.Flags
	file       string
	workers    int
	patience   time.Duration
	recrawl    bool
	json       bool
	cpuprofile string
	trace      string
}

func crawlCommand(a *app) *cobra.Command {
	o := &crawlOptions{}
	cmd := &cobra.Command{
		Use:   "crawl [URL…]",
		Short: "Crawl in one process, without Redis",
		Long: `Crawl runs every stage in one process: no Redis, no other service. It follows links from the URLs, keeps the pages in the data
directory and ends when every page is done. Run again, also without a URL, it goes on where it stopped.`,
		Example: "  trawl crawl https://example.org\n  trawl crawl --scope domain --delay 2s --exclude '/tag/' https://blog.example.org",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.crawl(cmd, o, args) },
	}
	f := cmd.Flags()
	o.flags = submit.NewFlags(f, tasks.NoLimit)
	f.StringVar(&o.file, "file", "", "file with a URL a line")
	f.IntVar(&o.workers, "workers", 64, "stages that run at once")
	f.DurationVar(&o.patience, "patience", 2*time.Minute, "how long to wait for a host that does not answer before its pages fail")
	f.BoolVar(&o.recrawl, "recrawl", false, "visit stored pages again, with conditional requests")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
	f.StringVar(&o.cpuprofile, "cpuprofile", "", "write a CPU profile to this file")
	f.StringVar(&o.trace, "trace", "", "write an execution trace to this file")
	return cmd
}

func (a *app) crawl(cmd *cobra.Command, o *crawlOptions, args []string) (err error) {
	ctx := cmd.Context()
	if o.workers < 1 {
		return &submit.UsageError{Err: fmt.Errorf("--workers %d: want at least 1", o.workers)}
	}
	if err := a.checkContact(); err != nil {
		return err
	}
	raw, err := submit.Read(args, cmd.InOrStdin(), o.file)
	if err != nil {
		return err
	}
	urls, refused := submit.Sort(raw)
	submit.Tell(cmd.ErrOrStderr(), refused)
	if len(urls) == 0 && len(refused) > 0 {
		return submit.ErrPart
	}
	t, err := o.flags.Admit(urls)
	if err != nil {
		return &submit.UsageError{Err: err}
	}
	if o.recrawl {
		if t.Settings, err = submit.WithRecrawl(t.Settings); err != nil {
			return err
		}
	}
	stop, err := profile(o.cpuprofile, o.trace)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	s, err := a.crawlInline(ctx, o, t)
	if err != nil && !errors.Is(err, submit.ErrInterrupted) {
		return err
	}
	if perr := s.print(cmd.OutOrStdout(), o.json); perr != nil {
		return perr
	}
	if err == nil && len(refused) > 0 {
		return submit.ErrPart
	}
	return err
}

// crawlInline crawls until every page is done or ctx is.
func (a *app) crawlInline(ctx context.Context, o *crawlOptions, t tasks.Admit) (summary, error) {
	unlock, err := lockData(a.cfg.Data, true)
	if err != nil {
		return summary{}, err
	}
	defer unlock()
	// A run that ended a moment ago may have touched any host: wait a delay before touching it again.
	epoch := time.Time{}
	if path, err := a.cfg.DatabasePath(); err == nil {
		if _, err := os.Stat(path); err == nil {
			epoch = time.Now()
		}
	}
	work := &lateWork{}
	p, err := a.open(ctx, frontier.NewMemoryGate(epoch), work)
	if err != nil {
		return summary{}, err
	}
	defer p.Close()
	if len(t.URLs) == 0 {
		if err := resumable(ctx, p, t.Crawl); err != nil {
			return summary{}, err
		}
	}
	open := func(ctx context.Context) (int64, error) { return openPages(ctx, p) }
	fold := signals.NewFold(time.Now())
	r := inline.New(p.line(fold, a.log), o.workers, open, a.log)
	work.Work = r
	p.crawler.Policy.Patience = o.patience
	defer background(ctx, p.crawler.Watch)()
	before, err := p.catalog.Status(ctx)
	if err != nil {
		return summary{}, err
	}
	meter := startMeter(before)
	wrong, quiet := a.startComment(ctx, p, fold, r, o.workers)
	defer quiet()
	progress := startProgress(ctx, o.json, func(ctx context.Context) (string, error) {
		s, err := meter.line(ctx, p.catalog)
		return s + wrong.String(), err
	})
	var first []tasks.Task
	if len(t.URLs) > 0 || len(t.Settings) > 0 {
		first = append(first, t)
	}
	err = r.Run(ctx, first...)
	progress.stop()
	quiet()
	if ctx.Err() != nil {
		err = submit.ErrInterrupted
	} else if err != nil {
		return summary{}, err
	}
	s, serr := meter.summary(context.WithoutCancel(ctx), p.catalog)
	s.Data, s.Interrupted = a.places(), ctx.Err() != nil
	return s, errors.Join(err, serr, p.Close())
}

// resumable refuses to go on with a crawl that was never begun.
func resumable(ctx context.Context, p *parts, crawl string) error {
	_, err := p.catalog.Crawl(ctx, crawl)
	if errors.Is(err, catalog.ErrNotFound) {
		return &submit.UsageError{Err: fmt.Errorf("no URL given, and there is no crawl %q in the data directory to go on with", crawl)}
	}
	return err
}

// openPages is how many pages are not done: not closed, or closed with links that are not admitted, or not searchable.
func openPages(ctx context.Context, p *parts) (int64, error) {
	all, err := p.catalog.Status(ctx)
	if err != nil {
		return 0, err
	}
	leads, err := p.catalog.LeadsLeft(ctx)
	if err != nil {
		return 0, err
	}
	lag, err := p.catalog.IndexLag(ctx)
	counts := catalog.Total(all)
	return counts.Open() + leads + lag, err
}

// lateWork is the runner, which is made after the stages that ask it.
type lateWork struct{ handlers.Work }

// lockData makes sure that a crawl has its data directory alone: workers may share one, and take each other's pages for lost
// if they do not share a queue too.
func lockData(dir string, alone bool) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("data directory: %w: name another with TRAWL_DATA or --data", err)
	}
	path := filepath.Join(dir, "crawl.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w: name another with TRAWL_DATA or --data", err)
	}
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data directory %s is in use by another trawl crawl, up or worker: wait for it, or name another with --data", dir)
	}
	return func() { _ = f.Close() }, nil
}

// profile starts what the flags ask for.
func profile(cpu, execution string) (stop func() error, err error) {
	var stops []func() error
	stop = func() error {
		var errs []error
		for _, s := range stops {
			errs = append(errs, s())
		}
		return errors.Join(errs...)
	}
	if cpu != "" {
		f, err := os.Create(cpu)
		if err != nil {
			return stop, fmt.Errorf("--cpuprofile: %w", err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return stop, fmt.Errorf("--cpuprofile: %w", err)
		}
		stops = append(stops, func() error { pprof.StopCPUProfile(); return f.Close() })
	}
	if execution != "" {
		f, err := os.Create(execution)
		if err != nil {
			return stop, errors.Join(fmt.Errorf("--trace: %w", err), stop())
		}
		if err := trace.Start(f); err != nil {
			return stop, errors.Join(fmt.Errorf("--trace: %w", err), stop())
		}
		stops = append(stops, func() error { trace.Stop(); return f.Close() })
	}
	return stop, nil
}
