package dashboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/catalog"
	"example.org/trawl/explain"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// defaultCrawl is the crawl of who names none.
const defaultCrawl = "default"

// where asks for a visit's whereabouts, or says within seconds that Redis is away.
func (s *Server) where(ctx context.Context, visit string) (tasks.Kind, time.Time, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	return s.o.Where(ctx, visit)
}

// explain explains a URL. Where no crawl is named it is one that knows the page, the default one before others; others are those
// that know it as well.
func (s *Server) explain(ctx context.Context, crawl, raw string) (x *explain.Explanation, of string, others []string, err error) {
	e := explain.Explainer{Catalog: s.o.Catalog, Agent: cmp.Or(s.o.Agent, "Trawl")}
	if s.o.Where != nil {
		e.Where = s.where
	}
	all, err := s.crawls(ctx)
	if err != nil {
		return nil, crawl, nil, err
	}
	know, err := s.know(ctx, all, raw)
	if err != nil {
		return nil, crawl, nil, err
	}
	for _, some := range [][]string{know, all, {defaultCrawl}} {
		switch {
		case crawl != "" || len(some) == 0:
		case slices.Contains(some, defaultCrawl):
			crawl = defaultCrawl
		default:
			crawl = some[0]
		}
	}
	x, err = e.URL(ctx, crawl, raw)
	return x, crawl, slices.DeleteFunc(know, func(name string) bool { return name == crawl }), err
}

// know are those of the crawls that know a URL.
func (s *Server) know(ctx context.Context, crawls []string, raw string) (out []string, err error) {
	u, err := weburl.Canonical(raw)
	if err != nil { // the explanation says so
		return nil, nil
	}
	for _, name := range crawls {
		_, err := s.o.Catalog.Page(ctx, name, u)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			out = append(out, name)
		}
	}
	return out, nil
}

type pagePage struct {
	frame
	URL      string // as it was asked for
	Crawl    string // as it was asked for; "" for any
	Crawls   []string
	Others   []string // crawls that know the page too
	X        *explain.Explanation
	Sentence string
	Error    string
}

// Tone is the class of a step, so that the eye finds what matters.
func (pagePage) Tone(what string) string {
	switch what {
	case "attempt", "failed":
		return "bad"
	case "waiting", "queued":
		return "now"
	case "stored":
		return "good"
	}
	return "said"
}

// longestURL bounds what is asked for: no page is longer, and it comes back in the answer.
const longestURL = 8192

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	now := time.Now()
	p := pagePage{frame: frame{Title: "Pages", Nav: "pages", At: now}, URL: strings.TrimSpace(v.Get("url")), Crawl: v.Get("crawl")}
	var err error
	if p.Crawls, err = s.crawls(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	code, crawl := http.StatusOK, ""
	switch {
	case len(p.URL) > longestURL:
		code, p.URL, p.Error = http.StatusBadRequest, "", fmt.Sprintf("That URL is longer than %d octets.", longestURL)
	case p.URL != "":
		p.X, crawl, p.Others, err = s.explain(r.Context(), p.Crawl, p.URL)
		switch {
		case errors.Is(err, catalog.ErrNotFound):
			p.X, p.Error = nil, fmt.Sprintf("There is no crawl %q.", status.Printable(crawl))
			if len(p.Crawls) == 0 {
				p.Error = "There is no crawl yet."
			}
		case err != nil:
			s.fail(w, r, err)
			return
		default:
			p.Sentence = pageSentence(p.X, crawl, now)
			if p.X.Canonical == "" {
				code = http.StatusBadRequest
			}
		}
	}
	s.render(w, r, code, "pages.html", p)
}

// noPage is the explanation of a URL that is no page, and why there is none.
type noPage struct {
	*explain.Explanation
	Error string `json:"error"`
}

func (s *Server) apiPages(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	raw := strings.TrimSpace(v.Get("url"))
	if raw == "" || len(raw) > longestURL {
		s.json(w, r, http.StatusBadRequest, apiError{"say which page: /api/pages?url=https://example.org/&crawl=default"})
		return
	}
	x, crawl, _, err := s.explain(r.Context(), v.Get("crawl"), raw)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		s.json(w, r, http.StatusNotFound, apiError{fmt.Sprintf("there is no crawl %q", crawl)})
	case err != nil:
		s.fail(w, r, err)
	case x.Canonical == "":
		s.json(w, r, http.StatusBadRequest, noPage{x, x.Steps[0].Says})
	case x.Page == nil:
		s.json(w, r, http.StatusNotFound, noPage{x, fmt.Sprintf("not known to crawl %s", crawl)})
	default:
		s.json(w, r, http.StatusOK, x)
	}
}

// pageSentence says in one line how a page stands.
func pageSentence(x *explain.Explanation, crawl string, now time.Time) string {
	if x.Canonical == "" {
		return "This is no URL that can be crawled: " + status.Printable(x.Steps[0].Says) + "."
	}
	p := x.Page
	if p == nil {
		return fmt.Sprintf("Not known to crawl %s: never submitted, and no crawled page links to it in scope. This is what would become of it.", status.Printable(crawl))
	}
	ago := func(t *time.Time) string {
		if t == nil {
			return "at a time that is not known"
		}
		return humanize.RelTime(*t, now, "ago", "from now")
	}
	switch p.State {
	case catalog.Waiting:
		s := "Waits: " + waitWords(x.Waits)
		if x.Expected != nil {
			s += fmt.Sprintf("; expected to start at %s (%s)", x.Expected.Local().Format(time.DateTime), ago(x.Expected))
		}
		return s + "."
	case catalog.Queued:
		if x.Expected != nil {
			return fmt.Sprintf("Queued: a visit is under way, and may touch the host at %s (%s).", x.Expected.Local().Format(time.TimeOnly), ago(x.Expected))
		}
		return "Queued: a visit is under way."
	case catalog.Stored:
		s := fmt.Sprintf("Stored %s", ago(p.FetchedAt))
		if p.NextDue != nil {
			s += fmt.Sprintf("; due again %s", ago(p.NextDue))
		}
		return s + "."
	case catalog.Failed:
		return fmt.Sprintf("Failed %s of %s.", ago(p.FetchedAt), strings.ReplaceAll(p.Reason, "_", " "))
	}
	return fmt.Sprintf("Ended %s: %s.", ago(p.FetchedAt), strings.ReplaceAll(p.Reason, "_", " "))
}

// waitWords says what a reason of the backlog means for one page.
func waitWords(reason string) string {
	words, ok := map[string]string{
		"paused": "it is paused by an operator", "backoff": "its host, or what everybody needs, is in trouble", "dns": "its host's name cannot be resolved",
		"robots": "for the robots.txt of its host", "retry": "for its next try", "revisit": "it is not due yet",
		"polite": "for its turn at its host", "backpressure": "for the workers to get to it",
	}[reason]
	if !ok {
		return strings.ReplaceAll(reason, "_", " ")
	}
	return words
}
