package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/catalog"
	"example.org/trawl/control"
	"example.org/trawl/status"
	"example.org/trawl/submit"
	"example.org/trawl/tasks"
)

// crawlsPage lists the crawls and takes a new one.
type crawlsPage struct {
	frame
	Crawls   []crawlRow
	Paused   []catalog.Pause
	Form     map[string]string // what was typed, to be typed no second time
	Defaults tasks.Settings
	Error    string
	Report   *submit.Report
}

// Scopes are what the form offers, the usual one first.
func (crawlsPage) Scopes() []tasks.Scope {
	return []tasks.Scope{tasks.ScopeHost, tasks.ScopeDomain, tasks.ScopePrefix, tasks.ScopeAny}
}

// crawlRow is a crawl and how far it is.
type crawlRow struct {
	status.Crawl
	Paused bool
	Bar    []share // closed pages, of a drawing barWidth wide
}

// Closed is the pages that need no visit any more.
func (c crawlRow) Closed() int64 { return c.Stored + c.Failed + c.Ended }

func (s *Server) crawlsPage(w http.ResponseWriter, r *http.Request, code int, p crawlsPage) {
	st, err := s.now.get(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p.frame, p.Paused, p.Defaults = frame{Title: "Crawls", Nav: "crawls", At: time.Now()}, st.Paused, tasks.Defaults()
	for _, c := range st.Crawls {
		row := crawlRow{Crawl: c, Paused: slices.ContainsFunc(st.Paused, func(p catalog.Pause) bool { return p.What == "crawl" && p.Name == c.Name })}
		x := 0.0
		for _, part := range []share{{Reason: "stored", N: c.Stored}, {Reason: "ended", N: c.Ended}, {Reason: "failed", N: c.Failed}} {
			part.X, part.Width = x, float64(part.N)/float64(max(c.Admitted, 1))*barWidth
			x += part.Width
			row.Bar = append(row.Bar, part)
		}
		p.Crawls = append(p.Crawls, row)
	}
	s.render(w, r, code, "crawls.html", p)
}

func (s *Server) crawlList(w http.ResponseWriter, r *http.Request) {
	s.crawlsPage(w, r, http.StatusOK, crawlsPage{})
}

// newCrawl submits what the form says.
func (s *Server) newCrawl(w http.ResponseWriter, r *http.Request) {
	said, err := fields(w, r)
	if err != nil {
		s.crawlsPage(w, r, http.StatusBadRequest, crawlsPage{Error: sentenceOf(err)})
		return
	}
	p := crawlsPage{Form: map[string]string{}}
	for name := range said {
		p.Form[name] = said.Get(name)
	}
	urls := strings.Fields(said.Get("urls"))
	said["urls"] = urls
	o, err := orderOf(said, r)
	if err == nil && len(urls)+len(o.Sitemaps) == 0 {
		err = wrongRequest{errors.New("name at least one URL to begin at")}
	}
	if err != nil {
		p.Error = sentenceOf(err)
		s.crawlsPage(w, r, http.StatusBadRequest, p)
		return
	}
	report, err := o.Submit(r.Context(), s.o.Redis, urls, time.Now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p.Report = &report
	if report.Submitted > 0 {
		p.Form = nil
	}
	s.crawlsPage(w, r, http.StatusOK, p)
}

// doPage asks whether something is to be done, with what it would do, or says that it is done.
type doPage struct {
	frame
	Verb   control.Verb
	Choice catalog.Choice
	Pages  int64
	Back   string
	Done   string
	Error  string
}

// Word is the verb, as a button has it.
func (p doPage) Word() string { return sentenceWord(string(p.Verb)) }

// What says in words what is chosen.
func (p doPage) What() string {
	var words []string
	for _, x := range [][2]string{{"kind", strings.ReplaceAll(p.Choice.Fault, "_", " ")}, {"crawl", p.Choice.Crawl}, {"host", p.Choice.Host}, {"submitter", p.Choice.Submitter}} {
		if x[1] != "" {
			words = append(words, x[0]+" "+status.Printable(x[1]))
		}
	}
	return strings.Join(words, ", ")
}

// Effect says what it would do.
func (p doPage) Effect() string {
	n, pages := humanize.Comma(p.Pages), "pages"
	if p.Pages == 1 {
		pages = "page"
	}
	switch p.Verb {
	case control.Pause:
		return fmt.Sprintf("No page of it is visited any more until it is resumed: %s open %s. Nothing is lost, and visits that have started end.", n, pages)
	case control.Resume:
		return fmt.Sprintf("%s open %s may be visited again.", n, pages)
	case control.Cancel:
		return fmt.Sprintf("%s open %s end with the reason cancelled, and their links are not followed. What is stored stays. This cannot be taken back; the same URLs can be submitted again.", n, pages)
	}
	return fmt.Sprintf("%s failed %s wait for a visit again, with all their tries.", n, pages)
}

// back is where somebody came from who does this.
func back(v control.Verb, ch catalog.Choice) string {
	switch {
	case v == control.Retry:
		return "/failures" + choiceQuery(ch)
	case ch.Host != "":
		return "/hosts" + choiceQuery(catalog.Choice{Host: ch.Host})
	}
	return "/crawls"
}

// do shows what a verb would do, and POST does it.
func (s *Server) do(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.render(w, r, http.StatusBadRequest, "do.html", doPage{frame: frame{Title: "Do", At: time.Now()}, Error: sentenceOf(err), Back: "/"})
		return
	}
	p := doPage{
		frame: frame{At: time.Now()}, Verb: control.Verb(r.Form.Get("verb")),
		Choice: catalog.Choice{Crawl: r.Form.Get("crawl"), Host: r.Form.Get("host"), Submitter: r.Form.Get("submitter"), Fault: r.Form.Get("fault")},
	}
	p.Back = back(p.Verb, p.Choice)
	p.Title = p.Word() + " " + p.What()
	var err error
	if r.Method != http.MethodPost {
		p.Pages, err = control.Preview(r.Context(), s.o.Catalog, p.Verb, p.Choice)
	} else {
		var done []control.Effect
		if done, err = s.order(r.Context(), p.Verb, p.Choice); err == nil {
			s.o.Log.InfoContext(r.Context(), "operator", "verb", p.Verb, "choice", p.Choice)
			p.Done = sentenceWord(p.Verb.Done()) + " " + p.What()
			if done[0].What == "" {
				p.Done += ": " + humanize.Comma(done[0].Pages) + " pages"
			}
			p.Done += "."
		}
	}
	code := http.StatusOK
	switch {
	case err == nil:
	case errors.As(err, new(*control.ChoiceError)):
		code, p.Error, p.Title = http.StatusBadRequest, sentenceOf(err), "Nothing is done"
	case errors.Is(err, catalog.ErrNotFound):
		code, p.Error, p.Title = http.StatusNotFound, sentenceOf(notFound(err)), "Nothing is done"
	case errors.Is(err, control.ErrNotPaused):
		code, p.Error, p.Title = http.StatusConflict, sentenceOf(err), "Nothing is done"
	default:
		s.fail(w, r, err)
		return
	}
	s.render(w, r, code, "do.html", p)
}

// doLink leads to where a command can be looked at and done; "" for those that only a terminal does.
func doLink(command string) string {
	words := strings.Fields(command)
	if len(words) != 4 || words[0] != "trawl" || !slices.Contains(control.Verbs(), control.Verb(words[1])) {
		return ""
	}
	what := strings.TrimPrefix(words[2], "--")
	if !slices.Contains([]string{"crawl", "host", "submitter", "fault"}, what) {
		return ""
	}
	return "/do?" + url.Values{"verb": {words[1]}, what: {words[3]}}.Encode()
}

// sentenceWord begins a sentence.
func sentenceWord(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
