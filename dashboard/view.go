package dashboard

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"example.org/trawl/catalog"
	"example.org/trawl/events"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
	"example.org/trawl/why"
)

var functions = template.FuncMap{
	"n":        func(v any) string { return humanize.Comma(integer(v)) },
	"bytes":    func(v int64) string { return humanize.Bytes(uint64(max(v, 0))) },
	"rate":     rate,
	"ms":       millis,
	"zero":     zero,
	"tookMS":   func(e events.Event) float64 { return float64(e.Took.Microseconds()) / 1000 },
	"clock":    func(t time.Time) string { return t.Format(time.TimeOnly) },
	"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"ago":      humanize.Time,
	"eta":      eta,
	"words":    func(s any) string { return strings.ReplaceAll(fmt.Sprint(s), "_", " ") },
	"reasons":  reasons,
	"add":      func(a, b int) int { return a + b },
	"part":     func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) },
	"quantity": why.Quantity,
	"doLink":   doLink,
}

func integer(v any) int64 {
	switch n := v.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

func rate(v float64) string {
	if v > 0 && v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return humanize.Comma(int64(v + 0.5))
}

// millis writes a time; 0 stands for none taken.
func millis(v float64) string {
	switch {
	case v <= 0:
		return "–"
	case v < 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return humanize.Comma(int64(v + 0.5))
}

// zero is the class of a number that says nothing, so that the others stand out.
func zero(v any) string {
	if reflect.ValueOf(v).IsZero() {
		return " zero"
	}
	return ""
}

// reasons puts the most frequent first.
func reasons(counts map[string]int64) (out []share) {
	for r, n := range counts {
		out = append(out, share{Reason: r, N: n})
	}
	slices.SortFunc(out, func(a, b share) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason)) })
	return out
}

func eta(seconds float64) string {
	switch {
	case seconds < 0:
		return "unknown"
	case seconds == 0:
		return "done"
	case seconds < 60:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.1f h", seconds/3600)
	}
	return humanize.Comma(int64(min(seconds/86400, 1e6))) + " days"
}

// sentence says in one line what is going on.
func sentence(s status.Status) string {
	var stored, open, bytes int64
	for _, c := range s.Crawls {
		stored += c.Stored
		open += c.Open()
		bytes += c.Bytes
	}
	if len(s.Crawls) == 0 {
		return "Nothing has been submitted yet. Submit a URL with: enqueue --depth -1 https://example.org"
	}
	perS, workers := 0.0, 0
	for _, st := range s.Stages {
		if st.Stage == tasks.KindStore {
			perS = st.DonePerS
		}
		workers = max(workers, st.Workers)
	}
	switch {
	case open == 0:
		return fmt.Sprintf("%s pages stored (%s); nothing is waiting.", humanize.Comma(stored), humanize.Bytes(uint64(bytes)))
	case workers == 0:
		return fmt.Sprintf("%s pages stored; %s wait, and no worker is running: start one with trawl worker.", humanize.Comma(stored), humanize.Comma(open))
	}
	return fmt.Sprintf("%s pages/s; %s stored (%s), %s to go.", rate(perS), humanize.Comma(stored), humanize.Bytes(uint64(bytes)), humanize.Comma(open))
}

// share is a part of the backlog.
type share struct {
	Reason string
	N      int64
	// Of a drawing 1000 wide:
	X, Width float64
}

// barWidth is the width of the drawn backlog.
const barWidth = 1000

func shares(s status.Status) (out []share, open int64) {
	for _, n := range s.Backlog {
		open += n
	}
	x := 0.0
	for _, r := range status.Reasons() {
		n := s.Backlog[r]
		if n == 0 {
			continue
		}
		w := float64(n) / float64(open) * barWidth
		out = append(out, share{r, n, x, w})
		x += w
	}
	return out, open
}

// query reads a search from a request; what is out of range is brought into it.
func query(r *http.Request) catalog.Query {
	v := r.URL.Query()
	q := catalog.Query{Words: v.Get("q"), Crawl: v.Get("crawl"), Limit: hitsAPage}
	if n, err := strconv.Atoi(v.Get("limit")); err == nil {
		q.Limit = min(max(n, 1), 100)
	}
	if n, err := strconv.Atoi(v.Get("from")); err == nil {
		q.From = min(max(n, 0), 10_000)
	}
	return q
}

// showPayload is how asynqmon shows a task: as the JSON that it is, not as bytes.
func showPayload(_ string, payload []byte) string { return string(payload) }
