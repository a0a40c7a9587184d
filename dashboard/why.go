package dashboard

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/signals"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

// judged is a diagnosis, and the window that it was made from.
type judged struct {
	report why.Report
	window signals.Window
}

func judge(ctx context.Context, past *signals.History) (judged, error) {
	w, _, err := past.Window(ctx)
	if err != nil {
		return judged{window: w}, err
	}
	return judged{why.Judge(w), w}, nil
}

// diagnosis returns what is judged, within seconds: a Redis that is away is a diagnosis too.
func (s *Server) diagnosis(ctx context.Context) (why.Report, signals.Window) {
	timed, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	j, err := s.judged.get(timed)
	if err != nil {
		s.o.Log.WarnContext(ctx, "diagnosis", "err", err)
		return why.Away("it does not answer; the log says more", time.Now()), j.window
	}
	return j.report, j.window
}

type whyPage struct {
	frame
	why.Report
	Charts    []chart
	Processes []signals.Process
	State     signals.State
	Table     []why.Threshold
}

func (s *Server) why(w http.ResponseWriter, r *http.Request) {
	report, window := s.diagnosis(r.Context())
	p := whyPage{frame: frame{Title: "Why", Nav: "why", At: time.Now()}, Report: report, Charts: charts(window), Processes: window.Alive(), Table: why.Table()}
	if last := signals.Over(window.Ticks); last.State != nil {
		p.State = *last.State
	}
	s.render(w, r, http.StatusOK, "why.html", p)
}

func (s *Server) apiWhy(w http.ResponseWriter, r *http.Request) {
	report, _ := s.diagnosis(r.Context())
	s.json(w, r, http.StatusOK, report)
}

// chart is a signal over the window, as a line in a drawing chartWide by chartHigh.
type chart struct {
	Name   string
	Now    string
	Most   string
	Points string // of an SVG polyline; empty when nothing is known
	Known  bool
}

const (
	chartWide, chartHigh = 300, 40
	chartPoints          = 60 // at most
	chartLeast           = 24 // ticks that it is long, at least
)

// charts are the signals that say most about how a crawl goes.
func charts(w signals.Window) []chart {
	w = begun(w)
	closed := int64(-1)
	perS := func(n int64, t signals.Tick) float64 { return float64(n) / t.Span.Seconds() }
	plain := func(v float64) string { return rate(v) }
	seconds := func(v float64) string { return why.Span(v) }
	part := func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }
	ofState := func(of func(signals.State) float64) func(signals.Tick) (float64, bool) {
		return func(t signals.Tick) (float64, bool) {
			if t.State == nil {
				return 0, false
			}
			return of(*t.State), true
		}
	}
	said := func(of func(signals.Tick) float64) func(signals.Tick) (float64, bool) {
		return func(t signals.Tick) (float64, bool) { return of(t), len(t.Processes) > 0 }
	}
	flow := func(t signals.Tick, k tasks.Kind) *signals.Flow {
		if f := t.Stages[k]; f != nil {
			return f
		}
		return &signals.Flow{}
	}
	return []chart{
		newChart(w, "pages closed a second", plain, func(t signals.Tick) (float64, bool) {
			if t.State == nil {
				return 0, false
			}
			before := closed
			closed = t.State.Closed
			return perS(max(closed-before, 0), t), before >= 0
		}),
		newChart(w, "new pages a second", plain, said(func(t signals.Tick) float64 {
			return perS(t.Top[signals.Name(signals.Arrivals, signals.ByOrigin)].Total(), t)
		})),
		newChart(w, "open pages", plain, ofState(func(s signals.State) float64 { return float64(s.Open) })),
		newChart(w, "bytes a second", func(v float64) string { return humanize.Bytes(uint64(v)) + "/s" }, said(func(t signals.Tick) float64 { return perS(t.Web.Bytes, t) })),
		newChart(w, "downloads at once", plain, said(func(t signals.Tick) float64 { return flow(t, tasks.KindFetch).Busy.Seconds() / t.Span.Seconds() })),
		newChart(w, "first byte, median", seconds, said(func(t signals.Tick) float64 { return t.Web.FirstByte.Quantile(0.5).Seconds() })),
		newChart(w, "store, 95th percentile", seconds, said(func(t signals.Tick) float64 { return flow(t, tasks.KindStore).Service.Quantile(0.95).Seconds() })),
		newChart(w, "Redis latency", seconds, ofState(func(s signals.State) float64 { return s.Redis.Ping.Seconds() })),
		newChart(w, "processors busy", part, said(func(t signals.Tick) (most float64) {
			for _, p := range t.Processes {
				most = max(most, p.Busy)
			}
			return most
		})),
	}
}

// begun leaves out the time before anything was said.
func begun(w signals.Window) signals.Window {
	begin := max(slices.IndexFunc(w.Ticks, func(t signals.Tick) bool { return len(t.Processes) > 0 }), 0)
	w.Ticks = w.Ticks[min(begin, max(len(w.Ticks)-chartLeast, 0)):]
	return w
}

// newChart draws the mean of every few ticks.
func newChart(w signals.Window, name string, write func(float64) string, of func(signals.Tick) (float64, bool)) chart {
	step := (len(w.Ticks) + chartPoints - 1) / chartPoints
	n := len(w.Ticks) / max(step, 1)
	value, known := make([]float64, n), make([]bool, n)
	most := 0.0
	for i := range n {
		sum, count := 0.0, 0
		for _, t := range w.Ticks[i*step : (i+1)*step] {
			if v, ok := of(t); ok {
				sum += v
				count++
			}
		}
		if count > 0 {
			value[i], known[i] = sum/float64(count), true
			most = max(most, value[i])
		}
	}
	c := chart{Name: name, Most: write(most)}
	var points strings.Builder
	for i, v := range value {
		if known[i] {
			fmt.Fprintf(&points, "%.1f,%.1f ", float64(i)/float64(max(n-1, 1))*chartWide, chartHigh-2-v/max(most, 1e-9)*(chartHigh-4))
			c.Now, c.Known = write(v), true
		}
	}
	c.Points = strings.TrimSpace(points.String())
	return c
}
