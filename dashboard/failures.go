package dashboard

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/control"
	"example.org/trawl/fault"
	"example.org/trawl/status"
)

// choiceOf reads from a request which pages are meant; a fault that there is not is an error for who asked.
func choiceOf(r *http.Request) (catalog.Choice, error) {
	v := r.URL.Query()
	ch := catalog.Choice{Crawl: v.Get("crawl"), Host: v.Get("host"), Submitter: v.Get("submitter"), Fault: v.Get("fault")}
	return ch, control.CheckFault(ch)
}

// failureGroup is the pages of one host, or of all, that failed of one kind.
type failureGroup struct {
	catalog.Failures
	Host string // "" for all
	Rule fault.Rule
}

// failuresOf groups the failed pages by kind, for each host that the choice may mean.
func (s *Server) failuresOf(r *http.Request, ch catalog.Choice) (out []failureGroup, err error) {
	meant, err := control.Meant(r.Context(), s.o.Catalog, ch)
	if err != nil {
		return nil, err
	}
	for _, ch := range meant {
		some, err := s.o.Catalog.Failures(r.Context(), ch)
		if err != nil {
			return nil, err
		}
		for _, f := range some {
			out = append(out, failureGroup{f, ch.Host, fault.Of(fault.Kind(f.Fault))})
		}
	}
	return out, nil
}

type failuresPage struct {
	frame
	Choice catalog.Choice
	Crawls []string
	Groups []failureGroup
	Rule   *fault.Rule // of the one kind that is shown
	Pages  []catalog.FailedPage
	Older  string // link to those before the pages; "" when there are none
	Error  string
}

// failedAtOnce is how many failed pages are listed at once.
const failedAtOnce = 50

// Link leads to the same choice with another kind; "" for all kinds.
func (p failuresPage) Link(kind string) string {
	ch := p.Choice
	ch.Fault = kind
	return "/failures" + choiceQuery(ch)
}

// And is the choice, to be added to another query.
func (p failuresPage) And() template.URL {
	return template.URL("&" + strings.TrimPrefix(choiceQuery(p.Choice), "?")) // it is encoded
}

// Replay is the command that visits what is shown again.
func (p failuresPage) Replay() string {
	cmd := []string{"trawl retry"}
	for _, o := range [][2]string{{"fault", p.Choice.Fault}, {"crawl", p.Choice.Crawl}, {"host", p.Choice.Host}, {"submitter", p.Choice.Submitter}} {
		if o[1] != "" {
			cmd = append(cmd, "--"+o[0], shellWord(o[1]))
		}
	}
	return strings.Join(cmd, " ")
}

// shellWord quotes a word for a shell where it needs to be: a command is shown to be copied.
func shellWord(s string) string {
	s = status.Printable(s)
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:", r)
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 && !strings.HasPrefix(s, "-") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// choiceQuery is a choice as the query of a URL.
func choiceQuery(ch catalog.Choice) string {
	v := url.Values{}
	for name, value := range map[string]string{"crawl": ch.Crawl, "host": ch.Host, "submitter": ch.Submitter, "fault": ch.Fault} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(v) == 0 {
		return ""
	}
	return "?" + v.Encode()
}

func (s *Server) failures(w http.ResponseWriter, r *http.Request) {
	p := failuresPage{frame: frame{Title: "Failures", Nav: "failures", At: time.Now()}}
	ch, err := choiceOf(r)
	if err != nil {
		p.Error = sentenceOf(err)
		s.render(w, r, http.StatusBadRequest, "failures.html", p)
		return
	}
	p.Choice = ch
	if p.Crawls, err = s.crawls(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	p.Groups, err = s.failuresOf(r, ch)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		p.Error = sentenceOf(notFound(err))
	case err != nil:
		s.fail(w, r, err)
		return
	}
	if ch.Fault != "" {
		p.Title, p.Rule = "Failures: "+strings.ReplaceAll(ch.Fault, "_", " "), new(fault.Of(fault.Kind(ch.Fault)))
		if p.Pages, err = s.failedPages(r, ch); err != nil && !errors.Is(err, catalog.ErrNotFound) {
			s.fail(w, r, err)
			return
		}
		if n := len(p.Pages); n == failedAtOnce {
			p.Older = fmt.Sprintf("%s&before=%d", p.Link(ch.Fault), p.Pages[n-1].ID)
		}
	}
	s.render(w, r, http.StatusOK, "failures.html", p)
}

// failedPages are those of the choice, from where the request goes on.
func (s *Server) failedPages(r *http.Request, ch catalog.Choice) ([]catalog.FailedPage, error) {
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64) // anything else: from the first on
	return control.FailedPages(r.Context(), s.o.Catalog, ch, max(before, 0), failedAtOnce)
}

func (s *Server) apiFailures(w http.ResponseWriter, r *http.Request) {
	ch, err := choiceOf(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	groups, err := s.failuresOf(r, ch)
	out := []catalog.Failures{} // a list, if an empty one
	for _, g := range groups {
		out = append(out, g.Failures)
	}
	s.found(w, r, out, err)
}

func (s *Server) apiFailedPages(w http.ResponseWriter, r *http.Request) {
	ch, err := choiceOf(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	pages, err := s.failedPages(r, ch)
	s.found(w, r, append([]catalog.FailedPage{}, pages...), err)
}

// found answers with v, or with why there is none.
func (s *Server) found(w http.ResponseWriter, r *http.Request, v any, err error) {
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.json(w, r, http.StatusOK, v)
}

// notFound is a catalog's word for what is not there, without its own name for that.
func notFound(err error) error {
	what := strings.TrimSuffix(err.Error(), ": "+catalog.ErrNotFound.Error())
	return fmt.Errorf("there is no %s", status.Printable(what))
}

// sentenceOf makes an error a sentence.
func sentenceOf(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// crawls are the names of all crawls.
func (s *Server) crawls(ctx context.Context) (out []string, err error) {
	all, err := s.o.Catalog.Status(ctx)
	for _, t := range all {
		out = append(out, t.Crawl)
	}
	return out, err
}
