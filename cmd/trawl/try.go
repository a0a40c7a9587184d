package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"example.org/trawl/catalog"
	"example.org/trawl/events"
	"example.org/trawl/frontier"
	"example.org/trawl/inline"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

func tryCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "try URL",
		Short: "Run all stages for one URL, verbosely, and keep nothing",
		Args:  submit.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkContact(); err != nil {
				return err
			}
			urls, refused := submit.Sort(args)
			submit.Tell(cmd.ErrOrStderr(), refused)
			if len(refused) > 0 {
				return submit.ErrPart
			}
			return a.try(cmd.Context(), cmd.OutOrStdout(), urls[0])
		},
	}
}

// try crawls one page into a folder that is removed again.
func (a *app) try(ctx context.Context, out io.Writer, url string) (err error) {
	dir, err := os.MkdirTemp("", "trawl-try-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	a.cfg.Data, a.cfg.DatabaseURL, a.cfg.StoreURL = dir, "", ""
	work := &lateWork{}
	p, err := a.open(ctx, frontier.NewMemoryGate(time.Time{}), work)
	if err != nil {
		return err
	}
	defer p.Close()
	r := inline.New(p.line(&teller{w: out}, a.log), 1, func(ctx context.Context) (int64, error) { return openPages(ctx, p) }, a.log)
	work.Work = r
	err = r.Run(ctx, tasks.Admit{Batch: tasks.NewID(), Crawl: "try", Submitter: "try", Origin: tasks.OriginSeed, URLs: []string{url}})
	if ctx.Err() != nil {
		return submit.ErrInterrupted
	}
	if err != nil {
		return err
	}
	return p.catalog.Pages(ctx, catalog.Filter{Text: true, Links: true}, func(page catalog.Page) error {
		printPage(out, page)
		return nil
	})
}

// teller writes events down as they come.
type teller struct {
	mu sync.Mutex
	w  io.Writer
}

// Record implements pipeline.Recorder.
func (t *teller) Record(e events.Event) {
	if e.What == events.Started || e.Visit == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = printEvent(t.w, e, false)
}

// shownText is how much of a page's text is shown.
const shownText = 600

func printPage(w io.Writer, p catalog.Page) {
	row := func(what, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", what, status.Printable(value))
		}
	}
	fmt.Fprintln(w)
	row("state", string(p.State))
	row("reason", p.Reason)
	if p.Status > 0 {
		row("status", fmt.Sprint(p.Status))
	}
	row("final url", p.FinalURL)
	row("type", strings.TrimSuffix(p.MIME+", "+p.Charset, ", "))
	row("digest", p.Digest)
	if p.Digest != "" {
		row("size", fmt.Sprintf("%d octets", p.Size))
	}
	row("title", p.Title)
	row("description", p.Description)
	row("language", p.Lang)
	row("canonical", p.Canonical)
	if len(p.Links) > 0 {
		row("links", fmt.Sprintf("%d, the first: %s", len(p.Links), strings.Join(p.Links[:min(3, len(p.Links))], " ")))
	}
	text := []rune(strings.Join(strings.Fields(p.Text), " "))
	if len(text) > shownText {
		text = append(text[:shownText], '…')
	}
	row("text", string(text))
}
