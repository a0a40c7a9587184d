// Package dashboard is Trawl in a browser: its pages and asynqmon behind one login, and the same answers as JSON.
// Everything it needs is in the binary; what was crawled is only ever shown as text.
package dashboard

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"example.org/trawl/catalog"
	"example.org/trawl/control"
	"example.org/trawl/events"
	"example.org/trawl/explain"
	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed static
var static embed.FS

//go:embed openapi.json
var openAPI []byte

// Catalog is what the pages ask of the database.
type Catalog interface {
	status.Catalog
	explain.Catalog
	control.Catalog // whose Failures is ErrNotFound when there is no such crawl, host or submitter
	Search(ctx context.Context, q catalog.Query) (catalog.Found, error)
	// Schedules lists those that are due until then.
	Schedules(ctx context.Context, until time.Time) ([]catalog.Schedule, error)
	// RemoveSchedule returns catalog.ErrNotFound when there is no such schedule.
	RemoveSchedule(ctx context.Context, id int64) error
	// Check tells whether the database can be written.
	Check(ctx context.Context) error
}

// Options are what the dashboard is made of.
type Options struct {
	Catalog Catalog
	Redis   redis.UniversalClient
	// RedisConn is the plain connection that asynqmon wants.
	RedisConn asynq.RedisConnOpt
	// Where tells where a visit is; nil where that is not known.
	Where explain.Where
	// Agent is how robots.txt names the crawler; "" is Trawl.
	Agent   string
	Login   Login
	Metrics http.Handler // what Prometheus reads; nil: nothing
	Log     *slog.Logger
}

// Server answers HTTP. Close it.
type Server struct {
	o       Options
	judged  kept[judged]
	now     kept[status.Status]
	recent  kept[[]events.Event]
	feed    feed
	streams context.Context // done when the streams are to end
	end     context.CancelFunc
	pages   *template.Template
	mon     *asynqmon.HTTPHandler
	handler http.Handler
}

// New returns a server.
func New(o Options) (*Server, error) {
	s := &Server{o: o}
	past := signals.NewHistory(o.Redis, why.Length)
	s.judged.make = func(ctx context.Context) (judged, error) { return judge(ctx, past) }
	s.now.make = s.collect
	s.recent.make = func(ctx context.Context) ([]events.Event, error) {
		return events.Last(ctx, o.Redis, recentEvents, lookBack, telling)
	}
	s.streams, s.end = context.WithCancel(context.Background())
	var err error
	if s.pages, err = template.New("").Funcs(functions).Funcs(textFunctions).ParseFS(templates, "templates/*.html"); err != nil {
		return nil, err
	}
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	s.mon = asynqmon.New(asynqmon.Options{
		RootPath: "/asynqmon", RedisConnOpt: o.RedisConn, ReadOnly: true, PayloadFormatter: asynqmon.PayloadFormatterFunc(showPayload),
	})
	inner := http.NewServeMux()
	inner.HandleFunc("GET /{$}", s.overview)
	inner.HandleFunc("GET /why", s.why)
	inner.HandleFunc("GET /hosts", s.hosts)
	inner.HandleFunc("GET /failures", s.failures)
	inner.HandleFunc("GET /pages", s.page)
	inner.HandleFunc("GET /crawls", s.crawlList)
	inner.HandleFunc("POST /crawls", s.newCrawl)
	inner.HandleFunc("GET /schedules", s.schedules)
	inner.HandleFunc("POST /schedules/{id}/remove", s.unschedule)
	inner.HandleFunc("GET /workers", s.workers)
	inner.HandleFunc("GET /stages/{stage}", s.stage)
	inner.HandleFunc("GET /do", s.do)
	inner.HandleFunc("POST /do", s.do)
	inner.HandleFunc("GET /search", s.search)
	inner.HandleFunc("GET /live", s.live)
	inner.Handle("/debug/pprof/", profiles())
	if o.Metrics != nil {
		inner.Handle("GET /metrics", o.Metrics)
	}
	for pattern, h := range s.api() {
		inner.HandleFunc(pattern, h)
	}
	inner.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	inner.Handle("/asynqmon/", monitor(s.mon))
	inner.Handle("GET /asynqmon", http.RedirectHandler("/asynqmon/", http.StatusMovedPermanently))

	outer := http.NewServeMux()
	outer.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	outer.HandleFunc("GET /readyz", s.ready)
	outer.Handle("/", guard(o.Login, http.NewCrossOriginProtection().Handler(inner)))
	s.handler = headers(outer)
	return s, nil
}

// api is what answers in JSON, as openapi.json describes it.
func (s *Server) api() map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{
		"GET /api/status":            s.apiStatus,
		"GET /api/why":               s.apiWhy,
		"GET /api/pages":             s.apiPages,
		"GET /api/search":            s.apiSearch,
		"GET /api/hosts":             s.apiHosts,
		"GET /api/failures":          s.apiFailures,
		"GET /api/failures/pages":    s.apiFailedPages,
		"GET /api/schedules":         s.apiSchedules,
		"DELETE /api/schedules/{id}": s.apiUnschedule,
		"GET /api/events":            s.apiEvents,
		"POST /api/urls":             s.apiURLs,
		"GET /api/openapi.json": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(openAPI)
		},
	}
	for _, v := range control.Verbs() {
		all["POST /api/"+string(v)] = s.apiControl(v)
	}
	return all
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// EndStreams ends the answers that would otherwise go on for as long as somebody looks.
func (s *Server) EndStreams() { s.end() }

// Close ends the streams and lets go of what asynqmon holds.
func (s *Server) Close() error {
	s.end()
	s.feed.done.Wait()
	return s.mon.Close()
}

// readyTime is how long the parts may take to answer /readyz.
const readyTime = 2 * time.Second

// ready answers 200 when database and Redis answer, else 503 with what does not.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	for what, check := range map[string]func(context.Context) error{
		"database": s.o.Catalog.Check,
		"redis":    func(ctx context.Context) error { return s.o.Redis.Ping(ctx).Err() },
	} {
		if err := check(ctx); err != nil {
			s.o.Log.WarnContext(ctx, "not ready", "part", what, "err", err)
			http.Error(w, what+" does not answer", http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = w.Write([]byte("ready\n"))
}

// frame is what every page has.
type frame struct {
	Title string
	Nav   string
	At    time.Time
}

type overviewPage struct {
	frame
	status.Status
	Why      why.Report
	Sentence string
	Backlog  []share
	Open     int64
	Events   []events.Event
}

// recentEvents is how many events the overview lists, and lookBack among how many it looks for them.
const (
	recentEvents = 25
	lookBack     = 2000
)

// collect gathers the status, or says within seconds that Redis is away: the client that asynq is given tries for half a minute,
// which is right for work and wrong for somebody who looks.
func (s *Server) collect(ctx context.Context) (status.Status, error) {
	ping, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := s.o.Redis.Ping(ping).Err(); err != nil {
		return status.Status{}, fmt.Errorf("redis: %w", err)
	}
	return status.Collect(ctx, s.o.Catalog, status.NewQueues(s.o.Redis))
}

func (s *Server) overview(w http.ResponseWriter, r *http.Request) {
	st, err := s.now.get(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	recent, err := s.recent.get(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	report, _ := s.diagnosis(r.Context())
	p := overviewPage{frame: frame{Title: "Overview", Nav: "overview", At: time.Now()}, Status: st, Why: report, Sentence: sentence(st), Events: recent}
	p.Backlog, p.Open = shares(st)
	s.render(w, r, http.StatusOK, "overview.html", p)
}

// telling tells whether an event is to be shown: starts say little, and so does the periodic work that went well, which comes every
// second and would soon be all that there is.
func telling(e events.Event) bool {
	periodic := e.Stage == tasks.KindPromote || e.Stage == tasks.KindReconcile
	return e.What != events.Started && (!periodic || e.What != events.Done)
}

type searchPage struct {
	frame
	Query catalog.Query
	Found catalog.Found
	Error string
	Prev  int
	Next  int
}

// hitsAPage is how many results a page shows.
const hitsAPage = 20

func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	q := query(r)
	p := searchPage{frame: frame{Title: "Search", Nav: "search", At: time.Now()}, Query: q, Prev: -1, Next: -1}
	found, err := s.o.Catalog.Search(r.Context(), q)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		p.Error = fmt.Sprintf("There is no crawl named %q.", q.Crawl)
	case err != nil:
		s.o.Log.WarnContext(r.Context(), "search", "err", err)
		p.Error = "This search could not be made. Try plain words."
	}
	p.Found = found
	if q.From > 0 {
		p.Prev = max(q.From-q.Limit, 0)
	}
	if int64(q.From+q.Limit) < found.Total {
		p.Next = q.From + q.Limit
	}
	s.render(w, r, http.StatusOK, "search.html", p)
}

func (s *Server) apiStatus(w http.ResponseWriter, r *http.Request) {
	st, err := s.now.get(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.json(w, r, http.StatusOK, st)
}

func (s *Server) apiSearch(w http.ResponseWriter, r *http.Request) {
	found, err := s.o.Catalog.Search(r.Context(), query(r))
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		s.json(w, r, http.StatusNotFound, apiError{"there is no such crawl"})
		return
	case err != nil:
		s.fail(w, r, err)
		return
	}
	if found.Hits == nil {
		found.Hits = []catalog.Hit{} // a list, if an empty one
	}
	s.json(w, r, http.StatusOK, found)
}

type apiError struct {
	Error string `json:"error"`
}

func (s *Server) json(w http.ResponseWriter, r *http.Request, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.o.Log.DebugContext(r.Context(), "answer", "err", err)
	}
}

// fail answers with what went wrong in general; the particulars, which may name what is nobody's business, go to the log.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.o.Log.ErrorContext(r.Context(), "page", "path", r.URL.Path, "err", err)
	const sentence = "The database or Redis does not answer; the log says more."
	if strings.HasPrefix(r.URL.Path, "/api/") {
		s.json(w, r, http.StatusServiceUnavailable, apiError{sentence})
		return
	}
	s.render(w, r, http.StatusServiceUnavailable, "fail.html", failPage{frame{Title: "No answer", At: time.Now()}, sentence})
}

type failPage struct {
	frame
	Error string
}

func (s *Server) render(w http.ResponseWriter, r *http.Request, code int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	if err := s.pages.ExecuteTemplate(w, name, data); err != nil {
		s.o.Log.ErrorContext(r.Context(), "render", "page", name, "err", err)
	}
}
