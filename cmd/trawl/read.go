package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"example.org/trawl/archive"
	"example.org/trawl/catalog"
	"example.org/trawl/catalog/sqlite"
	"example.org/trawl/explain"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

// withCatalog opens the catalog for a command that reads it. A data directory that nothing was ever crawled into is an error,
// and is not made.
func (a *app) withCatalog(ctx context.Context, fn func(*sqlite.Catalog) error) error {
	path, err := a.cfg.DatabasePath()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no database %s: nothing was crawled here yet, or TRAWL_DATA or --data should name another directory", path)
	}
	c, err := a.openCatalog(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(c), c.Close())
}

func searchCommand(a *app) *cobra.Command {
	var q catalog.Query
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "search QUERY…",
		Short:   "Search the stored pages",
		Long:    "Search the stored pages for words, all of which a page must have. \"A phrase\" in quotation marks, a beginn*, and -without work too.",
		Example: "  trawl search crawl frontier\n  trawl search '\"robots exclusion\" -draft'",
		Args:    submit.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if q.Limit < 1 || q.From < 0 {
				return &submit.UsageError{Err: fmt.Errorf("--limit %d --offset %d: want at least 1 and 0", q.Limit, q.From)}
			}
			q.Words = strings.Join(args, " ")
			if !sqlite.Searchable(q.Words) {
				return &submit.UsageError{Err: fmt.Errorf("%q: want at least one word to look for (-word only leaves pages out)", q.Words)}
			}
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
				found, err := c.Search(cmd.Context(), q)
				if err != nil {
					return err
				}
				if asJSON {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(found)
				}
				printFound(cmd.OutOrStdout(), q, found)
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&q.Crawl, "crawl", "", "only pages of this crawl")
	f.IntVar(&q.Limit, "limit", 10, "most results")
	f.IntVar(&q.From, "offset", 0, "results to pass over")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printFound(w io.Writer, q catalog.Query, found catalog.Found) {
	if found.Total == 0 {
		fmt.Fprintf(w, "no page has all of: %s\n", status.Printable(q.Words))
		return
	}
	bold, plain := "", ""
	if f, ok := w.(*os.File); ok && isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == "" {
		bold, plain = "\x1b[1m", "\x1b[0m"
	}
	if found.More {
		fmt.Fprintf(w, "the newest %d pages of more, the best first\n", found.Total)
	} else {
		fmt.Fprintf(w, "%d pages\n", found.Total)
	}
	for i, h := range found.Hits {
		title := h.Title
		if title == "" {
			title = "(no title)"
		}
		fmt.Fprintf(w, "\n%d. %s%s%s\n   %s\n   ", q.From+i+1, bold, status.Printable(title), plain, status.Printable(h.URL))
		for _, p := range h.Snippet {
			if p.Mark {
				fmt.Fprint(w, bold, status.Printable(p.Text), plain)
			} else {
				fmt.Fprint(w, status.Printable(p.Text))
			}
		}
		fmt.Fprintln(w)
	}
}

func exportCommand(a *app) *cobra.Command {
	var f catalog.Filter
	var format, output, state string
	cmd := &cobra.Command{
		Use:     "export",
		Short:   "Write the pages out: as jsonl, csv, urls, warc or cdxj",
		Example: "  trawl export --format jsonl > pages.jsonl\n  trawl export --format warc --output crawl.warc.gz",
		Args:    submit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			write, ok := exporters[format]
			if !ok {
				return &submit.UsageError{Err: fmt.Errorf("--format %q: want jsonl, csv, urls, warc or cdxj", format)}
			}
			if f.State = catalog.State(state); state != "" && !slices.Contains(catalog.States(), f.State) {
				return &submit.UsageError{Err: fmt.Errorf("--state %q: want waiting, queued, stored, failed or ended", state)}
			}
			out := cmd.OutOrStdout()
			if output != "" {
				file, err := os.Create(output)
				if err != nil {
					return fmt.Errorf("--output: %w", err)
				}
				defer func() { err = errors.Join(err, file.Close()) }()
				out = file
			}
			return a.withCatalog(cmd.Context(), func(c *sqlite.Catalog) error {
				b := bufio.NewWriterSize(out, 1<<20)
				if err := write(cmd.Context(), a, c, f, b); err != nil {
					return err
				}
				return b.Flush()
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&format, "format", "jsonl", "jsonl, csv, urls, warc or cdxj")
	fl.StringVar(&f.Crawl, "crawl", "", "only this crawl")
	fl.StringVar(&state, "state", "", "only pages in this state")
	fl.BoolVar(&f.Text, "text", false, "jsonl: with the text")
	fl.BoolVar(&f.Links, "links", false, "jsonl: with the links")
	fl.StringVarP(&output, "output", "o", "", "file to write to instead of standard output")
	return cmd
}

type exporter func(context.Context, *app, *sqlite.Catalog, catalog.Filter, io.Writer) error

var exporters = map[string]exporter{"jsonl": exportJSONL, "csv": exportCSV, "urls": exportURLs, "warc": exportWARC, "cdxj": exportCDXJ}

// pageJSON is a page with what was read of it.
type pageJSON struct {
	explain.Page
	Text  string   `json:"text,omitempty"`
	Links []string `json:"links,omitempty"`
}

func exportJSONL(ctx context.Context, _ *app, c *sqlite.Catalog, f catalog.Filter, w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return c.Pages(ctx, f, func(p catalog.Page) error {
		return enc.Encode(pageJSON{explain.PageOf(p), p.Text, plainLinks(p.Links)})
	})
}

func exportURLs(ctx context.Context, _ *app, c *sqlite.Catalog, f catalog.Filter, w io.Writer) error {
	return c.Pages(ctx, f, func(p catalog.Page) error {
		_, err := fmt.Fprintln(w, p.URL)
		return err
	})
}

func exportCSV(ctx context.Context, _ *app, c *sqlite.Catalog, f catalog.Filter, w io.Writer) error {
	out := csv.NewWriter(w)
	err := out.Write([]string{"url", "crawl", "submitter", "host", "depth", "state", "reason", "status", "final_url", "mime", "size", "digest", "title", "fetched_at"})
	if err != nil {
		return err
	}
	err = c.Pages(ctx, f, func(p catalog.Page) error {
		fetched := ""
		if !p.FetchedAt.IsZero() {
			fetched = p.FetchedAt.Format(time.RFC3339)
		}
		return out.Write([]string{
			p.URL, p.Crawl, cell(p.Submitter), p.Host, strconv.Itoa(p.Depth), string(p.State), p.Reason, strconv.Itoa(p.Status), p.FinalURL, cell(p.MIME),
			strconv.FormatInt(p.Size, 10), p.Digest, cell(p.Title), fetched,
		})
	})
	out.Flush()
	return errors.Join(err, out.Error())
}

// cell keeps a spreadsheet from taking crawled text for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// exportWARC copies the records of the chosen pages, as they lie in the archive.
func exportWARC(ctx context.Context, a *app, c *sqlite.Catalog, f catalog.Filter, w io.Writer) error {
	return a.eachRecord(ctx, c, f, func(s *archive.Store, ref archive.Ref) error { return s.Copy(ref, w) })
}

// exportCDXJ writes a sorted index of the chosen pages over the files of the archive.
func exportCDXJ(ctx context.Context, a *app, c *sqlite.Catalog, f catalog.Filter, w io.Writer) error {
	var lines []string
	err := a.eachRecord(ctx, c, f, func(s *archive.Store, ref archive.Ref) error {
		l, err := s.IndexLine(ref)
		lines = append(lines, l)
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(lines)
	_, err = io.WriteString(w, strings.Join(lines, ""))
	return err
}

func (a *app) eachRecord(ctx context.Context, c *sqlite.Catalog, f catalog.Filter, fn func(*archive.Store, archive.Ref) error) error {
	dir, err := a.cfg.StoreDir()
	if err != nil {
		return err
	}
	store, err := archive.Open(dir, archive.Options{Log: a.log})
	if err != nil {
		return err
	}
	err = c.Pages(ctx, f, func(p catalog.Page) error {
		if p.WARC.File == "" {
			return nil
		}
		if err := fn(store, archive.Ref(p.WARC)); err != nil {
			return fmt.Errorf("%s: %w", p.URL, err)
		}
		return nil
	})
	return errors.Join(err, store.Close())
}

// plainLinks are links without what a sitemap says of them.
func plainLinks(lines []string) []string {
	for i, l := range lines {
		lines[i], _, _ = strings.Cut(l, "\t")
	}
	return lines
}
