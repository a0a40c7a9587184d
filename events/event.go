// Package events is the crawl as others see it, in two Redis Streams: URLs come in by trawl:submit, and what happens to them
// goes out by trawl:events, which a program in any language can follow.
package events

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"example.org/trawl/fault"
	"example.org/trawl/tasks"
)

// The streams.
const (
	FeedStream     = "trawl:events"
	SubmitStream   = "trawl:submit"
	RejectedStream = "trawl:submit:rejected"
)

// What names what happened.
type What string

// What can happen.
const (
	Admitted What = "admitted" // a page is new to the frontier
	Started  What = "started"  // a stage began
	Done     What = "done"     // a stage is through; of store: the page is stored
	Failed   What = "failed"   // a visit is out of tries
	Ended    What = "ended"    // a visit ended by policy
	Retrying What = "retrying" // a stage failed and will be tried again
)

// Event is one thing that happened.
type Event struct {
	ID        string // unique; in the feed it is the entry's ID unless set
	At        time.Time
	What      What
	Stage     tasks.Kind
	Visit     string
	Crawl     string
	Submitter string
	URL       string
	Host      string
	Took      time.Duration
	Bytes     int64
	Fault     fault.Kind
	Reason    string
	Status    int
	Digest    string
	WARC      tasks.WARC
	Tally
}

// Tally is what an event says beside that to those who count in the same process. It is not in the feed.
type Tally struct {
	Run     uint64        // number of the stage's run: the same in started and in what it came to
	Waited  time.Duration // from when the task was ready until it started
	Net     tasks.Took    // where the time of the exchange went
	Type    string        // media type of the answer
	Addr    netip.Addr    // who was asked
	Origin  tasks.Origin  // of an admitted page; of a visit whether it is a revisit or a retry, and nothing otherwise
	Follows []tasks.Kind  // what the run is followed by
}

// fields returns e as the flat pairs of a stream entry; fields without a value are left out.
func (e Event) fields() []any {
	f := []any{"id", e.ID, "at", e.At.UnixMilli(), "event", string(e.What)}
	add := func(name, value string) {
		if value != "" {
			f = append(f, name, value)
		}
	}
	add("stage", string(e.Stage))
	add("visit", e.Visit)
	add("crawl", e.Crawl)
	add("submitter", e.Submitter)
	add("url", e.URL)
	add("host", e.Host)
	if e.Took > 0 {
		add("ms", strconv.FormatFloat(float64(e.Took.Microseconds())/1000, 'f', -1, 64))
	}
	if e.Bytes > 0 {
		add("bytes", strconv.FormatInt(e.Bytes, 10))
	}
	add("fault", string(e.Fault))
	add("reason", e.Reason)
	if e.Status > 0 {
		add("status", strconv.Itoa(e.Status))
	}
	add("digest", e.Digest)
	if e.WARC.File != "" {
		add("warc", fmt.Sprintf("%s:%d:%d", e.WARC.File, e.WARC.Offset, e.WARC.Length))
	}
	return f
}

// parse reads what fields wrote.
func parse(values map[string]any) Event {
	s := func(name string) string { v, _ := values[name].(string); return v }
	n := func(name string) int64 { v, _ := strconv.ParseInt(s(name), 10, 64); return v }
	ms, _ := strconv.ParseFloat(s("ms"), 64)
	e := Event{
		ID: s("id"), At: time.UnixMilli(n("at")), What: What(s("event")), Stage: tasks.Kind(s("stage")), Visit: s("visit"),
		Crawl: s("crawl"), Submitter: s("submitter"), URL: s("url"), Host: s("host"), Took: time.Duration(ms * float64(time.Millisecond)),
		Bytes: n("bytes"), Fault: fault.Kind(s("fault")), Reason: s("reason"), Status: int(n("status")), Digest: s("digest"),
	}
	e.WARC = parseWARC(s("warc"))
	return e
}

func parseWARC(s string) (w tasks.WARC) {
	i, j := lastColons(s)
	if i < 0 {
		return w
	}
	w.File = s[:i]
	w.Offset, _ = strconv.ParseInt(s[i+1:j], 10, 64)
	w.Length, _ = strconv.ParseInt(s[j+1:], 10, 64)
	return w
}

// lastColons returns the places of the last two colons of s, or -1.
func lastColons(s string) (i, j int) {
	i, j = -1, -1
	for k := len(s) - 1; k >= 0; k-- {
		if s[k] != ':' {
			continue
		}
		if j < 0 {
			j = k
			continue
		}
		return k, j
	}
	return -1, -1
}

// Map returns e as it stands in the feed.
func (e Event) Map() map[string]any {
	f := e.fields()
	m := make(map[string]any, len(f)/2)
	for i := 0; i+1 < len(f); i += 2 {
		m[fmt.Sprint(f[i])] = f[i+1]
	}
	return m
}
