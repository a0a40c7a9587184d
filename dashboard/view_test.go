package dashboard

import (
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.org/trawl/catalog"
	"example.org/trawl/events"
	"example.org/trawl/explain"
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

func TestTelling(t *testing.T) {
	for want, all := range map[bool][]events.Event{
		true:  {{What: events.Done, Stage: tasks.KindStore}, {What: events.Failed, Stage: tasks.KindPromote}, {What: events.Retrying, Stage: tasks.KindFetch}, {What: events.Admitted}},
		false: {{What: events.Started, Stage: tasks.KindFetch}, {What: events.Done, Stage: tasks.KindPromote}, {What: events.Done, Stage: tasks.KindReconcile}},
	} {
		for _, e := range all {
			if telling(e) != want {
				t.Errorf("%+v: want %v", e, want)
			}
		}
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

func TestText(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{web("http://a.test/x?y=z"), "http://a.test/x?y=z"},
		{web("https://a.test:8443"), "https://a.test:8443"},
		{web("javascript:alert(1)"), ""},
		{web("data:text/html,x"), ""},
		{web("//a.test/"), ""},
		{web("http:///x"), ""},
		{web(" http://a.test/"), ""},
		{web(""), ""},
		{secs(0), "–"},
		{secs(2), "2s"},
		{secs(0.25), "300ms"},
		{lines([]byte("a\r\nb\x1b\n\n\xff\n")), "a\nb\ufffd\n\n\ufffd"},
		{shellWord("http://a.test:80"), "http://a.test:80"},
		{shellWord("two words"), "'two words'"},
		{shellWord("$(rm -rf ~)"), "'$(rm -rf ~)'"},
		{shellWord("it's"), `'it'\''s'`},
		{shellWord("--all"), "'--all'"},
		{shellWord("a\nb"), "'a b'"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestHostSentence(t *testing.T) {
	open := catalog.Counts{Waiting: 1200, Queued: 3}
	for _, c := range []struct {
		name string
		in   status.Host
		want string
	}{
		{"done", status.Host{State: catalog.HostOK, Counts: catalog.Counts{Stored: 1200, Failed: 1}}, "Nothing is left to do: 1,200 stored, 1 failed."},
		{"under way", status.Host{State: catalog.HostOK, Counts: open, ETA: 130}, "1,200 waiting, 3 queued; through in about 2 min."},
		{"no delay", status.Host{State: catalog.HostOK, Counts: open}, "1,200 waiting, 3 queued; as fast as the workers get to it."},
		{"paused", status.Host{Host: "http://a.test:80", State: catalog.HostPaused, Counts: open}, "Paused by an operator: 1,200 waiting, 3 queued. trawl resume --host http://a.test:80 takes that back."},
		{"given up", status.Host{State: catalog.HostDead, Fault: "tls", GivenUp: true, Counts: open}, "Given up for tls: its pages fail."},
		{"pushed back", status.Host{State: catalog.HostBackoff, Counts: open}, "It asked for fewer requests: its pages wait, and keep their tries. 1,200 waiting, 3 queued."},
	} {
		if got := hostSentence(c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for _, s := range catalog.HostStates()[1:] {
		if stateWords(s) == "" {
			t.Errorf("no words for the state %s", s)
		}
	}
}

func TestPageSentence(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	ago, in := now.Add(-time.Hour), now.Add(2*time.Minute)
	page := func(p explain.Page) *explain.Explanation {
		return &explain.Explanation{Canonical: "http://a.test/", Page: &p}
	}
	waiting := func(why string, at *time.Time) *explain.Explanation {
		x := page(explain.Page{State: catalog.Waiting})
		x.Waits, x.Expected = why, at
		return x
	}
	slot := page(explain.Page{State: catalog.Queued})
	slot.Expected = &in
	for _, c := range []struct {
		in   *explain.Explanation
		want string
	}{
		{&explain.Explanation{Steps: []explain.Step{{What: "url", Says: "refused: no\x1bhost"}}}, "This is no URL that can be crawled: refused: no\ufffdhost."},
		{&explain.Explanation{Canonical: "http://a.test/"}, "Not known to crawl docs: never submitted, and no crawled page links to it in scope. This is what would become of it."},
		{waiting("polite", &in), "Waits: for its turn at its host; expected to start at 2026-03-04 05:08:07 (2 minutes from now)."},
		{waiting("paused", nil), "Waits: it is paused by an operator."},
		{page(explain.Page{State: catalog.Queued}), "Queued: a visit is under way."},
		{slot, "Queued: a visit is under way, and may touch the host at 05:08:07 (2 minutes from now)."},
		{page(explain.Page{State: catalog.Stored, FetchedAt: &ago, NextDue: &in}), "Stored 1 hour ago; due again 2 minutes from now."},
		{page(explain.Page{State: catalog.Failed, FetchedAt: &ago, Reason: "server_error"}), "Failed 1 hour ago of server error."},
		{page(explain.Page{State: catalog.Ended, Reason: "robots"}), "Ended at a time that is not known: robots."},
	} {
		if got := pageSentence(c.in, "docs", now); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	for _, reason := range status.Reasons() {
		if waitWords(reason) == "" {
			t.Errorf("no words for %s", reason)
		}
	}
}

func TestDoLink(t *testing.T) {
	for command, want := range map[string]string{
		"trawl pause --submitter cleo":          "/do?submitter=cleo&verb=pause",
		"trawl resume --host http://a.test:80":  "/do?host=http%3A%2F%2Fa.test%3A80&verb=resume",
		"trawl worker --stages fetch":           "",
		"trawl pause --submitter cleo --json x": "",
		"trawl hosts --state backoff":           "",
		"redis-cli --bigkeys":                   "",
		"trawl cancel --data /":                 "",
	} {
		if got := doLink(command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
}
