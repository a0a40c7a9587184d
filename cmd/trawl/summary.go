package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/mattn/go-isatty"

	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/fault"
	"example.org/trawl/tasks"
)

// summary is what a crawl says when it is over.
type summary struct {
	Stored      int64            `json:"stored"` // pages, in all
	Failed      int64            `json:"failed"`
	Ended       int64            `json:"ended"`
	Waiting     int64            `json:"waiting"` // not done: when it was interrupted
	Reasons     map[string]int64 `json:"reasons,omitempty"`
	New         int64            `json:"new"` // pages stored by this run
	Bytes       int64            `json:"bytes"`
	Seconds     float64          `json:"seconds"`
	PagesPerS   float64          `json:"pages_per_s"`
	MBPerS      float64          `json:"mb_per_s"`
	CPUPerPage  float64          `json:"cpu_ms_per_page"`
	Allocs      float64          `json:"allocs_per_page"` // on the heap, all through the run
	AllocBytes  float64          `json:"alloc_bytes_per_page"`
	Data        []place          `json:"data"`
	Interrupted bool             `json:"interrupted,omitempty"`
	Hints       []string         `json:"hints,omitempty"` // what kept the crawl from more, and the way out
}

// place is where something can be found.
type place struct {
	What string `json:"what"`
	Path string `json:"path"`
}

func (a *app) places() []place {
	db, _ := a.cfg.DatabasePath()
	dir, _ := a.cfg.StoreDir()
	return []place{{"archive", dir}, {"database", db}}
}

// meter measures a crawl.
type meter struct {
	began  time.Time
	cpu    time.Duration
	heap   runtime.MemStats
	before catalog.Counts
	// Of the progress line:
	at     time.Time
	stored int64
}

func startMeter(before []catalog.Tally) *meter {
	now := time.Now()
	m := &meter{began: now, at: now, cpu: cpuTime(), before: catalog.Total(before)}
	m.stored = m.before.Stored
	runtime.ReadMemStats(&m.heap)
	return m
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// line is the progress in one line.
func (m *meter) line(ctx context.Context, c *sqlite.Catalog) (string, error) {
	all, err := c.Status(ctx)
	if err != nil {
		return "", err
	}
	n, now := catalog.Total(all), time.Now()
	rate := float64(n.Stored-m.stored) / now.Sub(m.at).Seconds()
	m.at, m.stored = now, n.Stored
	return fmt.Sprintf("%s stored, %s failed, %s ended, %s to go · %.0f pages/s · %s",
		humanize.Comma(n.Stored), humanize.Comma(n.Failed), humanize.Comma(n.Ended), humanize.Comma(n.Open()), max(rate, 0), bytesOf(n.Bytes)), nil
}

func bytesOf(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }

func (m *meter) summary(ctx context.Context, c *sqlite.Catalog) (summary, error) {
	all, err := c.Status(ctx)
	if err != nil {
		return summary{}, err
	}
	n, took := catalog.Total(all), time.Since(m.began)
	s := summary{
		Stored: n.Stored, Failed: n.Failed, Ended: n.Ended, Waiting: n.Open(), Reasons: map[string]int64{},
		New: max(n.Stored-m.before.Stored, 0), Bytes: n.Bytes - m.before.Bytes, Seconds: took.Seconds(),
	}
	s.PagesPerS, s.MBPerS = float64(s.New)/s.Seconds, float64(s.Bytes)/1e6/s.Seconds
	if s.New > 0 {
		s.CPUPerPage = float64((cpuTime() - m.cpu).Microseconds()) / 1000 / float64(s.New)
		var heap runtime.MemStats
		runtime.ReadMemStats(&heap)
		s.Allocs, s.AllocBytes = float64(heap.Mallocs-m.heap.Mallocs)/float64(s.New), float64(heap.TotalAlloc-m.heap.TotalAlloc)/float64(s.New)
	}
	for _, t := range all {
		for r, k := range t.Reasons {
			s.Reasons[r] += k
		}
	}
	s.Hints, err = hints(ctx, c, all, s.Reasons)
	return s, err
}

// hints says what kept a crawl from more than its pages, and what to do about it.
func hints(ctx context.Context, c *sqlite.Catalog, all []catalog.Tally, reasons map[string]int64) ([]string, error) {
	var out []string
	for _, t := range all {
		cr, err := c.Crawl(ctx, t.Crawl)
		if err != nil {
			return nil, err
		}
		left := t.Reasons[catalog.Budget]
		if t.Admitted()-left >= cr.MaxPages {
			out = append(out, fmt.Sprintf("crawl %s has its most pages, %s: --max-pages lets in more", t.Crawl, humanize.Comma(cr.MaxPages)))
		}
		if left == 0 {
			continue
		}
		mazes, err := c.Mazes(ctx, cr.ID, 3)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, m := range mazes {
			names = append(names, fmt.Sprintf("%s (%s)", m.Name, humanize.Comma(m.Held)))
		}
		out = append(out, fmt.Sprintf("%s pages look endless and were left out: %s; --maze-pages lets in more, --exclude keeps them out", humanize.Comma(left), strings.Join(names, ", ")))
	}
	if reasons[string(tasks.NoContact)] > 0 {
		out = append(out, "without TRAWL_CONTACT only the networks in TRAWL_ALLOW_NETS are crawled: set it to a URL or address at which site owners reach you")
	}
	if reasons[string(tasks.Private)] > 0 {
		out = append(out, "private addresses were not touched: TRAWL_ALLOW_NETS or --allow-net names networks that may be")
	}
	return out, nil
}

func (s summary) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(s)
	}
	var b strings.Builder
	head := "done"
	if s.Interrupted {
		head = fmt.Sprintf("interrupted with %s pages to be done; run it again to go on", humanize.Comma(s.Waiting))
	}
	fmt.Fprintf(&b, "%s\n", head)
	row := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "  %-9s "+format+"\n", append([]any{what}, args...)...)
	}
	row("stored", "%s pages, %s by this run, %s", humanize.Comma(s.Stored), humanize.Comma(s.New), bytesOf(s.Bytes))
	row("failed", "%s%s", humanize.Comma(s.Failed), s.because(true))
	row("ended", "%s%s", humanize.Comma(s.Ended), s.because(false))
	row("took", "%s: %.0f pages/s, %.1f MB/s, %.2f ms CPU a page", time.Duration(s.Seconds*float64(time.Second)).Round(10*time.Millisecond), s.PagesPerS, s.MBPerS, s.CPUPerPage)
	for _, h := range s.Hints {
		row("note", "%s", h)
	}
	for _, p := range s.Data {
		row(p.What, "%s", p.Path)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// because lists the reasons, the most frequent first.
func (s summary) because(failed bool) string {
	var parts []string
	for _, r := range slices.SortedFunc(maps.Keys(s.Reasons), func(a, b string) int {
		return int(s.Reasons[b] - s.Reasons[a])
	}) {
		if isFault(r) == failed {
			parts = append(parts, fmt.Sprintf("%s %s", humanize.Comma(s.Reasons[r]), strings.ReplaceAll(r, "_", " ")))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// isFault tells a failure's kind from the reason of an end.
func isFault(reason string) bool {
	return slices.ContainsFunc(fault.Rules(), func(r fault.Rule) bool { return string(r.Kind) == reason })
}

// progressLine shows how far a crawl is: a line that is written over on a terminal, and nothing elsewhere.
type progressLine struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startProgress(ctx context.Context, quiet bool, line func(context.Context) (string, error)) *progressLine {
	ctx, cancel := context.WithCancel(ctx)
	p := &progressLine{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if quiet || !isatty.IsTerminal(os.Stderr.Fd()) {
			return
		}
		t := time.NewTicker(500 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				fmt.Fprint(os.Stderr, "\r\x1b[K")
				return
			case <-t.C:
				if s, err := line(ctx); err == nil {
					fmt.Fprint(os.Stderr, "\r\x1b[K"+s)
				}
			}
		}
	}()
	return p
}

func (p *progressLine) stop() {
	p.cancel()
	<-p.done
}
