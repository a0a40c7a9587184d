package tasks_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"example.org/trawl/tasks"
)

var (
	visit = tasks.Visit{
		ID: "0123456789abcdef", Page: 123_456_789, URL: "https://www.example.org/articles/2026/03/a-rather-long-title-of-an-article.html?page=2&sort=date", Crawl: "default",
		Submitter: "somebody", Depth: 12, Reach: tasks.NoLimit, Tries: 2,
		Prior: &tasks.Prior{ETag: `W/"5f3c-61a2b3c4d5e6f"`, LastModified: "Sun, 01 Mar 2026 12:00:00 GMT", Payload: "sha1:" + strings.Repeat("A", 32), At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), URL: "https://www.example.org/articles/a-rather-long-title-of-an-article.html"},
	}
	leg = tasks.Leg{
		Visit: visit, Target: "https://www.example.org/articles/2026/03/a-rather-long-title-of-an-article/", Hop: 1, Slot: 1_772_000_000_123, Head: true, Turn: true,
		Limit: tasks.Limit{Delay: 1500 * time.Millisecond, Floor: 1500 * time.Millisecond, PerHost: 1, PerDomain: 2, PerIP: 3, Adapt: true},
		Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1234:5678")},
	}
	examples = []tasks.Task{
		tasks.Admit{Batch: "b", Crawl: "c", Submitter: "s", Origin: tasks.OriginSeed, Reach: 3, Priority: 1, Settings: json.RawMessage(`{"delay":0}`), Every: "24h", Again: true, URLs: []string{"http://a.test/"}},
		tasks.Admit{Batch: "page-7-1", Crawl: "c", Page: 7, From: "http://a.test/", Depth: 2, Reach: tasks.NoLimit},
		tasks.Resolve{Leg: leg},
		tasks.Head{Leg: leg},
		tasks.Fetch{Leg: leg},
		tasks.Store{
			Visit: visit, FinalURL: leg.Target, Status: 200, ContentType: "text/html; charset=utf-8", Encoding: "gzip", RobotsTag: []string{"noindex"}, ETag: `"5f3c"`,
			Modified: "Sun, 01 Mar 2026 12:00:00 GMT", Size: 123_456, Digest: "sha256:" + strings.Repeat("0", 64), Payload: "sha1:" + strings.Repeat("A", 32),
			WARC: tasks.WARC{File: "trawl-20260301120000123-00001-host.example.org.warc.gz", Offset: 1 << 29, Length: 12_345}, Truncated: "length", Took: tasks.Took{Connect: 123 * time.Millisecond, TLS: 45_678 * time.Microsecond, FirstByte: 1234 * time.Millisecond, Body: 500 * time.Microsecond, DNS: 42 * time.Microsecond}, At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		},
		tasks.Index{Batch: "index-1772000000"},
		tasks.Promote{},
		tasks.Reconcile{},
		tasks.Schedule{Entry: "7"},
	}
)

func TestEncodeAndDecodeEveryKind(t *testing.T) {
	seen := map[tasks.Kind]bool{}
	for _, want := range examples {
		seen[want.Kind()] = true
		b, err := tasks.Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tasks.Decode(want.Kind(), b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-sent +got):\n%s", want.Kind(), diff)
		}
		if got.ID() != want.ID() || got.ID() == "" {
			t.Errorf("%s: ID %q became %q", want.Kind(), want.ID(), got.ID())
		}
		if k := want.Kind(); k != tasks.KindAdmit && len(b) >= 1024 {
			t.Errorf("%s: the payload of an ordinary page has %d octets, want less than 1 KB: it is kept in Redis for every queued page", k, len(b))
		}
	}
	for _, s := range tasks.Specs() {
		if !seen[s.Kind] {
			t.Errorf("%s: no example", s.Kind)
		}
		if _, err := tasks.Decode(s.Kind, []byte(`{"v":[`)); err == nil && s.Queue != tasks.QueuePeriodic {
			t.Errorf("%s: half a payload was read", s.Kind)
		}
	}
	if _, err := tasks.Decode("nothing", []byte("{}")); err == nil {
		t.Error("an unknown kind was read")
	}
}

// Asynq's ServeMux matches prefixes: a handler of "fetch" would get the tasks of "fetch-more".
func TestNoKindBeginsWithAnother(t *testing.T) {
	all := tasks.Specs()
	for i, a := range all {
		for j, b := range all {
			if i != j && strings.HasPrefix(string(a.Kind), string(b.Kind)) {
				t.Errorf("%s begins with %s", a.Kind, b.Kind)
			}
		}
		if a.Timeout <= 0 || a.Concurrency <= 0 || a.Queue == "" {
			t.Errorf("%s: %+v", a.Kind, a)
		}
	}
}

func TestTurn(t *testing.T) {
	l := tasks.Leg{Visit: tasks.Visit{ID: "v"}}
	once := l.Again(time.UnixMilli(5))
	if l.ID() == once.ID() || once.ID() != tasks.TurnedID("v") || once.Again(time.UnixMilli(6)).ID() != l.ID() {
		t.Errorf("a stage that follows itself has the IDs %q, %q, …: the queue would take the second for the first", l.ID(), once.ID())
	}
	if n := tasks.Then(tasks.Fetch{Leg: once}).Next[0]; !n.At.Equal(time.UnixMilli(5)) {
		t.Errorf("its slot is at 5 ms, and it goes at %s", n.At)
	}
}

func TestSettingsMergeOnlyWhatIsNamed(t *testing.T) {
	old := tasks.Defaults()
	old.Include, old.MaxPages = "x", 5
	got, err := old.Merge(json.RawMessage(`{"delay":0,"per_host":16,"include":""}`))
	want := old
	want.Delay, want.PerHost, want.Include = 0, 16, ""
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := old.Merge(nil); err != nil || !reflect.DeepEqual(got, old) {
		t.Errorf("nothing named: %+v, %v", got, err)
	}
	for _, bad := range []string{`{"scope":"town"}`, `{"head":"often"}`, `{"include":"("}`, `{"exclude":"["}`, `{"max_pages":0}`, `{"delay":-1}`, `{"per_host":0}`, `[]`} {
		if _, err := old.Merge(json.RawMessage(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := tasks.NewID()
		if len(id) != 16 || seen[id] {
			t.Fatalf("ID %q of %d characters, seen before: %v", id, len(id), seen[id])
		}
		seen[id] = true
	}
}
