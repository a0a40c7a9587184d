package signals

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"example.org/trawl/events"
	"example.org/trawl/fault"
	"example.org/trawl/tasks"
	"example.org/trawl/weburl"
)

// What a Top counts, and by what.
const (
	Arrivals = "arrivals" // pages that are new to the frontier
	Starts   = "starts"   // requests for a page
	Busy     = "busy"     // milliseconds of places that ask hosts
	Bytes    = "bytes"    // of bodies
	Troubles = "troubles" // runs that failed
	Missing  = "missing"  // pages whose host does not exist

	ByHost      = "host"
	ByDomain    = "domain"
	ByBlock     = "block" // of addresses: /24, or /48 of IPv6
	BySubmitter = "submitter"
	ByOrigin    = "origin"
	ByType      = "type" // media type
	ByPage      = "page"
)

// Name is the key in Beat.Top of what is counted, and by what.
func Name(measure, dimension string) string { return measure + "/" + dimension }

// doingTold is how many runs a Beat tells of, and doingSince from when on it is worth it.
const (
	doingTold  = 8
	doingSince = time.Second
)

// Fold counts what the stages of this process do. It is the pipeline's Recorder, and quick: about a microsecond an event.
type Fold struct {
	mu   sync.Mutex
	beat Beat
	last time.Time // end of the last beat
	runs map[uint64]*run
}

// run is a stage's run that is under way.
type run struct {
	event   events.Event // started
	counted time.Time    // up to when its time is in a beat
	long    bool         // it is counted as a long transfer
}

// NewFold returns an empty fold.
func NewFold(now time.Time) *Fold {
	f := &Fold{last: now, runs: map[uint64]*run{}}
	f.beat = newBeat()
	return f
}

func newBeat() Beat {
	return Beat{Stages: map[tasks.Kind]*Flow{}, Top: map[string]*Top{}}
}

// Record implements pipeline.Recorder.
func (f *Fold) Record(e events.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.What == events.Admitted:
		f.arrived(e)
		return
	case e.Run == 0: // a page that was closed before its first stage
		f.flow(e.Stage).closed(e)
		return
	}
	flow := f.flow(e.Stage)
	if e.What == events.Started {
		flow.Started++
		flow.Wait.Add(e.Waited)
		f.runs[e.Run] = &run{event: e, counted: e.At}
		return
	}
	flow.Service.Add(e.Took)
	flow.closed(e)
	for _, k := range e.Follows {
		f.flow(k).Enqueued++
	}
	if r := f.runs[e.Run]; r != nil {
		delete(f.runs, e.Run)
		f.spend(r, e.At)
		f.transferred(r, e)
	}
	f.asked(e)
	if e.Fault != "" {
		f.top(Troubles, ByHost, e.Host, 1)
		f.top(Troubles, BySubmitter, e.Submitter, 1)
		if fault.Of(e.Fault).Blame == fault.BlameOurs {
			f.top(Troubles, ByPage, e.URL, 1)
		}
	}
}

func (f *Fold) flow(k tasks.Kind) *Flow {
	if f.beat.Stages[k] == nil {
		f.beat.Stages[k] = &Flow{}
	}
	return f.beat.Stages[k]
}

func (f *Flow) closed(e events.Event) {
	switch e.What {
	case events.Done:
		f.Done++
	case events.Ended:
		f.Ended++
	case events.Failed:
		f.Failed++
		f.fault(e.Fault, 1)
	case events.Retrying:
		f.Retried++
		f.fault(e.Fault, 1)
	}
}

func (f *Fold) top(measure, dimension, name string, n int64) {
	key := Name(measure, dimension)
	t := f.beat.Top[key]
	if t == nil {
		t = &Top{}
		f.beat.Top[key] = t
	}
	t.Add(name, n)
}

func (f *Fold) arrived(e events.Event) {
	f.top(Arrivals, ByHost, e.Host, 1)
	f.top(Arrivals, ByDomain, weburl.Site(weburl.Hostname(e.URL)), 1)
	f.top(Arrivals, BySubmitter, e.Submitter, 1)
	f.top(Arrivals, ByOrigin, string(e.Origin), 1)
}

// spend counts the time that a run took since it was last counted.
func (f *Fold) spend(r *run, now time.Time) {
	d := max(now.Sub(r.counted), 0)
	r.counted = now
	e := r.event
	f.flow(e.Stage).Busy += d
	if e.Stage != tasks.KindFetch && e.Stage != tasks.KindHead {
		return
	}
	f.top(Busy, ByHost, e.Host, d.Milliseconds())
	f.top(Busy, ByDomain, weburl.Site(weburl.Hostname(e.URL)), d.Milliseconds())
	f.top(Busy, BySubmitter, e.Submitter, d.Milliseconds())
	if now.Sub(e.At) > LongTransfer {
		f.beat.Web.LongBusy += d
		f.beat.Web.Busy += d
		if !r.long {
			r.long = true
			f.beat.Web.Long++
		}
	}
}

// transferred counts a transfer that ended before it was a long one; it may turn out to be a large one.
func (f *Fold) transferred(r *run, e events.Event) {
	if r.long || e.Stage != tasks.KindFetch && e.Stage != tasks.KindHead {
		return
	}
	f.beat.Web.Busy += e.Net.Connect + e.Net.TLS + e.Net.FirstByte + e.Net.Body
	if e.Bytes >= LargeTransfer {
		f.beat.Web.Long++
		f.beat.Web.LongBusy += min(e.Took, e.At.Sub(f.last))
	}
}

// asked counts what a run had to do with the network.
func (f *Fold) asked(e events.Event) {
	w := &f.beat.Web
	switch e.Stage {
	case tasks.KindResolve:
		w.Lookups++
		w.DNS.Add(e.Net.DNS)
		switch {
		case e.Fault == fault.DNSDown:
			w.Unnamed++
		case e.What == events.Ended && e.Reason == string(tasks.NoSuchHost):
			w.Missing++
			f.top(Missing, BySubmitter, e.Submitter, 1)
			f.top(Missing, ByDomain, weburl.Site(weburl.Hostname(e.URL)), 1)
		}
	case tasks.KindHead, tasks.KindFetch:
		if e.Stage == tasks.KindFetch && (e.Status > 0 || e.Fault != "") { // else it came too early, and comes again
			f.top(Starts, ByOrigin, cmp.Or(string(e.Origin), "first"), 1)
			f.top(Starts, BySubmitter, e.Submitter, 1)
		}
		for _, part := range []struct {
			h *Hist
			d time.Duration
		}{{&w.Connect, e.Net.Connect}, {&w.TLS, e.Net.TLS}, {&w.FirstByte, e.Net.FirstByte}, {&w.Body, e.Net.Body}} {
			if part.d > 0 {
				part.h.Add(part.d)
			}
		}
		if e.Status == 0 {
			return
		}
		w.Answers++
		switch e.Status {
		case 429, 503:
			w.Pushed++
		case 304:
			w.Unchanged++
		}
		if w.Bytes += e.Bytes; e.Bytes > 0 {
			f.top(Bytes, ByHost, e.Host, e.Bytes)
			f.top(Bytes, ByDomain, weburl.Site(weburl.Hostname(e.URL)), e.Bytes)
			f.top(Bytes, ByBlock, block(e.Addr), e.Bytes)
			f.top(Bytes, BySubmitter, e.Submitter, e.Bytes)
			f.top(Bytes, ByType, mediaType(e.Type), e.Bytes)
			f.top(Busy, ByType, mediaType(e.Type), e.Took.Milliseconds())
		}
	}
}

func block(a netip.Addr) string {
	bits := 24
	if a = a.Unmap(); a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// Beat returns what was counted since the last, and begins anew.
func (f *Fold) Beat(now time.Time) Beat {
	f.mu.Lock()
	defer f.mu.Unlock()
	var doing []Doing
	for _, r := range f.runs {
		f.spend(r, now)
		flow := f.flow(r.event.Stage)
		flow.Active++
		if now.Sub(r.event.At) >= doingSince {
			doing = append(doing, Doing{Stage: r.event.Stage, URL: r.event.URL, Since: r.event.At})
		}
	}
	b := f.beat
	b.At, b.Span, b.Doing = now, now.Sub(f.last), longest(doing)
	f.beat, f.last = newBeat(), now
	return b
}

// longest returns the few that have been under way longest.
func longest(all []Doing) []Doing {
	slices.SortFunc(all, func(a, b Doing) int { return a.Since.Compare(b.Since) })
	return all[:min(len(all), doingTold)]
}
