package dashboard

import (
	"math"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/events"
	"example.org/trawl/status"
	"example.org/trawl/tasks"
)

func TestSentence(t *testing.T) {
	crawl := func(c catalog.Counts) []status.Crawl { return []status.Crawl{{Name: "a", Counts: c}} }
	working := []status.Stage{{Stage: tasks.KindStore, DonePerS: 12.4, Workers: 2}}
	for _, c := range []struct {
		name string
		in   status.Status
		want string
	}{
		{"nothing", status.Status{}, "Nothing has been submitted yet. Submit a URL with: enqueue --depth -1 https://example.org"},
		{"through", status.Status{Crawls: crawl(catalog.Counts{Stored: 1234, Bytes: 5e6})}, "1,234 pages stored (5.0 MB); nothing is waiting."},
		{"no worker", status.Status{Crawls: crawl(catalog.Counts{Waiting: 7})}, "0 pages stored; 7 wait, and no worker is running: start one with trawl worker."},
		{"under way", status.Status{Crawls: crawl(catalog.Counts{Waiting: 7, Queued: 1, Stored: 5, Bytes: 5e3}), Stages: working}, "12 pages/s; 5 stored (5.0 kB), 8 to go."},
	} {
		if got := sentence(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestShares(t *testing.T) {
	got, open := shares(status.Status{Backlog: map[string]int64{"ready": 1, "polite": 3, "dns": 0}})
	want := []share{{"ready", 1, 0, 250}, {"polite", 3, 250, 750}}
	if diff := cmp.Diff(want, got); diff != "" || open != 4 {
		t.Errorf("%d open (-want +got):\n%s", open, diff)
	}
	if got, open := shares(status.Status{Backlog: map[string]int64{"ready": 0}}); got != nil || open != 0 {
		t.Errorf("of an empty backlog: %v, %d", got, open)
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{rate(0), "0"},
		{rate(0.04), "0.0"},
		{rate(9.94), "9.9"},
		{rate(1234.5), "1,235"},
		{millis(0), "–"},
		{millis(1.26), "1.3"},
		{millis(1057.8), "1,058"},
		{eta(-1), "unknown"},
		{eta(0), "done"},
		{eta(31.7), "32 s"},
		{eta(130), "2 min"},
		{eta(7261), "2.0 h"},
		{eta(1e6), "11 days"},
		{eta(math.MaxFloat64), "1,000,000 days"},
		{zero(0), " zero"},
		{zero(0.5), ""},
		{zero(int64(0)), " zero"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestReasons(t *testing.T) {
	want := []share{{Reason: "robots", N: 9}, {Reason: "gone", N: 2}, {Reason: "type", N: 2}}
	if diff := cmp.Diff(want, reasons(map[string]int64{"type": 2, "robots": 9, "gone": 2})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewest(t *testing.T) {
	all := []events.Event{
		{ID: "old", What: events.Done, Stage: tasks.KindStore},
		{ID: "bad tick", What: events.Failed, Stage: tasks.KindPromote},
		{ID: "start", What: events.Started, Stage: tasks.KindFetch},
		{ID: "new", What: events.Retrying, Stage: tasks.KindFetch},
	}
	for range 3 * recentEvents { // an idle minute
		all = append(all, events.Event{ID: "tick", What: events.Done, Stage: tasks.KindPromote}, events.Event{ID: "tick", What: events.Done, Stage: tasks.KindReconcile})
	}
	ids := func(es []events.Event) (out []string) {
		for _, e := range es {
			out = append(out, e.ID)
		}
		return out
	}
	if diff := cmp.Diff([]string{"new", "bad tick", "old"}, ids(newest(all))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 2 * recentEvents {
		all = append(all, events.Event{What: events.Admitted})
	}
	if got := len(newest(all)); got != recentEvents {
		t.Errorf("%d events, want %d", got, recentEvents)
	}
}

func TestQuery(t *testing.T) {
	for in, want := range map[string]catalog.Query{
		"":                        {Limit: 20},
		"q=a+b&crawl=c":           {Words: "a b", Crawl: "c", Limit: 20},
		"q=a&limit=0&from=-1":     {Words: "a", Limit: 1},
		"q=a&limit=999&from=1e9":  {Words: "a", Limit: 100},
		"limit=x&from=9999999999": {Limit: 20, From: 10_000},
		"q=%ff&limit=50&from=40":  {Words: "\xff", Limit: 50, From: 40},
		"q=a&q=b&unknown=1":       {Words: "a", Limit: 20},
	} {
		if diff := cmp.Diff(want, query(httptest.NewRequest("GET", "/search?"+in, nil))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
}
