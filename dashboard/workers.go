package dashboard

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/signals"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// workersPage is who works, and on what.
type workersPage struct {
	frame
	Processes []signals.Process
	Doing     []doingRow
	State     signals.State
}

// doingRow is a run of a stage that is not over yet.
type doingRow struct {
	signals.Doing
	Worker string  // host and process number; "" when it said nothing else
	For    float64 // seconds
}

// workers shows the processes, what they use, and what takes them longest just now.
func (s *Server) workers(w http.ResponseWriter, r *http.Request) {
	_, window := s.diagnosis(r.Context())
	p := workersPage{frame: frame{Title: "Workers", Nav: "workers", At: time.Now()}, Processes: window.Alive()}
	if last := signals.Over(window.Ticks); last.State != nil {
		p.State = *last.State
	}
	names := map[string]string{}
	for _, x := range p.Processes {
		names[x.ID] = fmt.Sprintf("%s %d", x.Host, x.PID)
	}
	for _, d := range window.Doing() {
		p.Doing = append(p.Doing, doingRow{d, names[d.Process], p.At.Sub(d.Since).Seconds()})
	}
	s.render(w, r, http.StatusOK, "workers.html", p)
}

// stagePage is one stage in detail.
type stagePage struct {
	frame
	Stage  status.Stage
	Charts []chart
	Parts  []partRow
	Faults []share
	Top    []topRow
	Span   float64 // seconds that the numbers are of
}

// partRow is where the time of an exchange goes.
type partRow struct {
	Name     string
	P50, P95 float64 // milliseconds
}

// topRow is who takes most of a stage.
type topRow struct {
	What string
	Of   []signals.Share
}

// stageSpan is how far back the sums of a stage's page go.
const stageSpan = time.Minute

// stage shows how a stage went.
func (s *Server) stage(w http.ResponseWriter, r *http.Request) {
	kind := tasks.Kind(r.PathValue("stage"))
	st, err := s.now.get(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	i := slices.IndexFunc(st.Stages, func(x status.Stage) bool { return x.Stage == kind })
	if i < 0 {
		http.NotFound(w, r)
		return
	}
	_, window := s.diagnosis(r.Context())
	p := stagePage{frame: frame{Title: "Stage " + string(kind), Nav: "overview", At: time.Now()}, Stage: st.Stages[i], Charts: stageCharts(window, kind)}
	last := signals.Over(window.Ticks[max(len(window.Ticks)-int(stageSpan/signals.Every), 0):])
	p.Span = last.Span.Seconds()
	var whole signals.Flow
	if f := last.Stages[kind]; f != nil {
		whole = *f
		for k, n := range f.Faults {
			p.Faults = append(p.Faults, share{Reason: string(k), N: n})
		}
		slices.SortFunc(p.Faults, func(a, b share) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason)) })
	}
	if kind == tasks.KindFetch || kind == tasks.KindHead {
		for _, x := range []struct {
			name string
			h    signals.Hist
		}{{"DNS", last.Web.DNS}, {"connect", last.Web.Connect}, {"TLS", last.Web.TLS}, {"first byte", last.Web.FirstByte}, {"body", last.Web.Body}, {"all, with the wait for the host's turn", whole.Service}} {
			p.Parts = append(p.Parts, partRow{x.name, float64(x.h.Quantile(0.5).Microseconds()) / 1000, float64(x.h.Quantile(0.95).Microseconds()) / 1000})
		}
		for what, name := range map[string]string{"host": signals.ByHost, "type": signals.ByType} {
			if t := last.Top[signals.Name(signals.Busy, name)]; t != nil {
				p.Top = append(p.Top, topRow{what, t.Shares(8)})
			}
		}
		slices.SortFunc(p.Top, func(a, b topRow) int { return strings.Compare(a.What, b.What) })
	}
	s.render(w, r, http.StatusOK, "stage.html", p)
}

// stageCharts are a stage's rate, errors and duration.
func stageCharts(w signals.Window, kind tasks.Kind) []chart {
	w = begun(w)
	flow := func(of func(*signals.Flow, signals.Tick) float64) func(signals.Tick) (float64, bool) {
		return func(t signals.Tick) (float64, bool) {
			f := t.Stages[kind]
			if f == nil {
				f = &signals.Flow{}
			}
			return of(f, t), len(t.Processes) > 0
		}
	}
	queue := func(of func(signals.Queue) float64) func(signals.Tick) (float64, bool) {
		return func(t signals.Tick) (float64, bool) {
			if t.State == nil {
				return 0, false
			}
			return of(t.State.Queues[kind]), true
		}
	}
	return []chart{
		newChart(w, "done a second", rate, flow(func(f *signals.Flow, t signals.Tick) float64 { return float64(f.Done+f.Ended) / t.Span.Seconds() })),
		newChart(w, "failed tries a second", rate, flow(func(f *signals.Flow, t signals.Tick) float64 { return float64(f.Failed+f.Retried) / t.Span.Seconds() })),
		newChart(w, "at work", rate, flow(func(f *signals.Flow, t signals.Tick) float64 { return f.Busy.Seconds() / t.Span.Seconds() })),
		newChart(w, "takes, median", why.Span, flow(func(f *signals.Flow, _ signals.Tick) float64 { return f.Service.Quantile(0.5).Seconds() })),
		newChart(w, "takes, 95th percentile", why.Span, flow(func(f *signals.Flow, _ signals.Tick) float64 { return f.Service.Quantile(0.95).Seconds() })),
		newChart(w, "wait, 95th percentile", why.Span, flow(func(f *signals.Flow, _ signals.Tick) float64 { return f.Wait.Quantile(0.95).Seconds() })),
		newChart(w, "ready tasks", rate, queue(func(q signals.Queue) float64 { return float64(q.Pending) })),
		newChart(w, "oldest ready task", why.Span, queue(func(q signals.Queue) float64 { return q.Oldest.Seconds() })),
		newChart(w, "scheduled tasks", func(v float64) string { return humanize.Comma(int64(v)) }, queue(func(q signals.Queue) float64 { return float64(q.Scheduled) })),
	}
}
